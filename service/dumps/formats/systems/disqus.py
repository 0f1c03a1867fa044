"""Disqus: the XML export of a forum, `Settings > Export` (categories, threads, posts, joined by dsq:id)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from parley.service.dumps.formats.native import Native, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.formats.xml_stream import Node, read_nodes
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_ROOT = re.compile(r"<disqus[\s>]")


def looks(head: str) -> bool:
    """Whether the root element is that of a Disqus export."""
    return bool(_ROOT.search(head)) and not head.lstrip().startswith(("{", "["))


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The posts; a thread comes before its posts, and is their article."""
    categories: dict[str, str] = {}
    of_thread: dict[str, str] = {}
    for node in read_nodes(source, ("category", "thread", "post"), prefixes={}):
        id = node.attribute("id")
        if node.tag == "post":
            yield _post(node, of_thread)
        elif id is not None and node.tag == "category":
            categories[id] = node.text("title") or ""
        elif id is not None:
            index.add_article(id, url=node.text("link"), title=words(node.text("title")), text=None)
            category = categories.get(node.attribute("id", "category") or "")
            if category and len(categories) > 1:
                of_thread[id] = category


def _post(node: Node, of_thread: dict[str, str]) -> RawRow:
    thread = node.attribute("id", "thread")
    skip = "deleted" if node.text("isDeleted") == "true" else None
    spam = node.text("isSpam") == "true"
    values = {
        "id": node.attribute("id"),
        "parent.id": node.attribute("id", "parent"),
        "article.id": thread,
        "author.id": node.text("author", "username"),
        "author.name": words(node.text("author", "name")),
        "created_at": node.text("createdAt"),
        "text": node.text("message"),
        "format": "html",
        "category": of_thread.get(thread or ""),
        "status": "spam" if spam else "approved",
    }
    return RawRow(values=values, line=node.line, skip=skip)


FORMAT = Native(read=read, extras={"category": "string", "status": "string"})
