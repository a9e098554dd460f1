"""What a collection was made of, where that is taken in once only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Collections of before have none: what they were made of may be taken in once more."""
    op.add_column("collections", sa.Column("origin", sa.Text))
