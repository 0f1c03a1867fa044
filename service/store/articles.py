"""Articles by the site's id or by URL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from parley.model.comment import Article
from parley.service.store.database import Store, upsert
from parley.service.store.tables import articles, storable
from parley.service.urls import normalise

MODEL_READS = 20_000
"""Most characters of an article's text that are passed on; the model reads far fewer."""
AT_ONCE = 500
"""Names per query: databases limit its parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArticle:
    """A stored article; `url` is normalised."""

    id: str
    url: str | None
    title: str | None
    text: str | None
    updated: datetime


def key_of(id_or_url: str) -> str:
    """The id under which an article is stored: a URL normalised, anything else unchanged."""
    return normalise(id_or_url) or storable(id_or_url)


def put(store: Store, article: Article) -> tuple[StoredArticle, bool]:
    """Store `article`, which needs an id, replacing one with that id; true if there was none.

    Raises StoreError.
    """
    row = _row(article)
    with store.write() as connection:
        known = connection.scalar(sa.select(sa.exists().where(articles.c.id == row.id)))
        upsert(connection, articles, _values(row))
    return row, not known


def add(store: Store, article: Article) -> None:
    """Store `article`, which needs an id, unless its id or URL is already stored. Raises StoreError."""
    row = _row(article)
    same = (articles.c.id == row.id) | (articles.c.url == row.url)
    with store.write() as connection:
        if not connection.scalar(sa.select(sa.exists().where(same))):
            upsert(connection, articles, _values(row))


def get(store: Store, id_or_url: str) -> StoredArticle | None:
    """The article with this id or URL, the newest of several. Raises StoreError."""
    return find(store, [id_or_url]).get(id_or_url)


def find(store: Store, wanted: Iterable[str]) -> dict[str, StoredArticle]:
    """The stored articles by these ids and URLs. Raises StoreError."""
    keys = {given: key_of(given) for given in wanted}
    names = list(set(keys.values()))
    stored: dict[str, StoredArticle] = {}
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        either = sa.or_(articles.c.id.in_(some), articles.c.url.in_(some))
        with store.read() as connection:
            rows = connection.execute(sa.select(articles).where(either))
            stored |= {row.id: StoredArticle(**row._mapping) for row in rows}
    # The newest of several for one URL: a site's own overrides a page that was fetched earlier.
    by_name = {
        name: article
        for article in sorted(stored.values(), key=lambda article: article.updated)
        for name in (article.url, article.id)
    }
    return {given: by_name[key] for given, key in keys.items() if key in by_name}


def delete(store: Store, id_or_url: str) -> bool:
    """Delete the article with this id, else the newest with this URL; false if there was none.

    Raises StoreError.
    """
    if _delete(store, key_of(id_or_url)):
        return True
    article = get(store, id_or_url)
    return article is not None and _delete(store, article.id)


def _delete(store: Store, key: str) -> bool:
    with store.write() as connection:
        return connection.execute(sa.delete(articles).where(articles.c.id == key)).rowcount > 0


def _row(article: Article) -> StoredArticle:
    assert article.id
    url = normalise(article.url) if article.url else normalise(article.id)
    return StoredArticle(
        id=key_of(article.id), url=url, title=article.title, text=article.text, updated=datetime.now(UTC)
    )


def _values(row: StoredArticle) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__slots__}
