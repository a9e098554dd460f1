"""What a guest may train: the presets of the tiny model, each within the quota of the class.

A guest's run is the preset with fewer steps and one measurement at the end, so that a class of twenty is through within minutes. With
a rule set that they submitted, it is GRPO on these rules.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import insert

from lab.classroom.state import ClassState
from lab.classroom.tables import class_runs_table
from lab.classroom.turns import ClassTurns
from lab.core.access import User
from lab.core.algorithms import algorithm_of
from lab.core.recipes import Recipe, RuleUse, parse
from lab.errors import InputError, LabError, StateError
from lab.runs.supervisor import Supervisor
from lab.store.presets import load_preset, preset_names
from lab.store.runs import Run, RunState, Store
from lab.words import say, table

MODEL = "tiny/"
NOT_OFFERED = frozenset({"tiny/pretrain-base"})
"""It makes the base that the others start from, and takes ten minutes."""
MOST_MEASURED = 64
"""Samples of a guest's one measurement."""


@cache
def offered() -> dict[str, Recipe]:
    """The presets that guests may start, by name, in the order of the course."""
    recipes: dict[str, Recipe] = {}
    for name in preset_names():
        if name.startswith(MODEL) and name not in NOT_OFFERED:
            try:
                recipes[name] = load_preset(name).recipe
            except LabError:
                continue  # a broken file; the Train tab says which
    return recipes


def preset_title(preset: str, language: str) -> str:
    """``tiny/grpo`` as a run is called: *GRPO*, *GRPO · reward hacking*."""
    recipe = offered().get(preset)
    if recipe is None:
        return preset
    stem = preset.removeprefix(MODEL).removeprefix(recipe.algorithm).strip("-")
    variant = say(f"preset_variant.{stem}", language) if f"preset_variant.{stem}" in table(language) else stem
    return " · ".join(part for part in (say(f"algorithm.{recipe.algorithm}", language), variant) if part)


def within_quota(preset: str, state: ClassState, rules: Sequence[RuleUse] = (), name: str = "") -> Recipe:
    """The recipe of a guest's run. Raises InputError ``class_preset`` for another preset than those offered."""
    if preset not in offered():
        raise InputError("class_preset", value=preset[:40], known=", ".join(offered()))
    recipe = offered()[preset]
    steps = min(recipe.steps, state.steps)
    values: dict[str, Any] = recipe.model_dump(mode="json", exclude_unset=True)
    values |= {"steps": steps, "measure_every": 0, "measure_samples": min(recipe.measure_samples, MOST_MEASURED)}
    values |= {"save_every": max(steps, 1), "warmup_steps": min(recipe.warmup_steps, steps // 4)}
    if rules and algorithm_of(recipe).writes_groups:
        values["rules"] = [use.model_dump(mode="json") for use in rules]
    if name:
        values["name"] = name
    return parse(values, source=preset)


class Training:
    """The runs of guests."""

    def __init__(self, store: Store, supervisor: Supervisor, turns: ClassTurns) -> None:
        self._store, self._supervisor, self.turns = store, supervisor, turns
        self._lock = threading.Lock()

    def start(self, user: User, preset: str, state: ClassState, rules: Sequence[RuleUse] = (), name: str = "") -> Run:
        """Put a run of a guest into the queue.

        Raises StateError ``class_one_run`` where one of theirs waits or runs, ``class_no_more_runs`` where they have had theirs;
        LabError where the recipe cannot run.
        """
        recipe = within_quota(preset, state, rules, name)
        with self._lock:  # of two taps at once, the second finds the first one's run
            theirs = self.of(user.id)
            if any(not run.state.ended for run in theirs):
                raise StateError("class_one_run")
            if sum(run.state is not RunState.STOPPED or run.started is not None for run in theirs) >= state.runs:
                raise StateError("class_no_more_runs", most=state.runs)
            return self._supervisor.submit(recipe, noted=lambda queued: self._note(queued, user.id))

    def of(self, person: str) -> list[Run]:
        """The runs of a guest, the newest first."""
        theirs = [run_id for run_id, owner in self.turns.owners.items() if owner == person]
        return sorted((self._store.run(run_id) for run_id in self._there(theirs)), key=lambda run: -run.created)

    def _there(self, run_ids: Sequence[str]) -> list[str]:
        """Those that the owner has not deleted."""
        there = {run_id for run_id, *_ in self._store.states()}
        return [run_id for run_id in run_ids if run_id in there]

    def stop(self, user: User, run_id: str) -> None:
        """Stop a guest's own run. Raises StateError ``no_such_run`` for another one's."""
        if self.turns.owners.get(run_id) != user.id:
            raise StateError("no_such_run", run=run_id[:64])
        self._supervisor.stop(run_id)

    def clear_queue(self) -> None:
        """Take every run of a guest out of the queue."""
        for run in self._store.queue():
            if run.id in self.turns.owners:
                self._supervisor.cancel(run.id)

    def _note(self, run: Run, person: str) -> None:
        self.turns.add(run.id, person)
        row = {"run": run.id, "person": person, "asked": time.time()}
        self._store.writing(lambda connection: connection.execute(insert(class_runs_table).values(**row)))
