"""The owner's word on a pair: it decides, by the response's identity, and is no judgement in any figure."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import ValidationError

from lab.annotation.adjudication import adjudicate
from lab.annotation.collections import Annotation
from lab.core.access import Access, User
from lab.core.preferences import Choice, Derivation
from lab.errors import StateError
from tests.annotation.annotating import ANNA, BEN, CHEN, counted_anew, counters, given, place_of, says, stored, sums

OWNER, SECOND = (User(name, Access.OWNER, id=name) for name in ("owner", "second owner"))


def divided(annotation: Annotation, count: int = 1) -> str:
    """A collection in which two of three say the right sum, and one the wrong one."""
    collection = sums(annotation, count, overlap=3)
    for person, right in ((ANNA, True), (BEN, True), (CHEN, False)):
        for pair in given(annotation, person, collection, count):
            says(annotation, person, collection, pair, place_of(pair, right), seconds=3.0)
    return collection


def right_and_wrong(annotation: Annotation, collection: str) -> tuple[str, Choice, Choice]:
    pair = annotation.quality(collection).disagreements[0].pair
    right = Choice.FIRST if pair.first.source == "right" else Choice.SECOND
    return pair.id, right, right.of_other


def test_it_decides_against_a_majority_and_is_no_vote(annotation):
    collection = divided(annotation)
    pair, right, wrong = right_and_wrong(annotation, collection)
    adjudicate(annotation.store, OWNER, collection, pair, wrong)
    (found,) = annotation.derived(collection, Derivation(least_agreement=0.9)).preferences
    assert (found.chosen, found.n_votes, found.agreement) == ("It is 0.", 3, 1 / 3)
    assert found.annotators == ("u-anna", "u-ben", "u-chen") and found.adjudicated_by == "owner"
    (voted,) = annotation.derived(collection, Derivation(use_adjudications=False)).preferences
    assert (voted.chosen, voted.adjudicated_by) == ("It is 1.", None)
    adjudicate(annotation.store, SECOND, collection, pair, right)  # the latest word stands
    assert annotation.derived(collection, Derivation()).preferences[0].adjudicated_by == "second owner"
    adjudicate(annotation.store, OWNER, collection, pair, Choice.TIE)
    assert annotation.derived(collection, Derivation()).counts == {"tie": 1}


def test_it_is_in_no_figure(annotation):
    collection = divided(annotation, 3)
    before, kept, compared = (
        annotation.quality(collection),
        counters(annotation, collection),
        annotation.compare_sources(collection),
    )
    pair, _, wrong = right_and_wrong(annotation, collection)
    adjudicate(annotation.store, OWNER, collection, pair, wrong)
    after = annotation.quality(collection)
    for name in ("judgements", "pairs_judged", "raw", "kappa", "alpha", "left_rate", "annotators"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.adjudicated == 1 and annotation.compare_sources(collection) == compared
    assert counters(annotation, collection) == kept == counted_anew(annotation, collection)
    event = stored(annotation)[-1]
    assert (event.kind, event.annotator, event.left) == ("adjudication", "owner", None)


def test_what_waits_for_a_decision_comes_first(annotation):
    collection = divided(annotation, 3)
    first, second, third = (one.pair.id for one in annotation.quality(collection).disagreements)
    adjudicate(annotation.store, OWNER, collection, first, Choice.BOTH_BAD)
    found = annotation.quality(collection).disagreements
    assert [one.pair.id for one in found] == [second, third, first]
    assert [one.adjudicated for one in found] == [None, None, Choice.BOTH_BAD]


def test_the_owner_may_judge_blind_as_well(annotation):
    collection = sums(annotation, 1, overlap=2)
    (pair,) = given(annotation, OWNER, collection)
    says(annotation, OWNER, collection, pair, place_of(pair))
    adjudicate(annotation.store, OWNER, collection, pair["pair"], Choice.TIE)
    assert annotation.quality(collection).judgements == 1
    with pytest.raises(StateError) as caught:  # a word is not taken back as a judgement is
        annotation.undo(OWNER, uuid4(), stored(annotation)[-1].id).result()
    assert caught.value.key == "no_such_judgement"


def test_an_export_says_so_and_comes_back(annotation, tmp_path: Path):
    collection = divided(annotation, 2)
    pair, _, wrong = right_and_wrong(annotation, collection)
    adjudicate(annotation.store, OWNER, collection, pair, wrong)
    version = annotation.freeze(collection)
    assert [row["adjudicated_by"] for row in annotation.rows(version.id)].count("owner") == 1
    folder = annotation.export(version.id, tmp_path / "out")
    card = (folder / "README.md").read_text("utf-8")
    assert "decided 1 pair(s)" in card and "| judgements (annotators) | 6 (3) |" in card and "adjudicated_by" in card
    found = annotation.import_export(folder)
    assert found.content_hash == version.content_hash
    theirs = annotation.quality(found.collection)
    assert (theirs.judgements, theirs.adjudicated, len(theirs.annotators)) == (6, 1, 3)
    without = annotation.freeze(collection, Derivation(use_adjudications=False))
    assert "are not used" in (annotation.export(without.id, tmp_path / "without") / "README.md").read_text("utf-8")


def test_what_is_not_there_is_refused(annotation):
    collection = sums(annotation, 1)
    with pytest.raises(StateError) as error:
        adjudicate(annotation.store, OWNER, collection, "nothing", Choice.TIE)
    assert error.value.key == "no_such_pair"
    with pytest.raises(StateError) as error:
        adjudicate(annotation.store, OWNER, "nothing", "nothing", Choice.TIE)
    assert error.value.key == "no_such_collection"
    with pytest.raises(ValidationError):
        adjudicate(annotation.store, OWNER, collection, "nothing", Choice.SKIP)
