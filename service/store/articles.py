"""Articles by the site's id or by URL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from model.comment import Article
from service.store.database import Store, upsert
from service.store.tables import articles
from service.urls import normalise

MODEL_READS = 20_000
"""Characters of an article's text that are passed on at most; the model's own limit comes far earlier."""


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
    return normalise(id_or_url) or id_or_url


def put(store: Store, article: Article) -> tuple[StoredArticle, bool]:
    """Keep `article`, which needs an id, in place of one of that id; true if there was none.

    Raises StoreError.
    """
    assert article.id
    key = key_of(article.id)
    url = normalise(article.url) if article.url else normalise(article.id)
    row = StoredArticle(id=key, url=url, title=article.title, text=article.text, updated=datetime.now(UTC))
    with store.write() as connection:
        known = connection.scalar(sa.select(sa.exists().where(articles.c.id == key)))
        upsert(connection, articles, {name: getattr(row, name) for name in row.__slots__})
    return row, not known


def get(store: Store, id_or_url: str) -> StoredArticle | None:
    """The article kept under this id or, failing that, for this URL. Raises StoreError."""
    return find(store, [id_or_url]).get(id_or_url)


def find(store: Store, wanted: Iterable[str]) -> dict[str, StoredArticle]:
    """Those of the ids and URLs that are known, with their articles. Raises StoreError."""
    keys = {given: key_of(given) for given in wanted}
    if not keys:
        return {}
    known = list(set(keys.values()))
    either = sa.or_(articles.c.id.in_(known), articles.c.url.in_(known))
    with store.read() as connection:
        rows = connection.execute(sa.select(articles).where(either).order_by(articles.c.updated))
        found = [StoredArticle(**row._mapping) for row in rows]
    by_url = {article.url: article for article in found}  # of several with one URL the newest
    by_id = {article.id: article for article in found}
    matches = {given: by_id.get(key) or by_url.get(key) for given, key in keys.items()}
    return {given: article for given, article in matches.items() if article}


def delete(store: Store, id_or_url: str) -> bool:
    """Forget the article; false where there was none. Raises StoreError."""
    article = get(store, id_or_url)
    if article is None:
        return False
    with store.write() as connection:
        return connection.execute(sa.delete(articles).where(articles.c.id == article.id)).rowcount > 0
