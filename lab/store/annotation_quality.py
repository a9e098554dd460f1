"""How well a collection was judged, for its owner: agreement, and each annotator's habits. The formulas are the core's; α is in
``agreement.py``.

It reads every event, so it is made when it is asked for, and not at each judgement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from sqlalchemy import Connection, select

from lab.core.agreement import (
    Measure,
    cohens_kappa,
    gold_accuracy,
    left_rate,
    raw_agreement,
    shared,
    too_fast,
    votes,
)
from lab.core.preferences import Choice, Judgement, Pair
from lab.store.agreement import krippendorffs_alpha
from lab.store.annotation_tables import annotators_table
from lab.store.judgements import current_judgements
from lab.store.pairs import read_pairs

FLAGGED_SHARE = 0.2
"""Whoever is too fast more often than this is flagged, from some judgements on."""
FLAGGED_FROM = 5


@dataclass(frozen=True)
class OfAnnotator:
    """How one person judges."""

    id: str
    name: str
    judged: int
    skipped: int
    left_rate: Measure
    gold: Measure
    seconds: float | None
    """The median time that a judgement took, as the page measured it."""
    too_fast: int
    """Judgements that came sooner than anybody can read."""

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
    """The most divided first."""


def quality(connection: Connection, collection_id: str, through: int | None = None) -> Quality:
    """Everything of it, from the judgements that count now, or that counted after the event ``through``."""
    pairs = {pair.id: pair for pair in read_pairs(connection, collection_id)}
    judged = current_judgements(connection, collection_id, through)
    found = votes(judged)
    people = sorted({name for of_pair in found.values() for name in of_pair})
    table = annotators_table.c
    told = connection.execute(select(table.annotator, table.name).where(table.collection == collection_id))
    names = {row.annotator: row.name for row in told}
    gold = {pair.id: pair.gold for pair in pairs.values() if pair.gold is not None}
    of_person: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judged:
        of_person[judgement.annotator].append(judgement)
    return Quality(
        judgements=sum(len(of_pair) for of_pair in found.values()),
        skips=sum(judgement.choice is Choice.SKIP for judgement in judged),
        pairs_judged=sum(bool(of_pair) for of_pair in found.values()),
        raw=raw_agreement(found),
        kappa=cohens_kappa(found, *people) if len(people) == 2 else None,
        alpha=krippendorffs_alpha(found),
        left_rate=left_rate(judged),
        annotators=tuple(
            _of_annotator(
                person, names.get(person, person), of_person[person], pairs, gold_accuracy(found, gold, person)
            )
            for person in sorted(of_person)
        ),
        disagreements=_disagreements(pairs, found, judged),
    )


def _of_annotator(
    person: str, name: str, judged: list[Judgement], pairs: Mapping[str, Pair], gold: Measure
) -> OfAnnotator:
    votes_of_theirs = [judgement for judgement in judged if judgement.choice is not Choice.SKIP]
    timed = [
        (judgement.duration, len(pairs[judgement.pair_id].first.text) + len(pairs[judgement.pair_id].second.text))
        for judgement in votes_of_theirs
        if judgement.duration is not None
    ]
    return OfAnnotator(
        id=person,
        name=name,
        judged=len(votes_of_theirs),
        skipped=len(judged) - len(votes_of_theirs),
        left_rate=left_rate(votes_of_theirs),
        gold=gold,
        seconds=median(seconds for seconds, _ in timed) if timed else None,
        too_fast=sum(too_fast(seconds, characters) for seconds, characters in timed),
    )


def _disagreements(
    pairs: Mapping[str, Pair], found: Mapping[str, Mapping[str, Choice]], judged: Iterable[Judgement]
) -> tuple[Disagreement, ...]:
    divided = {pair_id: of_pair for pair_id, of_pair in shared(found).items() if len(set(of_pair.values())) > 1}
    of_pair: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judged:
        if judgement.pair_id in divided and judgement.choice is not Choice.SKIP:
            of_pair[judgement.pair_id].append(judgement)

    def unity(pair_id: str) -> tuple[float, str]:
        choices = list(divided[pair_id].values())
        return max(choices.count(choice) for choice in choices) / len(choices), pair_id

    return tuple(
        Disagreement(pairs[pair_id], tuple(sorted(of_pair[pair_id], key=lambda one: one.annotator)))
        for pair_id in sorted(divided, key=unity)
    )
