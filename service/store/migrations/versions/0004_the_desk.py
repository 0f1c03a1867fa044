"""The moderator's desk: queues, decisions, deliveries, people, policy versions, closed stories, views."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

SCORES = (
    "toxicity",
    "severe_toxicity",
    "insult",
    "identity_attack",
    "profanity",
    "threat",
    "sexually_explicit",
    "spam",
    "off_topic",
)


def upgrade() -> None:
    """Create the desk's tables."""
    _make_queues()
    _make_decisions()
    _make_people()
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "policy_versions",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "base",
            sa.String(64),
            nullable=False,
            comment="SHA-256 of the file's rules that it was made from",
        ),
        sa.Column("thresholds", sa.Text(), nullable=False, comment="JSON: rule to threshold"),
        sa.Column("state", sa.String(12), nullable=False, comment="watching, active or former"),
        sa.Index("ix_policy_versions_policy", "policy", "version", unique=True),
    )
    op.create_table(
        "stories",
        sa.Column("story", sa.Text(), primary_key=True, comment="the article's id or normalised URL"),
        sa.Column("closed", moment, nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=False),
    )
    op.create_table(
        "views",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created", moment, nullable=False),
    )


def _make_queues() -> None:
    moment = sa.DateTime(timezone=True)
    queues = op.create_table(
        "queues",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False, comment="open, columns, scoring, ready or failed"),
        sa.Column(
            "file", sa.String(64), comment="the upload's name in the store's folder, until it is scored"
        ),
        sa.Column("columns", sa.Text(), comment="JSON: which column holds which field, as confirmed"),
        sa.Column("target", sa.Text()),
        sa.Column("rows", sa.Integer(), nullable=False, server_default="0", comment="rows read so far"),
        sa.Column("bad", sa.Integer(), nullable=False, server_default="0", comment="of them, not readable"),
        sa.Column("fraction", sa.Float(), nullable=False, server_default="0"),
        sa.Column("problem", sa.Text()),
    )
    row = {"name": "Arrivals", "created": datetime.now(UTC), "created_by": "Parley", "state": "open"}
    op.bulk_insert(queues, [row])  # the first row, so its id is 1
    op.create_table(
        "queue_items",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("queue_id", sa.Integer(), sa.ForeignKey("queues.id", ondelete="CASCADE"), nullable=False),
        sa.Column(
            "key", sa.Text(), nullable=False, comment="the comment's id, or a hash of its text and article"
        ),
        sa.Column("comment_id", sa.Text()),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("format", sa.String(8), nullable=False),
        sa.Column("language", sa.String(35)),
        sa.Column("target", sa.Text()),
        sa.Column("article_id", sa.Text()),
        sa.Column("article_url", sa.Text()),
        sa.Column("article_title", sa.Text()),
        sa.Column("article_text", sa.Text()),
        sa.Column("story", sa.Text(), comment="the article's title, URL or id: what a moderator knows it by"),
        sa.Column("parent_id", sa.Text()),
        sa.Column("parent_text", sa.Text()),
        sa.Column("author", sa.String(64), comment="keyed hash"),
        sa.Column("new_author", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("written", moment, comment="when the reader wrote it, where that is known"),
        sa.Column("received", moment, nullable=False),
        *(sa.Column(score, sa.Float()) for score in SCORES),
        sa.Column("result", sa.Text(), nullable=False, comment="JSON: spans, stance, notes, reasons"),
        sa.Column("action", sa.String(8), nullable=False, comment="what the policy says"),
        sa.Column("label", sa.String(40), comment="of the strictest reason: a label, or a rule's code"),
        sa.Column(
            "need",
            sa.Float(),
            nullable=False,
            comment="3 a threat, 2 reject, 1 review, 0 neither; plus the score",
        ),
        sa.Column("input_hash", sa.String(64), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False, comment="name@version"),
        sa.Column("state", sa.String(12), nullable=False, comment="waiting, escalated, approved or rejected"),
        sa.Column("decided", moment),
        sa.Column("note", sa.Text()),
        sa.Column("looked", moment, comment="when a moderator first had it before them"),
        sa.Column("lease_by", sa.String(64)),
        sa.Column("lease_until", moment),
        sa.Column("skipped_by", sa.String(64)),
        sa.Column("skipped_until", moment),
        sa.Index("ix_queue_items_key", "queue_id", "key", unique=True),
        sa.Index("ix_queue_items_need", "queue_id", "state", "need", "id"),
        sa.Index("ix_queue_items_label", "queue_id", "state", "label", "need"),
        sa.Index("ix_queue_items_story", "queue_id", "state", "story", "need"),
        sa.Index("ix_queue_items_language", "queue_id", "state", "language", "need"),
        sa.Index("ix_queue_items_received", "queue_id", "state", "received"),
        sa.Index("ix_queue_items_author", "author"),
        sa.Index("ix_queue_items_lease_by", "lease_by"),
        sa.Index("ix_queue_items_parent_id", "parent_id"),
        sa.Index("ix_queue_items_comment_id", "comment_id"),
        sa.Index("ix_queue_items_age", "received"),
    )


def _make_decisions() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column(
            "key",
            sa.String(36),
            nullable=False,
            unique=True,
            comment="idempotency key, also of its webhook",
        ),
        sa.Column("created", moment, nullable=False, index=True),
        sa.Column(
            "item_id", sa.Integer(), index=True, comment="not a foreign key: the log outlives the comment"
        ),
        sa.Column("queue_id", sa.Integer()),
        sa.Column("comment_id", sa.Text(), index=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("session", sa.String(64)),
        sa.Column("source", sa.String(8), nullable=False, comment="desk or api"),
        sa.Column("action", sa.String(12), nullable=False, comment="approve, reject, escalate, note or undo"),
        sa.Column("before", sa.String(12)),
        sa.Column("after", sa.String(12)),
        sa.Column("reason", sa.String(24), comment="Coral's rejection code"),
        sa.Column("explanation", sa.Text(), comment="for the author"),
        sa.Column("note", sa.Text(), comment="for moderators"),
        sa.Column("undoes", sa.Integer()),
        sa.Column("policy_action", sa.String(8)),
        sa.Column("scores", sa.Text(), comment="JSON"),
        sa.Column("model", sa.Text()),
        sa.Column("policy", sa.Text()),
        sa.Column("input_hash", sa.String(64)),
        sa.Column("seconds", sa.Float(), comment="from the first look to the decision"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("decision_id", sa.Integer(), sa.ForeignKey("decisions.id"), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("next_at", moment, index=True, comment="null: delivered, or given up"),
        sa.Column("delivered", moment),
        sa.Column("problem", sa.Text()),
    )


def _make_people() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "users",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(12), nullable=False, comment="moderator or admin"),
        sa.Column("hash", sa.Text(), nullable=False, comment="Argon2 of the personal key"),
        sa.Column("created", moment, nullable=False),
        sa.Column("revoked", moment),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(64), primary_key=True, comment="SHA-256 of the cookie"),
        sa.Column(
            "user_id",
            sa.String(16),
            sa.ForeignKey("users.id"),
            index=True,
            comment="null: on this machine",
        ),
        sa.Column("csrf", sa.String(64), nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("expires", moment, nullable=False, index=True),
    )
