"""What is stored of what people say: once, by the response's identity, and nothing twice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from lab.annotation.collections import Annotation
from lab.annotation.counters import LONGEST_GAP
from lab.annotation.judgements import Submission, current_judgements, events, standing
from lab.annotation.tables import annotators_table, current_table, showings_table
from lab.core.preferences import Choice, Place
from lab.errors import InputError, StateError
from tests.annotation.annotating import (
    ANNA,
    BEN,
    counted_anew,
    counters,
    given,
    judge_all,
    place_of,
    says,
    stored,
    sums,
)

# ---- what is stored


def test_the_response_is_stored_and_its_place_beside_it(annotation: Annotation) -> None:
    collection = sums(annotation, 12)
    for person in (ANNA, BEN):
        judge_all(annotation, person, collection)
    pairs = {pair.id: pair for pair in annotation.pairs(collection)}
    places = set()
    for row in stored(annotation):
        assert pairs[row.pair].response(Choice(row.choice)).source == "right"
        places.add(row.choice == row.left)
    assert places == {True, False}  # the right one stood on either side


def test_sources_come_with_the_answer_and_not_before(annotation: Annotation) -> None:
    collection = sums(annotation)
    *pairs, last = given(annotation, ANNA, collection, 6)
    for pair in pairs:
        assert set(pair) == {"pair", "prompt", "a", "b", "shown"}
        answer = says(annotation, ANNA, collection, pair, place_of(pair))
        left, right = ("right", "wrong") if place_of(pair) is Place.LEFT else ("wrong", "right")
        assert answer["sources"] == {"a": left, "b": right}
    assert {place_of(pair) for pair in pairs} == {Place.LEFT, Place.RIGHT}
    assert says(annotation, ANNA, collection, last, Choice.SKIP)["sources"] is None


def test_a_thousand_replays_are_one_row_and_one_answer(annotation: Annotation) -> None:
    collection = sums(annotation)
    pair = given(annotation, ANNA, collection)[0]
    said = Submission(UUID(pair["shown"]), collection, pair["pair"], Place.LEFT, seconds=3.0)
    answers = [future.result() for future in [annotation.judge(ANNA, said) for _ in range(1000)]]
    assert len(stored(annotation)) == 1
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["progress"].judged == 1


def test_a_double_click_on_two_choices_keeps_the_first(annotation: Annotation) -> None:
    collection = sums(annotation)
    pair = given(annotation, ANNA, collection)[0]
    says(annotation, ANNA, collection, pair, Place.LEFT)
    says(annotation, ANNA, collection, pair, Place.RIGHT)  # the same showing: a retry, whatever it says
    (row,) = stored(annotation)
    assert row.choice == row.left


def test_a_second_judgement_replaces_the_first_and_both_stay(annotation: Annotation) -> None:
    collection = sums(annotation, 1)
    first = given(annotation, ANNA, collection)[0]
    run_out = update(showings_table).values(expires=0.0)
    annotation.store.writing(lambda connection: connection.execute(run_out))
    again = given(annotation, ANNA, collection)[0]  # in another browser, after the claim has run out
    assert again["pair"] == first["pair"] and again["shown"] != first["shown"]
    says(annotation, ANNA, collection, first, Place.LEFT)
    assert says(annotation, ANNA, collection, again, Choice.TIE)["progress"].judged == 1
    one, other = stored(annotation)
    assert (one.choice, other.choice, other.supersedes) == (one.left, "tie", one.id)
    assert counters(annotation, collection) == counted_anew(annotation, collection)


def test_an_edit_is_kept_as_its_own_text(annotation: Annotation) -> None:
    collection = sums(annotation)
    one, other = given(annotation, ANNA, collection, 2)
    says(annotation, ANNA, collection, one, place_of(one), strength=3, reason="数字对", edited="It is so.")
    says(annotation, ANNA, collection, other, Place.LEFT, edited=other["a"])  # typed nothing new
    first, second = stored(annotation)
    assert (first.strength, first.reason, first.edited) == (3, "数字对", "It is so.")
    assert second.edited is None


@pytest.mark.parametrize("more", [{"strength": 2}, {"edited": "x"}])
@pytest.mark.parametrize("choice", [Choice.TIE, Choice.BOTH_BAD, Choice.SKIP])
def test_what_needs_a_chosen_response(annotation: Annotation, choice: Choice, more: dict[str, Any]) -> None:
    collection = sums(annotation)
    pair = given(annotation, ANNA, collection)[0]
    with pytest.raises(InputError) as caught:
        says(annotation, ANNA, collection, pair, choice, **more)
    assert caught.value.key == "judgement_needs_choice"
    assert stored(annotation) == []


def test_what_was_not_shown_is_refused(annotation: Annotation) -> None:
    collection = sums(annotation)
    other = sums(annotation, 3)
    one, two = given(annotation, ANNA, collection, 2)
    for person, forged in (
        (ANNA, {**one, "shown": str(uuid4())}),  # an id that nobody was given
        (BEN, one),  # somebody else's
        (ANNA, {**one, "pair": two["pair"]}),  # another pair
    ):
        with pytest.raises(StateError) as caught:
            says(annotation, person, collection, forged, Place.LEFT)
        assert caught.value.key == "judgement_not_shown"
    with pytest.raises(StateError):
        says(annotation, ANNA, other, one, Place.LEFT)
    assert stored(annotation) == []


def test_settings_that_hold_through_a_power_cut(annotation: Annotation) -> None:
    found = annotation.store.writing(
        lambda connection: [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )
    assert found == ["wal", 2, 1]  # 2 is FULL: NORMAL may lose the last commits when the power goes


# ---- the current view is that of the events


def standing_and_kept(annotation: Annotation, collection: str) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """What counts by the events, and what the table of current judgements says: choice and id by pair and annotator."""
    with annotation.store.reading() as connection:
        told = current_judgements(connection, collection)
        rows = connection.execute(select(current_table).where(current_table.c.collection == collection)).all()
    return (
        {(one.pair_id, one.annotator): (str(one.uuid), one.choice.value) for one in told},
        {(row.pair, row.annotator): (row.judgement, row.choice) for row in rows},
    )


def test_a_retry_with_another_choice_changes_nothing_that_counts(annotation: Annotation) -> None:
    collection = sums(annotation, 2)
    pair = given(annotation, ANNA, collection)[0]
    says(annotation, ANNA, collection, pair, Choice.TIE)
    for choice in (Place.LEFT, Choice.SKIP, Choice.BOTH_BAD):
        says(annotation, ANNA, collection, pair, choice)
        standing, kept = standing_and_kept(annotation, collection)
        assert standing == kept == {(pair["pair"], ANNA.id): (pair["shown"], "tie")}
    assert counters(annotation, collection) == counted_anew(annotation, collection)


def test_a_retry_after_an_undo_or_a_later_judgement_brings_nothing_back(annotation: Annotation) -> None:
    collection = sums(annotation, 2)
    pair = given(annotation, ANNA, collection)[0]
    says(annotation, ANNA, collection, pair, Place.LEFT)
    undo = uuid4()
    again = annotation.undo(ANNA, undo, UUID(pair["shown"])).result()["pair"]
    says(annotation, ANNA, collection, pair, Place.LEFT)  # the page had not heard that the first one was saved
    assert standing_and_kept(annotation, collection) == ({}, {})
    says(annotation, ANNA, collection, again, Choice.BOTH_BAD)
    says(annotation, ANNA, collection, pair, Place.LEFT)
    annotation.undo(ANNA, undo, UUID(pair["shown"])).result()  # nor does a retry of the undo take the new one back
    standing, kept = standing_and_kept(annotation, collection)
    assert standing == kept == {(pair["pair"], ANNA.id): (again["shown"], "both_bad")}
    assert counters(annotation, collection) == counted_anew(annotation, collection)


def test_time_at_work_leaves_out_long_gaps(annotation: Annotation, monkeypatch: pytest.MonkeyPatch) -> None:
    collection, clock = sums(annotation, 5), [1000.0]
    monkeypatch.setattr("lab.annotation.judgements.time.time", lambda: clock[0])
    expected = 0.0
    for gap, counted in ((0.0, 4.0), (30.0, 30.0), (LONGEST_GAP, LONGEST_GAP), (5000.0, LONGEST_GAP), (-60.0, 0.0)):
        clock[0] += gap
        pair = given(annotation, ANNA, collection)[0]
        says(annotation, ANNA, collection, pair, Place.LEFT, seconds=4.0)
        expected += counted
        with annotation.store.reading() as connection:
            assert connection.execute(select(annotators_table.c.seconds)).scalar() == pytest.approx(expected)


def test_an_undo_takes_back_the_judgement_that_it_names_and_no_other() -> None:
    """As an imported record may have it: Anna's first judgement was replaced before it was taken back."""
    usual = {"pair": "p", "annotator": "anna", "left": "first", "strength": None, "reason": "", "seconds": None}
    usual |= {"edited": None, "revealed": False, "kind": "judgement", "choice": "first", "supersedes": None}
    first, second, undo = (str(uuid4()) for _ in range(3))
    told = [{"id": first}, {"id": second, "choice": "tie"}, {"id": undo, "kind": "undo", "supersedes": first}]
    (judgement,) = standing(SimpleNamespace(**usual | event) for event in told)
    assert (str(judgement.uuid), judgement.choice) == (second, Choice.TIE)
    assert standing(SimpleNamespace(**usual | event) for event in [told[0], told[2]]) == []


