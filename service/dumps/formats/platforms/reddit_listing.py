"""Reddit's own responses: the listings of `/comments/ID.json`, and arctic_shift's `{"data": [...]}`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from parley.service.dumps.formats.native import Native, dig, entries, stream_items
from parley.service.dumps.formats.platforms import reddit
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_LISTING = re.compile(r'^\s*\[?\s*\{\s*"kind"\s*:\s*"Listing"')
_DATA = re.compile(r'^\s*\{\s*"data"\s*:\s*\[')
_KEYS = [re.compile(rf'(?<!\\)"{key}"\s*:') for key in ("link_id", "body", "subreddit")]
MAX_DEPTH = 500


def looks(head: str) -> bool:
    """Whether a listing begins here, or a list of comments under `data`."""
    return bool(_LISTING.match(head)) or (bool(_DATA.match(head)) and all(key.search(head) for key in _KEYS))


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The comments, replies after their parents; the preceding submission is their article."""
    head = source.head_text
    path = "data.item" if _DATA.match(head) else "data.children.item"
    for thing in stream_items(source, f"item.{path}" if head.lstrip().startswith("[") else path, many=True):
        yield from _thing(thing, index, 0)


def _thing(thing: Any, index: Index, depth: int) -> Iterator[RawRow]:
    wrapped = isinstance(dig(thing, "data"), Mapping)
    kind, held = (dig(thing, "kind"), thing["data"]) if wrapped else ("t1", thing)
    if kind == "t3":
        reddit.add(held, index)
    elif kind == "t1":
        if not isinstance(held, Mapping):
            yield RawRow(problem="not a Reddit comment")
            return
        yield RawRow(values=reddit.values(held))
        replies = entries(dig(held, "replies", "data", "children")) if depth < MAX_DEPTH else []
        for reply in replies:
            yield from _thing(reply, index, depth + 1)


FORMAT = Native(read=read, extras=reddit.FORMAT.extras)
