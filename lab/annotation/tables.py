"""The tables of annotation.

``judgements`` is the truth: events that are only ever added. ``current_judgements``, ``annotators`` and the counters in
``collections`` and ``pairs`` follow from it; they are kept in the same transaction, so that a queue and a progress bar cost the
same however many judgements there are.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, false

from lab.store.database import metadata

_OF_COLLECTION = "collections.id"


def _collection(**options: Any) -> Column[str]:
    return Column("collection", String(32), ForeignKey(_OF_COLLECTION), **options)


collections_table = Table(
    "collections",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    # Judgements wanted of each pair that is not gold; EVERYONE: of everybody.
    Column("overlap", Integer, nullable=False),
    Column("gold_rate", Float, nullable=False),  # the share of gold pairs among those that a person is shown
    Column("strength", Boolean, nullable=False),  # whether people are asked for it
    Column("reason", Boolean, nullable=False),
    Column("seed", Integer, nullable=False),  # of sides, of the pairs' order, of where gold ones come
    Column("created", Float, nullable=False),
    Column("pairs", Integer, nullable=False),  # without gold ones
    Column("gold", Integer, nullable=False),
    Column("open", Integer, nullable=False),  # the pairs that have fewer votes than the overlap
    Column("hidden", Boolean, nullable=False, server_default=false()),  # only the owner sees it
    Column("origin", Text),  # what it was made of, where that is taken in once: "jobs:ID ID"
)

pairs_table = Table(
    "pairs",
    metadata,
    _collection(primary_key=True),
    Column("id", String(32), primary_key=True),
    Column("rank", Integer, nullable=False),  # the order in which they are shown, drawn from the seed
    Column("prompt", Text, nullable=False),  # JSON: a text or messages
    Column("first", Text, nullable=False),
    Column("first_source", Text),
    Column("second", Text, nullable=False),
    Column("second_source", Text),
    Column("gold", String(8)),  # the known right choice
    Column("votes", Integer, nullable=False),  # current judgements that are no skip
    Column("own", Text),  # JSON of what its file says of it besides: its own id, category, chosen columns
    Index("pairs_queue", "collection", "gold", "votes", "rank"),
)

showings_table = Table(
    "showings",
    metadata,
    Column("id", String(36), primary_key=True),
    _collection(nullable=False),
    Column("pair", String(32), nullable=False),
    Column("annotator", String(200), nullable=False),
    Column("time", Float, nullable=False),
    Column("expires", Float, nullable=False),  # until then the pair is claimed; 0 once it was judged
    Index("showings_of_pair", "collection", "pair", "annotator"),
    Index("showings_of_annotator", "collection", "annotator", "expires"),
)

judgements_table = Table(
    "judgements",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),  # that of the showing; of an undo, its own
    Column("kind", String(16), nullable=False),  # judgement, undo, adjudication
    _collection(nullable=False),
    Column("pair", String(32), nullable=False),
    Column("annotator", String(200), nullable=False),
    Column("choice", String(8)),
    Column("left", String(8)),  # which response stood on the left
    Column("strength", Integer),
    Column("reason", Text, nullable=False),
    Column("seconds", Float),
    Column("edited", Text),
    Column("supersedes", String(36)),  # the judgement that this one replaces or undoes
    Column("time", Float, nullable=False),
    Column("revealed", Boolean, nullable=False, server_default=false()),  # the sources were known: it is not blind
    Index("judgements_of_pair", "collection", "pair"),
    sqlite_autoincrement=True,
)

current_table = Table(
    "current_judgements",
    metadata,
    _collection(primary_key=True),
    Column("pair", String(32), primary_key=True),
    Column("annotator", String(200), primary_key=True),
    Column("judgement", String(36), nullable=False),
    Column("choice", String(8), nullable=False),
)

annotators_table = Table(
    "annotators",
    metadata,
    _collection(primary_key=True),
    Column("annotator", String(200), primary_key=True),
    Column("name", Text, nullable=False),  # as it was when they last came; the id beside it is who they are
    Column("judged", Integer, nullable=False),  # current judgements that are no skip, gold ones too
    Column("skipped", Integer, nullable=False),
    Column("in_open", Integer, nullable=False),  # their current judgements and skips of pairs that are still open
    Column("given", Integer, nullable=False),  # showings so far
    Column("seconds", Float, nullable=False),  # at work: the gaps between judgements, long ones cut
    Column("latest", Float),  # when they last judged
)

versions_table = Table(
    "preference_versions",
    metadata,
    Column("id", String(32), primary_key=True),
    _collection(nullable=False),
    Column("name", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("rule", Text, nullable=False),  # JSON of the Derivation
    Column("with_gold", Boolean, nullable=False),
    # The last event that it rests on: the raw judgements are those up to it.
    Column("through", Integer, nullable=False),
    Column("content_hash", String(80), nullable=False),
    Column("preferences", Integer, nullable=False),
    Column("left_out", Text, nullable=False),  # JSON: [[pair, why], …]
    Column("snapshot", Text),  # JSON of what the collection was: {"name", "settings", "pairs": [id, …]}
)

version_rows_table = Table(
    "version_rows",
    metadata,
    Column("version", String(32), ForeignKey("preference_versions.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("row", Text, nullable=False),  # JSON, as exported, without dataset_version
)
