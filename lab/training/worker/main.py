"""Executes one run from its folder: load, measure, train, measure, save, report. This is the order; the update is the algorithm's file.

Whatever happens ends as ``result.json`` and an exit status: 0 finished, 3 stopped at a step with a checkpoint, 1 failed.
"""

from __future__ import annotations

import os
import traceback
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from lab.core.algorithms import algorithm_of
from lab.core.notes import Note
from lab.core.recipes import MeasuredOn, Recipe, parse
from lab.data import datasets
from lab.errors import LabError, MachineError
from lab.loading import hide, loading
from lab.store.run_folder import RunFolder
from lab.tasks import equations
from lab.training.worker import team
from lab.training.worker.divergence import BlownUp, ended
from lab.training.worker.library_notes import listen
from lab.training.worker.reporter import Reporter, memory_bytes, unexpected
from lab.training.worker.tracking import hide_trackers

if TYPE_CHECKING:
    from lab.training.task import Task
    from lab.training.worker.outcome import StartWeights

FINISHED, FAILED, STOPPED = 0, 1, 3
WORTH_MEASURING = 10.0
"""Seconds that a run must have taken for the machine's speed to be measured at its end, which takes two."""


def work(path: Path, *, alone: bool = False) -> int:
    """Execute the run in ``path``; returns the exit status. ``alone``: in a process of its own, which loads nothing that it does not need."""
    folder = RunFolder(path)
    recipe = parse(folder.recipe()["recipe"], source=path.name)
    if alone:  # transformers and peft load what they find: half a second, and 2 s for bitsandbytes
        hide("scipy", *(() if recipe.four_bit_base else ("bitsandbytes",)))
    listen()
    hide_trackers(recipe.report_to)
    if recipe.processes > 1 and not team.is_started_by_torchrun():
        from lab.training.worker.torchrun import run_processes

        return run_processes(path, recipe)
    try:
        team.join(recipe.processes)
    except LabError as error:
        Reporter(folder, recipe.steps).result("failed", error=error.as_dict())
        return FAILED
    if not team.is_leader():
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # one process tells of what all of them do
    status = _attempt(recipe, folder)
    if team.size() > 1:
        team.leave(FINISHED if status == STOPPED else status)  # to torchrun, any other status is a failure
    return status


def _attempt(recipe: Recipe, folder: RunFolder) -> int:
    path = folder.path
    with Reporter(folder, recipe.steps) as reporter:
        try:
            return _run(recipe, folder, reporter)
        except LabError as error:
            print(f"failed: {error}", flush=True)
            reporter.result("failed", error=error.as_dict())
        except OSError as error:
            if error.errno != 28:
                raise
            reporter.result("failed", error=MachineError("disk_full", path=path).as_dict())
        except BlownUp as blown_up:
            sentence = ended(blown_up, recipe, folder, reporter.step)
            print(f"failed: {sentence}", flush=True)
            reporter.result("failed", error=sentence.as_dict())
        except Exception as error:
            traceback.print_exc()
            step = reporter.step
            failure = unexpected(error, "worker_failed", MachineError("out_of_memory", step=step), step=step)
            reporter.result("failed", error=failure.as_dict())
    return FAILED


def _run(recipe: Recipe, folder: RunFolder, reporter: Reporter) -> int:
    dataset = on_chosen_split(recipe, datasets.load(recipe, folder.path.parents[1]))
    with loading():  # after the cheap refusals
        algorithm = algorithm_file(recipe.algorithm)
    from transformers import set_seed

    listen()
    from lab.training.cpu.format import settled
    from lab.training.models.length_filter import fit
    from lab.training.models.sharding import is_asked_for
    from lab.training.task import Task, rule_set
    from lab.training.worker.notes import notes, tell
    from lab.training.worker.outcome import StartWeights

    home = folder.path.parents[1]
    fitted = fit(recipe, dataset, home)
    dataset = fitted.dataset
    recipe, format_notes = team.of_leader(settled(fitted.recipe, home))  # each measures, and one may find otherwise
    if team.is_leader():
        if fitted.from_data or format_notes:
            folder.write("recipe.json", {**folder.recipe(), "recipe": recipe.model_dump(mode="json")})
        tell([*notes(fitted, home), *format_notes], folder)
    reporter.libraries_bytes = memory_bytes()
    task = Task(recipe, folder, reporter, dataset, rule_set(recipe), home=home)
    task.own_measure = getattr(algorithm, "measure", None)
    step, task.resume_from = folder.last_checkpoint() or (0, None)
    set_seed(recipe.seed)  # before the model: a fresh adapter and a model from scratch draw their weights
    task.loaded = algorithm.prepare(task)
    start = StartWeights(task.model)
    reporter.step = step
    if takes_part := team.is_leader() or is_asked_for(recipe):
        _ready(task, step)
    reporter.enter_stage("training")
    if team.size() > 1:
        # What a trainer adds to the model is drawn alike by all, whatever the leader has measured.
        set_seed(recipe.seed)
    algorithm.train(task)
    return _end(task, start) if takes_part else FINISHED


