"""yt-dlp: the `.info.json` of a video, written with `--write-info-json --write-comments`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from parley.service.dumps.formats.native import Native, dig, stream_items
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_FIRST = re.compile(r'^\s*\{\s*"id"\s*:\s*"[^"]+"\s*,\s*"title"\s*:')
_KEYS = re.compile(r'(?<!\\)"(?:formats|thumbnails|channel_id|extractor|webpage_url)"\s*:')
_WATCH = "https://www.youtube.com/watch?v="


def looks(head: str) -> bool:
    """Whether a video's information begins here."""
    return bool(_FIRST.match(head) and _KEYS.search(head))


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments; the video's name comes at the beginning."""
    video = _video(source.head_text)
    id = dig(video, "id")
    url = dig(video, "webpage_url") or (f"{_WATCH}{id}" if isinstance(id, str) else None)
    for comment in stream_items(source, "comments.item"):
        parent = dig(comment, "parent")
        yield RawRow(
            values={
                "id": dig(comment, "id"),
                "parent.id": None if parent == "root" else parent,
                "article.id": id,
                "article.url": url,
                "article.title": dig(video, "title"),
                "author.id": dig(comment, "author_id"),
                "author.name": dig(comment, "author"),
                "created_at": dig(comment, "timestamp"),
                "text": dig(comment, "text"),
                "likes": dig(comment, "like_count"),
            }
        )


def _video(head: str) -> Any:
    try:
        return from_json(head.lstrip("\ufeff"), allow_partial=True)
    except ValueError:
        return {}


FORMAT = Native(read=read, extras={"likes": "int64"})
