"""The models that are here and write text, so that a run or a job can start from them: shipped, fetched, and of finished runs.

A name says no more than where a model lies; whether a recipe may use it is the checks' affair (``lab/runs/checks.py``).
"""

from __future__ import annotations

from lab.core.algorithms import ALGORITHMS, Head
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


def talkers(store: Store) -> list[dict[str, str]]:
    """What one can talk to, as ``{"model", "name"}``: bases, the models of finished runs, and every complete checkpoint, of running runs too."""
    models = [{"model": name, "name": name} for name in bases_here(store)]
    writers = {each.name for each in ALGORITHMS.values() if each.writes_text}
    for run in store.runs():
        if run.algorithm not in writers:
            continue
        folder = store.folder(run.id)
        if run.state.ended and folder.model_path.is_dir():
            models.append({"model": f"run:{run.id}", "name": f"{run.name} · {run.id}"})
        for step in reversed(folder.kept_steps()):
            models.append({"model": f"run:{run.id}@{step}", "name": f"{run.name} · {run.id} @{step}"})
    return models


def reward_models(store: Store) -> list[dict[str, str]]:
    """The finished runs whose model gives a score, as ``{"model", "name"}``, the newest first."""
    scorers = {each.name for each in ALGORITHMS.values() if each.head is Head.SCORE}
    finished = [run for run in store.runs() if run.state is RunState.FINISHED and run.algorithm in scorers]
    return [{"model": f"run:{run.id}", "name": f"{run.name} · {run.id}"} for run in finished]
