"""Queues: one for incoming comments, and one for each uploaded file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from parley.service.store.database import Store
from parley.service.store.desk.tables import ARRIVALS, queue_items, queues

READABLE = ("open", "ready")
"""The states in which a moderator reads a queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue, and the progress of scoring its file."""

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
    """Every queue, incoming comments first. Raises StoreError."""
    with store.read() as connection:
        return [Queue(**row._mapping) for row in connection.execute(sa.select(queues).order_by(queues.c.id))]


def readable(store: Store) -> list[Queue]:
    """The queues that can be read, incoming comments first. Raises StoreError."""
    return [queue for queue in all_queues(store) if queue.state in READABLE]


def get_queue(store: Store, queue_id: int) -> Queue | None:
    """The queue with this id. Raises StoreError."""
    with store.read() as connection:
        row = connection.execute(sa.select(queues).where(queues.c.id == queue_id)).first()
    return None if row is None else Queue(**row._mapping)


def new_queue(store: Store, *, name: str, by: str, file: str) -> int:
    """Create a queue for an uploaded file with unconfirmed columns; returns its id. Raises StoreError."""
    values = {"name": name, "created": datetime.now(UTC), "created_by": by, "state": "columns", "file": file}
    with store.write() as connection:
        made = connection.execute(sa.insert(queues).values(**values))
    assert made.inserted_primary_key
    return int(made.inserted_primary_key[0])


def update_queue(connection: sa.Connection, queue_id: int, **values: Any) -> None:
    """Update a queue's state."""
    connection.execute(sa.update(queues).where(queues.c.id == queue_id).values(**values))


def delete_queue(store: Store, queue_id: int) -> None:
    """Remove an upload with its comments; decisions stay in the log. Raises StoreError."""
    with store.write() as connection:
        connection.execute(sa.delete(queue_items).where(queue_items.c.queue_id == queue_id))
        connection.execute(sa.delete(queues).where(queues.c.id == queue_id, queues.c.id != ARRIVALS))


def purge(connection: sa.Connection, before: datetime) -> int:
    """Delete older comments, whatever their state, and older uploads; decisions stay."""
    gone = connection.execute(sa.delete(queue_items).where(queue_items.c.received < before)).rowcount
    old = (queues.c.id != ARRIVALS) & (queues.c.created < before)
    connection.execute(
        sa.delete(queue_items).where(queue_items.c.queue_id.in_(sa.select(queues.c.id).where(old)))
    )
    connection.execute(sa.delete(queues).where(old))
    return gone
