"""The tables. A change here needs a migration in `migrations/versions`; a test compares the two."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, DateTime, Dialect, Float, Integer, MetaData, String, Table, Text
from sqlalchemy.types import TypeDecorator

MAX_NAME = 512
"""The longest name from a client that is stored or looked up, in characters: database indexes limit it."""
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """`text` as AnyText stores it."""
    return _UNSTORABLE.sub("\ufffd", text)


class UtcDateTime(TypeDecorator[datetime]):
    """A time: with a zone in PostgreSQL, in UTC without a zone in SQLite, always UTC in Python."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC before storing."""
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Convert to an aware datetime in UTC after reading."""
        if not isinstance(value, datetime):
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class AnyText(TypeDecorator[str]):
    """Any Unicode text; NUL (refused by PostgreSQL) and lone surrogates (not in UTF-8) become U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what a database can't store."""
        return storable(value) if value else value


metadata = MetaData()

articles = Table(
    "articles",
    metadata,
    Column("id", AnyText, primary_key=True, comment="the site's id, or the normalised URL"),
    Column("url", AnyText, index=True, comment="normalised"),
    Column("title", AnyText),
    Column("text", AnyText),
    Column("updated", UtcDateTime, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", AnyText, nullable=False),
    Column("hash", String(64), nullable=False, unique=True, comment="SHA-256 of the key, hexadecimal"),
    Column("rate", String(64), comment="requests, such as 60/minute; null is the setting's"),
    Column("created", UtcDateTime, nullable=False),
    Column("revoked", UtcDateTime),
)

suggestions = Table(
    "suggestions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("created", UtcDateTime, nullable=False, index=True),
    Column("community", AnyText, comment="which site, as the client names it"),
    Column("client_token", AnyText, index=True, comment="the client's name for the decision"),
    Column("attribute", AnyText, nullable=False, comment="what was judged, such as toxicity"),
    Column("value", Float, nullable=False, comment="0 not so, 1 so"),
    Column("comment_id", AnyText, index=True),
    Column("parent_id", AnyText),
    Column("article_url", AnyText),
    Column("article_title", AnyText, comment="where the client sent the article itself; null as the text is"),
    Column("article_text", AnyText),
    Column("language", AnyText),
    Column("text", AnyText, comment="null unless the site keeps comments"),
    Column("text_hash", String(64), index=True, comment="keyed hash of the text, where that is kept"),
    Column("author", String(64), index=True, comment="keyed hash; null unless the site keeps comments"),
)

sightings = Table(
    "sightings",
    metadata,
    Column("text_hash", String(64), primary_key=True, comment="keyed hash of a comment's text"),
    Column("author", String(64), primary_key=True, index=True, comment="keyed hash of who wrote it"),
    Column("seen", UtcDateTime, nullable=False, index=True),
)
