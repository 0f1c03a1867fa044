"""Queues of comments for moderators: filled, listed in order of need, and given out one by one.

A comment that a moderator has before them is leased to their session: nobody else is given it, nor may decide
on it, until the lease ends or they go on. Leases run out by themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from parley.service.store.database import Store
from parley.service.store.desk_tables import ARRIVALS, SCORES, queue_items, queues, views

LEASE = timedelta(minutes=10)
SKIP = timedelta(hours=1)
"""For so long a moderator isn't given again what they skipped."""
FLAGGED = 1.0
"""The need from which the policy asks for a moderator."""
MOST_COUNTED = 100_000
PAGE = 25
FACETS = 30

STATES = ("waiting", "escalated", "approved", "rejected")
SORTS = ("need", "newest", "oldest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which comments of a queue."""

    queue: int = ARRIVALS
    state: str = "waiting"
    flagged: bool = True
    """Only those that the policy marks, or rejects."""
    label: str | None = None
    story: str | None = None
    language: str | None = None
    newer_than_hours: float | None = None
    new_author: bool = False
    search: str | None = None
    sort: str = "need"


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


# Filling


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


# Listing


def get(store: Store, item_id: int) -> Item | None:
    """The comment with this id. Raises StoreError."""
    with store.read() as connection:
        row = connection.execute(sa.select(*COLUMNS).where(queue_items.c.id == item_id)).first()
    return None if row is None else item_of(row)


def page(
    store: Store, wanted: Filter, *, after: tuple[float, int] | None = None, size: int = PAGE
) -> list[Item]:
    """The next comments in the filter's order, from the place `after` on. Raises StoreError."""
    query = sa.select(*COLUMNS).where(*_where(wanted)).order_by(*_order(wanted)).limit(size)
    if after is not None:
        query = query.where(_beyond(wanted, after))
    with store.read() as connection:
        return [item_of(row) for row in connection.execute(query)]


def place(item: Item, wanted: Filter) -> tuple[float, int]:
    """Where an item stands in the filter's order."""
    return (item.need if wanted.sort == "need" else item.received.timestamp()), item.id


def count(store: Store, wanted: Filter) -> int:
    """How many comments the filter finds, MOST_COUNTED at most. Raises StoreError."""
    some = sa.select(queue_items.c.id).where(*_where(wanted)).limit(MOST_COUNTED).subquery()
    with store.read() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0)


def facets(store: Store, wanted: Filter, column: str) -> list[tuple[str, int]]:
    """The commonest values of label, story or language among the comments of the filter's queue and state."""
    of = queue_items.c[column]
    every = Filter(queue=wanted.queue, state=wanted.state, flagged=wanted.flagged)
    number = sa.func.count().label("number")
    query = (
        sa.select(of, number)
        .where(*_where(every), of.is_not(None))
        .group_by(of)
        .order_by(number.desc(), of)
        .limit(FACETS)
    )
    with store.read() as connection:
        return [(str(row[0]), int(row[1])) for row in connection.execute(query)]


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


# Leases


