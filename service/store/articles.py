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
"""Characters of an article's text that are passed on at most; the model's own limit comes far earlier."""
AT_ONCE = 500
"""Names in one query: databases limit its parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArticle:
    """An article as kept; `url` is normalised."""

    id: str
    url: str | None
    title: str | None
    text: str | None
    updated: datetime


def key_of(id_or_url: str) -> str:
    """The id under which an article is kept: a URL normalised, anything else as it is."""
    return normalise(id_or_url) or storable(id_or_url)


def put(store: Store, article: Article) -> tuple[StoredArticle, bool]:
    """Keep `article`, which needs an id, in place of one of that id; true if there was none.

    Raises StoreError.
    """
    row = _row(article)
    with store.write() as connection:
        known = connection.scalar(sa.select(sa.exists().where(articles.c.id == row.id)))
        upsert(connection, articles, _values(row))
    return row, not known


def add(store: Store, article: Article) -> None:
    """Keep `article`, which needs an id, unless one is kept of that id or for its URL. Raises StoreError."""
    row = _row(article)
    same = (articles.c.id == row.id) | (articles.c.url == row.url)
    with store.write() as connection:
        if not connection.scalar(sa.select(sa.exists().where(same))):
            upsert(connection, articles, _values(row))


def get(store: Store, id_or_url: str) -> StoredArticle | None:
    """The article kept under this id or for this URL, the newest of several. Raises StoreError."""
    return find(store, [id_or_url]).get(id_or_url)


def find(store: Store, wanted: Iterable[str]) -> dict[str, StoredArticle]:
    """Those of the ids and URLs that are known, with their articles. Raises StoreError."""
    keys = {given: key_of(given) for given in wanted}
    names = list(set(keys.values()))
    found: dict[str, StoredArticle] = {}
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        either = sa.or_(articles.c.id.in_(some), articles.c.url.in_(some))
        with store.read() as connection:
            rows = connection.execute(sa.select(articles).where(either))
            found |= {row.id: StoredArticle(**row._mapping) for row in rows}
    # Of several for one URL the newest: a site's own goes before a page that was fetched earlier.
    by_name = {
        name: article
        for article in sorted(found.values(), key=lambda article: article.updated)
        for name in (article.url, article.id)
    }
    return {given: by_name[key] for given, key in keys.items() if key in by_name}


def delete(store: Store, id_or_url: str) -> bool:
    """Forget the article of this id or, failing that, the newest for this URL; false where there was none.

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
