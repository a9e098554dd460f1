"""What is stored of what people say: once, by the response's identity, and nothing twice; who is handed what."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from lab.core.preferences import Choice, Derivation, Place
from lab.errors import InputError, LabError, StateError
from lab.store.annotation import Annotation
from lab.store.annotation_tables import (
    annotators_table,
    collections_table,
    current_table,
    judgements_table,
    pairs_table,
    showings_table,
)
from lab.store.judgements import Submission, current_judgements
from lab.store.pairs import recount
from lab.store.runs import Store
from tests.store.annotating import ANNA, BEN, CHEN, given, judge_all, place_of, says, sums


@pytest.fixture
def annotation(lab_home: Path) -> Iterator[Annotation]:
    store = Store(lab_home, allow_unsafe_disk=True)
    yield Annotation(store)
    store.close()


def stored(annotation: Annotation) -> list[Any]:
    with annotation.store.reading() as connection:
        return list(connection.execute(select(judgements_table).order_by(judgements_table.c.number)))


def counters(annotation: Annotation, collection: str) -> list[Any]:
    tables = (
        select(collections_table.c.pairs, collections_table.c.gold, collections_table.c.open),
        select(pairs_table.c.id, pairs_table.c.votes).order_by(pairs_table.c.id),
        select(annotators_table.c["annotator", "judged", "skipped", "in_open"]).order_by(annotators_table.c.annotator),
    )
    with annotation.store.reading() as connection:
        return [tuple(row) for table in tables for row in connection.execute(table)]


def counted_anew(annotation: Annotation, collection: str) -> list[Any]:
    annotation.store.writing(lambda connection: recount(connection, collection))
    return counters(annotation, collection)


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
    again = given(annotation, ANNA, collection)[0]  # the page was loaded anew
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


# ---- who is handed what


def test_nobody_is_handed_a_pair_twice_and_no_pair_beyond_the_overlap(annotation: Annotation) -> None:
    collection = sums(annotation, 30, overlap=2)
    people = [ANNA, BEN, CHEN]
    handed: list[tuple[str, str]] = []

    def work(person: Any) -> None:
        holding: list[str] = []
        while pairs := given(annotation, person, collection, 3, holding):
            for pair in pairs:
                handed.append((person.id, pair["pair"]))
                holding.append(pair["pair"])
            for pair in pairs[:2]:
                says(annotation, person, collection, pair, Place.LEFT)

    threads = [threading.Thread(target=work, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(Counter(handed).values()) == 1
    assert Counter(pair for _, pair in handed).most_common(1)[0][1] == 2
    assert len(handed) == 60


def test_two_open_the_last_pair_at_once_and_one_gets_it(annotation: Annotation) -> None:
    collection = sums(annotation, 1, overlap=1)
    futures = [annotation.hand_out(person, collection, 1) for person in (ANNA, BEN)]
    assert [len(future.result()["pairs"]) for future in futures] == [1, 0]
    assert annotation.queue(BEN)[0]["left"] == 1  # Anna may yet skip it
    (pair,) = futures[0].result()["pairs"]
    says(annotation, ANNA, collection, pair, Choice.SKIP)
    assert [one["pair"] for one in given(annotation, BEN, collection)] == [pair["pair"]]
    assert given(annotation, ANNA, collection) == []


def test_two_processes_hand_out_at_once(annotation: Annotation) -> None:
    collection = sums(annotation, 40, overlap=1)
    other = Annotation(Store(annotation.store.home, allow_unsafe_disk=True))
    handed: list[str] = []

    def work(which: Annotation, person: Any) -> None:
        holding: list[str] = []
        while pairs := given(which, person, collection, 2, holding):
            holding += [pair["pair"] for pair in pairs]
        handed.extend(holding)

    threads = [threading.Thread(target=work, args=pair) for pair in ((annotation, ANNA), (other, BEN))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.store.close()
    assert sorted(handed) == sorted(pair.id for pair in annotation.pairs(collection))


def test_an_abandoned_claim_comes_back_to_others(annotation: Annotation) -> None:
    collection = sums(annotation, 2, overlap=1)
    left, kept = given(annotation, ANNA, collection, 2)
    assert given(annotation, BEN, collection, 2) == []
    past = update(showings_table).values(expires=time.time() - 1)
    annotation.store.writing(lambda connection: connection.execute(past))
    assert {pair["pair"] for pair in given(annotation, BEN, collection, 2)} == {left["pair"], kept["pair"]}
    assert says(annotation, ANNA, collection, kept, Place.LEFT)["saved"]  # late, and stored all the same
    assert len(stored(annotation)) == 1


def test_holding_lengthens_the_claim(annotation: Annotation) -> None:
    collection = sums(annotation, 2, overlap=1)
    pairs = given(annotation, ANNA, collection, 2)
    soon = update(showings_table).values(expires=time.time() + 1)
    annotation.store.writing(lambda connection: connection.execute(soon))
    given(annotation, ANNA, collection, 1, [pairs[0]["pair"]])
    with annotation.store.reading() as connection:
        table = showings_table.c
        shown = select(table.pair, table.expires).where(table.id.in_([pair["shown"] for pair in pairs]))
        longest = {row.pair: row.expires for row in connection.execute(shown)}
    assert longest[pairs[0]["pair"]] > time.time() + 60 > longest[pairs[1]["pair"]]


def test_a_reload_brings_the_same_pairs_again(annotation: Annotation) -> None:
    collection = sums(annotation, 9)
    before = given(annotation, ANNA, collection, 3)
    after = given(annotation, ANNA, collection, 3)
    assert [{**pair, "shown": ""} for pair in after] == [{**pair, "shown": ""} for pair in before]
    others = given(annotation, ANNA, collection, 3, [pair["pair"] for pair in before])
    assert {pair["pair"] for pair in others}.isdisjoint(pair["pair"] for pair in before)


def test_the_least_judged_first(annotation: Annotation) -> None:
    collection = sums(annotation, 6, overlap=3)
    for pair in given(annotation, ANNA, collection, 4):
        says(annotation, ANNA, collection, pair, Choice.TIE)
    judged = {row.pair for row in stored(annotation)}
    first = [pair["pair"] for pair in given(annotation, BEN, collection, 2)]
    assert judged.isdisjoint(first)


def test_gold_comes_at_its_rate_to_everybody_and_never_alone(annotation: Annotation) -> None:
    collection = sums(annotation, 300, gold=100, overlap=1, gold_rate=0.25)
    assert annotation.collection(collection).gold == 100 and annotation.collection(collection).pairs == 200
    gold = {pair.id for pair in annotation.pairs(collection) if pair.gold}
    shares = []
    for person in (ANNA, BEN):
        handed: list[str] = []
        while len(handed) < 100:
            handed += [pair["pair"] for pair in given(annotation, person, collection, 10, handed)]
        assert len(set(handed)) == len(handed)
        shares.append(sum(pair in gold for pair in handed) / len(handed))
    assert all(
        0.1 < share < 0.4 for share in shares
    )  # binomial(100, 0.25): outside in one of 10,000 seeds; this one is fixed
    judge_all(annotation, ANNA, collection)
    judge_all(annotation, BEN, collection)
    assert given(annotation, CHEN, collection, 5) == []  # gold is left, but no other


def test_progress_is_that_of_a_count(annotation: Annotation) -> None:
    collection = sums(annotation, 10, gold=2, overlap=2, gold_rate=0.3)
    for number, (person, choice) in enumerate(
        [(ANNA, Place.LEFT), (BEN, Choice.SKIP), (CHEN, Place.RIGHT), (ANNA, Choice.TIE), (BEN, Place.LEFT)]
    ):
        for pair in given(annotation, person, collection, 3):
            says(annotation, person, collection, pair, choice)
        if number == 3:
            last = stored(annotation)[-1]
            annotation.undo(ANNA, uuid4(), UUID(last.id)).result()
        assert counters(annotation, collection) == counted_anew(annotation, collection)
    with annotation.store.reading() as connection:
        derived = {(one.pair_id, one.annotator): str(one.uuid) for one in current_judgements(connection, collection)}
        kept = {(row.pair, row.annotator): row.judgement for row in connection.execute(select(current_table))}
    assert derived == kept
    annotation.change(collection, overlap=1)
    assert counters(annotation, collection) == counted_anew(annotation, collection)


def test_everything_is_judged_in_the_end(annotation: Annotation) -> None:
    collection = sums(annotation, 9, overlap=2)
    assert [judge_all(annotation, person, collection) for person in (ANNA, BEN, CHEN)] == [9, 9, 0]
    assert annotation.collection(collection).open == 0
    mine = next(row for row in annotation.queue(ANNA) if row["id"] == collection)
    assert (mine["judged"], mine["left"], mine["pairs"], mine["overlap"]) == (9, 0, 9, 2)


# ---- looking


def test_the_same_opinions_under_random_sides_agree_perfectly(annotation: Annotation) -> None:
    collection = sums(annotation, 40, overlap=3)
    for person in (ANNA, BEN, CHEN):
        while pairs := given(annotation, person, collection, 10):
            for pair in pairs:  # all think alike: a sum with an even number is right, with an odd one wrong
                says(annotation, person, collection, pair, place_of(pair, int(pair["prompt"].split()[0]) % 2 == 0))
    found = annotation.quality(collection)
    assert found.alpha.value == 1.0 and found.alpha.count == 40
    assert found.raw.value == 1.0 and found.disagreements == ()
    assert 0.3 < (found.left_rate.value or 0) < 0.7
    assert len({row.choice == row.left for row in stored(annotation)}) == 2  # by letters they did not agree at all


def test_quality_of_each_and_what_to_adjudicate(annotation: Annotation) -> None:
    collection = sums(annotation, 12, gold=4, overlap=2, gold_rate=0.5)
    judge_all(annotation, ANNA, collection, seconds=5.0)
    judge_all(annotation, BEN, collection, right=False, seconds=0.1)
    found = annotation.quality(collection)
    anna, ben = found.annotators
    assert (anna.name, anna.gold.value, anna.seconds, anna.flagged) == ("Anna", 1.0, 5.0, False)
    assert (ben.name, ben.gold.value, ben.too_fast, ben.flagged) == ("Ben", 0.0, ben.judged, True)
    assert found.raw.value == 0.0 and found.kappa is not None
    assert len(found.disagreements) == found.raw.count
    divided = found.disagreements[0]
    assert {one.choice for one in divided.judgements} == {Choice.FIRST, Choice.SECOND}


def test_which_source_people_prefer(annotation: Annotation) -> None:
    collection = sums(annotation, 20, overlap=1)
    judge_all(annotation, ANNA, collection)
    (found,) = annotation.compare_sources(collection)
    assert (found.one, found.other, found.wins_one, found.wins_other) == ("right", "wrong", 20, 0)
    low, high = found.share.interval
    assert found.better == "right" and 0.8 < low < high == 1.0


def test_a_collection_that_was_judged_is_not_deleted(annotation: Annotation) -> None:
    empty, judged = sums(annotation, 2), sums(annotation, 3)
    given(annotation, ANNA, empty)
    says(annotation, ANNA, judged, given(annotation, ANNA, judged)[0], Choice.SKIP)
    annotation.delete(empty)
    with pytest.raises(StateError) as caught:
        annotation.delete(judged)
    assert caught.value.key == "collection_judged"
    assert [one.id for one in annotation.collections()] == [judged]


@pytest.mark.parametrize(
    "values",
    [{"overlap": 0}, {"overlap": 1.5}, {"gold_rate": float("nan")}, {"gold_rate": 0.9}, {"seed": -1}, {"x": 1}],
)
def test_settings_out_of_bounds(annotation: Annotation, values: dict[str, Any]) -> None:
    collection = sums(annotation, 2)
    with pytest.raises(InputError) as caught:
        annotation.change(collection, **values)
    assert caught.value.key == "collection_setting" and caught.value.params["field"] in values


def test_unknown_collections(annotation: Annotation) -> None:
    for call in (
        lambda: annotation.collection("../x"),
        lambda: annotation.quality("20260101-000000-aaaa"),
        lambda: annotation.hand_out(ANNA, "x" * 5000, 1).result(),
        lambda: annotation.pairs("'; DROP TABLE pairs"),
        lambda: annotation.freeze("", Derivation()),
    ):
        with pytest.raises(LabError) as caught:
            call()
        assert caught.value.key == "no_such_collection"


def test_a_judgement_is_on_disk_before_it_is_acknowledged(annotation: Annotation) -> None:
    collection = sums(annotation)
    pair = given(annotation, ANNA, collection)[0]
    says(annotation, ANNA, collection, pair, Place.LEFT)
    other = sqlite3.connect(annotation.store.home / "lab.db")  # sees only what was committed
    assert other.execute("SELECT count(*) FROM judgements WHERE id = ?", (pair["shown"],)).fetchone() == (1,)
    other.close()
