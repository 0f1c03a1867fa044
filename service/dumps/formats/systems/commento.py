"""Commento, Commento++ and Comentario: their JSON exports, one document with comments and commenters.

Commento names its keys `commentHex`, `parentHex`, `url`; Comentario 3 `id`, `parentId`, `pageId` with a list
of pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from parley.service.dumps.formats.native import Native, dig, stream_again, stream_items, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.formats.systems.isso import absolute
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_KEYS = re.compile(r'(?<!\\)"(?:comments|commenters|pages|version)"\s*:')
_HEX = re.compile(r'(?<!\\)"comment(?:er)?Hex"\s*:|(?<!\\)"comments"\s*:\s*(?:null|\[\s*\])')
_COMENTARIO = re.compile(r'^\s*\{\s*"version"\s*:\s*[23]\s*,')
_TOP = "root"


def looks(head: str) -> bool:
    """Whether one of the documents begins here."""
    start = head.lstrip().startswith("{") and bool(_KEYS.search(head))
    return start and bool(_HEX.search(head) or _COMENTARIO.match(head))


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments. Names and pages come after them in the file, so it is read twice."""
    for commenter in stream_again(source, "commenters.item"):
        id, name = dig(commenter, "commenterHex") or dig(commenter, "id"), dig(commenter, "name")
        if isinstance(id, str) and isinstance(name, str):
            index.add_author(id, name)
    for page in stream_again(source, "pages.item"):
        id, path = dig(page, "id"), dig(page, "path")
        if isinstance(id, str):
            url = absolute(source.base_url, path) if isinstance(path, str) else None
            index.add_article(id, url=url, title=words(dig(page, "title")), text=None)
    for comment in stream_items(source, "comments.item"):
        yield _comment(comment, source)


def _comment(comment: Any, source: Source) -> RawRow:
    author, parent = (
        _either(comment, "commenterHex", "userCreated"),
        _either(comment, "parentHex", "parentId"),
    )
    typed = dig(comment, "markdown")
    values = {
        "id": _either(comment, "commentHex", "id"),
        "parent.id": None if parent == _TOP else parent,
        **_article(comment, source),
        "author.id": author,
        "author.name": dig(comment, "authorName") or None,
        "created_at": _either(comment, "creationDate", "createdTime"),
        "text": typed or dig(comment, "html"),
        "format": "markdown" if typed else "html",
        "status": dig(comment, "state") or _state(comment),
        "score": dig(comment, "score"),
    }
    gone = dig(comment, "deleted") is True or dig(comment, "isDeleted") is True
    return RawRow(values=values, skip="deleted" if gone else None)


def _article(comment: Any, source: Source) -> dict[str, Any]:
    page, domain = dig(comment, "pageId"), _either(comment, "domain", "host")
    path = _either(comment, "url", "path")
    if page is not None:
        return {"article.id": page}
    if not isinstance(path, str):
        return {}
    url = absolute(source.base_url or (f"https://{domain}" if domain else None), path)
    return {"article.id": url, "article.url": url}


def _state(comment: Any) -> str | None:
    if dig(comment, "isPending") is True:
        return "unapproved"
    return {True: "approved", False: "unapproved"}.get(dig(comment, "isApproved"))


def _either(comment: Any, first: str, second: str) -> Any:
    value = dig(comment, first)
    return dig(comment, second) if value is None else value


FORMAT = Native(read=read, extras={"status": "string", "score": "int64"})
