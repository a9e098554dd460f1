"""A few rows of a recipe as the model will see them, asked of a process of its own. What they are is ``lab/training/preview.py``'s."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from lab.core.recipes import Recipe
from lab.errors import LabError, MachineError, StateError
from lab.runs.worker_query import Answers, NoAnswerError, ask, mark

PATIENCE = 600.0
MATTER = ("algorithm", "model", "dataset", "max_length", "max_completion_length", "pair_margin", "seed", "rules")
"""Settings that decide which rows there are and how they look."""

Seen = dict[str, Any]


def preview(recipe: Recipe, home: Path) -> Seen:
    """Three rows, in the form of ``lab/training/preview.py``; takes seconds.

    Raises the LabError of a model or data that cannot be used, MachineError where it takes too long, StateError where it broke.
    """
    try:
        found: Seen = ask(["--preview", str(home)], recipe.model_dump_json(), PATIENCE)
    except subprocess.TimeoutExpired:
        raise MachineError("preview_late", seconds=round(PATIENCE)) from None
    except NoAnswerError as ended:
        raise StateError("worker_crashed", code=ended.code, line=ended.line) from None
    except OSError as error:
        raise StateError("worker_crashed", code="–", line=str(error)) from None
    return found


class Previews:
    """Previews for a page that never waits."""

    def __init__(self, home: Path) -> None:
        self._answers: Answers[Recipe, Seen] = Answers(lambda recipe: preview(recipe, home))

    def look(self, recipe: Recipe) -> Seen | LabError | None:
        """The rows, or what is wrong with them; None while they are read, which this call has then asked for."""
        return self._answers.look(_key(recipe), recipe)


def _key(recipe: Recipe) -> str:
    values = recipe.model_dump(mode="json")
    return json.dumps([[values.get(name) for name in MATTER], mark(recipe.dataset)], sort_keys=True)
