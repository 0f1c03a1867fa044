"""Moderators' decisions, stored for later fine-tuning.

The newest decision for a client token counts: a moderator may change their mind. Texts and author are stored
only if the site turns that on (`store.comments`), an article's text too: clients may put readers' words
there.

Some clients send decisions without the author (Coral's suggested scores), and authors without a decision (its
moderation phase). `saw` records who wrote a text, both as keyed hashes, so that `forget` finds those rows
too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from parley.model.comment import Comment
from parley.model.labels import COMMENT_LABELS, OFF_TOPIC
from parley.model.text.plain import plain_text
from parley.service.errors import StoreError
from parley.service.privacy import KeyedHashes
from parley.service.store import articles
from parley.service.store.database import Store, upsert
from parley.service.store.desk import items
from parley.service.store.desk.tables import queue_items
from parley.service.store.tables import MAX_NAME, sightings, suggestions
from parley.service.urls import normalise

LABELS = (*COMMENT_LABELS, OFF_TOPIC)
"""The attributes for fine-tuning; others that a client names are stored, but not exported."""

TRAINING_COLUMNS = ("id", "text", *LABELS, "article.url", "article.title", "article.text", "language")
_EXPORTED = {
    "id": "comment_id",
    "text": "text",
    "article.url": "article_url",
    "article.title": "article_title",
    "article.text": "article_text",
    "language": "language",
}


_LANGUAGE = re.compile("[A-Za-z0-9-]{1,35}")
SCOPE = "\x1f"
"""Separates the caller's name from its token for a decision in what is stored. A token without it predates
this scheme, or is from an open service: any caller may replace that decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A moderator's decision on one attribute of one comment: `value` 0 for no, 1 for yes."""

    attribute: str
    value: float
    text: str | None = None
    author: str | None = None
    """The author's id as the client sends it; only its keyed hash is stored."""
    client_token: str | None = None
    community: str | None = None
    comment_id: str | None = None
    parent_id: str | None = None
    article_url: str | None = None
    article_title: str | None = None
    article_text: str | None = None
    """The article's text as the client sent it; its beginning is stored."""
    language: str | None = None


class Feedback:
    """Stores suggestions as the settings say."""

    def __init__(self, store: Store, hashes: KeyedHashes, *, comments: bool) -> None:
        """`comments`: store the texts of the comment and its article, and the author's hash."""
        self.store, self._hashes, self._comments = store, hashes, comments

    def keep(self, given: Sequence[Suggestion], *, do_not_store: bool = False) -> int:
        """Store the suggestions, unless they have `do_not_store`; returns their number. Raises StoreError."""
        if do_not_store or not given:
            return 0
        now = datetime.now(UTC)
        last = {_name(suggestion) or (n,): suggestion for n, suggestion in enumerate(given)}
        with self.store.write() as connection:
            for suggestion in last.values():
                _delete_older(connection, suggestion)
            rows = [self._row(suggestion, now) for suggestion in last.values()]
            connection.execute(sa.insert(suggestions), rows)
        return len(rows)

    def saw(self, comment: Comment, author: str) -> None:
        """Record that `author` wrote `comment`, if the site stores comments. Raises StoreError.

        Don't call it for a comment whose client asks not to store it.
        """
        if not self._comments:
            return
        text_hash = self._hashes.text(plain_text(comment.text, comment.format).text)
        row = {"text_hash": text_hash, "author": self._hashes.author(author), "seen": datetime.now(UTC)}
        with self.store.write() as connection:
            upsert(connection, sightings, row)

    def forget(self, *, author: str | None = None, comment_id: str | None = None) -> int:
        """Delete everything about an author or a comment, at the desk too; returns the number of rows.

        A row without an author counts as theirs if another with the same comment's id is, or if only they are
        known to have written its text.
        Raises StoreError.
        """
        conditions = [suggestions.c.comment_id == comment_id] if comment_id is not None else []
        if author is not None and not self._hashes.exist:
            self._check_nobody_is_kept()
            author = None
        hashed = "" if author is None else self._hashes.author(author)
        if hashed:
            conditions += [suggestions.c.author == hashed, _written_by(hashed)]
        if not conditions:
            return 0
        with self.store.write() as connection:
            gone = _delete(connection, sa.or_(*conditions))
            queued = items.forget(connection, author=hashed or None, comment_id=comment_id)
            # Also the id that was asked for: replies may quote a comment that is no longer stored itself.
            named = {comment_id, *(row.comment_id for row in (*gone, *queued))}
            ids = sorted(name for name in named if name)
            for start in range(0, len(ids), articles.AT_ONCE):
                some = ids[start : start + articles.AT_ONCE]
                unsigned = suggestions.c.comment_id.in_(some) & suggestions.c.author.is_(None)
                gone += _delete(connection, unsigned)
                queued += items.forget_unsigned(connection, some)
            connection.execute(sa.delete(sightings).where(sightings.c.author == hashed))
            if comment_id is not None:
                written = {(row.text_hash, row.author) for row in gone} | self._written(connection, queued)
                _forget_sightings(connection, written)
        return len(queued) + len(gone)

    def _written(self, connection: sa.Connection, queued: Sequence[sa.Row[Any]]) -> set[tuple[str, str]]:
        """Text's hash and author of deleted comments, except where the author has another with that text."""
        if not self._hashes.exist:
            return set()
        return {
            (self._hashes.text(plain_text(row.text, row.format).text), row.author)
            for row in queued
            if row.author and not items.has_text(connection, author=row.author, text=row.text)
        }

    def _check_nobody_is_kept(self) -> None:
        with self.store.read() as connection:
            kept = (
                sa.exists().where(suggestions.c.author.is_not(None)),
                sa.exists(sa.select(sightings.c.author)),
                sa.exists().where(queue_items.c.author.is_not(None)),
            )
            if connection.scalar(sa.select(sa.or_(*kept))):
                raise StoreError(
                    "authors are stored, but the secret for finding them is not here: give the service's own "
                    "settings (--config; store.folder), or restore its file author-secret from a backup"
                )

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every stored suggestion, oldest first. Raises StoreError."""
        query = sa.select(suggestions).order_by(suggestions.c.id)
        with self.store.snapshot() as connection:
            for row in connection.execution_options(yield_per=1000).execute(query):
                yield dict(row._mapping)

    def _row(self, suggestion: Suggestion, now: datetime) -> dict[str, Any]:
        if not self._comments:
            suggestion = replace(suggestion, text=None, author=None, article_title=None, article_text=None)
        if suggestion.article_text:
            suggestion = replace(suggestion, article_text=suggestion.article_text[: articles.MODEL_READS])
        values = {name: getattr(suggestion, name) for name in suggestion.__slots__} | _names_only(suggestion)
        author, text = suggestion.author, suggestion.text
        return values | {
            "created": now,
            "author": None if author is None else self._hashes.author(author),
            "text_hash": None if text is None else self._hashes.text(plain_text(text, "plain").text),
        }


def _names_only(suggestion: Suggestion) -> dict[str, str | None]:
    """Clients' names without overlong ones, which could smuggle in a text where none is stored.

    A URL is normalised: without user name, fragment, blanks and line breaks.
    """
    url, parent, language = suggestion.article_url, suggestion.parent_id, suggestion.language
    return {
        "article_url": normalise(url) if url else None,
        "parent_id": parent if parent and len(parent) <= MAX_NAME else None,
        "language": language if language and _LANGUAGE.fullmatch(language) else None,
    }


def _written_by(author: str) -> sa.ColumnElement[bool]:
    """Decisions without an author, on texts that only this author is known to have written."""
    theirs = sa.select(sightings.c.text_hash).where(sightings.c.author == author)
    text, same = suggestions.c.text_hash, suggestions.alias()
    seen = sa.exists().where(sightings.c.text_hash == text, sightings.c.author != author)
    decided = sa.exists().where(same.c.text_hash == text, same.c.author != author)
    return suggestions.c.author.is_(None) & text.in_(theirs) & ~seen & ~decided


def _delete(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[sa.Row[Any]]:
    columns = [suggestions.c[name] for name in ("text_hash", "author", "comment_id")]
    return list(connection.execute(sa.delete(suggestions).where(where).returning(*columns)))


def _forget_sightings(connection: sa.Connection, gone: Iterable[tuple[str, str | None]]) -> None:
    """Delete the authors of deleted comments' texts, unless another decision has the same text."""
    kept = sa.exists().where(suggestions.c.text_hash == sightings.c.text_hash)
    for text_hash, author in gone:
        same = (sightings.c.text_hash == text_hash) & ~kept
        if author is not None:
            same &= sightings.c.author == author
        elif len(connection.execute(sa.select(sightings.c.author).where(same)).all()) > 1:
            continue  # several wrote it: the author is ambiguous
        connection.execute(sa.delete(sightings).where(same))


