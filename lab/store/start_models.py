"""The models that are here and write text, so that a run or a job can start from them: shipped, fetched, and of finished runs.

A name says no more than where a model lies; whether a recipe may use it is the checks' affair (``lab/runs/checks.py``).
"""

from __future__ import annotations

from lab.core.algorithms import ALGORITHMS
from lab.store.catalogue import fetched_names
from lab.store.models import SHIPPED
from lab.store.runs import Run, RunState, Store


def bases_here(store: Store) -> list[str]:
    """The shipped models, then those in LAB_HOME/models."""
    return [*SHIPPED, *fetched_names(store.home)]


def finished_writers(store: Store) -> list[Run]:
    """The finished runs whose model writes text (a reward model gives a score instead), the newest first."""
    return [run for run in store.runs() if run.state is RunState.FINISHED and ALGORITHMS[run.algorithm].writes_text]
