"""Looking at what was judged: agreement, each annotator, which source people prefer; and what is refused."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from lab.annotation.collections import Annotation
from lab.core.access import Access, User
from lab.core.preferences import Choice, Derivation, Place
from lab.errors import InputError, LabError, StateError
from tests.annotation.annotating import (
    ANNA,
    BEN,
    CHEN,
    given,
    judge_all,
    place_of,
    says,
    stored,
    sums,
)


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
    assert found.raw.value == 0.0 and found.kappa is not None and found.raw.count == 8
    assert len(found.disagreements) == found.raw.count
    divided = found.disagreements[0]
    assert {one.choice for one in divided.judgements} == {Choice.FIRST, Choice.SECOND}


def test_gold_pairs_measure_people_and_not_their_agreement(annotation: Annotation) -> None:
    collection = sums(annotation, 12, gold=6, overlap=2, gold_rate=0.5)
    for person in (ANNA, BEN):
        while pairs := given(annotation, person, collection, 5):
            for pair in pairs:  # all know the gold ones; of the others they think differently
                known = int(pair["prompt"].split()[0]) < 6
                says(annotation, person, collection, pair, place_of(pair, known or person is ANNA))
    found = annotation.quality(collection)
    assert (found.raw.value, found.raw.count) == (0.0, 6) and found.kappa is not None and found.kappa.count == 6
    assert found.alpha.count == 6 and {one.pair.gold for one in found.disagreements} == {None}
    assert [one.gold.value for one in found.annotators] == [1.0, 1.0]
    assert found.gold == found.judgements - 12 > 0


def test_who_judged_after_the_sources_were_shown_is_in_no_figure(annotation: Annotation) -> None:
    collection = sums(annotation, 4, overlap=2)
    judge_all(annotation, ANNA, collection)
    blind, again, *_ = given(annotation, BEN, collection, 4)
    says(annotation, BEN, collection, blind, place_of(blind))
    says(annotation, BEN, collection, again, place_of(again, False), revealed=True)
    found = annotation.quality(collection)
    assert (found.raw.value, found.raw.count) == (1.0, 1) and found.disagreements == ()
    assert (found.judgements, found.revealed) == (6, 1) and found.left_rate.count == 5
    assert [one.revealed for one in found.annotators] == [0, 1]
    assert annotation.compare_sources(collection)[0].wins_one == 4
    assert len(annotation.derived(collection, Derivation()).preferences) == 4
    assert annotation.derived(collection, Derivation(use_revealed=True)).counts == {"no_majority": 1}


def test_two_people_of_one_name_are_told_apart(annotation: Annotation) -> None:
    collection = sums(annotation, 2, overlap=3)
    for one in ("g-aaaa1234", "g-bbbb5678", "u-wang"):
        person = User("Li" if one.startswith("g-") else "Wang", Access.ANNOTATOR, id=one)
        (pair,) = given(annotation, person, collection, 1)
        says(annotation, person, collection, pair, place_of(pair))
    names = [one.name for one in annotation.quality(collection).annotators]
    assert names == ["Li (…1234)", "Li (…5678)", "Wang"]


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
