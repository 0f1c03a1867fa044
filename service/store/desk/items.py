"""A comment in a queue, as kept: put there, looked up, and forgotten."""

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
    """A comment in a queue, as kept."""

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
        """The scores kept, by name; None where one was not judged."""
        return {score: getattr(self, score) for score in SCORES}

    def leased_to_another(self, session: str) -> bool:
        """Whether another session has it before it just now."""
        now = datetime.now(UTC)
        return (
            self.lease_by not in (None, session) and self.lease_until is not None and self.lease_until > now
        )


COLUMNS = [queue_items.c[field.name] for field in fields(Item)]


def item_of(row: sa.Row[Any]) -> Item:
    """The item that a row of COLUMNS holds."""
    return Item(**row._mapping)


def add(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add comments. One of a key that is known replaces it where its text is another, as after an edit."""
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
    """Those of the authors' hashes of whom a queue has a comment."""
    query = sa.select(queue_items.c.author).where(queue_items.c.author.in_(authors)).distinct()
    return set(connection.scalars(query)) if authors else set()


def get(store: Store, item_id: int) -> Item | None:
    """The comment with this id. Raises StoreError."""
    with store.read() as connection:
        row = connection.execute(sa.select(*COLUMNS).where(queue_items.c.id == item_id)).first()
    return None if row is None else item_of(row)


def thread(store: Store, item: Item) -> tuple[Item | None, list[Item]]:
    """The comment that this one replies to, where the queue has it, and up to ten of its replies."""
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


def forget(store: Store, *, author: str | None = None, comment_id: str | None = None) -> int:
    """Remove the comments of an author (by keyed hash) or one by its id. Raises StoreError."""
    conditions = []
    if author:
        conditions.append(queue_items.c.author == author)
    if comment_id is not None:
        conditions.append(queue_items.c.comment_id == comment_id)
    if not conditions:
        return 0
    with store.write() as connection:
        return connection.execute(sa.delete(queue_items).where(sa.or_(*conditions))).rowcount
