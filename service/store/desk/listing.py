"""A queue's comments by a filter: pages in order of urgency or age, and counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from parley.service.store.database import Store
from parley.service.store.desk.items import COLUMNS, Item, item_of
from parley.service.store.desk.tables import ARRIVALS, queue_items

FLAGGED = 1.0
"""The urgency from which the policy asks for a moderator."""
MOST_COUNTED = 10_000
"""Counts stop here."""
PAGE = 25
FACETS = 30
SORTS = ("need", "newest", "oldest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which comments of a queue."""

    queue: int = ARRIVALS
    state: str = "waiting"
    flagged: bool = True
    """Only those that the policy marks or rejects."""
    label: str | None = None
    story: str | None = None
    language: str | None = None
    newer_than_hours: float | None = None
    new_author: bool = False
    search: str | None = None
    sort: str = "need"


def page(
    store: Store, wanted: Filter, *, after: tuple[float, int] | None = None, size: int = PAGE
) -> list[Item]:
    """The next comments in the filter's order, from the place `after` on. Raises StoreError."""
    query = sa.select(*COLUMNS).where(*conditions(wanted)).order_by(*order(wanted)).limit(size)
    if after is not None:
        query = query.where(_beyond(wanted, after))
    with store.read() as connection:
        return [item_of(row) for row in connection.execute(query)]


def place(item: Item, wanted: Filter) -> tuple[float, int]:
    """An item's place in the filter's order."""
    return (item.need if wanted.sort == "need" else item.received.timestamp()), item.id


def count(store: Store, wanted: Filter) -> int:
    """The number of comments that match, at most MOST_COUNTED. Raises StoreError."""
    some = sa.select(queue_items.c.id).where(*conditions(wanted)).limit(MOST_COUNTED).subquery()
    with store.read() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0)


def facets(store: Store, wanted: Filter, column: str) -> list[tuple[str, int]]:
    """The most frequent values of label, story or language in the filter's queue and state.

    An index covers the query. Raises StoreError.
    """
    of = queue_items.c[column]
    every = Filter(queue=wanted.queue, state=wanted.state, flagged=wanted.flagged)
    number = sa.func.count().label("number")
    query = (
        sa.select(of, number)
        .where(*conditions(every), of.is_not(None))
        .group_by(of)
        .order_by(number.desc(), of)
        .limit(FACETS)
    )
    with store.read() as connection:
        return [(str(row[0]), int(row[1])) for row in connection.execute(query)]


def conditions(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    """The conditions on a comment."""
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


def order(wanted: Filter) -> tuple[sa.ColumnElement[Any], ...]:
    """The order of comments."""
    of = queue_items.c
    if wanted.sort == "need":
        return of.need.desc(), of.id.desc()
    return (of.received, of.id) if wanted.sort == "oldest" else (of.received.desc(), of.id.desc())


def _beyond(wanted: Filter, after: tuple[float, int]) -> sa.ColumnElement[bool]:
    """After a place in the order, as a row comparison, which an index supports."""
    of, last = queue_items.c, sa.literal(after[1])
    if wanted.sort == "need":
        return sa.tuple_(of.need, of.id) < sa.tuple_(sa.literal(after[0]), last)
    moment = sa.literal(datetime.fromtimestamp(after[0], UTC), of.received.type)
    here, there = sa.tuple_(of.received, of.id), sa.tuple_(moment, last)
    return here > there if wanted.sort == "oldest" else here < there
