"""The models that are here and write text, so that a run or a job can start from them: shipped, fetched, and of finished runs.

A name says no more than where a model lies; whether a recipe may use it is the checks' affair (``lab/runs/checks.py``).
"""

from __future__ import annotations

from lab.core.algorithms import ALGORITHMS
from lab.core.recipes import Training
from lab.errors import LabError
from lab.store.catalogue import fetched_names
from lab.store.models import SHIPPED
from lab.store.runs import Run, RunState, Store

LONGEST_CHAIN = 50


def bases_here(store: Store) -> list[str]:
    """The shipped models, then those in LAB_HOME/models."""
    return [*SHIPPED, *fetched_names(store.home)]


def finished_writers(store: Store) -> list[Run]:
    """The finished runs whose model writes text (a reward model gives a score instead), the newest first."""
    writers = {each.name for each in ALGORITHMS.values() if each.writes_text}
    return [run for run in store.runs() if run.state is RunState.FINISHED and run.algorithm in writers]


def base_of(store: Store, model: str) -> str:
    """What a model's adapters stand on: a model's name, or ``run:ID`` of the run that trained all weights, which made a base of its own.

    Where a run of the chain is gone, the last name that is known.
    """
    for _ in range(LONGEST_CHAIN):
        if not model.startswith("run:"):
            break
        try:
            recipe = store.run(model.removeprefix("run:").partition("@")[0]).recipe
        except LabError:
            break
        if recipe.get("training", Training.FULL) == Training.FULL:
            break
        model = str(recipe.get("model", ""))
    return model
