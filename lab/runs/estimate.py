"""Memory estimates of recipes, measured by a worker process, since only a worker loads torch. Estimates are cached; one that is known
when a run starts is saved in the run's folder, to be compared with what the run took.

Not here: how it is measured (``lab/training/measure/memory.py``), and what it means (``lab/core/budget.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from lab.core.budget import Estimate, Memory
from lab.core.recipes import Device, Recipe
from lab.errors import LabError
from lab.machine import machine_memory
from lab.runs.kept_estimates import KeptEstimates
from lab.runs.worker_query import Answers, measure, recipe_key
from lab.store.run_folder import ESTIMATE, RunFolder

IRRELEVANT = frozenset(
    {"name", "about_en", "about_zh", "seed", "steps", "learning_rate", "schedule", "warmup_steps", "weight_decay"}
    | {"max_grad_norm", "save_every", "measure_every", "lora_alpha", "epsilon_low", "epsilon_high", "temperature"}
    | {"threshold", "scale_rewards", "skip_no_spread", "kl_coefficient", "discount", "gae_lambda", "value_clip"}
    | {"value_coefficient", "rules", "rules_weight", "reward_model_weight", "loss_type", "iterations"}
    | {"baseline", "ratio_level", "dynamic_sampling", "token_megabytes"}
    | {"rollouts", "rollout_memory", "importance_correction", "importance_cap"}  # an engine's memory is its own
    | {"watch_preferences"}  # measured in batches that are smaller than those of an update
)
"""Settings that change no tensor's size."""


def estimate(recipe: Recipe, home: Path, *, shape: Path | None = None) -> Estimate:
    """Measure a recipe's memory on the meta device; takes seconds, and is kept. ``shape`` is a ``config.json`` for the model.

    Raises the LabError of a model, data or device that is not there, MachineError where the measuring itself failed.
    """
    arguments = ["--measure", "-", "--home", str(home)]
    arguments += ["--shape", str(shape.absolute())] if shape is not None else []
    answer = measure(Estimate, arguments, recipe, late="estimate_late", failed="estimate_failed")
    if shape is None:
        KeptEstimates(home).keep(recipe, _key(recipe), answer)
    return answer


class Estimator:
    """Estimates for a page: ``look`` never waits. Free memory is read anew each time where the machine's own counts."""

    def __init__(self, home: Path, answered: Callable[[], None] = lambda: None) -> None:
        """``answered`` is called when an estimate is known that was not before."""
        self._kept = KeptEstimates(home)
        self._answers: Answers[Recipe, Estimate] = Answers(lambda recipe: estimate(recipe, home), answered)

    def look(self, recipe: Recipe) -> Estimate | LabError | None:
        """The estimate of a recipe, or the error; None while it is measured, which this call starts."""
        answer = self._answers.look(_key(recipe), recipe)
        return with_memory_now(answer) if isinstance(answer, Estimate) else answer

    def known(self, recipe: Recipe) -> Estimate | None:
        """The estimate that was measured before, by this app or an earlier one; starts no measurement."""
        key = _key(recipe)
        answer = self._answers.known(key)
        if answer is None:
            kept = self._kept.find(recipe, key)
            answer = kept if kept is not None and kept.memory.device == Device.CPU else None
        if not isinstance(answer, Estimate):
            return None
        now = with_memory_now(answer)
        # Where it fitted when it was measured and does not now, the alternatives are not known.
        return now if now.fits or now.alternatives else None


def keep_with_run(recipe: Recipe, home: Path, folder: RunFolder) -> None:
    """Save the cached estimate of a run's recipe in its folder, once. Nothing is measured for it."""
    if folder.estimate() is not None:
        return
    estimated = KeptEstimates(home).find(recipe, _key(recipe))
    if estimated is not None:
        with suppress(OSError, LabError):
            folder.write(ESTIMATE, estimated.model_dump(mode="json"), durable=False)


def measured_and_estimated(folder: RunFolder) -> dict[str, int] | None:
    """``{"measured_bytes", "estimated_bytes", "libraries_bytes"}`` of a finished run: its peak above its libraries, and the estimate.

    None while it is not finished, and where no estimate was known before it started.
    """
    result, kept = folder.result(), folder.estimate()
    if not isinstance(result, dict) or result.get("state") != "finished" or kept is None:
        return None
    try:
        estimate = Estimate.model_validate(kept)  # of one process; measured is what all of them took together
        estimated, libraries = (
            estimate.processes * each for each in (estimate.cost.peak, int(result["libraries_bytes"]))
        )
        measured = int(result["peak_memory_bytes"]) - libraries
    except (ValidationError, KeyError, TypeError, ValueError):
        return None
    if measured <= 0:
        return None
    return {"measured_bytes": measured, "estimated_bytes": estimated, "libraries_bytes": libraries}


def with_memory_now(measured: Estimate) -> Estimate:
    """The estimate against what is free at this moment; a GPU's memory stays as the worker measured it."""
    if measured.memory.device == Device.CUDA:
        return measured
    free, total = machine_memory()
    memory = Memory(device=measured.memory.device, free=free, total=total, libraries=measured.memory.libraries)
    return measured.model_copy(update={"memory": memory})


def _key(recipe: Recipe) -> str:
    return recipe_key(recipe, IRRELEVANT)
