"""What a recipe will cost in memory, asked of a process of its own: only that room may load torch. Answers are kept, and one that is
known when a run starts is kept with the run, to be held against what the run then took.

Not here: how it is measured (``lab/training/measure/memory.py``), and what it means (``lab/core/budget.py``).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from lab.core.budget import Estimate, Memory
from lab.core.recipes import Device, Recipe
from lab.errors import LabError, MachineError
from lab.machine import machine_memory
from lab.runs.kept_estimates import KeptEstimates
from lab.runs.worker_query import Answers, NoAnswerError, ask, mark
from lab.store.run_folder import ESTIMATE, RunFolder

PATIENCE = 600.0
NO_MATTER = frozenset(
    {"name", "about_en", "about_zh", "seed", "steps", "learning_rate", "schedule", "warmup_steps", "weight_decay"}
    | {"max_grad_norm", "save_every", "measure_every", "lora_alpha", "epsilon_low", "epsilon_high", "temperature"}
    | {"threshold", "scale_rewards", "skip_no_spread", "kl_coefficient", "discount", "gae_lambda", "value_clip"}
    | {"value_coefficient", "rules", "rules_weight", "reward_model_weight", "loss_type", "iterations"}
    | {"watch_preferences"}  # measured in batches that are smaller than those of an update
)
"""Settings that change no tensor's size."""


def estimate(recipe: Recipe, home: Path, *, shape: Path | None = None) -> Estimate:
    """Measure a recipe's memory on the meta device; takes seconds, and is kept. ``shape`` is a ``config.json`` for the model.

    Raises the LabError of a model, data or device that is not there, MachineError where the measuring itself failed.
    """
    arguments = ["--measure", "-", "--home", str(home)]
    arguments += ["--shape", str(shape.absolute())] if shape is not None else []
    try:
        found = Estimate.model_validate(ask(arguments, recipe.model_dump_json(), PATIENCE))
    except subprocess.TimeoutExpired:
        raise MachineError("estimate_late", seconds=round(PATIENCE)) from None
    except NoAnswerError as ended:
        raise MachineError("estimate_failed", why=ended.line) from None
    except (OSError, ValueError) as error:
        raise MachineError("estimate_failed", why=str(error)[:300]) from None
    if shape is None:
        KeptEstimates(home).keep(recipe, _key(recipe), found)
    return found


class Estimator:
    """Estimates for a page: ``look`` never waits. Free memory is read anew each time where the machine's own counts."""

    def __init__(self, home: Path, answered: Callable[[], None] = lambda: None) -> None:
        """``answered`` is called when an estimate is known that was not before."""
        self._kept = KeptEstimates(home)
        self._answers: Answers[Recipe, Estimate] = Answers(lambda recipe: estimate(recipe, home), answered)

    def look(self, recipe: Recipe) -> Estimate | LabError | None:
        """What is known of this recipe; None while it is measured, which this call has then asked for."""
        found = self._answers.look(_key(recipe), recipe)
        return with_memory_now(found) if isinstance(found, Estimate) else found

    def known(self, recipe: Recipe) -> Estimate | None:
        """What was measured already, by this app or an earlier one; asks for nothing."""
        key = _key(recipe)
        found = self._answers.known(key)
        if found is None:
            kept = self._kept.find(recipe, key)
            found = kept if kept is not None and kept.memory.device == Device.CPU else None
        if not isinstance(found, Estimate):
            return None
        now = with_memory_now(found)
        return (
            now if now.fits or now.alternatives else None
        )  # it fitted when it was measured: what would help is not known


def keep_with_run(recipe: Recipe, home: Path, folder: RunFolder) -> None:
    """Write what was estimated of a run's recipe before into its folder, where it is known, once. Nothing is measured for it."""
    if folder.estimate() is not None:
        return
    found = KeptEstimates(home).find(recipe, _key(recipe))
    if found is not None:
        with suppress(OSError, LabError):
            folder.write(ESTIMATE, found.model_dump(mode="json"), durable=False)


def measured_and_estimated(folder: RunFolder) -> dict[str, int] | None:
    """``{"measured_bytes", "estimated_bytes", "libraries_bytes"}`` of a finished run: its peak above its libraries, and the estimate.

    None while it is not finished, and where no estimate was known before it started.
    """
    result, kept = folder.result(), folder.estimate()
    if not isinstance(result, dict) or result.get("state") != "finished" or kept is None:
        return None
    try:
        estimated, libraries = Estimate.model_validate(kept).cost.peak, int(result["libraries_bytes"])
        measured = int(result["peak_memory_bytes"]) - libraries
    except (ValidationError, KeyError, TypeError, ValueError):
        return None
    if measured <= 0:
        return None
    return {"measured_bytes": measured, "estimated_bytes": estimated, "libraries_bytes": libraries}


def with_memory_now(found: Estimate) -> Estimate:
    """The estimate against what is free at this moment; a GPU's memory stays as the worker found it."""
    if found.memory.device == Device.CUDA:
        return found
    free, total = machine_memory()
    memory = Memory(device=found.memory.device, free=free, total=total, libraries=found.memory.libraries)
    return found.model_copy(update={"memory": memory})


def _key(recipe: Recipe) -> str:
    """What a recipe's memory depends on; a data file counts with its time and size."""
    values = {name: value for name, value in recipe.model_dump(mode="json").items() if name not in NO_MATTER}
    return json.dumps([values, mark(recipe.dataset)], sort_keys=True)
