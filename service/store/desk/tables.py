"""The moderator's desk: queues and the comments in them, decisions, deliveries, people, policy versions."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, false

from parley.model.labels import COMMENT_LABELS, OFF_TOPIC
from parley.service.store.tables import AnyText, UtcDateTime, metadata

ARRIVALS = 1
"""The queue of comments that arrive by REST, Coral or Perspective; created by the migration."""
SCORES = (*COMMENT_LABELS, OFF_TOPIC)
"""Columns of a comment's scores, so that the database can count by threshold."""

queues = Table(
    "queues",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", AnyText, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("created_by", AnyText, nullable=False),
    Column("state", String(12), nullable=False, comment="open, columns, scoring, ready or failed"),
    Column("file", String(64), comment="the upload's name in the store's folder, until it is scored"),
    Column("columns", AnyText, comment="JSON: which column holds which field, as confirmed"),
    Column("target", AnyText),
    Column("rows", Integer, nullable=False, server_default="0", comment="rows read so far"),
    Column("bad", Integer, nullable=False, server_default="0", comment="of them, not readable"),
    Column("fraction", Float, nullable=False, server_default="0"),
    Column("problem", AnyText),
)

queue_items = Table(
    "queue_items",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("queue_id", Integer, ForeignKey("queues.id", ondelete="CASCADE"), nullable=False),
    Column("key", AnyText, nullable=False, comment="the comment's id, or a hash of its text and article"),
    Column("comment_id", AnyText),
    Column("text", AnyText, nullable=False),
    Column("format", String(8), nullable=False),
    Column("language", String(35)),
    Column("target", AnyText),
    Column("article_id", AnyText),
    Column("article_url", AnyText),
    Column("article_title", AnyText),
    Column("article_text", AnyText),
    Column("story", AnyText, comment="the article's title, URL or id: what a moderator knows it by"),
    Column("parent_id", AnyText),
    Column("parent_text", AnyText),
    Column("author", String(64), comment="keyed hash"),
    Column("new_author", Boolean, nullable=False, server_default=false()),
    Column("written", UtcDateTime, comment="when the reader wrote it, where that is known"),
    Column("received", UtcDateTime, nullable=False),
    *(Column(score, Float) for score in SCORES),
    Column("result", AnyText, nullable=False, comment="JSON: spans, stance, notes, reasons"),
    Column("action", String(8), nullable=False, comment="what the policy says"),
    Column("label", String(40), comment="of the strictest reason: a label, or a rule's code"),
    Column(
        "need", Float, nullable=False, comment="3 a threat, 2 reject, 1 review, 0 neither; plus the score"
    ),
    Column("input_hash", String(64), nullable=False),
    Column("model", AnyText, nullable=False),
    Column("policy", AnyText, nullable=False, comment="name@version"),
    Column("state", String(12), nullable=False, comment="waiting, escalated, approved or rejected"),
    Column("decided", UtcDateTime),
    Column("note", AnyText),
    Column("looked", UtcDateTime, comment="when a moderator first had it before them"),
    Column("lease_by", String(64)),
    Column("lease_until", UtcDateTime),
    Column("skipped_by", String(64)),
    Column("skipped_until", UtcDateTime),
    Index("ix_queue_items_key", "queue_id", "key", unique=True),
    Index("ix_queue_items_need", "queue_id", "state", "need", "id", "label", "story", "language"),
    Index("ix_queue_items_label", "queue_id", "state", "label", "need"),
    Index("ix_queue_items_story", "queue_id", "state", "story", "need"),
    Index("ix_queue_items_language", "queue_id", "state", "language", "need"),
    Index("ix_queue_items_received", "queue_id", "state", "received", "id", "need"),
    Index("ix_queue_items_author", "author"),
    Index("ix_queue_items_lease_by", "lease_by"),
    Index("ix_queue_items_parent_id", "parent_id"),
    Index("ix_queue_items_comment_id", "comment_id"),
    Index("ix_queue_items_age", "received"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(36), nullable=False, unique=True, comment="idempotency key, also of its webhook"),
    Column("created", UtcDateTime, nullable=False, index=True),
    Column("item_id", Integer, index=True, comment="not a foreign key: the log outlives the comment"),
    Column("queue_id", Integer),
    Column("comment_id", AnyText, index=True),
    Column("who", AnyText, nullable=False),
    Column("session", String(64)),
    Column("source", String(8), nullable=False, comment="desk or api"),
    Column("action", String(12), nullable=False, comment="approve, reject, escalate, note or undo"),
    Column("before", String(12)),
    Column("after", String(12)),
    Column("reason", String(24), comment="Coral's rejection code"),
    Column("explanation", AnyText, comment="for the author"),
    Column("note", AnyText, comment="for moderators"),
    Column("undoes", Integer),
    Column("policy_action", String(8)),
    Column("scores", AnyText, comment="JSON"),
    Column("model", AnyText),
    Column("policy", AnyText),
    Column("input_hash", String(64)),
    Column("seconds", Float, comment="from the first look to the decision"),
)
"""Append-only: an undo is a row of its own."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("decision_id", Integer, ForeignKey("decisions.id"), nullable=False),
    Column("url", AnyText, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", UtcDateTime, index=True, comment="null: delivered, or given up"),
    Column("delivered", UtcDateTime),
    Column("problem", AnyText),
)

users = Table(
    "users",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", AnyText, nullable=False),
    Column("role", String(12), nullable=False, comment="moderator or admin"),
    Column("hash", AnyText, nullable=False, comment="Argon2 of the personal key"),
    Column("created", UtcDateTime, nullable=False),
    Column("revoked", UtcDateTime),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(64), primary_key=True, comment="SHA-256 of the cookie"),
    Column("user_id", String(16), ForeignKey("users.id"), index=True, comment="null: on this machine"),
    Column("csrf", String(64), nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=False, index=True),
)

policy_versions = Table(
    "policy_versions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("policy", AnyText, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("created_by", AnyText, nullable=False),
    Column("base", String(64), nullable=False, comment="SHA-256 of the file's rules that it was made from"),
    Column("thresholds", AnyText, nullable=False, comment="JSON: rule to threshold"),
    Column("state", String(12), nullable=False, comment="watching, active or former"),
    Index("ix_policy_versions_policy", "policy", "version", unique=True),
)

stories = Table(
    "stories",
    metadata,
    Column("story", AnyText, primary_key=True, comment="the article's id or normalised URL"),
    Column("since", UtcDateTime, nullable=False, comment="published, or the first comment's arrival"),
    Column("state", String(8), comment="closed or open, as was said last; null: by its age"),
    Column("changed", UtcDateTime, index=True),
    Column("changed_by", AnyText),
)

views = Table(
    "views",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", AnyText, nullable=False),
    Column("query", AnyText, nullable=False),
    Column("created_by", AnyText, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)
