"""Filters that a moderator saved under a name."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from parley.service.errors import InvalidRequest
from parley.service.store.database import Store
from parley.service.store.desk.tables import views

MOST = 100
"""The most views, since each page of the queue shows them all."""


def all_views(store: Store) -> list[tuple[int, str, str]]:
    """Id, name and query string of every saved view. Raises StoreError."""
    with store.read() as connection:
        rows = connection.execute(sa.select(views.c.id, views.c.name, views.c.query).order_by(views.c.name))
        return [(row.id, row.name, row.query) for row in rows]


def save_view(store: Store, *, name: str, query: str, by: str) -> None:
    """Save a filter under a name, replacing one of that name. Raises InvalidRequest, StoreError."""
    with store.write() as connection:
        connection.execute(sa.delete(views).where(views.c.name == name))
        if (connection.scalar(sa.select(sa.func.count()).select_from(views)) or 0) >= MOST:
            raise InvalidRequest(f"there are already {MOST} saved filters: delete one first")
        values = {"name": name, "query": query, "created_by": by, "created": datetime.now(UTC)}
        connection.execute(sa.insert(views).values(**values))


def delete_view(store: Store, view_id: int) -> None:
    """Delete a saved view. Raises StoreError."""
    with store.write() as connection:
        connection.execute(sa.delete(views).where(views.c.id == view_id))
