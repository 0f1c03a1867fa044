"""Moderators' decisions, kept as rows that a later fine-tune reads.

The newest decision for a client token counts: a moderator may change their mind. Text and author are kept
only where the site has turned that on (`store.comments`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from model.labels import COMMENT_LABELS, OFF_TOPIC
from service.privacy import AuthorHashes
from service.store.database import Store
from service.store.tables import suggestions

LABELS = (*COMMENT_LABELS, OFF_TOPIC)
"""The attributes that a fine-tune can learn; others that a client names are kept, but not exported."""

TRAINING_COLUMNS = ("id", "text", *LABELS, "article.url", "language")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What a moderator says of one attribute of one comment: `value` 0 for not so, 1 for so."""

    attribute: str
    value: float
    text: str | None = None
    author: str | None = None
    """The author's id as the client sends it; only its keyed hash is ever kept."""
    client_token: str | None = None
    community: str | None = None
    comment_id: str | None = None
    parent_id: str | None = None
    article_url: str | None = None
    language: str | None = None


class Feedback:
    """Keeps suggestions as the site wants them kept."""

    def __init__(self, store: Store, authors: AuthorHashes, *, comments: bool) -> None:
        """`comments`: keep the text of the comment, and its author's hash."""
        self._store, self._authors, self._comments = store, authors, comments

    def keep(self, given: Sequence[Suggestion], *, do_not_store: bool = False) -> int:
        """Keep the suggestions, unless the client says `do_not_store`; the number kept. Raises StoreError."""
        if do_not_store or not given:
            return 0
        now = datetime.now(UTC)
        with self._store.write() as connection:
            for suggestion in given:
                _delete_older(connection, suggestion)
            rows = [self._row(suggestion, now) for suggestion in given]
            connection.execute(sa.insert(suggestions), rows)
        return len(given)

    def forget(self, *, author: str | None = None, comment_id: str | None = None) -> int:
        """Remove what is kept of an author, or of a comment; the number of rows. Raises StoreError."""
        conditions = []
        if author is not None:
            conditions.append(suggestions.c.author == self._authors.hash(author))
        if comment_id is not None:
            conditions.append(suggestions.c.comment_id == comment_id)
        if not conditions:
            return 0
        with self._store.write() as connection:
            return connection.execute(sa.delete(suggestions).where(sa.or_(*conditions))).rowcount

    def purge(self, *, older_than: timedelta) -> int:
        """Remove what has been kept for longer; the number of rows. Raises StoreError."""
        before = datetime.now(UTC) - older_than
        with self._store.write() as connection:
            return connection.execute(sa.delete(suggestions).where(suggestions.c.created < before)).rowcount

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every suggestion as kept, the oldest first. Raises StoreError."""
        query = sa.select(suggestions).order_by(suggestions.c.id)
        with self._store.read() as connection:
            for row in connection.execution_options(yield_per=1000).execute(query):
                yield dict(row._mapping)

    def _row(self, suggestion: Suggestion, now: datetime) -> dict[str, Any]:
        if not self._comments:
            suggestion = replace(suggestion, text=None, author=None)
        values = {name: getattr(suggestion, name) for name in suggestion.__slots__}
        author = suggestion.author
        return values | {"created": now, "author": None if author is None else self._authors.hash(author)}


def training_rows(rows: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Kept rows as rows to train from, one a comment; and the number of decisions that have no text.

    Keys are TRAINING_COLUMNS; a label that nobody decided on is missing.
    """
    comments: dict[tuple[Any, ...], dict[str, Any]] = {}
    without_text = 0
    for row in rows:
        if row["attribute"] not in LABELS:
            continue
        if not row["text"]:
            without_text += 1
            continue
        key = (row["community"], row["client_token"] or row["comment_id"] or row["id"], row["text"])
        known = {"id": row["comment_id"], "text": row["text"], "article.url": row["article_url"]}
        comment = comments.setdefault(key, known | {"language": row["language"]})
        comment[row["attribute"]] = row["value"]
    return list(comments.values()), without_text


def _delete_older(connection: sa.Connection, suggestion: Suggestion) -> None:
    if suggestion.client_token is None:
        return
    same = (
        (suggestions.c.client_token == suggestion.client_token)
        & (suggestions.c.community.is_not_distinct_from(suggestion.community))
        & (suggestions.c.attribute == suggestion.attribute)
    )
    connection.execute(sa.delete(suggestions).where(same))
