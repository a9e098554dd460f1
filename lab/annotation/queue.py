"""Assigns pairs to annotators. A pair is claimed when shown, goes to each annotator once, and to at most ``overlap`` annotators.

A claim without a judgement expires. An annotator who still holds the pair then gets it back, unless somebody else took it. Where few
pairs are free, people claim no more than their share of them, and somebody who would have nothing to do takes over the pair that another
one would come to last. The
transaction holds the write lock (``lab/store/group_commit.py``), so no two people get pairs at the same moment. ``judgements.py`` stores
their choices.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, and_, distinct, func, insert, or_, select, update

from lab.annotation import judgements
from lab.annotation.counters import Progress, count, progress
from lab.annotation.judgements import CLAIM_SECONDS
from lab.annotation.pairs import EVERYONE, prompt_of, read_collections
from lab.annotation.tables import (
    annotators_table,
    collections_table,
    current_table,
    pairs_table,
    showings_table,
)
from lab.core.access import Access, User
from lab.core.preferences import Choice, left_of, plain_prompt
from lab.errors import StateError

MOST_HANDED_OUT = 20
MOST_HELD = 200
FEW = 400
"""With more open pairs than these, nobody's claims keep others waiting."""
AWAY_SECONDS = 120.0
"""Whoever has not asked for this long may lose even the pair that is on their screen."""

_p, _s, _j = pairs_table.c, showings_table.c, current_table.c


def hand_out(
    connection: Connection, annotator: User, collection_id: str, wanted: int, holding: Sequence[str] = ()
) -> dict[str, Any]:
    """``{"pairs", "gone", "progress", "settings"}``: up to ``wanted`` pairs that this person has not judged and does not hold.

    Claims them, and extends the claims of the pairs in ``holding``. Pairs that the person claimed and does not hold (after a reload)
    come first, with the id of their showing. ``gone`` are the pairs in ``holding`` that this person can no longer judge: judged
    already, no longer needed, or taken by others after the claim expired. Raises StateError ``no_such_collection``.
    """
    collection = connection.execute(select(collections_table).where(collections_table.c.id == collection_id)).first()
    if collection is None or (collection.hidden and annotator.access < Access.OWNER):
        raise StateError("no_such_collection", collection=collection_id[:64])
    wanted, now = min(max(wanted, 0), MOST_HANDED_OUT), time.time()
    held = list(dict.fromkeys(holding))[:MOST_HELD]
    mine = _still_mine(connection, annotator.id, collection, held, now)
    again = dict([(pair, uuid) for pair, uuid in mine.items() if pair not in held][:wanted])
    fresh = _fresh(connection, annotator.id, collection, wanted - len(again), {*held, *mine}, now)
    if wanted and not mine and not fresh:
        fresh = _taken_over(connection, annotator.id, collection, now)
    longer = [uuid for pair, uuid in mine.items() if pair in held or pair in again]
    if longer:
        connection.execute(update(showings_table).where(_s.id.in_(longer)).values(expires=now + CLAIM_SECONDS))
    shown = {pair: str(uuid4()) for pair in fresh}
    if shown:
        claims = [  # a little apart, so that they come in the same order again
            {"id": uuid, "pair": pair, "time": now + place * 1e-6, "expires": now + CLAIM_SECONDS}
            for place, (pair, uuid) in enumerate(shown.items())
        ]
        same = {"collection": collection_id, "annotator": annotator.id}
        connection.execute(insert(showings_table), [claim | same for claim in claims])
    count(connection, collection_id, annotator, {"given": len(fresh)})
    return {
        "pairs": show(connection, annotator.id, collection_id, collection.seed, again | shown),
        "gone": [pair for pair in held if pair not in mine],
        "progress": progress(connection, annotator.id, collection_id),
        "settings": {"strength": collection.strength, "reason": collection.reason},
    }


