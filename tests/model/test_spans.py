"""Toxic tokens to spans of whole words."""

from __future__ import annotations

import pytest

from parley.model.comment import Span
from parley.model.spans import join_tokens, spans_as_sent
from parley.model.text.plain import plain_text

TEXT = "What an utter fool, isn't he?  No!"


@pytest.mark.parametrize(
    ("tokens", "spans"),
    [
        ({}, []),
        ({(14, 18): 0.9}, [(14, 18, 0.9)]),
        ({(16, 18): 0.9}, [(14, 18, 0.9)]),
        ({(8, 13): 0.6, (14, 18): 0.9}, [(8, 18, 0.9)]),
        ({(26, 28): 0.8, (31, 33): 0.7}, [(26, 28, 0.8), (31, 33, 0.7)]),
        ({(20, 23): 0.6, (24, 25): 0.8}, [(20, 25, 0.8)]),
        ({(14, 18): 0.9, (18, 19): 0.6, (20, 23): 0.7}, [(14, 25, 0.9)]),
        ({(33, 34): 0.5}, [(33, 34, 0.5)]),
    ],
)
def test_tokens_widen_to_words_and_join_over_white_space(
    tokens: dict[tuple[int, int], float], spans: list[tuple[int, int, float]]
) -> None:
    assert join_tokens(TEXT, tokens) == spans


def test_a_long_word_of_many_tokens_is_one_span() -> None:
    text = "字" * 50_000
    tokens = {(i, i + 1): 0.5 for i in range(len(text))}
    assert join_tokens(text, tokens) == [(0, len(text), 0.5)]


def test_spans_point_into_the_text_as_sent() -> None:
    plain = plain_text("an <b>utter</b> fool", "html")
    (span,) = spans_as_sent([(3, 13, 0.75)], plain)
    assert span == Span(start=6, end=20, label="toxicity", score=0.75)
