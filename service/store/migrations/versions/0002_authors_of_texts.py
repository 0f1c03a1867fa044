"""Who wrote which text, as keyed hashes, so that an author's decisions can be found and forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the keyed hash of a text, and who sent it."""
    op.add_column(
        "suggestions",
        sa.Column("text_hash", sa.String(64), comment="keyed hash of the text, where that is kept"),
    )
    op.create_index("ix_suggestions_text_hash", "suggestions", ["text_hash"])
    op.create_table(
        "sightings",
        sa.Column("text_hash", sa.String(64), primary_key=True, comment="keyed hash of a comment's text"),
        sa.Column(
            "author", sa.String(64), primary_key=True, comment="keyed hash of who wrote it", index=True
        ),
        sa.Column("seen", sa.DateTime(timezone=True), nullable=False, index=True),
    )