def show(
    connection: Connection, annotator_id: str, collection_id: str, seed: int, shown: dict[str, str]
) -> list[dict[str, Any]]:
    """The pairs by id as this person sees them, without their sources; ``shown`` has each one's showing."""
    statement = select(_p.id, _p.prompt, _p.first, _p.second).where(_p.collection == collection_id, _p.id.in_(shown))
    rows = {row.id: row for row in connection.execute(statement)}
    return [_seen(rows[pair], annotator_id, seed, uuid) for pair, uuid in shown.items()]


def queue(connection: Connection, annotator: User) -> list[dict[str, Any]]:
    """Every collection that this person may see, the newest first, with their progress in it. ``overlap`` is None where everyone
    judges every pair."""
    rows = []
    shown = () if annotator.access >= Access.OWNER else (collections_table.c.hidden.is_(False),)
    for collection in read_collections(connection, *shown):
        mine: Progress = progress(connection, annotator.id, collection.id)
        row = {"id": collection.id, "name": collection.name, "pairs": collection.pairs}
        rows.append(row | {"overlap": collection.settings.wanted, "judged": mine.judged, "left": mine.left})
    return rows


def _still_mine(
    connection: Connection, annotator_id: str, collection: Any, held: Sequence[str], now: float
) -> dict[str, str]:
    """The newest showing of each pair that this person may still judge, in the order of showing: pairs that they claim, and pairs
    that they hold after the claim expired, as long as nobody else took them."""
    shown = select(_s.id, _s.pair, _s.time, _s.expires).where(
        _s.collection == collection.id, _s.annotator == annotator_id
    )
    mine = shown.where(_s.expires > now).union(shown.where(_s.pair.in_(held))).subquery().c  # each by its own index
    claimed = or_(mine.expires > now, _p.votes + _others(annotator_id, now) < collection.overlap)
    wanted = or_(_p.gold.is_not(None), and_(_p.votes < collection.overlap, claimed))
    statement = (
        select(mine.pair, mine.id)
        .join(pairs_table, (_p.collection == collection.id) & (_p.id == mine.pair))
        .where(~_judged(annotator_id), wanted)
        .order_by(mine.time, mine.pair)
    )
    return {row.pair: row.id for row in connection.execute(statement)}


def _fresh(
    connection: Connection, annotator_id: str, collection: Any, wanted: int, not_these: set[str], now: float
) -> list[str]:
    """Pairs that this person has neither judged nor holds: the least judged first, gold ones among them at their rate."""
    if wanted <= 0:
        return []
    fresh = (
        select(_p.id)
        .where(_p.collection == collection.id, ~_judged(annotator_id), _p.id.not_in(not_these))
        .order_by(_p.votes, _p.rank)
    )
    others = _others(annotator_id, now)
    wants_more = (_p.gold.is_(None), _p.votes < collection.overlap, _p.votes + others < collection.overlap)
    most = wanted
    if collection.overlap < EVERYONE and collection.open <= FEW:
        most = min(wanted, _share(connection, annotator_id, collection, wants_more, now))
    ordinary = list(connection.execute(fresh.where(*wants_more).limit(most)).scalars())
    if not collection.gold or not collection.gold_rate:
        return ordinary
    if not collection.pairs:  # gold alone: something to practise on
        return list(connection.execute(fresh.where(_p.gold.is_not(None)).limit(wanted)).scalars())
    given = connection.execute(
        select(annotators_table.c.given).where(
            annotators_table.c.collection == collection.id, annotators_table.c.annotator == annotator_id
        )
    ).scalar()
    due = [_gold_is_due(collection, annotator_id, (given or 0) + place) for place in range(wanted)]
    gold = list(connection.execute(fresh.where(_p.gold.is_not(None)).limit(sum(due))).scalars()) if any(due) else []
    return _mixed(ordinary, gold, due)


