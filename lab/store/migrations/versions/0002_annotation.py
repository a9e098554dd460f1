"""Annotation: collections of pairs, what was shown to whom, what they said of it, and the data sets made of that."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

COLLECTION = "collections.id"


def upgrade() -> None:
    """What each column means stands in ``lab/annotation/tables.py``."""
    _pairs()
    _showings()
    _judgements()
    _annotators()
    _versions()
    op.execute("UPDATE schema_version SET version = 2")  # a lab of schema 1 reads this, and refuses the file


def _pairs() -> None:
    """What is judged."""
    op.create_table(
        "collections",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("overlap", sa.Integer, nullable=False),
        sa.Column("gold_rate", sa.Float, nullable=False),
        sa.Column("strength", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Boolean, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("pairs", sa.Integer, nullable=False),
        sa.Column("gold", sa.Integer, nullable=False),
        sa.Column("open", sa.Integer, nullable=False),
    )
    op.create_table(
        "pairs",
        sa.Column("collection", sa.String(32), sa.ForeignKey(COLLECTION), primary_key=True),
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("first", sa.Text, nullable=False),
        sa.Column("first_source", sa.Text),
        sa.Column("second", sa.Text, nullable=False),
        sa.Column("second_source", sa.Text),
        sa.Column("gold", sa.String(8)),
        sa.Column("votes", sa.Integer, nullable=False),
    )
    op.create_index("pairs_queue", "pairs", ["collection", "gold", "votes", "rank"])


def _showings() -> None:
    """What was handed to whom."""
    op.create_table(
        "showings",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("collection", sa.String(32), sa.ForeignKey(COLLECTION), nullable=False),
        sa.Column("pair", sa.String(32), nullable=False),
        sa.Column("annotator", sa.String(200), nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
    )
    op.create_index("showings_of_pair", "showings", ["collection", "pair", "annotator"])
    op.create_index("showings_of_annotator", "showings", ["collection", "annotator", "expires"])


def _judgements() -> None:
    """What they said: every event, and what holds now."""
    op.create_table(
        "judgements",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("collection", sa.String(32), sa.ForeignKey(COLLECTION), nullable=False),
        sa.Column("pair", sa.String(32), nullable=False),
        sa.Column("annotator", sa.String(200), nullable=False),
        sa.Column("choice", sa.String(8)),
        sa.Column("left", sa.String(8)),
        sa.Column("strength", sa.Integer),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("seconds", sa.Float),
        sa.Column("edited", sa.Text),
        sa.Column("supersedes", sa.String(36)),
        sa.Column("time", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("judgements_of_pair", "judgements", ["collection", "pair"])
    op.create_table(
        "current_judgements",
        sa.Column("collection", sa.String(32), sa.ForeignKey(COLLECTION), primary_key=True),
        sa.Column("pair", sa.String(32), primary_key=True),
        sa.Column("annotator", sa.String(200), primary_key=True),
        sa.Column("judgement", sa.String(36), nullable=False),
        sa.Column("choice", sa.String(8), nullable=False),
    )


def _annotators() -> None:
    """What each of them did in a collection."""
    op.create_table(
        "annotators",
        sa.Column("collection", sa.String(32), sa.ForeignKey(COLLECTION), primary_key=True),
        sa.Column("annotator", sa.String(200), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("judged", sa.Integer, nullable=False),
        sa.Column("skipped", sa.Integer, nullable=False),
        sa.Column("in_open", sa.Integer, nullable=False),
        sa.Column("given", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("latest", sa.Float),
    )


def _versions() -> None:
    """The data sets made of that."""
    op.create_table(
        "preference_versions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("collection", sa.String(32), sa.ForeignKey(COLLECTION), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("with_gold", sa.Boolean, nullable=False),
        sa.Column("through", sa.Integer, nullable=False),
        sa.Column("content_hash", sa.String(80), nullable=False),
        sa.Column("preferences", sa.Integer, nullable=False),
        sa.Column("left_out", sa.Text, nullable=False),
    )
    op.create_table(
        "version_rows",
        sa.Column("version", sa.String(32), sa.ForeignKey("preference_versions.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("row", sa.Text, nullable=False),
    )
