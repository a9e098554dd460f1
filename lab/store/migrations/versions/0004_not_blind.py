"""Judgements that were made after the sources were shown."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """What was judged before counts as blind: nobody noted anything else."""
    op.add_column("judgements", sa.Column("revealed", sa.Boolean, nullable=False, server_default=sa.false()))