def _share(connection: Connection, annotator_id: str, collection: Any, wants_more: Sequence[Any], now: float) -> int:
    """How many of the free pairs one person may claim at a time, so that those who judge now can all begin; at least one."""
    free = select(func.count()).select_from(pairs_table).where(_p.collection == collection.id, *wants_more)
    judging = select(func.count(distinct(_s.annotator))).where(
        _s.collection == collection.id, _s.expires > now + CLAIM_SECONDS - AWAY_SECONDS, _s.annotator != annotator_id
    )
    people = 1 + int(connection.execute(judging).scalar() or 0)
    return max(1, int(connection.execute(free).scalar() or 0) // people)


def _taken_over(connection: Connection, annotator_id: str, collection: Any, now: float) -> list[str]:
    """For somebody who would have nothing to do: the pair that another one would come to last, of those who hold most. The first
    pair of each, which is on their screen, stays theirs, unless they have not asked for a while. Ends the other's claim."""
    if collection.overlap >= EVERYONE or not collection.open:
        return []
    of_one = (_s.collection == collection.id, _s.expires > now, _s.annotator != annotator_id)
    claims = connection.execute(
        select(_s.id, _s.pair, _s.annotator, _s.expires)
        .join(pairs_table, (_p.collection == _s.collection) & (_p.id == _s.pair))
        .where(*of_one, _p.gold.is_(None), _p.votes < collection.overlap, ~_judged(annotator_id))
        .order_by(_s.time, _s.pair)
    ).all()
    held: dict[str, list[Any]] = {}
    for claim in claims:
        held.setdefault(claim.annotator, []).append(claim)
    away = now + CLAIM_SECONDS - AWAY_SECONDS
    spare = [theirs[-1] for theirs in held.values() if len(theirs) > 1 or max(claim.expires for claim in theirs) < away]
    if not spare:
        return []
    claim = max(spare, key=lambda claim: len(held[claim.annotator]))
    connection.execute(update(showings_table).where(_s.id == claim.id).values(expires=now))
    return [str(claim.pair)]


def _judged(annotator_id: str) -> Any:
    """Whether this person has judged the pair."""
    mine = (_j.collection == _p.collection, _j.pair == _p.id, _j.annotator == annotator_id)
    return select(_j.judgement).where(*mine).correlate(pairs_table).exists()


def _others(annotator_id: str, now: float) -> Any:
    """How many others hold the pair."""
    theirs = (_s.collection == _p.collection, _s.pair == _p.id, _s.annotator != annotator_id, _s.expires > now)
    return select(func.count(distinct(_s.annotator))).where(*theirs).correlate(pairs_table).scalar_subquery()


def _mixed(ordinary: list[str], gold: list[str], due: list[bool]) -> list[str]:
    """Ordinary pairs with gold pairs where they are due; no gold pair after the last ordinary one, so that the queue ends."""
    mixed: list[str] = []
    for is_due in due:
        if not ordinary:
            break
        mixed.append(gold.pop(0) if is_due and gold else ordinary.pop(0))
    return mixed


def _gold_is_due(collection: Any, annotator_id: str, place: int) -> bool:
    """Drawn for each place of each person's queue, so that nobody can tell a gold pair by when it comes."""
    drawn = hashlib.sha256(f"{collection.seed}:gold:{annotator_id}:{place}".encode()).digest()
    return int.from_bytes(drawn[:4]) < collection.gold_rate * 2**32


def _seen(row: Any, annotator_id: str, seed: int, shown: str) -> dict[str, Any]:
    sides = (row.first, row.second) if left_of(annotator_id, row.id, seed) is Choice.FIRST else (row.second, row.first)
    return {"pair": row.id, "prompt": plain_prompt(prompt_of(row.prompt)), "a": sides[0], "b": sides[1], "shown": shown}


def undo(connection: Connection, annotator: User, undo_id: UUID, judgement_id: UUID) -> dict[str, Any]:
    """``judgements.undo``, with the pair to be judged again: ``{"saved", "id", "progress", "pair"}``."""
    answer = judgements.undo(connection, annotator, undo_id, judgement_id)
    collection, pair, shown = (str(answer.pop(name)) for name in ("collection", "pair", "shown"))
    seed = connection.execute(select(collections_table.c.seed).where(collections_table.c.id == collection)).scalar_one()
    return answer | {"pair": show(connection, annotator.id, collection, seed, {pair: shown})[0]}
