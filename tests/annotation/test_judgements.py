"""What is stored of what people say: once, by the response's identity, and nothing twice."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from lab.annotation.collections import Annotation
from lab.annotation.judgements import Submission, current_judgements
from lab.annotation.tables import showings_table
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
    first, second = given(annotation, ANNA, collection, 2)
    assert set(first) == {"pair", "prompt", "a", "b", "shown"}
    answer = says(annotation, ANNA, collection, first, place_of(first))
    side = "a" if place_of(first) is Place.LEFT else "b"
    assert answer["sources"][side] == "right" and set(answer["sources"].values()) == {"right", "wrong"}
    assert says(annotation, ANNA, collection, second, Choice.SKIP)["sources"] is None


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
        assert len(current_judgements(connection, collection, version.through)) == 4
        assert len(current_judgements(connection, collection)) == 3
