"""Valine and its forks: LeanCloud's export of Valine, Waline's own JSON, Twikoo's list of comments.

All call a comment's text `comment`, its page `url` and its parent `pid`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from parley.service.dumps.formats.native import Native, dig, objects, stream_items
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.formats.systems.isso import absolute
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_KEYS = [re.compile(rf'(?<!\\)"{key}"\s*:') for key in ("nick", "comment", "url")]
_WALINE = re.compile(r'^\s*\{(?=.*"type"\s*:\s*"waline")', re.DOTALL)
_STREAMING = "#filetype:JSON-streaming"


def looks(head: str) -> bool:
    """Whether comments of one of them begin here."""
    start = head.lstrip()
    ids = '"objectId"' in head or '"_id"' in head
    return start.startswith(("{", "[", _STREAMING)) and ids and all(key.search(head) for key in _KEYS)


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments, in HTML, or in Markdown as typed (Waline)."""
    head = source.head_text.lstrip("\ufeff \t\r\n")
    waline = bool(_WALINE.match(head))
    path = "data.Comment.item" if waline else "item" if head.startswith("[") else "results.item"
    if head.startswith(_STREAMING):
        for parsed in objects(source):
            if parsed.problem is None:
                yield _comment(parsed.values, source, markdown=False)
            elif parsed.line != 1:  # the first line says what the file is
                yield parsed
        return
    if head.startswith("{") and not waline and '"results"' not in head:
        path = ""
    for comment in stream_items(source, path, many=True):
        yield _comment(comment, source, markdown=waline)


def _comment(comment: Any, source: Source, *, markdown: bool) -> RawRow:
    page, parent = dig(comment, "url"), dig(comment, "pid") or dig(comment, "rid")
    url = absolute(source.base_url, page) if isinstance(page, str) else None
    created = next(
        (dig(comment, key) for key in ("insertedAt", "created", "createdAt") if dig(comment, key)), None
    )
    return RawRow(
        values={
            "id": dig(comment, "objectId") or dig(comment, "_id"),
            "parent.id": parent or None,
            "article.id": url,
            "article.url": url,
            "author.id": dig(comment, "user_id") or dig(comment, "uid"),
            "author.name": dig(comment, "nick"),
            "created_at": dig(created, "iso") if isinstance(created, Mapping) else created,
            "text": dig(comment, "comment"),
            "format": "markdown" if markdown else "html",
            "status": "spam" if dig(comment, "isSpam") is True else dig(comment, "status"),
        }
    )


FORMAT = Native(read=read, extras={"status": "string"})