def purge(connection: sa.Connection, before: datetime) -> int:
    """Delete what is older; returns the number of decisions."""
    # A text's author must be known as long as its decision is stored, or `forget` misses it.
    needed = sa.exists().where(suggestions.c.text_hash == sightings.c.text_hash)
    count = connection.execute(sa.delete(suggestions).where(suggestions.c.created < before)).rowcount
    connection.execute(sa.delete(sightings).where(sightings.c.seen < before, ~needed))
    return count


def training_rows(rows: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Stored rows as training rows, one per comment; and the number of decisions without a text.

    Keys are TRAINING_COLUMNS; a label that nobody decided on is missing. `add_articles` adds the articles.
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
        comment = comments.setdefault(key, {name: row[column] for name, column in _EXPORTED.items()})
        comment[row["attribute"]] = row["value"]
    return list(comments.values()), without_text


def add_articles(store: Store, rows: Sequence[dict[str, Any]]) -> int:
    """Add title and text of each row's article if it is stored; returns the number of rows without one.

    A stored article overrides what a client sent. Without either a row can't train off-topic. Raises
    StoreError.
    """
    urls = {row["article.url"] for row in rows if row["article.url"]}
    known = articles.find(store, urls)
    unknown = 0
    for row in rows:
        article = known.get(row["article.url"])
        if article is None:
            unknown += bool(row["article.url"]) and not (row["article.title"] or row["article.text"])
        else:
            row["article.title"] = article.title
            row["article.text"] = (article.text or "")[: articles.MODEL_READS]
    return unknown


def _name(suggestion: Suggestion) -> tuple[Any, ...] | None:
    """The key by which a later decision replaces an earlier one; None if nothing can."""
    token = suggestion.client_token
    return None if token is None else (token, suggestion.community, suggestion.attribute)


def _delete_older(connection: sa.Connection, suggestion: Suggestion) -> None:
    if suggestion.client_token is None:
        return
    same = (
        suggestions.c.client_token.in_(
            {suggestion.client_token, suggestion.client_token.rpartition(SCOPE)[2]}
        )
        & (suggestions.c.community.is_not_distinct_from(suggestion.community))
        & (suggestions.c.attribute == suggestion.attribute)
    )
    connection.execute(sa.delete(suggestions).where(same))
