"""The owner's word on a pair: one more judgement, by the response's identity, wherever it would have stood."""

from __future__ import annotations

import pytest

from lab.core.access import Access, User
from lab.core.preferences import Choice, Derivation
from lab.errors import StateError
from lab.store.adjudication import adjudicate
from tests.store.annotating import ANNA, BEN, given, place_of, says, sums

OWNERS = [User(name, Access.OWNER, id=name) for name in ("owner", "second owner", "third owner", "fourth owner")]


def test_a_divided_pair_is_decided_by_identity_whatever_the_side(annotation):
    collection = sums(annotation, 1, overlap=2)
    for person, right in ((ANNA, True), (BEN, False)):
        (pair,) = given(annotation, person, collection)
        says(annotation, person, collection, pair, place_of(pair, right))
    assert annotation.derived(collection, Derivation()).preferences == ()
    (divided,) = annotation.quality(collection).disagreements
    right = next(c for c in (Choice.FIRST, Choice.SECOND) if divided.pair.response(c).text == "It is 1.")
    for owner in OWNERS:  # on some owners' screens it would have stood left, on some right
        adjudicate(annotation.store, owner, collection, divided.pair.id, right)
    (found,) = annotation.derived(collection, Derivation()).preferences
    assert (found.chosen, found.n_votes, found.agreement) == ("It is 1.", 6, 5 / 6)


def test_a_second_word_replaces_the_first(annotation):
    collection = sums(annotation, 1)
    (pair,) = annotation.pairs(collection)
    for choice in (Choice.FIRST, Choice.TIE):
        adjudicate(annotation.store, OWNERS[0], collection, pair.id, choice)
    assert annotation.quality(collection).judgements == 1
    assert annotation.derived(collection, Derivation()).counts == {"tie": 1}


def test_what_is_not_there_is_refused(annotation):
    collection = sums(annotation, 1)
    with pytest.raises(StateError) as error:
        adjudicate(annotation.store, OWNERS[0], collection, "nothing", Choice.TIE)
    assert error.value.key == "no_such_pair"
    with pytest.raises(StateError) as error:
        adjudicate(annotation.store, OWNERS[0], "nothing", "nothing", Choice.TIE)
    assert error.value.key == "no_such_collection"
