"""GitHub as a comment system: discussions (giscus) by GraphQL or giscus's API, and issues (utterances)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from parley.service.dumps.formats.native import Native, dig, entries, stream_again, stream_items, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_GRAPHQL = re.compile(r'^\s*\{\s*"data"\s*:\s*\{\s*"repository"\s*:\s*\{\s*"discussion"\s*:')
_GISCUS = re.compile(r'^\s*\{(?=.*"discussion"\s*:\s*\{)(?=.*"comments"\s*:\s*\[)', re.DOTALL)
_ISSUES = re.compile(r'(?<!\\)"issue_url"\s*:\s*"https://api\.github\.com/')


def looks(head: str) -> bool:
    """Whether a discussion or an issue's comments begin here."""
    start = head.lstrip()[:20_000]
    return bool(_GRAPHQL.match(start) or _GISCUS.match(start)) or (
        start.startswith("[") and bool(_ISSUES.search(start))
    )


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments, replies after their parents."""
    head = source.head_text
    if head.lstrip().startswith("["):
        for comment in stream_items(source, "item"):
            yield RawRow(values=_issue_comment(comment))
        return
    place = "data.repository.discussion" if _GRAPHQL.match(head) else "discussion"
    article = {
        "article.id": _first(source, f"{place}.url"),
        "article.url": _first(source, f"{place}.url"),
        "article.title": words(_first(source, f"{place}.title")),
        "article.text": words(_first(source, f"{place}.bodyHTML")),
    }
    nodes = "comments.nodes.item" if _GRAPHQL.match(head) else "comments.item"
    for comment in stream_items(source, f"{place}.{nodes}"):
        yield _comment(comment, None, article)
        replies = dig(comment, "replies", "nodes") or dig(comment, "replies")
        for reply in entries(replies):
            yield _comment(reply, dig(comment, "id"), article)


def _first(source: Source, path: str) -> Any:
    return next(iter(stream_again(source, path)), None)


def _comment(comment: Any, parent: Any, article: dict[str, Any]) -> RawRow:
    html, name = dig(comment, "bodyHTML"), dig(comment, "author", "login")
    return RawRow(
        values={
            "id": dig(comment, "id"),
            "parent.id": parent,
            **article,
            "author.id": name,
            "author.name": name,
            "created_at": dig(comment, "createdAt"),
            "text": html or dig(comment, "body"),
            "format": "html" if html else "markdown",
            "status": "hidden" if dig(comment, "isMinimized") is True else None,
        },
        skip="deleted" if dig(comment, "deletedAt") else None,
    )


def _issue_comment(comment: Any) -> dict[str, Any]:
    name, issue = dig(comment, "user", "login"), dig(comment, "issue_url")
    url = (
        issue.replace("https://api.github.com/repos/", "https://github.com/")
        if isinstance(issue, str)
        else None
    )
    return {
        "id": dig(comment, "id"),
        "article.id": url,
        "article.url": url,
        "author.id": name,
        "author.name": name,
        "created_at": dig(comment, "created_at"),
        "text": dig(comment, "body"),
        "format": "markdown",
    }


FORMAT = Native(read=read, extras={"status": "string"}, parents_first=True)
