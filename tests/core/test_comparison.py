"""Which source people prefer: by response, each pair once, with an interval that admits when nobody knows."""

from __future__ import annotations

import pytest

from lab.core.comparison import compare
from lab.core.preferences import Choice, Pair, Response, make_pair


def pair(number: int, one: str | None = "a", other: str | None = "b", gold: bool = False) -> Pair:
    first = Response(text=f"first {number}", source=one)
    return make_pair(f"p{number}", first, Response(text=f"second {number}", source=other), first if gold else None)


def vote(asked: Pair, source: str) -> Choice:
    return Choice.FIRST if asked.first.source == source else Choice.SECOND


def test_a_pair_counts_once_whoever_stood_first() -> None:
    pairs = [pair(n) for n in range(12)]
    votes = {one.id: {"x": vote(one, "a"), "y": vote(one, "a"), "z": vote(one, "b")} for one in pairs}
    (found,) = compare(pairs, votes)
    assert (found.one, found.other, found.wins_one, found.wins_other, found.ties) == ("a", "b", 12, 0, 0)
    assert found.better == "a"
    assert {one.first.source for one in pairs} == {"a", "b"}


@pytest.mark.parametrize(
    ("wins", "of", "better"), [(5, 5, "a"), (3, 3, None), (0, 9, "b"), (6, 10, None), (60, 100, "a")]
)
def test_the_better_one_is_named_only_beyond_doubt(wins: int, of: int, better: str | None) -> None:
    pairs = [pair(n) for n in range(of)]
    votes = {one.id: {"x": vote(one, "a" if n < wins else "b")} for n, one in enumerate(pairs)}
    (found,) = compare(pairs, votes)
    assert found.better == better and found.share.count == wins


def test_ties_and_what_does_not_count() -> None:
    pairs = [pair(0), pair(1), pair(2), pair(3, gold=True), pair(4, "a", "a"), pair(5, None, "b"), pair(6)]
    votes = {
        pairs[0].id: {"x": Choice.TIE},
        pairs[1].id: {"x": vote(pairs[1], "a"), "y": vote(pairs[1], "b")},
        pairs[2].id: {"x": Choice.BOTH_BAD, "y": vote(pairs[2], "b")},
        **{one.id: {"x": Choice.FIRST} for one in pairs[3:6]},
    }
    (found,) = compare(pairs, votes)
    assert (found.wins_one, found.wins_other, found.ties) == (0, 1, 2)
    assert compare(pairs, {}) == []


def test_every_two_sources_that_met() -> None:
    pairs = [pair(0, "c", "a"), pair(1, "c", "a"), pair(2, "b", "c")]
    found = compare(pairs, {one.id: {"x": vote(one, "c")} for one in pairs})
    assert [(one.one, one.other, one.wins_one, one.wins_other) for one in found] == [("a", "c", 0, 2), ("b", "c", 0, 1)]
