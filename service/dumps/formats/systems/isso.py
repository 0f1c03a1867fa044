"""Isso: its SQLite database, and the JSON of its generic importer.

Isso stores only a page's path: `--base-url https://news.example` turns paths into addresses. The database is
opened read-only; nothing is written beside it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from parley.service.dumps.formats.native import Native, dig, entries, stream_items, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError

MAGIC = b"SQLite format 3\0"
_MODES = {1: "approved", 2: "pending", 4: "deleted"}
_COMMENTS = """
SELECT c.id, c.parent, c.created, c.mode, c.text, c.author, c.likes, c.dislikes, t.uri, t.title
FROM comments c LEFT JOIN threads t ON t.id = c.tid ORDER BY c.id
"""
_SMALLEST_ROW = 8
"""The fewest bytes per row: if the file has more rows than fit into it, it is damaged."""
_JSON = re.compile(r'^\s*\[\s*\{[^{}\[\]]*"comments"\s*:\s*\[')


def looks(head: str) -> bool:
    """Whether a list of pages with comments begins here."""
    return bool(_JSON.search(head))


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments of the database, by number, which is the order of writing."""
    if source.packed:
        raise DumpError(f"{source.place} is a compressed database: unpack it and give the file")
    for journal in ("-wal", "-journal"):
        beside = source.path.with_name(source.path.name + journal)
        if beside.exists() and beside.stat().st_size:
            raise DumpError(
                f"{beside} holds changes that are not in the database yet: stop Isso, or copy it with "
                f"sqlite3 {source.path.name} '.backup copy.db' and give the copy"
            )
    count = 0
    try:
        for comment in _database(source):
            yield comment
            count += 1
    except UnicodeDecodeError as error:  # SQLite's message may quote bytes that aren't text
        raise DumpError(f"{source.place} is damaged: its tables can't be read; copy it again") from error
    except sqlite3.Error as error:
        after = f" past its comment {count:,}" if count else ""
        raise DumpError(f"{source.place} can't be read as a database of Isso{after}: {error}") from error


def _database(source: Source) -> Iterator[RawRow]:
    base = sqlite3.connect(f"{source.path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        base.text_factory = lambda text: text.decode("utf-8", "replace")
        base.execute("PRAGMA trusted_schema=OFF")
        base.execute("PRAGMA writable_schema=ON")  # otherwise a truncated file would not open at all
        base.execute("PRAGMA cell_size_check=ON")
        kinds = dict(base.execute("SELECT name, type FROM sqlite_master").fetchall())
        if kinds.get("comments") != "table" or kinds.get("threads") != "table":
            raise DumpError(f"{source.place} is a database, but not Isso's: it has no comments and threads")
        for count, row in enumerate(base.execute(_COMMENTS)):
            if count * _SMALLEST_ROW > source.size:
                raise DumpError(f"{source.place} is damaged: it has more rows than fit into it")
            yield _comment(source, *row)
    finally:
        base.close()


def _comment(
    source: Source, id: Any, parent: Any, created: Any, mode: Any, text: Any, author: Any, likes: Any,
    dislikes: Any, uri: Any, title: Any,
) -> RawRow:  # fmt: skip
    status = _MODES.get(mode, "pending") if isinstance(mode, int) else None
    values = {
        "id": id,
        "parent.id": parent,
        **_page(source, uri, title),
        "author.name": author,
        "created_at": created,
        "text": text,
        "format": "markdown",
        "status": status,
        "likes": likes if isinstance(likes, int) else None,
        "dislikes": dislikes if isinstance(dislikes, int) else None,
    }
    return RawRow(values=values, skip="deleted" if status == "deleted" else None)


def read_json(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments, page by page. Numbers are per page, so ids are prefixed with the page's path."""
    for page in stream_items(source, "item"):
        uri, title = dig(page, "id"), dig(page, "title")
        for comment in entries(dig(page, "comments")):
            number = dig(comment, "id")
            values = {
                "id": f"{uri}#{number}" if number is not None else None,
                **_page(source, uri, title),
                "author.name": dig(comment, "author"),
                "created_at": dig(comment, "created"),
                "text": dig(comment, "text"),
                "format": "markdown",
            }
            yield RawRow(values=values)


def _page(source: Source, uri: Any, title: Any) -> dict[str, Any]:
    url = absolute(source.base_url, uri) if isinstance(uri, str) else None
    return {"article.id": uri, "article.url": url, "article.title": words(title)}


def absolute(base: str | None, path: str) -> str:
    """The address of `path` on the site at `base`; unchanged if there is no base or it doesn't fit."""
    try:
        return urljoin(base, path) if base else path
    except ValueError:
        return path


FORMAT = Native(
    read=read, extras={"status": "string", "likes": "int64", "dislikes": "int64"}, parents_first=True
)
JSON_FORMAT = Native(read=read_json)
