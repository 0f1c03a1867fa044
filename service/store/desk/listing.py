"""A queue's comments by a filter: pages in order of urgency or age, and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
MOST_FACETED = 5_000
"""How many comments the choices of filters are counted in."""
SEARCHED = 5_000
"""How many comments' texts one search reads: no index helps it."""
PAGE = 25
FACETS = 30
FACETED = ("label", "story", "language")
SORTS = ("need", "newest", "oldest")
Place = tuple[float, int]
"""A comment's place in an order: its urgency, or when it arrived in seconds, and its id."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found from a place on."""

    items: list[Item]
    """The first page of it."""
    number: int
    """Of all that it found, at most MOST_FOUND."""
    more: Place | None
    """Where to go on; None at the end."""
    whole: bool
    """Whether it read every text from the place on, not only the next SEARCHED."""


def page(store: Store, wanted: Filter, *, after: Place | None = None, size: int = PAGE) -> list[Item]:
    """The next comments in the filter's order, from the place `after` on. Raises StoreError."""
    with store.read() as connection:
        return _items(connection, wanted, _ids(wanted, after).limit(size))


def search(store: Store, wanted: Filter, *, after: Place | None = None) -> Found:
    """Those of the next SEARCHED comments that have the text. Raises StoreError."""
    every = replace(wanted, search=None)
    query = _ids(wanted, after).limit(MOST_FOUND + 1)
    with store.read() as connection:
        ends = connection.execute(
            _ids(every, after).add_columns(_sorted_by(wanted)).offset(SEARCHED - 1).limit(2)
        ).all()
        more = None
        if len(ends) == 2:  # there are comments beyond the last one to read
            more = _place(ends[0][1], ends[0][0])
            query = query.where(_up_to(wanted, more))
        ids = connection.scalars(query).all()
        items = _items(connection, wanted, ids[:PAGE])
    number, whole = min(len(ids), MOST_FOUND), more is None
    if len(ids) > PAGE:
        more = place(items[-1], wanted)
    return Found(items=items, number=number, more=more, whole=whole)


def place(item: Item, wanted: Filter) -> Place:
    """An item's place in the filter's order."""
    return _place(item.need if wanted.sort == "need" else item.received, item.id)


def count(store: Store, wanted: Filter) -> int:
    """The number of comments that match, at most MOST_COUNTED. Raises StoreError."""
    with store.read() as connection:
        return int(connection.scalar(_number(wanted)) or 0)


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

    Among its MOST_FACETED most urgent comments; an index covers the query. Raises StoreError.
    """
    every = Filter(queue=wanted.queue, state=wanted.state, flagged=wanted.flagged)
    found: dict[str, list[tuple[str, int]]] = {name: [] for name in FACETED}
    with store.read() as connection:
        for name, value, number in connection.execute(sa.union_all(*(_facet(every, n) for n in FACETED))):
            found[name].append((str(value), int(number)))
    return {name: sorted(values, key=lambda each: (-each[1], each[0])) for name, values in found.items()}


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


def _ids(wanted: Filter, after: Place | None) -> sa.Select[Any]:
    """The ids of comments in the filter's order, from a place on: indexes hold all that it needs to sort."""
    query = sa.select(queue_items.c.id).where(*conditions(wanted)).order_by(*order(wanted))
    return query if after is None else query.where(_beyond(wanted, after))


def _items(connection: sa.Connection, wanted: Filter, ids: Sequence[int] | sa.Select[Any]) -> list[Item]:
    query = sa.select(*COLUMNS).where(queue_items.c.id.in_(ids)).order_by(*order(wanted))
    return [item_of(row) for row in connection.execute(query)]


def _sorted_by(wanted: Filter) -> sa.Column[Any]:
    return queue_items.c.need if wanted.sort == "need" else queue_items.c.received


def _place(value: float | datetime, item_id: int) -> Place:
    return (value.timestamp() if isinstance(value, datetime) else value), item_id


def _beyond(wanted: Filter, after: Place) -> sa.ColumnElement[bool]:
    here, there = _compared(wanted, after)
    return here > there if wanted.sort == "oldest" else here < there


def _up_to(wanted: Filter, last: Place) -> sa.ColumnElement[bool]:
    here, there = _compared(wanted, last)
    return here <= there if wanted.sort == "oldest" else here >= there


def _compared(wanted: Filter, with_: Place) -> tuple[sa.Tuple, sa.Tuple]:
    """Where a comment is in the order, and a place there, as rows, whose comparison an index supports."""
    by = _sorted_by(wanted)
    value = with_[0] if wanted.sort == "need" else datetime.fromtimestamp(with_[0], UTC)
    return sa.tuple_(by, queue_items.c.id), sa.tuple_(sa.literal(value, by.type), sa.literal(with_[1]))


def _number(wanted: Filter) -> sa.Select[Any]:
    some = sa.select(queue_items.c.id).where(*conditions(wanted)).limit(MOST_COUNTED).subquery()
    return sa.select(sa.func.count()).select_from(some)


def _facet(every: Filter, name: str) -> sa.Select[Any]:
    some = sa.select(queue_items.c[name]).where(*conditions(every)).order_by(*order(every))
    urgent = some.limit(MOST_FACETED).subquery()
    of, number = urgent.c[name], sa.func.count().label("number")
    commonest = (
        sa.select(sa.literal(name).label("name"), of.label("value"), number)
        .where(of.is_not(None))
        .group_by(of)
        .order_by(number.desc(), of)
        .limit(FACETS)
    )
    return sa.select(commonest.subquery())
