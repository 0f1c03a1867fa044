"""Coral: the folder of its download utility or mongoexport, and the CSV files of its importer.

    comments.json, archivedComments.json, stories.json, users.json   one object per line, as in MongoDB
    comments.csv, stories.csv, users.csv                              no header rows

Give the folder, or its file of comments: the others are found beside it. Moderated comments are included,
with their `status`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from parley.service.dumps.formats.generic.csv_file import checked_rows
from parley.service.dumps.formats.native import Native, dig, entries, objects, objects_beside, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source
from parley.service.dumps.reading.times import to_utc
from parley.service.errors import DumpError

_KEYS = [re.compile(rf'(?<!\\)"{key}"\s*:') for key in ("storyID", "revisions")]
_CSV_STATUS = ("APPROVED", "REJECTED", "NONE", "PREMOD", "SYSTEM_WITHHELD", "")
_CSV_COLUMNS = 8
_CSV_HEADER = ("id", "author_id", "story_id", "created_at", "body", "parent_id", "status")
_NUMBERS = ("$numberInt", "$numberLong", "$numberDouble")


def looks(head: str) -> bool:
    """Whether the first lines are comments of Coral's database."""
    return head.lstrip().startswith("{") and all(key.search(head) for key in _KEYS)


def looks_csv(head: str) -> bool:
    """Whether the first row is one of the importer's: no header, a time in the fourth column, a status in the
    seventh."""
    try:
        row = next(csv.reader(head.splitlines(keepends=True)), [])
    except csv.Error:
        return False
    if tuple(row[:7]) == _CSV_HEADER:
        return True
    return len(row) in (7, 8) and "T" in row[3] and to_utc(row[3]) is not None and row[6] in _CSV_STATUS


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments and then the archived ones."""
    _add_beside(source, index)
    broken: DumpError | None = None
    try:
        yield from _comments(source)
    except DumpError as error:
        broken = error
    archived = source.beside("archivedComments.json")
    if archived is not None:
        with closing(archived):
            yield from _comments(archived)
    if broken is not None:
        raise broken


def _add_beside(source: Source, index: Index) -> None:
    for story in objects_beside(source.beside("stories.json"), source):
        if isinstance(id := story.get("id"), str):
            url, title = story.get("url"), words(dig(story, "metadata", "title"))
            index.add_article(id, url=url if isinstance(url, str) else None, title=title, text=None)
    add_users(source, index)


def add_users(source: Source, index: Index) -> None:
    """The names in `users.json` beside `source`."""
    for user in objects_beside(source.beside("users.json"), source):
        id, name = user.get("id"), user.get("username")
        if isinstance(id, str) and isinstance(name, str):
            index.add_author(id, name)


def _comments(source: Source) -> Iterator[RawRow]:
    for parsed in objects(source):
        if parsed.problem:
            yield parsed
            continue
        comment = parsed.values
        revisions = entries(comment.get("revisions"))
        gone = comment.get("deletedAt") is not None
        values = {
            "id": comment.get("id"),
            "parent.id": comment.get("parentID"),
            "article.id": comment.get("storyID"),
            "author.id": comment.get("authorID"),
            "created_at": unwrapped(comment.get("createdAt")),
            "text": dig(revisions[-1], "body") if revisions else None,
            "format": "html",
            "status": comment.get("status"),
            "rating": unwrapped(comment.get("rating")),
        }
        yield replace(parsed, values=values, skip="deleted" if gone else None)


def unwrapped(value: Any) -> Any:
    """A value of MongoDB's extended JSON: {"$date": {"$numberLong": "17..."}}, {"$numberInt": "4"}."""
    if isinstance(value, Mapping):
        value = value.get("$date", value)
    if isinstance(value, Mapping):
        value = next((value[name] for name in _NUMBERS if name in value), None)
        with suppress(TypeError, ValueError, OverflowError):
            value = float(value)
    return value


def read_csv(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments of the importer's CSV."""
    for story in _rows_beside(source, "stories.csv", least=3):
        index.add_article(story[0], url=story[1] or None, title=words(story[2]), text=None)
    for user in _rows_beside(source, "users.csv", least=3):
        index.add_author(user[0], user[2] or None)
    for parsed in checked_rows(source, (_CSV_COLUMNS - 1, _CSV_COLUMNS)):
        row, line = parsed.cells, parsed.line
        if tuple(row[:7]) == _CSV_HEADER:
            continue  # a header as in the documentation, though the importer itself has none
        if parsed.problem is not None:
            yield RawRow(line=line, problem=parsed.problem, raw=parsed.lines[0][1].rstrip("\r\n"))
            continue
        id, author, story_id, created, body, parent, status = row[:7]
        values = {
            "id": id,
            "author.id": author,
            "article.id": story_id,
            "created_at": created,
            "text": body,
            "parent.id": parent,
            "format": "html",
            "status": status or None,
            "rating": row[7] or None if len(row) == _CSV_COLUMNS else None,
        }
        yield RawRow(values=values, line=line)


def _rows_beside(source: Source, name: str, *, least: int) -> Iterator[list[str]]:
    beside = source.beside(name)
    if beside is None:
        return
    try:
        with closing(beside):
            for parsed in checked_rows(beside):
                if parsed.problem is None and len(parsed.cells) >= least and parsed.cells[0]:
                    yield parsed.cells
    except DumpError as error:
        source.remarks.append(str(error))


FORMAT = Native(read=read, extras={"status": "string", "rating": "int64"})
CSV_FORMAT = Native(read=read_csv, extras={"status": "string", "rating": "string"})
