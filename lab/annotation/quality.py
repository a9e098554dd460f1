"""How well a collection was judged, for its owner: agreement, and each annotator's habits. The formulas are the core's.

Figures rest on blind judgements: whoever had been shown the sources is counted beside them, and the owner's word on a pair is none.
Agreement leaves out gold pairs too: they are mostly easy, and everybody gets them, so they would raise it. It reads every event, so
it is made when it is asked for, and not at each judgement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from sqlalchemy import Connection, select

from lab.annotation.adjudication import words
from lab.annotation.judgements import events, standing
from lab.annotation.pairs import read_pairs
from lab.annotation.tables import annotators_table
from lab.core.agreement import (
    Measure,
    Votes,
    cohens_kappa,
    gold_accuracy,
    krippendorffs_alpha,
    left_rate,
    raw_agreement,
    shared,
    too_fast,
    votes,
)
from lab.core.names import told_apart
from lab.core.preferences import Choice, Judgement, Pair

FLAGGED_SHARE = 0.2
"""Whoever is too fast more often than this is flagged, from some judgements on."""
FLAGGED_FROM = 5


@dataclass(frozen=True)
class OfAnnotator:
    """How one person judges; sides, gold and pace of the blind judgements."""

    id: str
    name: str
    """With the end of the id where others are called alike."""
    judged: int
    skipped: int
    left_rate: Measure
    gold: Measure
    seconds: float | None
    """The median time that a judgement took, as the page measured it."""
    too_fast: int
    """Judgements that came sooner than anybody can read."""
    revealed: int = 0
    """Judgements that were made after the sources were shown."""

    @property
    def flagged(self) -> bool:
        """Whether the owner should look at what they did."""
        return self.judged >= FLAGGED_FROM and self.too_fast > FLAGGED_SHARE * self.judged


@dataclass(frozen=True)
class Disagreement:
    """A pair of which people say different things."""

    pair: Pair
    judgements: tuple[Judgement, ...]
    """In the order of the annotators' ids."""
    adjudicated: Choice | None = None
    """The owner's word, where there is one."""


@dataclass(frozen=True)
class Quality:
    """A collection as its owner sees it."""

    judgements: int
    skips: int
    pairs_judged: int
    raw: Measure
    kappa: Measure | None
    """Only where exactly two people judged."""
    alpha: Measure
    left_rate: Measure
    annotators: tuple[OfAnnotator, ...]
    disagreements: tuple[Disagreement, ...]
    """Those that wait for the owner's word first, of these the most divided."""
    gold: int = 0
    """Judgements of gold pairs: in no figure of agreement."""
    revealed: int = 0
    """Judgements made after the sources were shown: in no figure at all."""
    adjudicated: int = 0
    """Pairs on which the owner's word stands."""


def quality(connection: Connection, collection_id: str, through: int | None = None) -> Quality:
    """Everything of it, from the judgements that count now, or that counted after the event ``through``."""
    pairs = {pair.id: pair for pair in read_pairs(connection, collection_id)}
    gold = {pair.id: pair.gold for pair in pairs.values() if pair.gold is not None}
    told = list(events(connection, collection_id, through))
    judged = standing(told)
    decided = {word.pair_id: word.choice for word in words(told)}
    blind = [judgement for judgement in judged if not judgement.revealed]
    everything, seen = votes(judged), votes(blind)
    agreeing = {pair_id: of_pair for pair_id, of_pair in seen.items() if pair_id not in gold}
    people = sorted({person for of_pair in agreeing.values() for person in of_pair})
    count = _count(everything)
    return Quality(
        judgements=count,
        skips=sum(judgement.choice is Choice.SKIP for judgement in judged),
        pairs_judged=sum(bool(of_pair) for of_pair in everything.values()),
        raw=raw_agreement(agreeing),
        kappa=cohens_kappa(agreeing, *people) if len(people) == 2 else None,
        alpha=krippendorffs_alpha(agreeing),
        left_rate=left_rate(blind),
        annotators=_annotators(judged, _names(connection, collection_id, judged), pairs, gold),
        disagreements=_disagreements(pairs, agreeing, blind, decided),
        gold=_count(seen) - _count(agreeing),
        revealed=count - _count(seen),
        adjudicated=len(decided),
    )


def _count(found: Votes) -> int:
    return sum(len(of_pair) for of_pair in found.values())


def _names(connection: Connection, collection_id: str, judged: Sequence[Judgement]) -> dict[str, str]:
    """What those who judged are called, told apart; by id."""
    table = annotators_table.c
    told = connection.execute(select(table.annotator, table.name).where(table.collection == collection_id))
    names = {row.annotator: row.name for row in told}
    return told_apart({person: names.get(person, person) for person in {one.annotator for one in judged}})


def _annotators(
    judged: Sequence[Judgement], names: Mapping[str, str], pairs: Mapping[str, Pair], gold: Mapping[str, Choice]
) -> tuple[OfAnnotator, ...]:
    of_person: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judged:
        of_person[judgement.annotator].append(judgement)
    return tuple(_of_annotator(person, names[person], of_person[person], pairs, gold) for person in sorted(of_person))


def _of_annotator(
    person: str, name: str, judged: Sequence[Judgement], pairs: Mapping[str, Pair], gold: Mapping[str, Choice]
) -> OfAnnotator:
    votes_of_theirs = [judgement for judgement in judged if judgement.choice is not Choice.SKIP]
    blind = [judgement for judgement in votes_of_theirs if not judgement.revealed]
    timed = [
        (judgement.duration, len(pairs[judgement.pair_id].first.text) + len(pairs[judgement.pair_id].second.text))
        for judgement in blind
        if judgement.duration is not None
    ]
    return OfAnnotator(
        id=person,
        name=name,
        judged=len(votes_of_theirs),
        skipped=len(judged) - len(votes_of_theirs),
        left_rate=left_rate(blind),
        gold=gold_accuracy(votes(blind), gold, person),
        seconds=median(seconds for seconds, _ in timed) if timed else None,
        too_fast=sum(too_fast(seconds, characters) for seconds, characters in timed),
        revealed=len(votes_of_theirs) - len(blind),
    )


def _disagreements(
    pairs: Mapping[str, Pair], found: Votes, blind: Sequence[Judgement], decided: Mapping[str, Choice]
) -> tuple[Disagreement, ...]:
    divided = {pair_id: of_pair for pair_id, of_pair in shared(found).items() if len(set(of_pair.values())) > 1}
    of_pair: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in blind:
        if judgement.pair_id in divided and judgement.choice is not Choice.SKIP:
            of_pair[judgement.pair_id].append(judgement)

    def order(pair_id: str) -> tuple[bool, float, str]:
        choices = list(divided[pair_id].values())
        return pair_id in decided, max(choices.count(choice) for choice in choices) / len(choices), pair_id

    return tuple(
        Disagreement(
            pairs[pair_id],
            tuple(sorted(of_pair[pair_id], key=lambda one: one.annotator)),
            decided.get(pair_id),
        )
        for pair_id in sorted(divided, key=order)
    )
