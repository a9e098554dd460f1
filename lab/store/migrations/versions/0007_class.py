"""The class: who came, the rule sets they submitted, the runs they started, their votes; and collections that only the owner sees."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """No collection of before is hidden."""
    op.add_column("collections", sa.Column("hidden", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "class_people",
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("joined", sa.Float, nullable=False),
    )
    op.create_table(
        "class_rule_sets",
        sa.Column("person", sa.String(200), primary_key=True),
        sa.Column("title", sa.Text, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("collection", sa.String(32), nullable=False),
        sa.Column("rewards", sa.Text, nullable=False),
        sa.Column("submitted", sa.Float, nullable=False),
    )
    op.create_table(
        "class_runs",
        sa.Column("run", sa.String(32), primary_key=True),
        sa.Column("person", sa.String(200), nullable=False),
        sa.Column("asked", sa.Float, nullable=False),
    )
    op.create_table(
        "class_votes",
        sa.Column("question", sa.String(64), primary_key=True),
        sa.Column("person", sa.String(200), primary_key=True),
        sa.Column("chosen", sa.Text, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
    )
