"""Comments in queues: added, looked up, and deleted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from parley.service.store.database import Store
from parley.service.store.desk.tables import SCORES, queue_items

STATES = ("waiting", "escalated", "approved", "rejected")
OPEN = ("waiting", "escalated")
"""The states that a moderator may decide on."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """A stored comment in a queue."""

    id: int
    queue_id: int
    comment_id: str | None
    text: str
    format: str
    language: str | None
    target: str | None
    article_id: str | None
    article_url: str | None
    article_title: str | None
    article_text: str | None
    story: str | None
    parent_id: str | None
    parent_text: str | None
    author: str | None
    new_author: bool
    written: datetime | None
    received: datetime
    toxicity: float | None
    severe_toxicity: float | None
    insult: float | None
    identity_attack: float | None
    profanity: float | None
    threat: float | None
    sexually_explicit: float | None
    spam: float | None
    off_topic: float | None
    result: str
    action: str
    label: str | None
    need: float
    input_hash: str
    model: str
    policy: str
    state: str
    decided: datetime | None
    note: str | None
    looked: datetime | None
    lease_by: str | None
    lease_until: datetime | None

    @cached_property
    def found(self) -> dict[str, Any]:
        """Spans, stance, notes and reasons."""
        return dict(json.loads(self.result))

    @property
    def scores(self) -> dict[str, float | None]:
        """The stored scores by name; None if not judged."""
        return {score: getattr(self, score) for score in SCORES}

    def leased_to_another(self, session: str) -> bool:
        """Whether another session has leased it."""
        now = datetime.now(UTC)
        return (
            self.lease_by not in (None, session) and self.lease_until is not None and self.lease_until > now
        )


FORGOTTEN = [queue_items.c[name] for name in ("text", "format", "author", "comment_id")]
COLUMNS = [queue_items.c[field.name] for field in fields(Item)]


def item_of(row: sa.Row[Any]) -> Item:
    """The item in a row of COLUMNS."""
    return Item(**row._mapping)


def add(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add comments. One with a known key replaces the stored one if its text differs, as after an edit."""
    for row in rows:
        same = (queue_items.c.queue_id == row["queue_id"]) & (queue_items.c.key == row["key"])
        known = connection.execute(sa.select(queue_items.c.id, queue_items.c.input_hash).where(same)).first()
        if known is None:
            connection.execute(sa.insert(queue_items).values(**row))
        elif known.input_hash != row["input_hash"]:
            again = {
                "state": "waiting",
                "decided": None,
                "lease_by": None,
                "lease_until": None,
                "looked": None,
            }
            connection.execute(
                sa.update(queue_items).where(queue_items.c.id == known.id).values(**{**row, **again})
            )


def known_authors(connection: sa.Connection, authors: set[str]) -> set[str]:
    """The authors' hashes that occur in a queue."""
    query = sa.select(queue_items.c.author).where(queue_items.c.author.in_(authors)).distinct()
    return set(connection.scalars(query)) if authors else set()


def get(store: Store, item_id: int) -> Item | None:
    """The comment with this id. Raises StoreError."""
    with store.read() as connection:
        row = connection.execute(sa.select(*COLUMNS).where(queue_items.c.id == item_id)).first()
    return None if row is None else item_of(row)


def thread(store: Store, item: Item) -> tuple[Item | None, list[Item]]:
    """The comment's parent, if the queue has it, and up to ten of its replies."""
    around = queue_items.c.queue_id == item.queue_id
    with store.read() as connection:
        parent = None
        if item.parent_id:
            is_parent = around & (queue_items.c.comment_id == item.parent_id)
            parent = connection.execute(sa.select(*COLUMNS).where(is_parent).limit(1)).first()
        replies: Sequence[sa.Row[Any]] = ()
        if item.comment_id:
            is_reply = around & (queue_items.c.parent_id == item.comment_id)
            order = sa.select(*COLUMNS).where(is_reply).order_by(queue_items.c.id).limit(10)
            replies = connection.execute(order).all()
    return (None if parent is None else item_of(parent)), [item_of(row) for row in replies]


def author_history(store: Store, item: Item) -> dict[str, int]:
    """How many of the author's other comments are in each state. Raises StoreError."""
    if item.author is None:
        return {}
    others = (queue_items.c.author == item.author) & (queue_items.c.id != item.id)
    query = sa.select(queue_items.c.state, sa.func.count()).where(others).group_by(queue_items.c.state)
    with store.read() as connection:
        return {str(state): int(number) for state, number in connection.execute(query)}


def forget(
    connection: sa.Connection, *, author: str | None = None, comment_id: str | None = None
) -> list[sa.Row[Any]]:
    """Delete an author's comments (by keyed hash) or one by its id; returns FORGOTTEN of the deleted."""
    conditions = []
    if author:
        conditions.append(queue_items.c.author == author)
    if comment_id is not None:
        conditions.append(queue_items.c.comment_id == comment_id)
    return _delete(connection, sa.or_(*conditions)) if conditions else []


def forget_unsigned(connection: sa.Connection, comment_ids: Sequence[str]) -> list[sa.Row[Any]]:
    """Delete comments with these ids and no author, and empty where replies quote comments with these ids."""
    named = queue_items.c.comment_id.in_(comment_ids)
    quoting = queue_items.c.parent_id.in_(comment_ids)
    connection.execute(sa.update(queue_items).where(quoting).values(parent_text=None))
    return _delete(connection, named & queue_items.c.author.is_(None))


def _delete(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[sa.Row[Any]]:
    delete = sa.delete(queue_items).where(where)
    return list(connection.execute(delete.returning(*FORGOTTEN)))


def has_text(connection: sa.Connection, *, author: str, text: str) -> bool:
    """Whether a comment of the author has this text."""
    same = (queue_items.c.author == author) & (queue_items.c.text == text)
    return bool(connection.scalar(sa.select(sa.exists().where(same))))
