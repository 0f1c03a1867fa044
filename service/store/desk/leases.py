"""Leases of comments, so that two moderators never read the same one.

The comment that a moderator is reading is leased to their session: nobody else gets it or can decide on it,
until they go on or the lease expires.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from parley.service.store.database import Store
from parley.service.store.desk.items import COLUMNS, OPEN, Item, item_of
from parley.service.store.desk.listing import Filter, conditions, order
from parley.service.store.desk.tables import queue_items

LEASE = timedelta(minutes=10)
SKIP = timedelta(hours=1)
"""How long a moderator doesn't get a skipped comment again."""


def take_next(store: Store, wanted: Filter, session: str) -> Item | None:
    """The first comment that nobody else is reading, leased to the session, or None.

    Raises StoreError.
    """
    now = datetime.now(UTC)
    skipped = (queue_items.c.skipped_by == session) & (queue_items.c.skipped_until > now)
    free = _free(session, now) & sa.not_(sa.func.coalesce(skipped, sa.false()))
    query = (
        sa.select(queue_items.c.id)
        .where(*conditions(wanted), free)
        .order_by(*order(wanted))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    with store.write() as connection:
        item_id = connection.scalar(query)
        return None if item_id is None else _lease(connection, item_id, session, now)


def take(store: Store, item_id: int, session: str) -> Item | None:
    """The comment, leased to the session if it is waiting and free. Raises StoreError."""
    now = datetime.now(UTC)
    here = queue_items.c.id == item_id
    with store.write() as connection:
        item = connection.execute(sa.select(*COLUMNS).where(here).with_for_update()).first()
        if item is None:
            return None
        taken = item_of(item)
        if taken.state not in OPEN or taken.leased_to_another(session):
            return taken
        return _lease(connection, item_id, session, now)


def skip(store: Store, item_id: int, session: str) -> None:
    """Return the comment, and keep it from this session for an hour. Raises StoreError."""
    mine = (queue_items.c.id == item_id) & (queue_items.c.lease_by == session)
    values = {"lease_by": None, "lease_until": None, "skipped_by": session}
    with store.write() as connection:
        connection.execute(
            sa.update(queue_items).where(mine).values(**values, skipped_until=datetime.now(UTC) + SKIP)
        )


def release(store: Store, session: str) -> None:
    """Return whatever the session has leased. Raises StoreError."""
    mine = queue_items.c.lease_by == session
    with store.write() as connection:
        connection.execute(sa.update(queue_items).where(mine).values(lease_by=None, lease_until=None))


def _lease(connection: sa.Connection, item_id: int, session: str, now: datetime) -> Item:
    here = queue_items.c.id == item_id
    values = {"lease_by": session, "lease_until": now + LEASE}
    looked = sa.func.coalesce(queue_items.c.looked, now)
    # One comment per session: the previous one is returned.
    had = (queue_items.c.lease_by == session) & (queue_items.c.id != item_id)
    connection.execute(sa.update(queue_items).where(had).values(lease_by=None, lease_until=None))
    connection.execute(sa.update(queue_items).where(here).values(**values, looked=looked))
    return item_of(connection.execute(sa.select(*COLUMNS).where(here)).one())


def _free(session: str, now: datetime) -> sa.ColumnElement[bool]:
    lease = queue_items.c.lease_by
    return lease.is_(None) | (lease == session) | (queue_items.c.lease_until <= now)
