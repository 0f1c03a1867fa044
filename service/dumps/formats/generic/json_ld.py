"""A saved web page whose comments stand in it as schema.org's JSON-LD, which search engines read too.

An `Article` or a `DiscussionForumPosting` with a `comment` list, replies nested or by `parentItem`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from parley.service.dumps.formats.native import Native, RawComment, dig, entries, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError, NothingToScore

MAX_PAGE = 64 * 2**20
MAX_DEPTH = 500
_HTML = re.compile(r"^(?:\s|<\?xml[^<>]*>|<!--(?:(?!-->).)*-->)*<(?:!doctype\s+html|html)\b", re.I | re.S)
_SCRIPT = re.compile(r"<script\b(?P<attributes>[^<>]*+)>", re.IGNORECASE)
_JSON_LD = re.compile(r"\bapplication/ld\+json\b", re.IGNORECASE)
_END = re.compile(r"</script", re.IGNORECASE)


def looks(head: str) -> bool:
    """Whether an HTML document begins here."""
    return bool(_HTML.match(head))


def read(source: Source, index: Index) -> Iterator[RawComment]:
    """The comments of every article on the page, in its order. The page is read whole: it is small."""
    page = _page(source)
    row = 0
    for line, block in _blocks(page):
        try:
            data = json.loads(block, strict=False)
        except (ValueError, RecursionError) as error:
            row += 1
            yield RawComment(line=line, raw=block, problem=f"JSON-LD that is not JSON: {error}")
            continue
        for comment in _comments(data, article={}, parent=None, depth=0):
            row += 1
            comment["id"] = comment["id"] or str(row)  # before its replies, which come next, ask for it
            yield RawComment(values=comment, line=line)
    if not row:
        raise NothingToScore(
            f"{source.path}: no comments found: the page holds no JSON-LD with comments (schema.org Comment)"
        )


def _page(source: Source) -> str:
    parts, size = [], 0
    for chunk in source.chunks():
        size += len(chunk)
        if size > MAX_PAGE:
            raise DumpError(f"{source.path} is too long for a web page")
        parts.append(chunk)
    return "".join(parts)


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
        yield line, page[start.end() : at].strip()


def _comments(node: Any, *, article: Mapping[str, Any], parent: Any, depth: int) -> Iterator[dict[str, Any]]:
    """The comments in `node` and below it, each before its replies."""
    if depth > MAX_DEPTH:
        return
    if isinstance(node, list):
        for item in node:
            yield from _comments(item, article=article, parent=parent, depth=depth + 1)
        return
    if not isinstance(node, Mapping):
        return
    kinds = entries(node.get("@type"))
    if "Comment" in kinds:
        comment = _comment(node, article, parent)
        yield comment
        below: dict[str, Any] = {"article": article, "parent": comment["id"]}
    else:
        if any(isinstance(kind, str) and kind.endswith(("Article", "Posting")) for kind in kinds):
            article = _article(node)
        below = {"article": article, "parent": None}
    for key in ("@graph", "mainEntity", "mainEntityOfPage", "hasPart", "comment"):
        yield from _comments(node.get(key), depth=depth + 1, **below)


def _comment(node: Mapping[str, Any], article: Mapping[str, Any], parent: Any) -> dict[str, Any]:
    author = next(iter(entries(node.get("author"))), None)
    return {
        "id": _id(node),
        "parent.id": parent or _id(node.get("parentItem")),
        **article,
        "author.id": _id(author) if isinstance(author, Mapping) else None,
        "author.name": author if isinstance(author, str) else dig(author, "name"),
        "created_at": node.get("dateCreated") or node.get("datePublished"),
        "text": node.get("text"),
        "format": "html",
        "upvotes": _count(node.get("upvoteCount")),
    }


def _count(value: Any) -> int | None:
    """A number, which many pages write in quotes."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return value if isinstance(value, int) else None


def _article(node: Mapping[str, Any]) -> dict[str, Any]:
    url = _id(node.get("url")) or _id(node.get("mainEntityOfPage")) or _id(node)
    return {
        "article.id": _id(node),
        "article.url": url,
        "article.title": words(node.get("headline") or node.get("name")),
        "article.text": words(node.get("articleBody") or node.get("text")),
    }


def _id(node: Any) -> str | None:
    """What a thing is called: itself, its @id, identifier or address."""
    if isinstance(node, str):
        return node or None
    values = (dig(node, key) for key in ("@id", "identifier", "url"))
    return next((str(value) for value in values if isinstance(value, str | int) and value), None)


FORMAT = Native(read=read, extras={"upvotes": "int64"})
