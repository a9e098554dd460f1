"""What a file says of a pair besides its texts: the file's own id, its category, and the columns that somebody chose to keep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Pairs of before have none: their files were not asked."""
    op.add_column("pairs", sa.Column("own", sa.Text))
