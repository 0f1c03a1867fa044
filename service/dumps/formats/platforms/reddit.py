"""Reddit: comments from archives (`RC_2023-01.zst`, `news_comments.zst`), one object per line.

The submissions, which are the articles, are read from the file beside it (`RS_2023-01.zst`,
`news_submissions.zst`) or from `--articles`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from parley.model.text.plain import plain_text
from parley.service.dumps.formats.native import Native, objects, objects_beside
from parley.service.dumps.formats.reply_tree import Index, placeholder
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

SITE = "https://www.reddit.com"
_KEYS = [re.compile(rf'(?<!\\)"{key}"\s*:') for key in ("link_id", "body", "subreddit")]
_ESCAPED = (("&gt;", ">"), ("&lt;", "<"), ("&amp;", "&"))


def looks(head: str) -> bool:
    """Whether the first lines have what only Reddit's comments have."""
    return head.lstrip().startswith("{") and all(key.search(head) for key in _KEYS)


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments; archives have them in order of writing, so parents come before replies."""
    for submission in objects_beside(_submissions(source), source):
        add(submission, index)
    for parsed in objects(source):
        yield parsed if parsed.problem else replace(parsed, values=values(parsed.values))


def _submissions(source: Source) -> Source | None:
    if source.articles is not None:
        return Source(source.articles)
    name = re.sub(r"\.(?:zst|gz|bz2|xz)$", "", source.name)
    likely = [
        re.sub("^RC_", "RS_", name),
        name.replace("_comments", "_submissions"),
        name.replace("_comments", "_posts"),
    ]
    return source.beside(*(other for other in likely if other != name))


def add(submission: Mapping[str, Any], index: Index) -> None:
    """Put a submission into the index as the article of its comments."""
    id, title, text = (_string(submission.get(key)) for key in ("id", "title", "selftext"))
    if id is None:
        return
    if text is None or placeholder(text):
        body = None
    else:
        body = plain_text(unescape(text), "markdown").text.strip() or None
    url = _string(submission.get("url"))
    index.add_article(_full(id, "t3_"), url=url, title=unescape(title) if title else None, text=body)


def values(comment: Mapping[str, Any]) -> dict[str, Any]:
    """A comment's fields under Parley's names; an article's and a parent's id with Reddit's type prefix."""
    body, link, parent = comment.get("body"), _string(comment.get("link_id")), comment.get("parent_id")
    if isinstance(parent, int) and not isinstance(parent, bool) and parent > 0:
        parent = f"t1_{_base36(parent)}"  # newer archives write a comment's id as a decimal number
    id, author = _string(comment.get("id")), comment.get("author")
    author = None if author == "[deleted]" else author
    article = _full(link, "t3_") if link else None
    return {
        "id": _full(id, "t1_") if id else None,
        "parent.id": parent if isinstance(parent, str) and parent.startswith("t1_") else None,
        "article.id": article,
        "article.url": f"{SITE}/comments/{article.removeprefix('t3_')}/" if article else None,
        "author.id": comment.get("author_fullname") or author,
        "author.name": author,
        "created_at": comment.get("created_utc"),
        "text": unescape(body) if isinstance(body, str) else body,
        "format": "markdown",
        **{name: comment.get(name) for name in FORMAT.extras},
    }


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


def unescape(text: str) -> str:
    """Reddit's text as typed: the archives escape only `<`, `>` and `&`."""
    for escaped, char in _ESCAPED:
        text = text.replace(escaped, char)
    return text


def _full(id: str, kind: str) -> str:
    return id if id.startswith(kind) else kind + id


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


FORMAT = Native(
    read=read,
    extras={"subreddit": "string", "score": "int64", "permalink": "string"},
    parents_first=True,
)
