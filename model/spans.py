"""Turns toxic tokens into spans of whole words, in characters of the text as sent."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from parley.model.comment import Span
from parley.model.text.plain import PlainText

LABEL = "toxicity"
_WORD = re.compile(r"\w+(?:['’]\w+)*")

PlainSpan = tuple[int, int, float]
"""Start, end and score, in characters of the plain text."""


def join_tokens(text: str, tokens: Mapping[tuple[int, int], float]) -> list[PlainSpan]:
    """Widen tokens (place -> probability) to whole words, and join those with only white space between them.

    The score of a span is that of its likeliest token. Spans are in order and don't overlap.
    """
    words = [match.span() for match in _WORD.finditer(text)] if tokens else []
    starts = [start for start, _ in words]
    joined: list[PlainSpan] = []
    for (start, end), score in sorted(tokens.items()):
        for at in (start, end - 1):
            word = bisect_right(starts, at) - 1
            if word >= 0 and at < words[word][1]:
                start, end = min(start, words[word][0]), max(end, words[word][1])
        if joined and not text[joined[-1][1] : start].strip():
            before = joined.pop()
            start, end, score = before[0], max(before[1], end), max(before[2], score)
        joined.append((start, end, score))
    return joined


def spans_as_sent(spans: Sequence[PlainSpan], plain: PlainText) -> tuple[Span, ...]:
    """Map spans of the plain text to the text as sent."""
    places = [(plain.original_span(start, end), score) for start, end, score in spans]
    return tuple(Span(start=at[0], end=at[1], label=LABEL, score=round(score, 6)) for at, score in places)
