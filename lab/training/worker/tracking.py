"""Sends a run's metrics to an experiment tracker as well, through transformers' own callbacks. Nothing is imported where none is asked for.

Each logged step goes there with the names of ``metrics.jsonl``; held-out measurements and groups stay in the run's folder. Not here:
whether the tracker is installed (``lab/runs/checks.py``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lab.core.recipes import Recipe, Tracker
from lab.loading import hide

PROJECT = "alignment-lab"


def hide_trackers(wanted: str = "") -> None:
    """Keep every tracker but the wanted one from being imported. Called before trl is loaded, which imports all that are installed."""
    hide(*(tracker.value for tracker in Tracker if tracker and tracker.value != wanted))


def tracking(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """The arguments by which a trainer reports: ``report_to``, the project and the run's name.

    The trackers read where their files go from the environment: TensorBoard's are in the run's folder, those of Weights & Biases too.
    Trackio keeps its own database (``TRACKIO_DIR``). A variable that is set already stays as it is.
    """
    if not recipe.report_to:
        return {"report_to": []}
    os.environ.pop("WANDB_DISABLED", None)  # set for every worker (lab/runs/launcher.py)
    wanted = {
        Tracker.TENSORBOARD: {"TENSORBOARD_LOGGING_DIR": str(folder / "tensorboard")},
        Tracker.WANDB: {"WANDB_PROJECT": PROJECT, "WANDB_DIR": str(folder)},
        Tracker.TRACKIO: {},
    }
    for name, value in wanted[recipe.report_to].items():
        os.environ.setdefault(name, value)
    name = f"{recipe.name} {folder.name}".strip()
    return {"report_to": [recipe.report_to.value], "project": PROJECT, "run_name": name}
