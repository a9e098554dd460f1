"""How well a collection was judged: agreement, and how each annotator judges. The formulas are in ``lab/core/agreement.py``.

Measures use blind judgements only: judgements made after the sources were shown are counted apart, and adjudications are none.
Agreement leaves out gold pairs too: they are mostly easy and shown to everybody, so they would raise it. All events are read, so the
measures are made on request and not at each judgement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from sqlalchemy import Connection, select

from lab.annotation.adjudication import adjudications
from lab.annotation.judgements import events, standing
from lab.annotation.pairs import read_pairs
from lab.annotation.tables import annotators_table
from lab.core.agreement import (
    Measure,
    Votes,
    cohens_kappa,
    gold_accuracy,
    krippendorffs_alpha,
    least_seconds,
    left_rate,
    raw_agreement,
    reading_length,
    shared,
    too_fast,
    votes,
)
from lab.core.names import told_apart
from lab.core.preferences import IMPORTED, Choice, Judgement, Pair

FLAGGED_SHARE = 0.2
"""Whoever is too fast more often than this is flagged, from some judgements on."""
FLAGGED_FROM = 5


@dataclass(frozen=True)
class OfAnnotator:
    """How one annotator judges; side, gold and pace of their blind judgements."""

    id: str
    name: str
    """With the end of the id where others have the same name."""
    judged: int
    skipped: int
    left_rate: Measure
    gold: Measure
    seconds: float | None
    """The median time that a judgement took, as the page measured it."""
    too_fast: int
    """Judgements faster than anybody can read."""
    revealed: int = 0
    """Judgements that were made after the sources were shown."""
    line: tuple[float, float] | None = None
    """Seconds below which their judgements count as too fast: of the shortest and of the longest pair that they read."""

    @property
    def flagged(self) -> bool:
        """Whether the owner should check their judgements."""
        return self.judged >= FLAGGED_FROM and self.too_fast > FLAGGED_SHARE * self.judged


@dataclass(frozen=True)
class Disagreement:
    """A pair that annotators judged differently."""

    pair: Pair
    judgements: tuple[Judgement, ...]
    """In the order of the annotators' ids."""
    adjudicated: Choice | None = None
    """The owner's choice, where there is one."""


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
    """Pairs without adjudication first; among these, the most divided first."""
    gold: int = 0
    """Judgements of gold pairs: in no measure of agreement."""
    revealed: int = 0
    """Judgements made after the sources were shown: in no measure."""
    adjudicated: int = 0
    """Pairs with an adjudication."""


def quality(connection: Connection, collection_id: str, through: int | None = None) -> Quality:
    """The quality of a collection, from the judgements that count now, or that counted after the event ``through``."""
    pairs = {pair.id: pair for pair in read_pairs(connection, collection_id)}
    gold = {pair.id: pair.gold for pair in pairs.values() if pair.gold is not None}
    all_events = list(events(connection, collection_id, through))
    judged = standing(all_events)
    decided = {decision.pair_id: decision.choice for decision in adjudications(all_events)}
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
        left_rate=left_rate(_seen_here(blind)),
        annotators=_annotators(judged, _names(connection, collection_id, judged), pairs, gold),
        disagreements=_disagreements(pairs, agreeing, blind, decided),
        gold=_count(seen) - _count(agreeing),
        revealed=count - _count(seen),
        adjudicated=len(decided),
    )


def _seen_here(judged: Iterable[Judgement]) -> list[Judgement]:
    """Judgements made on this lab's pages: an imported one has no side."""
    return [judgement for judgement in judged if not judgement.annotator.startswith(IMPORTED)]


def _count(votes_of_pairs: Votes) -> int:
    return sum(len(of_pair) for of_pair in votes_of_pairs.values())


def _names(connection: Connection, collection_id: str, judged: Sequence[Judgement]) -> dict[str, str]:
    """The names of the annotators, made distinct; by id."""
    table = annotators_table.c
    rows = connection.execute(select(table.annotator, table.name).where(table.collection == collection_id))
    names = {row.annotator: row.name for row in rows}
    return told_apart({person: names.get(person, person) for person in {judgement.annotator for judgement in judged}})


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
        (judgement.duration, reading_length(pairs[judgement.pair_id].first.text, pairs[judgement.pair_id].second.text))
        for judgement in blind
        if judgement.duration is not None
    ]
    lengths = [length for _, length in timed]
    return OfAnnotator(
        id=person,
        name=name,
        judged=len(votes_of_theirs),
        skipped=len(judged) - len(votes_of_theirs),
        left_rate=left_rate(_seen_here(blind)),
        gold=gold_accuracy(votes(blind), gold, person),
        seconds=median(seconds for seconds, _ in timed) if timed else None,
        too_fast=sum(too_fast(seconds, length) for seconds, length in timed),
        line=(least_seconds(min(lengths)), least_seconds(max(lengths))) if lengths else None,
        revealed=len(votes_of_theirs) - len(blind),
    )


def _disagreements(
    pairs: Mapping[str, Pair], agreeing: Votes, blind: Sequence[Judgement], decided: Mapping[str, Choice]
) -> tuple[Disagreement, ...]:
    divided = {pair_id: of_pair for pair_id, of_pair in shared(agreeing).items() if len(set(of_pair.values())) > 1}
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
            tuple(sorted(of_pair[pair_id], key=lambda judgement: judgement.annotator)),
            decided.get(pair_id),
        )
        for pair_id in sorted(divided, key=order)
    )
