"""The index of the queue's order also covers what its filters count, so that counting reads no comments."""

from alembic import op

revision = "0006"
down_revision = "0005"

NAME, TABLE = "ix_queue_items_need", "queue_items"


def upgrade() -> None:
    """Add the columns to the index."""
    op.drop_index(NAME, TABLE)
    op.create_index(NAME, TABLE, ["queue_id", "state", "need", "id", "label", "story", "language"])
