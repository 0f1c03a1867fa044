"""ActivityStreams 2: an `outbox.json` of Mastodon and others, a collection of activities.

A reply belongs to the root of its thread: an `Article` or `Page` of the collection, if it is one. `to` and
`cc` say who may read a note: direct messages are skipped, and so are followers-only notes, unless the caller
includes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from parley.service.dumps.formats.native import Native, dig, entries, stream_items, words
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_KEYS = re.compile(r'(?<!\\)"(?:orderedItems|https?://www\.w3\.org/ns/activitystreams)"')
_COLLECTION = re.compile(r'(?<!\\)"type"\s*:\s*"(?:Ordered)?Collection(?:Page)?"|"orderedItems"\s*:')
_ARTICLES = ("Article", "Page", "Event", "Video")
_NO_COMMENTS = {
    "Announce": "shared from elsewhere",
    "Like": "a like",
    "Delete": "deleted",
    "Tombstone": "deleted",
}
_AUDIENCE = ("to", "cc", "bto", "bcc", "audience")
_PUBLIC = ("www.w3.org/ns/activitystreams#Public", "as:Public", "Public")
PUBLIC, UNLISTED, FOLLOWERS, DIRECT = "public", "unlisted", "followers", "direct"
PRIVATE = {FOLLOWERS: "for followers only", DIRECT: "a private message"}
"""Why a note of that visibility is skipped."""


def looks(head: str) -> bool:
    """Whether a collection of ActivityStreams begins here."""
    start = head.lstrip().startswith("{")
    return start and bool(_KEYS.search(head)) and bool(_COLLECTION.search(head))


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The notes of the collection."""
    path = "orderedItems.item" if '"orderedItems"' in source.head_text else "items.item"
    for activity in stream_items(source, path):
        yield from _activity(activity, source, index)


def left_out(visibility: str | None, source: Source) -> str | None:
    """Why a post of this visibility isn't scored; None if it is."""
    wanted = source.followers_only and visibility == FOLLOWERS
    return None if wanted or visibility is None else PRIVATE.get(visibility)


def _activity(activity: Any, source: Source, index: Index) -> Iterator[RawRow]:
    kind = dig(activity, "type")
    note = activity if kind in ("Note", "Question", *_ARTICLES) else dig(activity, "object")
    id = dig(note, "id") or dig(activity, "id")
    if not isinstance(note, Mapping) or kind in _NO_COMMENTS:
        reason = _NO_COMMENTS.get(kind, "only an address") if isinstance(kind, str) else "no activity"
        yield RawRow(values={"id": id}, skip=reason)
        return
    visibility = _visibility(note) or _visibility(activity)
    if (private := left_out(visibility, source)) is not None:
        yield RawRow(values={"id": id}, skip=private)
    elif note.get("type") in _ARTICLES:
        if isinstance(id, str):
            url, title, text = _address(note), words(note.get("name")), words(_content(note))
            index.add_article(id, url=url or id, title=title, text=text)
        yield RawRow(values={"id": id}, skip="an article")
    else:
        gone = note.get("type") in _NO_COMMENTS
        values = {**_values(note, id), "visibility": visibility}
        yield RawRow(values=values, skip="deleted" if gone else None)


def _visibility(thing: Mapping[str, Any]) -> str | None:
    """Who may read it; None if it has no addressees."""
    if not any(key in thing for key in _AUDIENCE):
        return None
    to, others = _addresses(thing, "to"), _addresses(thing, *_AUDIENCE[1:])
    if any(address in _PUBLIC for address in to):
        return PUBLIC
    if any(address in _PUBLIC for address in others):
        return UNLISTED
    followers = any(address.rstrip("/").endswith("/followers") for address in (*to, *others))
    return FOLLOWERS if followers else DIRECT


def _addresses(thing: Mapping[str, Any], *keys: str) -> list[str]:
    ids = (dig(entry, "id") or entry for key in keys for entry in entries(thing.get(key)))
    return [address.partition("://")[2] or address for address in ids if isinstance(address, str)]


def _values(note: Mapping[str, Any], id: Any) -> dict[str, Any]:
    parent, author = note.get("inReplyTo"), note.get("attributedTo")
    return {
        "id": id,
        "parent.id": dig(parent, "id") if isinstance(parent, Mapping) else parent,
        "author.id": dig(author, "id") if isinstance(author, Mapping) else author,
        "author.name": dig(author, "name"),
        "created_at": note.get("published"),
        "text": _content(note),
        "format": "html",
        "url": _address(note),
        "warning": note.get("summary"),
    }


def _content(note: Mapping[str, Any]) -> Any:
    """The content, in its first language if there are several."""
    content = note.get("content")
    if content is None and isinstance(by_language := note.get("contentMap"), Mapping):
        content = next(iter(by_language.values()), None)
    return content


def _address(note: Mapping[str, Any]) -> str | None:
    url = next(iter(entries(note.get("url"))), None)
    url = dig(url, "href") if isinstance(url, Mapping) else url
    return url if isinstance(url, str) else None


FORMAT = Native(read=read, extras={"url": "string", "warning": "string", "visibility": "string"}, rooted=True)
