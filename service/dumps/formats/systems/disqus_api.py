"""Disqus: saved responses of its API (`posts/list.json`, `threads/listPosts.json`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from parley.service.dumps.formats.native import Native, dig, stream_items, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_KEYS = [re.compile(rf'(?<!\\)"{key}"\s*:') for key in ("response", "message", "thread", "createdAt")]


def looks(head: str) -> bool:
    """Whether an answer with posts begins here."""
    return head.lstrip().startswith("{") and all(key.search(head) for key in _KEYS)


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The posts of one or several answers."""
    for post in stream_items(source, "response.item", many=True):
        thread = dig(post, "thread")
        yield RawRow(
            values={
                "id": dig(post, "id"),
                "parent.id": dig(post, "parent"),
                **_article(thread),
                "author.id": dig(post, "author", "username") or dig(post, "author", "id"),
                "author.name": dig(post, "author", "name"),
                "created_at": dig(post, "createdAt"),
                "text": dig(post, "message"),
                "format": "html",
                "status": _status(post),
                "likes": dig(post, "likes"),
            },
            skip="deleted" if dig(post, "isDeleted") is True else None,
        )


def _article(thread: Any) -> dict[str, Any]:
    if not isinstance(thread, Mapping):
        return {"article.id": thread}
    title = words(thread.get("clean_title") or thread.get("title"))
    return {"article.id": thread.get("id"), "article.url": thread.get("link"), "article.title": title}


def _status(post: Any) -> str | None:
    if dig(post, "isSpam") is True:
        return "spam"
    return {True: "approved", False: "pending"}.get(dig(post, "isApproved"))


FORMAT = Native(read=read, extras={"status": "string", "likes": "int64"})
