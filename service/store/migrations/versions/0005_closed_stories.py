"""Stories that can close by age, and that can be reopened."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Recreate the table of stories, with their state."""
    op.drop_table("stories")  # nothing wrote to it yet
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "stories",
        sa.Column("story", sa.Text(), primary_key=True, comment="the article's id or normalised URL"),
        sa.Column("since", moment, nullable=False, comment="published, or the first comment's arrival"),
        sa.Column("state", sa.String(8), comment="closed or open, as was said last; null: by its age"),
        sa.Column("changed", moment, index=True),
        sa.Column("changed_by", sa.Text()),
    )
