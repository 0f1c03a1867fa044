"""Stack Exchange: `Comments.xml` of a site's data dump; titles and texts from the `Posts.xml` beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

from parley.service.dumps.formats.native import Native, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.formats.xml_stream import read_nodes
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError

_ROOT = re.compile(r"<comments>\s*<row\b")


def looks(head: str) -> bool:
    """Whether rows of comments begin here."""
    return bool(_ROOT.search(head[:2000]))


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments; they reply to posts, not to each other."""
    posts = source.beside("Posts.xml")
    if posts is not None:
        _add(posts, source, index)
    for node in read_nodes(source, ("row",), prefixes={}):
        row = node.attributes
        yield RawRow(
            values={
                "id": row.get("Id"),
                "article.id": row.get("PostId"),
                "author.id": row.get("UserId"),
                "author.name": row.get("UserDisplayName"),
                "created_at": row.get("CreationDate"),
                "text": row.get("Text"),
                "format": "markdown",
                "score": int(row["Score"]) if row.get("Score", "").lstrip("-").isdecimal() else None,
            },
            line=node.line,
        )


def _add(posts: Source, source: Source, index: Index) -> None:
    try:
        with closing(posts):
            for node in read_nodes(posts, ("row",), prefixes={}):
                if id := node.attributes.get("Id"):
                    body, title = words(node.attributes.get("Body")), words(node.attributes.get("Title"))
                    index.add_article(id, url=None, title=title, text=body)
    except DumpError as error:
        source.remarks.append(str(error))


FORMAT = Native(read=read, extras={"score": "int64"}, parents_first=True)
