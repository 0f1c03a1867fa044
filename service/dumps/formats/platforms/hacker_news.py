"""Hacker News: Algolia's search (`hits`) and items (`children`), the official API's items (one per line)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from parley.service.dumps.formats.native import Native, dig, entries, stream_items, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

SITE = "https://news.ycombinator.com/item?id="
_HITS = re.compile(r'(?<!\\)"comment_text"\s*:')
_TREE = re.compile(r'^\s*\{(?=.*"author")(?=.*"story_id")(?=.*"children"\s*:)', re.DOTALL)
_ITEM = re.compile(r'^\s*\{(?=.*"by"\s*:)(?=.*"parent"\s*:)(?=.*"type"\s*:\s*"comment")', re.DOTALL)
MAX_DEPTH = 500


def looks(head: str) -> bool:
    """Whether hits, a tree or items begin here."""
    start = head.lstrip()[:20_000]
    hits = start.startswith("{") and '"hits"' in head and bool(_HITS.search(head))
    return hits or bool(_TREE.match(start) or _ITEM.match(start))


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments, replies after their parents."""
    if '"hits"' in source.head_text and _HITS.search(source.head_text):
        for hit in stream_items(source, "hits.item", many=True):
            yield _hit(hit)
        return
    for item in stream_items(source, "", many=True):
        yield from _item(item, index, 0)


def _hit(hit: Any) -> RawRow:
    story, parent = dig(hit, "story_id"), dig(hit, "parent_id")
    values = {
        "id": dig(hit, "objectID"),
        "parent.id": None if parent == story else parent,
        "article.id": story,
        "article.url": dig(hit, "story_url"),
        "article.title": dig(hit, "story_title"),
        **_said(hit, text="comment_text", author="author", time="created_at"),
    }
    return RawRow(values=values)


def _item(item: Any, index: Index, depth: int) -> Iterator[RawRow]:
    kind, id = dig(item, "type"), dig(item, "id")
    story = dig(item, "story_id")
    if kind == "comment" or (kind is None and dig(item, "text")):
        parent = dig(item, "parent_id") or dig(item, "parent")
        values = {
            "id": id,
            "parent.id": None if parent == story else parent,
            "article.id": story,
            "article.url": f"{SITE}{story}" if story else None,
            **_said(item, text="text", author="author", time="created_at"),
        }
        gone = dig(item, "deleted") is True or (depth > 0 and not dig(item, "text"))
        yield RawRow(values=values, skip="deleted" if gone else None)
    elif id is not None:
        url, title = dig(item, "url"), words(dig(item, "title"))
        url = url if isinstance(url, str) else f"{SITE}{id}"
        index.add_article(str(id), url=url, title=title, text=words(dig(item, "text")))
    for child in entries(dig(item, "children")) if depth < MAX_DEPTH else []:
        yield from _item(child, index, depth + 1)


def _said(item: Any, *, text: str, author: str, time: str) -> dict[str, Any]:
    name = dig(item, author) or dig(item, "by")
    return {
        "author.id": name,
        "author.name": name,
        "created_at": dig(item, time) or dig(item, "time"),
        "text": dig(item, text),
        "format": "html",
    }


FORMAT = Native(read=read, rooted=True)
