"""The index of the comments' age also holds what sorts and filters them, so that the newest need no table."""

from alembic import op

revision = "0007"
down_revision = "0006"

NAME, TABLE = "ix_queue_items_received", "queue_items"


def upgrade() -> None:
    """Widen the index."""
    op.drop_index(NAME, TABLE)
    op.create_index(NAME, TABLE, ["queue_id", "state", "received", "id", "need"])
