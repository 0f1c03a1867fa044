"""How a stance's target is phrased, and what represents an article."""

from __future__ import annotations

import pytest

from parley.model.text.context import hypothesis, pair_context


@pytest.mark.parametrize(
    ("target", "asked"),
    [
        ("closing the bridge", "closing the bridge is good."),
        (" the new road ", "the new road is good."),
        ("The road should stay open.", "The road should stay open."),
        ("Should the road stay open?", "Should the road stay open?"),
        ("Save our road!", "Save our road!"),
        ('They call it "progress"', 'They call it "progress"'),
        ("", ""),
    ],
)
def test_a_target_becomes_a_sentence(target: str, asked: str) -> None:
    assert hypothesis(target) == asked


def test_a_title_alone_is_used_as_it_is() -> None:
    assert [part.text for part in pair_context(None, "Council closes bridge")] == ["Council closes bridge"]
    assert [part.text for part in pair_context("the bridge", "Council closes bridge")] == [
        "the bridge is good.",
        "Council closes bridge",
    ]
    assert pair_context(None, None) == pair_context("", "") == ()
