"""A comment's sentences and their offsets in UTF-16 code units.

    sentences("Is that so? I doubt it.")          # [(0, 11), (12, 23)]

A sentence ends at a line break, or at . ! ? … (or the Chinese and Japanese equivalents) with closing quotes
and brackets, before white space that no small letter follows; not after an initial or a common abbreviation.
"""

from __future__ import annotations

import re
from itertools import accumulate

MAX_SPANS = 100
"""Most spans of one comment; with more sentences, neighbours are joined."""

# A run of marks is matched only from its start, without backtracking: else thousands of them take minutes.
_END = re.compile(
    r"""(?<![.!?…])[.!?…]++["'”’»)\]]*+(?=\s++[^a-z])|[。！？]+["'”’»」』）\])]*|[\r\n\v\f\x85\u2028\u2029]"""
)
_NO_END = re.compile(
    r"(?:\b[^\W\d_]|\b(?:mr|mrs|ms|dr|prof|sen|rep|gov|gen|st|jr|sr|vs|etc))\.$", re.IGNORECASE
)
_LOOK_BACK = 8


def sentences(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence in characters, without surrounding white space; at most MAX_SPANS."""
    ends = [
        match.end() for match in _END.finditer(text)
        if not _NO_END.search(text, max(0, match.end() - _LOOK_BACK), match.end())
    ]  # fmt: skip
    places = []
    for start, end in zip([0, *ends], [*ends, len(text)], strict=True):
        part = text[start:end]
        if part.strip():
            places.append((start + len(part) - len(part.lstrip()), start + len(part.rstrip())))
    size = -(-len(places) // MAX_SPANS)  # sentences in a span, rounded up
    if size <= 1:
        return places
    return [
        (group[0][0], group[-1][1]) for i in range(0, len(places), size) if (group := places[i : i + size])
    ]


class Utf16:
    """Offsets in UTF-16 code units, as in JavaScript and Java."""

    def __init__(self, text: str) -> None:
        self._offsets = None if text.isascii() else [0, *accumulate(1 + (char > "\uffff") for char in text)]

    def __call__(self, place: int) -> int:
        """Convert an offset in characters to code units."""
        return place if self._offsets is None else self._offsets[place]
