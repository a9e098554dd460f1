"""How long the parts of a recipe take here: timed by a worker process, since only a worker loads torch, and cached.

Not here: how they are timed (``lab/training/measure/time_probe.py``), and what follows from them (``lab/core/run_time.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab.core.recipes import Recipe
from lab.core.run_time import RunTime
from lab.errors import LabError
from lab.runs.kept_estimates import KeptAnswers
from lab.runs.launcher import cores
from lab.runs.worker_query import Answers, measure, recipe_key

IRRELEVANT = frozenset(
    {"name", "about_en", "about_zh", "seed", "steps", "learning_rate", "schedule", "warmup_steps", "weight_decay"}
    | {"max_grad_norm", "save_every", "measure_every", "lora_alpha", "watch_preferences"}
    | {"max_seconds", "max_tokens_trained", "max_tokens_generated"}
)
"""Settings that change nothing in how long a step or a measurement takes."""


def run_time(recipe: Recipe, home: Path) -> RunTime:
    """Time the parts of a recipe; takes seconds to a minute, and is kept.

    Raises the LabError of a model or data that is not there, MachineError where the timing itself failed.
    """
    threads = max(1, cores() - 1)
    measured = measure(RunTime, ["--time", str(home)], recipe, late="time_late", failed="time_failed", threads=threads)
    _kept(home).keep(recipe, _key(recipe), measured)
    return measured


def known_time(recipe: Recipe, home: Path) -> RunTime | None:
    """The time that was measured before, by this process or an earlier one; starts no measurement."""
    return _kept(home).find(recipe, _key(recipe))


class RunTimes:
    """Times for a page that never waits."""

    def __init__(self, home: Path, answered: Callable[[], None] = lambda: None) -> None:
        """``answered`` is called when something is known that was not before."""
        self._home = home
        self._answers: Answers[Recipe, RunTime] = Answers(lambda recipe: run_time(recipe, home), answered)

    def look(self, recipe: Recipe) -> RunTime | LabError | None:
        """The time, or the error; None while it is measured, which this call starts."""
        return self.known(recipe) or self._answers.look(_key(recipe), recipe)

    def known(self, recipe: Recipe) -> RunTime | None:
        """The time that was measured before; starts no measurement."""
        answer = self._answers.known(_key(recipe))
        return answer if isinstance(answer, RunTime) else known_time(recipe, self._home)


def _kept(home: Path) -> KeptAnswers[RunTime]:
    return KeptAnswers(home, "times", RunTime)


def _key(recipe: Recipe) -> str:
    return recipe_key(recipe, IRRELEVANT)
