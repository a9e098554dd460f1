"""Whose run is next: the owner's first, then whoever has started the fewest; and nobody while the queue is held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.classroom.state import ClassState
from lab.classroom.training import Training, offered, within_quota
from lab.classroom.turns import ClassTurns
from lab.core.access import Access, User
from lab.core.recipes import parse
from lab.errors import InputError, StateError
from lab.runs.supervisor import Supervisor
from lab.store.runs import Run, RunState, Store


@pytest.fixture
def store(lab_home: Path) -> Iterator[Store]:
    store = Store(lab_home, allow_unsafe_disk=True)
    yield store
    store.close()


def queued(store: Store, turns: ClassTurns, person: str = "") -> Run:
    run = store.create_run(parse({"algorithm": "grpo", "name": person or "owner", "steps": 3}))
    if person:
        turns.add(run.id, person)
    return run


def test_the_owner_goes_first_and_each_start_counts_for_the_next_turn(store: Store) -> None:
    turns = ClassTurns(store)
    anna = [queued(store, turns, "anna") for _ in range(2)]
    ben, own = queued(store, turns, "ben"), queued(store, turns)
    assert [run.id for run in turns.order(store.queue())] == [own.id, anna[0].id, ben.id, anna[1].id]
    store.change(anna[0].id, state=RunState.RUNNING)
    assert [run.id for run in turns.order(store.queue())] == [own.id, ben.id, anna[1].id]
    turns.held = lambda: True
    assert [run.id for run in turns.order(store.queue())] == [own.id]
    assert turns.is_light(ben.id) and not turns.is_light(own.id)


@settings(max_examples=50, deadline=None)
@given(asked=st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_the_queue_is_fair_however_people_ask(tmp_path_factory: pytest.TempPathFactory, asked: list[int]) -> None:
    """Of those who still wait, nobody has started more than one run fewer than anybody else."""

    class Asked(ClassTurns):
        def __init__(self) -> None:
            self._store, self.held = Nothing(), lambda: False  # type: ignore[assignment]

        @property
        def owners(self) -> dict[str, str]:  # type: ignore[override]
            return {str(number): str(person) for number, person in enumerate(asked)}

    order = [int(run.id) for run in Asked().order([run_of(number) for number in range(len(asked))])]
    assert sorted(order) == list(range(len(asked)))
    started: Counter[int] = Counter()
    for place, number in enumerate(order):
        waiting = {asked[later] for later in order[place:]}
        started[asked[number]] += 1
        assert started[asked[number]] - min(started[person] for person in waiting) <= 1


class Nothing:
    def states(self) -> list[tuple[str, str, str]]:
        return []


def run_of(number: int) -> Run:
    return Run(str(number), "", "grpo", RunState.QUEUED, {}, None, *[None] * 7, None)  # type: ignore[arg-type]


def test_a_guests_run_keeps_to_the_quota(store: Store) -> None:
    quota = ClassState(steps=60, code="AAAA")
    for name in offered():
        recipe = within_quota(name, quota)
        assert recipe.steps <= 60 and recipe.measure_every == 0 and recipe.measure_samples <= 64, name
    assert "tiny/pretrain-base" not in offered()
    with pytest.raises(InputError, match="class_preset"):
        within_quota("smollm2-135m/grpo", quota)


def test_one_run_waits_at_a_time_and_each_has_their_share(store: Store) -> None:
    supervisor, turns = Supervisor(store, check=lambda recipe, store: ""), ClassTurns(store)
    training = Training(store, supervisor, turns)
    anna, state = User("Anna", Access.ANNOTATOR, id="g-anna", guest=True), ClassState(code="AAAA", runs=2)
    first = training.start(anna, "tiny/sft", state)
    with pytest.raises(StateError, match="class_one_run"):
        training.start(anna, "tiny/sft", state)
    with pytest.raises(StateError, match="no_such_run"):
        training.stop(User("Ben", Access.ANNOTATOR, id="g-ben", guest=True), first.id)
    training.stop(anna, first.id)  # it had not begun: it costs nothing of the share
    for _ in range(2):
        run = training.start(anna, "tiny/sft", state)
        store.change(run.id, state=RunState.FINISHED, started=1.0, ended=2.0)
    with pytest.raises(StateError, match="class_no_more_runs"):
        training.start(anna, "tiny/sft", state)
    assert ClassTurns(store).owners == turns.owners  # it survives a restart
