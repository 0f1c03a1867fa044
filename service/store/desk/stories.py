"""Open and closed stories: set by a person, the site or the article's page, or closed by age.

A story is identified by its article's id and URL; each name is a row, and the last change to any of them
counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from parley.model.comment import Article
from parley.service.store.articles import AT_ONCE, key_of
from parley.service.store.database import Store
from parley.service.store.desk.tables import stories
from parley.service.store.tables import MAX_NAME
from parley.service.urls import MAX_SENT, normalise

State = Literal["closed", "open"]
BY_PAGE = "its page"
"""Who closed a story whose page says so."""
MAX_BYTES = 2000
"""The longest name: database indexes limit it, and longer URLs aren't normalised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The record of one name. `state` None: not set, so its age decides."""

    story: str
    since: datetime
    state: State | None
    changed: datetime | None
    changed_by: str | None


def names_of(article: Article | None) -> list[str]:
    """The names of an article's story: its id and URL, unless they are too long; a text is no name."""
    given = (article.id, article.url) if article else ()
    names = [name for name in given if name and name.strip() and len(name) <= MAX_SENT]
    keys = [key_of(name) for name in names if len(name) <= MAX_NAME or normalise(name)]
    return list(dict.fromkeys(key for key in keys if len(key.encode()) <= MAX_BYTES))


def find(store: Store, names: Collection[str]) -> dict[str, Story]:
    """The records of these names. Raises StoreError."""
    records: dict[str, Story] = {}
    every = list(names)
    with store.read() as connection:
        for start in range(0, len(every), AT_ONCE):
            some = stories.c.story.in_(every[start : start + AT_ONCE])
            rows = connection.execute(sa.select(stories).where(some))
            records |= {row.story: Story(**row._mapping) for row in rows}
    return records


def is_closed(known: Iterable[Story | None], *, days: int | None) -> bool:
    """Whether a story is closed, from its names' records; `days` is the age that closes it."""
    rows = [story for story in known if story is not None]
    said = [(story.changed, story.state) for story in rows if story.changed and story.state]
    if said:
        return max(said)[1] == "closed"
    if days is None or not rows:
        return False
    return min(story.since for story in rows) <= datetime.now(UTC) - timedelta(days=days)


def change(store: Store, names: Iterable[str], state: State | None, *, by: str) -> None:
    """Close or open a story; None lets it close by age. Raises StoreError."""
    now = datetime.now(UTC)
    said = {"state": state, "changed": now, "changed_by": by}
    with store.write() as connection:
        for name in names:
            _put(connection, {"story": name, "since": now, **said}, said)


def read_page(store: Store, names: Collection[str], closed: bool) -> None:
    """Close a story because its page says so, or let it close by age again. Raises StoreError.

    What a person or the site has set is not changed.
    """
    here = stories.c.story.in_(list(names))
    with store.write() as connection:
        rows = connection.execute(sa.select(stories).where(here, stories.c.state.is_not(None))).all()
        if any(row.changed_by != BY_PAGE for row in rows) or closed == bool(rows):
            return
        now = datetime.now(UTC)
        said = {"state": "closed" if closed else None, "changed": now, "changed_by": BY_PAGE}
        for name in names:
            _put(connection, {"story": name, "since": now, **said}, said)


def published(store: Store, names: Iterable[str], moment: datetime) -> None:
    """Record when a story was published: its age counts from then. Raises StoreError."""
    with store.write() as connection:
        for name in names:
            _put(connection, {"story": name, "since": moment}, {"since": moment})


def saw(store: Store, names: Iterable[str]) -> None:
    """Record new stories: their age counts from now. Raises StoreError."""
    now = datetime.now(UTC)
    with store.write() as connection:
        for name in names:
            _put(connection, {"story": name, "since": now}, {})


def latest(store: Store, *, size: int = 200) -> list[Story]:
    """The stories closed or opened by hand, newest change first. Raises StoreError."""
    query = sa.select(stories).where(stories.c.state.is_not(None)).order_by(stories.c.changed.desc())
    with store.read() as connection:
        return [Story(**row._mapping) for row in connection.execute(query.limit(size))]


def _put(connection: sa.Connection, row: dict[str, Any], known: dict[str, Any]) -> None:
    """Insert a row, or update an existing one with `known`."""
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    made = insert(stories).values(row)
    key = [stories.c.story]
    connection.execute(
        made.on_conflict_do_update(index_elements=key, set_=known)
        if known
        else made.on_conflict_do_nothing(index_elements=key)
    )
