"""Discourse: a topic as served by its forum, `/t/SLUG/ID.json?print=true`, posts with their HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from parley.service.dumps.formats.native import Native, dig, stream_again, stream_items, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.formats.systems.isso import absolute
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_FIRST = re.compile(r'^\s*\{\s*"post_stream"\s*:')


def looks(head: str) -> bool:
    """Whether a topic's posts begin here."""
    return bool(_FIRST.match(head))


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The posts; the topic's title comes after them, so the file is read twice."""
    title = next((words(value) for value in stream_again(source, "title")), None)
    for post in stream_items(source, "post_stream.posts.item"):
        topic, slug, number = (dig(post, key) for key in ("topic_id", "topic_slug", "post_number"))
        answered = dig(post, "reply_to_post_number")
        yield RawRow(
            values={
                "id": f"{topic}/{number}",
                "parent.id": f"{topic}/{answered}" if answered else None,
                "article.id": topic,
                "article.url": absolute(source.base_url, f"/t/{slug}/{topic}") if slug else None,
                "article.title": title,
                "author.id": dig(post, "user_id"),
                "author.name": dig(post, "username"),
                "created_at": dig(post, "created_at"),
                "text": dig(post, "cooked"),
                "format": "html",
                "status": "hidden" if dig(post, "hidden") is True else None,
            },
            skip=_gone(post),
        )


def _gone(post: Any) -> str | None:
    if dig(post, "deleted_at") or dig(post, "user_deleted") is True:
        return "deleted"
    return "an action" if dig(post, "post_type") == 3 else None


FORMAT = Native(read=read, extras={"status": "string"})
