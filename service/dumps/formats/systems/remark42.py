"""Remark42: its native backup, a line with the version and then one comment per line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from parley.service.dumps.formats.native import Native, dig, objects, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_FIRST = re.compile(r'^\s*\{"version":\s*\d+,\s*"users":')
_COMMENT = re.compile(r'^\s*\{"id":.*(?<!\\)"locator":\s*\{')


def looks(head: str) -> bool:
    """Whether the first line is that of a backup, or a comment of one."""
    return bool(_FIRST.match(head) or _COMMENT.match(head))


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments. The text as typed (`orig`, Markdown) is preferred to the rendered one (`text`, HTML)."""
    for parsed in objects(source):
        comment = parsed.values
        if parsed.problem is None and "version" in comment and "locator" not in comment:
            continue  # the first line
        typed, url = comment.get("orig"), dig(comment, "locator", "url")
        values = {
            "id": comment.get("id"),
            "parent.id": comment.get("pid"),
            "article.id": url,
            "article.url": url,
            "article.title": words(comment.get("title")),
            "author.id": dig(comment, "user", "id"),
            "author.name": dig(comment, "user", "name"),
            "created_at": comment.get("time"),
            "text": typed or comment.get("text"),
            "format": "markdown" if typed else "html",
            "score": comment.get("score"),
        }
        yield replace(parsed, values=values, skip="deleted" if comment.get("delete") is True else None)


FORMAT = Native(read=read, extras={"score": "int64"})
