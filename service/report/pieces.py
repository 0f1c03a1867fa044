"""A comment split at the boundaries of its spans, so that a page can mark what is toxic.

cut("You idiot!", covered("You idiot!", [{"start": 4, "end": 9}]))
[Piece("You ", False), Piece("idiot", True), Piece("!", False)]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from parley.model.text.plain import PlainText
from parley.service.report.words import clean


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a comment, marked where the model finds it toxic."""

    text: str
    marked: bool


def covered(text: str, spans: Iterable[Mapping[str, Any]]) -> bytearray:
    """For each character of `text`, 1 inside a span and 0 elsewhere. Invalid spans are ignored."""
    inside = bytearray(len(text))
    for span in spans:
        start, end = span.get("start"), span.get("end")
        if isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(text):
            inside[start:end] = b"\x01" * (end - start)
    return inside


def covered_plain(plain: PlainText, inside: bytearray) -> bytearray:
    """The same for the characters of `plain`; `inside` is for the text it was made from."""
    return bytearray(any(inside[slice(*plain.original_span(at, at + 1))]) for at in range(len(plain.text)))


def cut(text: str, inside: bytearray) -> list[Piece]:
    """The pieces of `text`, in order."""
    pieces: list[Piece] = []
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or inside[at] != inside[start]:
            pieces.append(Piece(clean(text[start:at]), bool(inside[start])))
            start = at
    return pieces
