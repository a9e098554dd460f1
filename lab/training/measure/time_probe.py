"""Measures how long a recipe's parts take here: a few real steps of its own trainer on few rows, and a small held-out measurement.

Where a whole step is short enough, whole steps are timed; else a small one is, and scaled up by its rows and tokens. Printed as JSON by
``python -m lab.training --time HOME`` (the recipe comes on standard input). Nothing is saved. Not here: what follows from it
(``lab/core/run_time.py``).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.core.algorithms import DataForm, algorithm_of
from lab.core.recipes import Recipe, with_values
from lab.core.run_time import RunTime
from lab.data import datasets
from lab.data.datasets import Dataset
from lab.store.run_folder import RunFolder
from lab.training.cpu.format import settled
from lab.training.models.base import choose_device
from lab.training.models.length_filter import fit
from lab.training.task import Task, rule_set
from lab.training.worker.main import algorithm_file, on_chosen_split
from lab.training.worker.reporter import Reporter

AFFORDABLE = 5.0
"""Seconds that whole steps, or a whole measurement, may take to be timed whole."""
FEW_ROWS, FEW_TOKENS, FEW_SAMPLES = 2, 32, 16
MORE = 4
"""The second size that is timed is so many times the first: what a step costs whatever its size is told apart so."""
ROWS_LOOKED_AT = 500
PROMPT_TOKENS = 64
"""A prompt's tokens, by which the cost of a completion of another length is scaled."""


class ProbeTask(Task):
    """A task that saves nothing."""

    def arguments(self, **more: Any) -> dict[str, Any]:
        return super().arguments(**more) | {"save_strategy": "no"}


def run_time(recipe: Recipe, home: Path) -> RunTime:
    """Time the parts of a recipe. Raises LabError where model or data cannot be used, as its run would."""
    recipe, _ = settled(in_one_process(recipe), home)
    fitted = fit(recipe, on_chosen_split(recipe, datasets.load(recipe, home)), home, look_at=ROWS_LOOKED_AT)
    probe = Probe(fitted.recipe, fitted.dataset, home)
    step, scaled_step = probe.step()
    measuring, scaled_measure = probe.measuring() if recipe.measure_samples else (0.0, False)
    return RunTime(loading=probe.loading, step=step, measuring=measuring, scaled=scaled_step or scaled_measure)


def in_one_process(recipe: Recipe) -> Recipe:
    """What one process does in the time of a step: of several on a CPU all of it, since they share its cores, and on GPUs its share."""
    shared = 1 if choose_device(recipe.device).type == "cpu" else recipe.processes
    return with_values(recipe, {**recipe.in_one_process, "batch_size": recipe.rows_per_step // shared})


class Probe:
    """Times one recipe; ``loading`` is known once anything was timed."""

    def __init__(self, recipe: Recipe, dataset: Dataset, home: Path) -> None:
        self.recipe, self.dataset, self.home = recipe, dataset, home
        self.loading = 0.0
        self.steps = recipe.updates_per_rollout + 1
        """Steps that are timed: those of one rollout, after a first one that warms up."""

    def step(self) -> tuple[float, bool]:
        """Seconds of a step, and whether they are scaled up."""
        batch = int(self.recipe.batch_size)  # type: ignore[attr-defined]
        few, changes, longer = smallest_step(self.recipe)
        more = min(batch, MORE * few)
        first = self._train(changes | {"batch_size": few})
        second = self._train(changes | {"batch_size": more}) if more > few else first
        whole = at_size(batch * longer, (few, first), (more, second))
        if batch == more and longer == 1:
            return second, False
        if whole * self.steps > AFFORDABLE:
            return whole, True
        return self._train({}), False

    def measuring(self) -> tuple[float, bool]:
        """Seconds of a held-out measurement of all samples, and whether they are scaled up."""
        samples = self.recipe.measure_samples
        few, more = min(samples, FEW_SAMPLES), min(samples, MORE * FEW_SAMPLES)
        with self._task({"measure_samples": few}) as task:
            task.measure()  # warms up
            first, second = (_seconds(task, size) for size in (few, more))
            whole = at_size(samples, (few, first), (more, second))
            if samples == more:
                return second, False
            return (whole, True) if whole > AFFORDABLE else (_seconds(task, samples), False)

    def _train(self, changes: dict[str, Any]) -> float:
        """Seconds of a step of the recipe with these changes: a mean without the first one, which warms up."""
        timed: dict[str, Any] = {"steps": self.steps, "measure_samples": 0, "measure_every": 0, "warmup_steps": 0}
        if self.recipe.watched_pairs:
            timed["watch_preferences"] = ""
        with self._task(timed | changes) as task:
            algorithm_file(task.recipe.algorithm).train(task)
            lines = [line for line in task.folder.metrics().lines if "held_out" not in line][1:]
            return sum(float(line["seconds"]) for line in lines) / max(1, len(lines))

    @contextmanager
    def _task(self, changes: dict[str, Any]) -> Iterator[Task]:
        """The recipe with these changes, loaded anew."""
        recipe = with_values(self.recipe, changes)
        algorithm = algorithm_file(recipe.algorithm)
        with tempfile.TemporaryDirectory(prefix="lab-probe-") as place:
            folder = RunFolder(Path(place))
            rules = rule_set(recipe)
            task = ProbeTask(recipe, folder, Reporter(folder, recipe.steps), self.dataset, rules, home=self.home)
            task.own_measure = getattr(algorithm, "measure", None)
            began = time.perf_counter()
            task.loaded = algorithm.prepare(task)
            self.loading = time.perf_counter() - began
            yield task


def smallest_step(recipe: Any) -> tuple[int, dict[str, Any], float]:
    """``(batch, changes, longer)``: the smallest batch, shorter completions, and how many times more tokens a real one has."""
    if algorithm_of(recipe).data is not DataForm.PROMPTS:
        return min(recipe.batch_size, FEW_ROWS), {}, 1.0
    tokens = min(FEW_TOKENS, recipe.max_completion_length)
    longer = (PROMPT_TOKENS + recipe.max_completion_length) / (PROMPT_TOKENS + tokens)
    return recipe.group_size, {"max_completion_length": tokens}, longer


def at_size(size: float, few: tuple[int, float], more: tuple[int, float]) -> float:
    """Seconds at ``size`` on the line through two measured ``(size, seconds)``; never less than the larger one took."""
    if more[0] == few[0]:
        return few[1] * size / few[0]
    slope = max(0.0, (more[1] - few[1]) / (more[0] - few[0]))
    return max(more[1], more[1] + slope * (size - more[0]))


def _seconds(task: Task, samples: int) -> float:
    task.recipe = with_values(task.recipe, {"measure_samples": samples})
    began = time.perf_counter()
    task.measure()
    return time.perf_counter() - began