# ---- undo


def test_undo_brings_the_pair_back_and_keeps_the_record(annotation: Annotation) -> None:
    collection = sums(annotation, 1)
    pair = given(annotation, ANNA, collection)[0]
    says(annotation, ANNA, collection, pair, Place.LEFT)
    assert given(annotation, ANNA, collection) == []
    undo = uuid4()
    answers = [annotation.undo(ANNA, undo, UUID(pair["shown"])).result() for _ in range(2)]  # and its retry
    assert answers[0] == answers[1]
    again = answers[0]["pair"]
    assert {**again, "shown": ""} == {**pair, "shown": ""} and again["shown"] != pair["shown"]
    assert answers[0]["progress"].judged == 0 and answers[0]["progress"].left == 1
    assert says(annotation, ANNA, collection, again, Choice.TIE)["progress"].judged == 1
    assert [row.kind for row in stored(annotation)] == ["judgement", "undo", "judgement"]
    assert counters(annotation, collection) == counted_anew(annotation, collection)


def test_undo_of_what_is_not_there(annotation: Annotation) -> None:
    collection = sums(annotation)
    pair = given(annotation, ANNA, collection)[0]
    says(annotation, ANNA, collection, pair, Place.LEFT)
    done = UUID(pair["shown"])
    for person, target, key in ((BEN, done, "no_such_judgement"), (ANNA, uuid4(), "no_such_judgement")):
        with pytest.raises(StateError) as caught:
            annotation.undo(person, uuid4(), target).result()
        assert caught.value.key == key
    annotation.undo(ANNA, uuid4(), done).result()
    with pytest.raises(StateError) as caught:
        annotation.undo(ANNA, uuid4(), done).result()
    assert caught.value.key == "judgement_not_current"


def test_undo_after_a_freeze_leaves_the_version(annotation: Annotation) -> None:
    collection = sums(annotation, 4)
    pairs = given(annotation, ANNA, collection, 4)
    for pair in pairs:
        says(annotation, ANNA, collection, pair, place_of(pair))
    version = annotation.freeze(collection)
    before = annotation.rows(version.id)
    annotation.undo(ANNA, uuid4(), UUID(pairs[0]["shown"])).result()
    assert annotation.rows(version.id) == before and len(before) == 4
    later = annotation.freeze(collection)
    assert later.id != version.id and later.preferences == 3
    with annotation.store.reading() as connection:
        assert len(standing(events(connection, collection, version.through))) == 4
        assert len(current_judgements(connection, collection)) == 3