def _ready(task: Task, step: int) -> None:
    """What is done before the first step: whether the model can be saved, the mark of a resume, and the first measurement. Of several
    processes the leader alone is here, or all of them where they share the base: then all measure and the leader writes."""
    folder = task.folder
    task.try_saving()
    task.note_machine_speed(measure=False)
    if team.is_leader() and (step or (folder.path / "metrics.jsonl").exists()):
        folder.note_resume(step)  # 0 where an earlier attempt died before its first checkpoint
    _before(task)


def _end(task: Task, start: StartWeights) -> int:
    from lab.training.worker.notes import tell
    from lab.training.worker.outcome import outcome, require_all_steps

    reporter = task.reporter
    if not task.watch.stopped and task.watch.spent is None:
        require_all_steps(task.recipe, task.dataset, reporter.step)
    lines = task.folder.metrics().lines
    values, end_notes = outcome(lines, reporter.step, moved=start.moved(task.model))
    if task.watch.spent is not None:
        name, limit = task.watch.spent
        end_notes.append(
            Note(f"ended_after_{name}", {"limit": f"{limit:g}", "step": reporter.step, "steps": task.recipe.steps})
        )
    if team.is_leader():
        tell(end_notes, task.folder)
    if task.watch.stopped:
        reporter.enter_stage("saving")
        task.save_model()
        reporter.result("stopped", before=task.before, **values)
        return STOPPED
    reporter.enter_stage("saving")
    task.save_model()
    reporter.enter_stage("measuring_after")
    after = task.measure(until=task.answers_share)
    if after is not None:
        reporter.held_out(reporter.step, after)
    kl = task.kl_from_start(begin=task.answers_share)
    reporter.settle_peak()
    task.note_machine_speed(measure=reporter.spent()["seconds"] >= WORTH_MEASURING)
    reporter.result("finished", before=task.before, after=after, kl_from_start=kl, **values)
    return FINISHED


def on_chosen_split(recipe: Recipe, dataset: datasets.Dataset) -> datasets.Dataset:
    """The data with the rows to measure on that the recipe's ``measure_on`` names; those to train on stay as they are.

    Only the lab's own equations have a validation split, which the recipe has checked.
    """
    if recipe.measure_on is MeasuredOn.HELD_OUT:
        return dataset
    split, languages = equations.Split.VALIDATION, recipe.task_languages
    count = len(dataset.held_out_pairs)
    pairs = equations.preferences(split, 0, count, languages=languages) if count else []
    return replace(dataset, held_out=equations.prompts(split, seed=0, languages=languages), held_out_pairs=tuple(pairs))


def algorithm_file(name: str) -> ModuleType:
    """An algorithm's file, ``algorithms/<name>.py``."""
    return import_module(f"lab.training.algorithms.{name}")


def _before(task: Task) -> None:
    """The measurement before training: made in a first attempt, read from disk in a resumed run, whose model has trained already.

    A run that writes groups makes it in its first step, so that its first group is there some seconds earlier; of several processes, whose
    others would wait for it in mid-step, not.
    """
    algorithm = algorithm_of(task.recipe)
    task.before = task.folder.before() if task.folder.last_checkpoint() else None
    if not algorithm.starts_from_model:
        return
    if task.dataset.watched:
        task.reporter.enter_stage("measuring_before")
        task.note_start()
    if task.before is not None:
        return
    if algorithm.writes_groups and team.size() == 1:
        task.start_is_unmeasured = task.measures or task.agreement is not None
        return
    task.reporter.enter_stage("measuring_before")
    task.measure_start()
