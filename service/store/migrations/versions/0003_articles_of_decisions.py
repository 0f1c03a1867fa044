"""The article that a client sent with a decision, for decisions whose article isn't stored."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the article that a client sent with a decision."""
    op.add_column(
        "suggestions",
        sa.Column(
            "article_title", sa.Text, comment="where the client sent the article itself; null as the text is"
        ),
    )
    op.add_column("suggestions", sa.Column("article_text", sa.Text))
