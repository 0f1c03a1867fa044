"""Data for the desk's figures: scores of recent comments, and a queue's days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from parley.service.store.database import Store
from parley.service.store.desk.items import COLUMNS, Item, item_of
from parley.service.store.desk.listing import FLAGGED
from parley.service.store.desk.tables import queue_items

NEWEST = 20_000
"""At most this many of the newest comments are counted: enough for an estimate, and fast."""
WINDOW = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How one label's scores compare with a threshold."""

    comments: int
    over: int
    expected: float
    """Comments with the label, as expected from the model's calibration."""
    expected_over: float
    days: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of a queue."""

    day: date
    comments: int
    flagged: int
    toxicity: float


def spread(store: Store, queue: int, label: str, threshold: float) -> Spread:
    """The newest comments' scores against a threshold. Raises StoreError."""
    score = queue_items.c[label]
    newest = _newest(queue, score, queue_items.c.received)
    value = newest.c[label]
    over = sa.case((value >= threshold, 1), else_=0)
    query = sa.select(
        sa.func.count(value),
        sa.func.sum(over),
        sa.func.sum(value),
        sa.func.sum(over * value),
        sa.func.min(newest.c.received),
    )
    with store.read() as connection:
        row = connection.execute(query).one()
    first = row[4] if isinstance(row[4], datetime) else None
    days = (datetime.now(UTC) - first).total_seconds() / 86400 if first else 1.0
    return Spread(
        comments=row[0],
        over=row[1] or 0,
        expected=row[2] or 0.0,
        expected_over=row[3] or 0.0,
        days=max(days, 1.0),
    )


def near(
    store: Store, queue: int, label: str, threshold: float, *, size: int = 3
) -> tuple[list[Item], list[Item]]:
    """The comments just above and just below the threshold, nearest first. Raises StoreError."""
    score = queue_items.c[label]
    newest = sa.select(_newest(queue, score, queue_items.c.id).c.id)
    here = queue_items.c.id.in_(newest)
    above = sa.select(*COLUMNS).where(here, score >= threshold).order_by(score, queue_items.c.id).limit(size)
    below = (
        sa.select(*COLUMNS)
        .where(here, score < threshold)
        .order_by(score.desc(), queue_items.c.id)
        .limit(size)
    )
    with store.read() as connection:
        return (
            [item_of(row) for row in connection.execute(above)],
            [item_of(row) for row in connection.execute(below)],
        )


def lately(store: Store, queue: int, *, days: int = 7, size: int = 2000) -> list[Item]:
    """The newest comments of the last days. Raises StoreError."""
    since = datetime.now(UTC) - timedelta(days=days)
    where = (queue_items.c.queue_id == queue) & (queue_items.c.received >= since)
    query = sa.select(*COLUMNS).where(where).order_by(queue_items.c.id.desc()).limit(size)
    with store.read() as connection:
        return [item_of(row) for row in connection.execute(query)]


def by_day(store: Store, queue: int, *, days: int = 28) -> list[Day]:
    """The days on which a queue got comments, oldest first. Raises StoreError."""
    of, since = queue_items.c, datetime.now(UTC) - timedelta(days=days)
    day = sa.func.date(of.received).label("day")
    query = (
        sa.select(
            day,
            sa.func.count(),
            sa.func.sum(sa.case((of.need >= FLAGGED, 1), else_=0)),
            sa.func.avg(of.toxicity),
        )
        .where(of.queue_id == queue, of.received >= since)
        .group_by(day)
        .order_by(day)
    )
    with store.read() as connection:
        return [
            Day(day=_date(row[0]), comments=row[1], flagged=row[2] or 0, toxicity=float(row[3] or 0.0))
            for row in connection.execute(query)
        ]


def waits(store: Store, queue: int, *, size: int = 5000) -> list[float]:
    """Seconds from arrival to decision of the most recently decided comments. Raises StoreError."""
    of = queue_items.c
    query = (
        sa.select(of.received, of.decided)
        .where(of.queue_id == queue, of.state.in_(("approved", "rejected")))
        .order_by(of.id.desc())
        .limit(size)
    )
    with store.read() as connection:
        return [
            (row.decided - row.received).total_seconds() for row in connection.execute(query) if row.decided
        ]


def _newest(queue: int, *columns: sa.ColumnElement[Any]) -> sa.Subquery:
    where = (queue_items.c.queue_id == queue) & (queue_items.c.received >= datetime.now(UTC) - WINDOW)
    return sa.select(*columns).where(where).order_by(queue_items.c.id.desc()).limit(NEWEST).subquery()


def _date(value: Any) -> date:
    return date.fromisoformat(value) if isinstance(value, str) else value
