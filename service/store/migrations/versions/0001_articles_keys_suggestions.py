"""Articles, API keys and moderators' decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables of articles, keys and suggestions."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "articles",
        sa.Column("id", sa.Text(), primary_key=True, comment="the site's id, or the normalised URL"),
        sa.Column("url", sa.Text(), index=True, comment="normalised"),
        sa.Column("title", sa.Text()),
        sa.Column("text", sa.Text()),
        sa.Column("updated", moment, nullable=False),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "hash", sa.String(64), nullable=False, unique=True, comment="SHA-256 of the key, hexadecimal"
        ),
        sa.Column("rate", sa.String(64), comment="requests, such as 60/minute; null is the setting's"),
        sa.Column("created", moment, nullable=False),
        sa.Column("revoked", moment),
    )
    op.create_table(
        "suggestions",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("created", moment, nullable=False, index=True),
        sa.Column("community", sa.Text(), comment="which site, as the client names it"),
        sa.Column("client_token", sa.Text(), index=True, comment="the client's name for the decision"),
        sa.Column("attribute", sa.Text(), nullable=False, comment="what was judged, such as toxicity"),
        sa.Column("value", sa.Float(), nullable=False, comment="0 not so, 1 so"),
        sa.Column("comment_id", sa.Text(), index=True),
        sa.Column("parent_id", sa.Text()),
        sa.Column("article_url", sa.Text()),
        sa.Column("language", sa.Text()),
        sa.Column("text", sa.Text(), comment="null unless the site keeps comments"),
        sa.Column(
            "author", sa.String(64), index=True, comment="keyed hash; null unless the site keeps comments"
        ),
    )
