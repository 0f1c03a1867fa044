"""A saved web page with its comments as schema.org data, as for search engines.

An `Article` or a `DiscussionForumPosting` with comments: as JSON-LD, or else as microdata or RDFa.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from parley.service.dumps.formats.generic.linked_data import comments
from parley.service.dumps.formats.generic.microdata import items
from parley.service.dumps.formats.native import Native
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError, NothingToScore

MAX_PAGE = 64 * 2**20
_HTML = re.compile(r"^(?:\s|<\?xml[^<>]*>|<!--(?:(?!-->).)*-->)*<(?:!doctype\s+html|html)\b", re.I | re.S)
_SCRIPT = re.compile(r"<script\b(?P<attributes>[^<>]*+)>", re.IGNORECASE)
_JSON_LD = re.compile(r"\bapplication/ld\+json\b", re.IGNORECASE)
_OPENING = re.compile(r"(?:\s|//|/\*|\*/|<!--|<!\[CDATA\[)*+")
_CLOSING = ("//", "/*", "*/", "-->", "]]>")
"""Markers that hide a script from old browsers and from XML."""
_END = re.compile(r"</script", re.IGNORECASE)


def looks(head: str) -> bool:
    """Whether an HTML document begins here."""
    return bool(_HTML.match(head))


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments of every article on the page, in order, read at once: the page is small."""
    page, broken = _page(source)
    roots, problems = _data(page)
    on_page = comments(roots) or comments(items(page))
    if problems or broken:
        on_page = [comment for comment in on_page if isinstance(comment["text"], str)]
    for row, comment in enumerate(on_page, start=1):
        comment["id"] = comment["id"] or str(source.rows_before + row)
    for comment in on_page:
        parent, article = comment.pop("parent"), comment.pop("article")
        if parent is not None:
            comment["parent.id"] = parent["id"]
        yield RawRow(values={**comment, **article})
    yield from problems
    if broken is not None:
        raise broken
    if not on_page and not problems:
        raise NothingToScore(
            f"{source.place}: no comments found: the page has no schema.org Comment as JSON-LD, microdata or "
            "RDFa"
        )


def _data(page: str) -> tuple[list[Any], list[RawRow]]:
    """The contents of the JSON-LD scripts; broken ones as far as readable."""
    roots, problems = [], []
    for line, block in _blocks(page):
        try:
            roots.append(json.loads(block, strict=False))
        except (ValueError, RecursionError) as error:
            roots.append(_as_far_as_it_goes(block, error))
            problems.append(RawRow(line=line, raw=block, problem=f"JSON-LD that is not JSON: {error}"))
    return roots, problems


def _page(source: Source) -> tuple[str, DumpError | None]:
    """The page's text, and the error if it broke off."""
    parts, size = [], 0
    try:
        for chunk in source.chunks():
            size += len(chunk)
            parts.append(chunk)
            if size > MAX_PAGE:
                break
    except DumpError as error:
        return "".join(parts), error
    if size > MAX_PAGE:
        raise DumpError(f"{source.place} is too long for a web page")
    return "".join(parts), None


def _as_far_as_it_goes(block: str, error: Exception) -> Any:
    """The JSON's content up to the first error."""
    try:
        return from_json(block[: getattr(error, "pos", 0)], allow_partial=True)
    except ValueError:
        return None


def _blocks(page: str) -> Iterator[tuple[int, str]]:
    """Line and content of each JSON-LD script."""
    at, line, counted = 0, 1, 0
    while (start := _SCRIPT.search(page, at)) is not None:
        at = start.end()
        if not _JSON_LD.search(start["attributes"]):
            continue
        end = _END.search(page, at)
        at = end.start() if end else len(page)
        line += page.count("\n", counted, start.end())
        counted = start.end()
        yield line, _unwrapped(page[start.end() : at])


def _unwrapped(script: str) -> str:
    opening = _OPENING.match(script)
    start, end = opening.end() if opening else 0, len(script)
    while end > start:  # from the end, mark by mark: a pattern would restart at each of them
        if script[end - 1].isspace():
            end -= 1
        elif mark := next((mark for mark in _CLOSING if script.endswith(mark, start, end)), None):
            end -= len(mark)
        else:
            break
    return script[start:end]


FORMAT = Native(read=read, extras={"upvotes": "int64"})
