"""WordPress: the export of `Tools > Export` (WXR 1.0 to 1.2), posts with their comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from parley.service.dumps.formats.native import Native, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.formats.xml_stream import Node, read_nodes
from parley.service.dumps.reading.names import AS_SENT
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_NAMESPACE = re.compile(r"https?://wordpress\.org/export/1\.\d/")
_PREFIXES = {"/modules/content/": "content:", "/excerpt/": "excerpt:"}
_POST = ("title", "link", "content:encoded", "post_id")
_STATUS = {"1": "approved", "0": "pending"}
_NO_COMMENTS = re.compile(
    r"pingback|trackback|webmention|.*note|.*log|likes?|reposts?|reactions?|bookmarks?|mentions?"
)
"""Types of entries that plugins store as comments, such as a shop's order notes. Reviews are comments."""
_NO_TIME = "0000-00-00 00:00:00"


def looks(head: str) -> bool:
    """Whether an RSS feed begins that declares WordPress's own elements."""
    return "<rss" in head and bool(_NAMESPACE.search(head)) and not head.lstrip().startswith(("{", "["))


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments; a post's title, address and body come before its comments."""
    post: dict[str, str | None] = {}
    known = False
    for node in read_nodes(source, (*_POST, "comment"), marks=("item",), prefixes=_PREFIXES):
        if node.tag == "item":
            post, known = {}, False
        elif node.tag != "comment":
            post[node.tag] = node.text()
        else:
            id = post.get("post_id") or post.get("link")
            if id is not None and not known:
                title, body = words(post.get("title")), words(post.get("content:encoded"))
                index.add_article(id, url=post.get("link"), title=title, text=body)
                known = True
            yield _comment(node, id)


def _comment(node: Node, article: str | None) -> RawRow:
    kind = node.text("comment_type")
    approved = node.text("comment_approved") or "1"
    values: dict[str, Any] = {
        "id": node.text("comment_id"),
        "parent.id": _reference(node.text("comment_parent")),
        "article.id": article,
        "author.id": _reference(node.text("comment_user_id")),
        "author.name": words(node.text("comment_author")),
        "text": node.text("comment_content"),
        "format": "html",
        "status": _STATUS.get(approved, approved),
        **_time(node),
    }
    return RawRow(values=values, line=node.line, skip=kind if kind and _NO_COMMENTS.fullmatch(kind) else None)


def _time(node: Node) -> dict[str, str | None]:
    """The time in UTC; the site's local time unchanged if there is no other, since its zone is unknown."""
    in_utc, local = node.text("comment_date_gmt"), node.text("comment_date")
    if in_utc not in (None, _NO_TIME):
        return {"created_at": in_utc}
    return {AS_SENT: local if local != _NO_TIME else None}


def _reference(value: str | None) -> str | None:
    return None if value == "0" else value


FORMAT = Native(read=read, extras={"status": "string", AS_SENT: "string"})
