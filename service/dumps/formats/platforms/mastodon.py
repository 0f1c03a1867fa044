"""Mastodon: saved responses of its API, a list of statuses or a status's `context`.

Followers-only and direct statuses are skipped, as in ActivityStreams.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from parley.service.dumps.formats.native import Native, dig, stream_again, stream_items
from parley.service.dumps.formats.platforms.activitystreams import left_out
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_KEYS = [re.compile(rf'(?<!\\)"{key}"\s*:') for key in ("in_reply_to_id", "visibility", "content")]
_CONTEXT = re.compile(r'^\s*\{\s*"(?:ancestors|descendants)"\s*:')
_VISIBILITY = {"private": "followers", "limited": "followers"}


def looks(head: str) -> bool:
    """Whether statuses begin here."""
    return head.lstrip().startswith(("[", "{")) and all(key.search(head) for key in _KEYS)


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The statuses, ancestors before descendants."""
    head = source.head_text
    if _CONTEXT.match(head):
        for status in stream_again(source, "ancestors.item"):
            yield _status(status, source)
        path = "descendants.item"
    else:
        path = "item" if head.lstrip().startswith("[") else ""
    for status in stream_items(source, path, many=True):
        yield _status(status, source)


def _status(status: Any, source: Source) -> RawRow:
    told = dig(status, "visibility")
    visibility = _VISIBILITY.get(told, told) if isinstance(told, str) else None
    skip = "shared from elsewhere" if dig(status, "reblog") else left_out(visibility, source)
    return RawRow(
        values={
            "id": dig(status, "id"),
            "parent.id": dig(status, "in_reply_to_id"),
            "author.id": dig(status, "account", "acct"),
            "author.name": dig(status, "account", "display_name") or dig(status, "account", "username"),
            "created_at": dig(status, "created_at"),
            "text": dig(status, "content"),
            "format": "html",
            "url": dig(status, "url"),
            "warning": dig(status, "spoiler_text") or None,
            "visibility": visibility,
        },
        skip=skip,
    )


FORMAT = Native(read=read, extras={"url": "string", "warning": "string", "visibility": "string"}, rooted=True)
