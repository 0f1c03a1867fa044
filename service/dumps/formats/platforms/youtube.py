"""YouTube: saved responses of the Data API v3 (`commentThreads.list`, `comments.list`).

One page, a list of pages or of threads, or JSON lines of either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from parley.service.dumps.formats.native import Native, dig, entries, stream_items
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_KIND = re.compile(r'(?<!\\)"kind"\s*:\s*"youtube#comment|(?<!\\)"topLevelComment"\s*:')
_PAGES = re.compile(r'(?<!\\)"(?P<key>items|snippet)"\s*:')
"""Matches whichever comes first: a page's list, or a comment's key."""
_WATCH = "https://www.youtube.com/watch?v="


def looks(head: str) -> bool:
    """Whether the API's name for comments occurs here."""
    return head.lstrip().startswith(("{", "[")) and bool(_KIND.search(head))


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments: a thread's first, then its replies in the response."""
    head = source.head_text
    steps = ["item"] if head.lstrip().startswith("[") else []
    if (pages := _PAGES.search(head)) is not None and pages["key"] == "items":
        steps += ["items", "item"]
    for item in stream_items(source, ".".join(steps), many=True):
        yield from _thread(item)


def _thread(item: Any) -> Iterator[RawRow]:
    top = dig(item, "snippet", "topLevelComment")
    if top is None:
        yield _comment(item, None)
        return
    video = dig(item, "snippet", "videoId")
    yield _comment(top, video)
    for reply in entries(dig(item, "replies", "comments")):
        yield _comment(reply, video)


def _comment(comment: Any, video: Any) -> RawRow:
    snippet = dig(comment, "snippet")
    if not isinstance(snippet, Mapping):
        return RawRow(problem="not a YouTube comment: it has no snippet")
    original = snippet.get("textOriginal")
    video = video or snippet.get("videoId")
    values = {
        "id": dig(comment, "id"),
        "parent.id": snippet.get("parentId"),
        "article.id": video,
        "article.url": f"{_WATCH}{video}" if isinstance(video, str) else None,
        "author.id": dig(snippet, "authorChannelId", "value"),
        "author.name": snippet.get("authorDisplayName"),
        "created_at": snippet.get("publishedAt"),
        "text": snippet.get("textDisplay") if original is None else original,
        "format": "html" if original is None else "plain",
        "status": snippet.get("moderationStatus"),
        "likes": snippet.get("likeCount"),
    }
    return RawRow(values=values)


FORMAT = Native(read=read, extras={"status": "string", "likes": "int64"})
