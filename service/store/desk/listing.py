"""A queue's comments by a filter: pages in order of urgency or age, and counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from parley.service.store.database import Store
from parley.service.store.desk.items import COLUMNS, STATES, Item, item_of
from parley.service.store.desk.tables import ARRIVALS, queue_items

FLAGGED = 1.0
"""The urgency from which the policy asks for a moderator."""
MOST_COUNTED = 10_000
"""Counts stop at this number."""
MOST_FOUND = 100
"""Counts of a search stop at this number."""
PAGE = 25
FACETS = 30
FACETED = ("label", "story", "language")
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
    """The number of comments that match, at most `most(wanted)`. Raises StoreError."""
    with store.read() as connection:
        return int(connection.scalar(_number(wanted)) or 0)


def most(wanted: Filter) -> int:
    """The number at which counts for a filter stop: lower for a search, which reads texts without index."""
    return MOST_FOUND if wanted.search else MOST_COUNTED


def totals(store: Store, wanted: Filter) -> dict[str, int]:
    """The number of comments in each state of the filter's queue, and of `flagged` ones in its state.

    At most MOST_COUNTED of each. Raises StoreError.
    """
    asked = {state: Filter(queue=wanted.queue, state=state, flagged=False) for state in STATES}
    asked["flagged"] = Filter(queue=wanted.queue, state=wanted.state)
    with store.read() as connection:
        numbers = connection.execute(sa.select(*(_number(each).scalar_subquery() for each in asked.values())))
        return dict(zip(asked, map(int, numbers.one()), strict=True))


def facets(store: Store, wanted: Filter) -> dict[str, list[tuple[str, int]]]:
    """The most frequent values of each of FACETED in the filter's queue and state.

    Among its MOST_COUNTED most urgent comments; an index covers the query. Raises StoreError.
    """
    every = Filter(queue=wanted.queue, state=wanted.state, flagged=wanted.flagged)
    columns = [queue_items.c[name] for name in FACETED]
    urgent = (
        sa.select(*columns)
        .where(*conditions(every))
        .order_by(*order(every))
        .limit(MOST_COUNTED)
        .cte("urgent")
    )
    counts: dict[str, list[tuple[str, int]]] = {name: [] for name in FACETED}
    with store.read() as connection:
        for name, value, number in connection.execute(sa.union_all(*(_facet(urgent, n) for n in FACETED))):
            counts[name].append((str(value), int(number)))
    return {name: sorted(values, key=lambda each: (-each[1], each[0])) for name, values in counts.items()}


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


def _number(wanted: Filter) -> sa.Select[Any]:
    some = sa.select(queue_items.c.id).where(*conditions(wanted)).limit(most(wanted)).subquery()
    return sa.select(sa.func.count()).select_from(some)


def _facet(urgent: sa.CTE, name: str) -> sa.Select[Any]:
    of, number = urgent.c[name], sa.func.count().label("number")
    commonest = (
        sa.select(sa.literal(name).label("name"), of.label("value"), number)
        .where(of.is_not(None))
        .group_by(of)
        .order_by(number.desc(), of)
        .limit(FACETS)
    )
    return sa.select(commonest.subquery())
