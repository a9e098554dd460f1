"""What a version's collection was when the version was frozen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Of older versions nobody noted it: what they rest on says it as far as it can."""
    op.add_column("preference_versions", sa.Column("snapshot", sa.Text))
