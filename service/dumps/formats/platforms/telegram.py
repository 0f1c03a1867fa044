"""Telegram: the `result.json` of one group or channel, `Export chat history > JSON`.

Chats of two people are private, and skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from parley.service.dumps.formats.native import Native, dig, entries, stream_again, stream_items
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import Source

_TYPE = re.compile(r'(?<!\\)"type"\s*:\s*"(?P<type>\w+_(?:chat|group|supergroup|channel)|saved_messages)"')
_MESSAGES = re.compile(r'(?<!\\)"messages"\s*:\s*\[')
_PRIVATE = ("personal_chat", "bot_chat", "saved_messages")


def looks(head: str) -> bool:
    """Whether a chat with its messages begins here."""
    return head.lstrip().startswith("{") and bool(_TYPE.search(head) and _MESSAGES.search(head))


def read(source: Source, index: Index) -> Iterator[RawRow]:
    """The messages; the chat's name is their article."""
    told = _TYPE.search(source.head_text)
    kind = told["type"] if told else None
    title = next(iter(stream_again(source, "name")), None)
    chat = next(iter(stream_again(source, "id")), None)
    for message in stream_items(source, "messages.item"):
        answered = dig(message, "reply_to_message_id")
        skip = "a private message" if kind in _PRIVATE else None
        yield RawRow(
            values={
                "id": dig(message, "id"),
                "parent.id": answered,
                "article.id": chat,
                "article.title": title if isinstance(title, str) else None,
                "author.id": dig(message, "from_id"),
                "author.name": dig(message, "from"),
                "created_at": dig(message, "date_unixtime") or dig(message, "date"),
                "text": _text(dig(message, "text")),
            },
            skip=skip or ("no message" if dig(message, "type") != "message" else _without_text(message)),
        )


def _without_text(message: Any) -> str | None:
    return None if _text(dig(message, "text")) else "without a text"


def _text(value: Any) -> str:
    """The text, which comes in pieces if some words are formatted."""
    pieces = (piece if isinstance(piece, str) else dig(piece, "text") for piece in entries(value))
    return "".join(piece for piece in pieces if isinstance(piece, str))


FORMAT = Native(read=read)
