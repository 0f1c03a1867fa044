"""Coral Talk 4: `comments.json`, `assets.json` and `users.json` as mongoexport writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from parley.service.dumps.formats.native import Native, objects, objects_beside, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.formats.systems.coral import add_users, unwrapped
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_KEYS = [re.compile(rf'(?<!\\)"{key}"\s*:') for key in ("asset_id", "body", "author_id")]
_STATUS = {"ACCEPTED": "APPROVED"}


def looks(head: str) -> bool:
    """Whether the first lines are comments of Talk's database."""
    return head.lstrip().startswith("{") and all(key.search(head) for key in _KEYS)


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments, with the statuses of later versions."""
    for asset in objects_beside(source.beside("assets.json"), source):
        if isinstance(id := asset.get("id"), str):
            url, title = asset.get("url"), words(asset.get("title"))
            index.add_article(id, url=url if isinstance(url, str) else None, title=title, text=None)
    add_users(source, index)
    for parsed in objects(source):
        if parsed.problem:
            yield parsed
            continue
        comment = parsed.values
        status = comment.get("status")
        values = {
            "id": comment.get("id"),
            "parent.id": comment.get("parent_id"),
            "article.id": comment.get("asset_id"),
            "author.id": comment.get("author_id"),
            "created_at": unwrapped(comment.get("created_at")),
            "text": comment.get("body"),
            "status": _STATUS.get(status, status) if isinstance(status, str) else None,
        }
        gone = comment.get("deleted_at") is not None
        yield replace(parsed, values=values, skip="deleted" if gone else None)


FORMAT = Native(read=read, extras={"status": "string"})
