"""A study trains only what is missing: in the order of the chain, past a member that failed, and on after a stop."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.compare.members import members
from lab.core.recipes import Recipe
from lab.core.studies import Budget, BudgetKind, Study, parse_study
from lab.errors import MachineError, RecipeError
from lab.runs.foreground_study import Did, Event, StudyStopped, study_in_foreground
from lab.runs.launcher import LocalLauncher
from lab.runs.progress import Summary
from lab.runs.slots import slot_path
from lab.runs.studies import Studies, StudyRefused, is_light
from lab.runs.supervisor import Supervisor
from lab.store.locks import try_lock
from lab.store.runs import Run, RunState, Store
from tests.runs.conftest import wait_for

WORDS = {"en": "x", "zh": "x"}


def command(path: Path) -> list[str]:
    return [sys.executable, "-m", "tests.runs.study_worker", str(path)]


LAUNCHER = LocalLauncher(command)


def study(seeds: tuple[int, ...] = (1,), **how: dict[str, Any]) -> Study:
    """SFT, and a DPO and a GRPO that start from it; ``how`` tells the fake worker what to do for an entry."""
    entries = [
        {
            "name": name,
            "label": {"en": name, "zh": name},
            "preset": f"tiny/{name}",
            "start": "" if name == "sft" else "sft",
            "changes": {"steps": 3, "measure_every": 0, "about_en": json.dumps(how.get(name, {}))},
        }
        for name in ("sft", "dpo", "grpo")
    ]
    return parse_study({"name": "t", "title": WORDS, "about": WORDS, "entries": entries, "seeds": list(seeds)}, "t")


def did(events: list[Event]) -> list[tuple[str, int, str]]:
    return [(event.member.entry.name, event.member.seed, event.did.value) for event in events]


def test_the_chain_is_trained_once(store: Store) -> None:
    events: list[Event] = []
    outcome = study_in_foreground(study(), store, events.append, launcher=LAUNCHER, at_once=1)
    assert outcome.complete and len(outcome.trained) == 3
    assert [(name, what) for name, _, what in did(events)] == [
        (name, what) for name in ("sft", "dpo", "grpo") for what in ("trains", "finished")
    ]
    sft = outcome.members[0].run
    assert sft is not None and {m.run.parent for m in outcome.members[1:] if m.run} == {sft.id}
    events.clear()
    again = study_in_foreground(study(), store, events.append, launcher=LAUNCHER)
    assert again.complete and again.trained == [] and {what for _, _, what in did(events)} == {"used"}
    more = study_in_foreground(study(seeds=(1, 2)), store, launcher=LAUNCHER)
    assert len(more.trained) == 3 and len(store.runs()) == 6


def test_a_member_that_fails_is_told_and_the_rest_goes_on(store: Store) -> None:
    events: list[Event] = []
    outcome = study_in_foreground(study(dpo={"crash_at": 2}), store, events.append, launcher=LAUNCHER)
    assert not outcome.complete
    assert [(event.member.entry.name, event.did) for event in outcome.failed] == [("dpo", Did.FAILED)]
    assert outcome.failed[0].why and outcome.failed[0].why["key"] == "worker_crashed"
    assert [m.entry.name for m in outcome.members if m.finished] == ["sft", "grpo"]


def test_what_needs_a_failed_member_is_skipped(store: Store) -> None:
    outcome = study_in_foreground(study(sft={"crash_at": 1}), store, launcher=LAUNCHER)
    assert [event.did for event in outcome.failed] == [Did.FAILED, Did.SKIPPED, Did.SKIPPED]
    assert {member.waits_for for member in outcome.members[1:]} == {"sft"}


def test_stopped_in_the_middle_it_goes_on_from_there(store: Store) -> None:
    a_study = study(dpo={"seconds": 0.4})

    def press(now: Summary) -> None:
        if now["algorithm"] == "dpo" and now["step"] >= 1 and now["state"] == "running" and not pressed:
            pressed.append(now["id"])
            os.kill(os.getpid(), signal.SIGINT)

    pressed: list[str] = []
    with pytest.raises(StudyStopped):
        study_in_foreground(a_study, store, on_progress=press, launcher=LAUNCHER, at_once=1)
    assert [(run.algorithm, run.state) for run in store.runs()] == [
        ("dpo", RunState.STOPPED),
        ("sft", RunState.FINISHED),
    ]
    events: list[Event] = []
    outcome = study_in_foreground(a_study, store, events.append, launcher=LAUNCHER, at_once=1)
    assert outcome.complete and outcome.trained[0] == pressed[0]
    assert [(name, what) for name, _, what in did(events)][:2] == [("sft", "used"), ("dpo", "goes_on")]
    assert len(store.runs()) == 3
    steps = [line["step"] for line in store.folder(pressed[0]).metrics().lines]
    assert steps == [1, 2, 3]  # the step before the stop was not trained twice


def test_it_waits_while_somebody_else_has_the_machine(store: Store) -> None:
    held = try_lock(slot_path(store.home))
    assert held is not None
    events: list[Event] = []

    def tell(event: Event) -> None:
        events.append(event)
        if event.did is Did.WAITS:
            held.release()

    outcome = study_in_foreground(study(), store, tell, launcher=LAUNCHER, at_once=1)
    assert outcome.complete and did(events)[:3] == [("sft", 1, "trains"), ("sft", 1, "waits"), ("sft", 1, "finished")]


def test_two_light_members_go_on_at_once(store: Store) -> None:
    together: list[set[str]] = []

    def look(now: Summary) -> None:
        running = {run.algorithm for run in store.in_state(RunState.RUNNING)}
        together.append(running)

    slow = {"seconds": 0.3}
    outcome = study_in_foreground(study(dpo=slow, grpo=slow), store, on_progress=look, launcher=LAUNCHER, at_once=2)
    assert outcome.complete and len(outcome.trained) == 3
    assert {"dpo", "grpo"} in together and not any("sft" in running and len(running) > 1 for running in together)
    assert study_in_foreground(study(), store, launcher=LAUNCHER, at_once=2).trained == []


def test_one_ctrl_c_stops_both_and_both_go_on(store: Store) -> None:
    slow = {"seconds": 0.4}
    a_study = study(dpo=slow, grpo=slow)

    def press(now: Summary) -> None:
        running = [
            run for run in store.in_state(RunState.RUNNING) if (store.folder(run.id).heartbeat() or {}).get("step")
        ]
        if {run.algorithm for run in running} == {"dpo", "grpo"} and not pressed:
            pressed.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    pressed: list[bool] = []
    with pytest.raises(StudyStopped):
        study_in_foreground(a_study, store, on_progress=press, launcher=LAUNCHER, at_once=2)
    assert {(run.algorithm, run.state) for run in store.runs()} == {
        ("sft", RunState.FINISHED),
        ("dpo", RunState.STOPPED),
        ("grpo", RunState.STOPPED),
    }
    outcome = study_in_foreground(a_study, store, launcher=LAUNCHER, at_once=2)
    assert outcome.complete and len(outcome.trained) == 2 and len(store.runs()) == 3


def test_a_light_run_does_not_go_on_beside_somebody_else_s(store: Store) -> None:
    """The second slot is for a second run of this study alone."""
    held = try_lock(slot_path(store.home))
    assert held is not None
    events: list[Event] = []

    def tell(event: Event) -> None:
        events.append(event)
        if event.did is Did.WAITS:
            assert store.runs() == []
            held.release()

    assert study_in_foreground(study(), store, tell, launcher=LAUNCHER, at_once=2).complete
    assert did(events)[:2] == [("sft", 1, "trains"), ("sft", 1, "waits")]


def test_the_page_trains_two_light_members_at_once(store: Store) -> None:
    supervisor = Supervisor(store, launcher=LAUNCHER)
    supervisor.start()
    try:
        a_study = study(dpo={"seconds": 0.5}, grpo={"seconds": 0.5})
        supervisor.studies.start(a_study)
        wait_for(lambda: {run.algorithm for run in store.in_state(RunState.RUNNING)} == {"dpo", "grpo"})
        wait_for(lambda: all(member.finished for member in members(a_study, store)))
    finally:
        supervisor.close()


def test_a_study_of_a_real_model_or_of_several_processes_is_not_light() -> None:
    assert is_light(study())
    assert not is_light(study().model_copy(update={"base": "smollm2-135m"}))
    assert not is_light(study().model_copy(update={"budget": Budget(kind=BudgetKind.SECONDS, amount=60)}))
    entry = study().entries[0].model_copy(update={"changes": {"processes": 2}})
    assert not is_light(study().model_copy(update={"entries": [entry]}))


def test_a_study_that_does_not_fit_trains_nothing(store: Store) -> None:
    a_study = study()
    wrong = parse_study(
        {
            **a_study.model_dump(mode="json"),
            "entries": [{"name": "a", "label": WORDS, "preset": "tiny/sft", "changes": {"stepz": 1}}],
        },
        "t",
    )
    with pytest.raises(RecipeError):
        study_in_foreground(wrong, store, launcher=LAUNCHER)
    assert store.runs() == []


def test_the_page_queues_what_can_begin(store: Store) -> None:
    supervisor = Supervisor(store, launcher=LAUNCHER)
    supervisor.start()
    try:
        studies = supervisor.studies
        assert [member.run is not None for member in studies.start(study())] == [True, False, False]
        assert [each.name for each in studies.active()] == ["t"]
        wait_for(lambda: all(member.finished for member in members(study(), store)))
        wait_for(lambda: studies.active() == [])
        assert len(store.runs()) == 3
    finally:
        supervisor.close()


def test_a_study_goes_on_after_a_restart(store: Store) -> None:
    quiet = Studies(store, submit=lambda recipe: store.create_run(recipe), resume=lambda run: store.run(run))
    quiet.start(study())
    store.change(store.runs()[0].id, state=RunState.STOPPED)  # by a person: it is not started again by itself
    quiet.advance()
    assert len(store.runs()) == 1
    assert Studies(store, submit=quiet._submit, resume=quiet._resume).active() == []  # nothing of it can go on


def test_a_study_that_cannot_begin_is_refused(store: Store) -> None:
    def submit(recipe: Recipe) -> Run:
        raise MachineError("disk_too_small", path=store.home, free="1 MB", need="2 MB")

    studies = Studies(store, submit=submit, resume=lambda run: store.run(run))
    with pytest.raises(StudyRefused) as raised:
        studies.start(study())
    assert raised.value.key == "disk_too_small" and studies.active() == []


@pytest.mark.train
@pytest.mark.timeout(900)
def test_a_real_study_stopped_and_started_again(store: Store) -> None:
    """Two entries for one seed through the real worker: what finished before the stop is not trained again."""
    small = {"steps": 6, "measure_every": 0, "measure_samples": 16, "save_every": 2, "batch_size": 8}
    entries = [
        {"name": "sft", "label": WORDS, "preset": "tiny/sft", "changes": small},
        {
            "name": "grpo",
            "label": WORDS,
            "preset": "tiny/grpo",
            "start": "sft",
            "changes": {**small, "steps": 80, "group_size": 4},
        },
    ]
    a_study = parse_study({"name": "t", "title": WORDS, "about": WORDS, "entries": entries, "seeds": [1]}, "t")
    pressed: list[str] = []

    def press(now: Summary) -> None:
        if now["algorithm"] == "grpo" and now["step"] >= 2 and now["stage"] == "training" and not pressed:
            pressed.append(now["id"])
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(StudyStopped):
        study_in_foreground(a_study, store, on_progress=press)
    stopped = store.run(pressed[0])
    assert stopped.state is RunState.STOPPED and store.folder(stopped.id).last_checkpoint() is not None
    outcome = study_in_foreground(a_study, store)
    assert outcome.complete and outcome.trained == [stopped.id] and len(store.runs()) == 2
