"""Blogger: the Atom feed of `Settings > Back up content`, or Takeout's: posts and comments, mixed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from parley.service.dumps.formats.native import Native, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.formats.xml_stream import Node, read_nodes
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_FEED = re.compile(r"<feed\b[^<>]*http://www\.w3\.org/2005/Atom")
_BLOGGER = re.compile(r"schemas\.google\.com/blogger|www\.blogger\.com|tag:blogger\.com")
_PREFIXES = {"purl.org/syndication/thread/1.0": "thr:", "schemas.google.com/blogger/2018": "blogger:"}
_KIND = "#kind"


def looks(head: str) -> bool:
    """Whether a feed of Blogger's begins here."""
    return bool(_FEED.search(head[:4000]) and _BLOGGER.search(head))


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments; a post is their article, anywhere in the file."""
    for node in read_nodes(source, ("entry",), prefixes=_PREFIXES):
        kind = node.text("blogger:type") or _kind(node)
        if kind == "COMMENT":
            yield _comment(node)
        elif kind == "POST" and (id := node.text("id")) is not None:
            title, body = words(node.text("title")), words(node.text("content"))
            index.add_article(id, url=_link(node, "alternate"), title=title, text=body)


def _kind(node: Node) -> str | None:
    for child in node.children:
        scheme, term = child.attributes.get("scheme", ""), child.attributes.get("term", "")
        if child.tag == "category" and scheme.endswith(_KIND):
            return term.rpartition("#")[2].upper()
    return None


def _comment(node: Node) -> RawRow:
    post = node.attribute("ref", "thr:in-reply-to") or node.text("blogger:parent")
    status = (node.text("blogger:status") or "").lower()
    above = _link(node, "related")
    values = {
        "id": node.text("id"),
        "parent.id": _id_of(above, node.text("id")) or node.text("blogger:inReplyTo"),
        "article.id": post,
        "author.id": node.text("author", "uri"),
        "author.name": node.text("author", "name"),
        "created_at": node.text("published"),
        "text": node.text("content"),
        "format": "html",
        "status": {"live": "approved"}.get(status, status) or None,
    }
    return RawRow(values=values, line=node.line)


def _link(node: Node, relation: str) -> str | None:
    links = (child.attributes for child in node.children if child.tag == "link")
    return next((link.get("href") for link in links if link.get("rel") == relation), None)


def _id_of(address: str | None, own: str | None) -> str | None:
    """The id of the comment at this address, which ends like the id."""
    number = (address or "").rstrip("/").rpartition("/")[2]
    if not number.isdecimal() or own is None or ".post-" not in own:
        return None
    return f"{own.rpartition('.post-')[0]}.post-{number}"


FORMAT = Native(read=read, extras={"status": "string"})
