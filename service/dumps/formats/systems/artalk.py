"""Artalk: its Artrans, a list of comments as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator

from parley.service.dumps.formats.native import Native, dig, stream_items, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.formats.systems.isso import absolute
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_KEYS = [re.compile(rf'(?<!\\)"{key}"\s*:') for key in ("page_key", "content", "rid")]


def looks(head: str) -> bool:
    """Whether an Artrans begins here."""
    return head.lstrip().startswith("[") and all(key.search(head) for key in _KEYS)


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments; numbers and flags are strings in some versions."""
    for comment in stream_items(source, "item"):
        page = dig(comment, "page_key")
        url = absolute(source.base_url, page) if isinstance(page, str) else None
        pending = dig(comment, "is_pending") in (True, "true")
        yield RawRow(
            values={
                "id": dig(comment, "id"),
                "parent.id": dig(comment, "rid"),
                "article.id": url,
                "article.url": url,
                "article.title": words(dig(comment, "page_title")),
                "author.name": dig(comment, "nick"),
                "created_at": dig(comment, "created_at"),
                "text": dig(comment, "content"),
                "format": "markdown",
                "status": "pending" if pending else "approved",
            }
        )


FORMAT = Native(read=read, extras={"status": "string"})
