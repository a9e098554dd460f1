"""Previews of a recipe's rows as the model will see them, made by a worker process (``lab/training/preview.py``)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.core.recipes import Recipe
from lab.errors import LabError, MachineError, StateError
from lab.runs.worker_query import PATIENCE, Answers, NoAnswerError, ask, mark

MATTER = (
    *("algorithm", "model", "dataset", "max_length", "max_completion_length", "pair_margin", "seed", "rules"),
    *("steps", "batch_size", "group_size", "measure_samples", "reward_model", "load_in_4bit", "train_on"),
)
"""Settings that decide which rows there are and how they look."""

Seen = dict[str, Any]


def preview(recipe: Recipe, home: Path) -> Seen:
    """Three rows, in the form of ``lab/training/preview.py``; takes seconds.

    Raises the LabError of a model or data that cannot be used, MachineError where it takes too long, StateError where it broke.
    """
    try:
        rows: Seen = ask(["--preview", str(home)], recipe.model_dump_json(), PATIENCE)
    except subprocess.TimeoutExpired:
        raise MachineError("preview_late", seconds=round(PATIENCE)) from None
    except NoAnswerError as ended:
        raise StateError("worker_crashed", code=ended.code, line=ended.line) from None
    except OSError as error:
        raise StateError("worker_crashed", code="–", line=str(error)) from None
    return rows


class Previews:
    """Previews for a page that never waits."""

    def __init__(self, home: Path, answered: Callable[[], None] = lambda: None) -> None:
        """``answered`` is called when rows are known that were not before."""
        self._answers: Answers[Recipe, Seen] = Answers(lambda recipe: preview(recipe, home), answered)

    def look(self, recipe: Recipe) -> Seen | LabError | None:
        """The rows, or the error; None while they are read, which this call starts."""
        return self._answers.look(_key(recipe), recipe)


def _key(recipe: Recipe) -> str:
    values = recipe.model_dump(mode="json")
    return json.dumps([[values.get(name) for name in MATTER], mark(recipe.dataset)], sort_keys=True)
