"""Deletes what is older than the site keeps it: decisions, authors of texts, comments at the desk.

purge(store, older_than=timedelta(days=90))      # the number of rows; or PurgeRefused
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from parley.service.errors import PurgeRefused
from parley.service.store import feedback
from parley.service.store.database import Store
from parley.service.store.desk import queues
from parley.service.store.desk.tables import queue_items
from parley.service.store.tables import sightings, suggestions

FEW_ROWS, MOST_PURGED = 20, 0.5
"""A purge of more than this share of a table with at least this many rows must be requested by hand."""
_AGES = (
    (suggestions, suggestions.c.created),
    (sightings, sightings.c.seen),
    (queue_items, queue_items.c.received),
)


def purge(store: Store, *, older_than: timedelta, whatever_share: bool = False) -> int:
    """Delete what is older; returns the number of decisions and comments. Raises StoreError.

    Raises PurgeRefused, and deletes nothing, if that would be most of a table, unless `whatever_share`: a
    wrong clock would empty the store.
    """
    before = datetime.now(UTC) - older_than
    with store.write() as connection:
        if not whatever_share:
            _check_share(connection, before)
        return feedback.purge(connection, before) + queues.purge(connection, before)


def _check_share(connection: sa.Connection, before: datetime) -> None:
    for table, moment in _AGES:
        count = sa.func.count()
        old = connection.scalar(sa.select(count).select_from(table).where(moment < before)) or 0
        there = connection.scalar(sa.select(count).select_from(table)) or 0
        if there >= FEW_ROWS and old > MOST_PURGED * there:
            raise PurgeRefused(
                f"{old:,} of {there:,} rows of {table.name} are older than store.days in the settings, "
                "too many to delete at once: if the clock is right, run `parley feedback purge --all`"
            )
