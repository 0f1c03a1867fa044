"""Every score of a prediction has its label and its path in the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parley.model.comment import Prediction, Stance
from parley.model.labels import ABUSE

PREDICTION = Prediction(
    id=None,
    abuse={label: i / 10 for i, label in enumerate(ABUSE)},
    spam=0.8,
    off_topic=0.9,
    stance=Stance(target="the bridge", favor=0.5, against=0.3, none=0.2, label="favor"),
)


@pytest.mark.parametrize(
    ("name", "score"),
    [
        *((label, i / 10) for i, label in enumerate(ABUSE)),
        *((f"abuse.{label}", i / 10) for i, label in enumerate(ABUSE)),
        ("spam", 0.8),
        ("off_topic", 0.9),
        ("stance.favor", 0.5),
        ("stance.none", 0.2),
    ],
)
def test_a_score_has_a_name(name: str, score: float) -> None:
    assert PREDICTION.score(name) == score


def test_what_was_not_judged_is_none() -> None:
    nothing = replace(PREDICTION, off_topic=None, stance=None, abuse={})
    assert [nothing.score(name) for name in ("off_topic", "stance.against", "threat")] == [None] * 3


@pytest.mark.parametrize("name", ["toxic", "stance", "stance.label", "stance.toxicity", "reply.agree"])
def test_an_unknown_score_name_is_an_error(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        PREDICTION.score(name)