def take_next(store: Store, wanted: Filter, session: str) -> Item | None:
    """The first comment that nobody else has before them, leased to the session; None when none is left.

    Raises StoreError.
    """
    now = datetime.now(UTC)
    skipped = (queue_items.c.skipped_by == session) & (queue_items.c.skipped_until > now)
    free = _free(session, now) & sa.not_(sa.func.coalesce(skipped, sa.false()))
    query = (
        sa.select(queue_items.c.id)
        .where(*_where(wanted), free)
        .order_by(*_order(wanted))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    with store.write() as connection:
        item_id = connection.scalar(query)
        return None if item_id is None else _lease(connection, item_id, session, now)


def take(store: Store, item_id: int, session: str) -> Item | None:
    """The comment, leased to the session where it waits and is free, else as it is. Raises StoreError."""
    now = datetime.now(UTC)
    here = queue_items.c.id == item_id
    with store.write() as connection:
        item = connection.execute(sa.select(*COLUMNS).where(here).with_for_update()).first()
        if item is None:
            return None
        found = item_of(item)
        if found.state not in ("waiting", "escalated") or found.leased_to_another(session):
            return found
        return _lease(connection, item_id, session, now)


def skip(store: Store, item_id: int, session: str) -> None:
    """Give the comment back, and not to this session again for an hour. Raises StoreError."""
    mine = (queue_items.c.id == item_id) & (queue_items.c.lease_by == session)
    values = {"lease_by": None, "lease_until": None, "skipped_by": session}
    with store.write() as connection:
        connection.execute(
            sa.update(queue_items).where(mine).values(**values, skipped_until=datetime.now(UTC) + SKIP)
        )


def release(store: Store, session: str) -> None:
    """Give back whatever the session has before it. Raises StoreError."""
    mine = queue_items.c.lease_by == session
    with store.write() as connection:
        connection.execute(sa.update(queue_items).where(mine).values(lease_by=None, lease_until=None))


def _lease(connection: sa.Connection, item_id: int, session: str, now: datetime) -> Item:
    here = queue_items.c.id == item_id
    values = {"lease_by": session, "lease_until": now + LEASE}
    looked = sa.func.coalesce(queue_items.c.looked, now)
    # One comment a session: what it had before goes back to the others.
    had = (queue_items.c.lease_by == session) & (queue_items.c.id != item_id)
    connection.execute(sa.update(queue_items).where(had).values(lease_by=None, lease_until=None))
    connection.execute(sa.update(queue_items).where(here).values(**values, looked=looked))
    return item_of(connection.execute(sa.select(*COLUMNS).where(here)).one())


def _free(session: str, now: datetime) -> sa.ColumnElement[bool]:
    lease = queue_items.c.lease_by
    return lease.is_(None) | (lease == session) | (queue_items.c.lease_until <= now)


# Retention


def purge(store: Store, *, older_than: timedelta) -> int:
    """Remove comments that came longer ago, whatever became of them; decisions stay. Raises StoreError."""
    before = datetime.now(UTC) - older_than
    with store.write() as connection:
        gone = connection.execute(sa.delete(queue_items).where(queue_items.c.received < before)).rowcount
        old = (queues.c.id != ARRIVALS) & (queues.c.created < before)
        connection.execute(
            sa.delete(queue_items).where(queue_items.c.queue_id.in_(sa.select(queues.c.id).where(old)))
        )
        connection.execute(sa.delete(queues).where(old))
    return gone


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


# Queues and saved views


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue, and how far the scoring of its file has come."""

    id: int
    name: str
    created: datetime
    created_by: str
    state: str
    file: str | None
    columns: str | None
    target: str | None
    rows: int
    bad: int
    fraction: float
    problem: str | None


def all_queues(store: Store) -> list[Queue]:
    """Every queue, the arrivals first. Raises StoreError."""
    with store.read() as connection:
        return [Queue(**row._mapping) for row in connection.execute(sa.select(queues).order_by(queues.c.id))]


def get_queue(store: Store, queue_id: int) -> Queue | None:
    """The queue with this id. Raises StoreError."""
    with store.read() as connection:
        row = connection.execute(sa.select(queues).where(queues.c.id == queue_id)).first()
    return None if row is None else Queue(**row._mapping)


def new_queue(store: Store, *, name: str, by: str, file: str) -> int:
    """A queue for an uploaded file, whose columns are to be confirmed; its id. Raises StoreError."""
    values = {"name": name, "created": datetime.now(UTC), "created_by": by, "state": "columns", "file": file}
    with store.write() as connection:
        made = connection.execute(sa.insert(queues).values(**values))
    assert made.inserted_primary_key
    return int(made.inserted_primary_key[0])


def update_queue(connection: sa.Connection, queue_id: int, **values: Any) -> None:
    """Note what became of a queue."""
    connection.execute(sa.update(queues).where(queues.c.id == queue_id).values(**values))


def delete_queue(store: Store, queue_id: int) -> None:
    """Remove an upload with its comments; decisions stay in the log. Raises StoreError."""
    with store.write() as connection:
        connection.execute(sa.delete(queue_items).where(queue_items.c.queue_id == queue_id))
        connection.execute(sa.delete(queues).where(queues.c.id == queue_id, queues.c.id != ARRIVALS))


def all_views(store: Store) -> list[tuple[int, str, str]]:
    """Id, name and query string of every saved view. Raises StoreError."""
    with store.read() as connection:
        rows = connection.execute(sa.select(views.c.id, views.c.name, views.c.query).order_by(views.c.name))
        return [(row.id, row.name, row.query) for row in rows]


def save_view(store: Store, *, name: str, query: str, by: str) -> None:
    """Keep a filter under a name, in place of one of that name. Raises StoreError."""
    with store.write() as connection:
        connection.execute(sa.delete(views).where(views.c.name == name))
        values = {"name": name, "query": query, "created_by": by, "created": datetime.now(UTC)}
        connection.execute(sa.insert(views).values(**values))


def delete_view(store: Store, view_id: int) -> None:
    """Forget a saved view. Raises StoreError."""
    with store.write() as connection:
        connection.execute(sa.delete(views).where(views.c.id == view_id))


def everything(wanted: Filter) -> Filter:
    """The same filter without the policy's choice."""
    return replace(wanted, flagged=False)


def _where(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    of = queue_items.c
    where = [of.queue_id == wanted.queue, of.state == wanted.state]
    if wanted.flagged:
        where.append(of.need >= FLAGGED)
    if wanted.label is not None:
        where.append(of.label == wanted.label)
    if wanted.story is not None:
        where.append(of.story == wanted.story)
    if wanted.language is not None:
        where.append(of.language == wanted.language)
    if wanted.newer_than_hours is not None:
        where.append(of.received >= datetime.now(UTC) - timedelta(hours=wanted.newer_than_hours))
    if wanted.new_author:
        where.append(of.new_author.is_(True))
    if wanted.search:
        where.append(of.text.icontains(wanted.search, autoescape=True))
    return where


def _order(wanted: Filter) -> tuple[sa.ColumnElement[Any], ...]:
    of = queue_items.c
    if wanted.sort == "need":
        return of.need.desc(), of.id.desc()
    return (of.received, of.id) if wanted.sort == "oldest" else (of.received.desc(), of.id.desc())


def _beyond(wanted: Filter, after: tuple[float, int]) -> sa.ColumnElement[bool]:
    of = queue_items.c
    value, last = after
    if wanted.sort == "need":
        return (of.need < value) | ((of.need == value) & (of.id < last))
    moment = datetime.fromtimestamp(value, UTC)
    if wanted.sort == "oldest":
        return (of.received > moment) | ((of.received == moment) & (of.id > last))
    return (of.received < moment) | ((of.received == moment) & (of.id < last))
