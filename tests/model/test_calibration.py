"""The arithmetic of calibration, against numbers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.model.calibration import Calibration, sigmoid, softmax
from parley.model.labels import COMMENT_LABELS

VALUES: dict[str, Any] = {
    "comment": {label: {"scale": 1.0 + i, "bias": 0.5 * i} for i, label in enumerate(COMMENT_LABELS)},
    "span": {"scale": 2.0, "bias": -1.0},
    "off_topic": {"pair": 0.5, "cosine": -4.0, "bias": 1.0},
    "stance": {"scale": 0.5, "relatedness": [2.0, 2.0, -4.0], "bias": [0.0, 0.1, 0.2]},
    "reply": {"scale": 2.0, "bias": [0.0, 0.5, -0.5]},
}


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_each_label_has_its_own_scale_and_bias() -> None:
    found = Calibration(VALUES).comment(np.full((2, 8), 0.3))
    assert found.shape == (2, 8)
    assert found[1] == pytest.approx([logistic((1.0 + i) * 0.3 + 0.5 * i) for i in range(8)])


def test_spans_and_off_topic() -> None:
    calibration = Calibration(VALUES)
    assert calibration.span(np.array([0.0, 2.0])) == pytest.approx([logistic(-1), logistic(3)])
    own, other = calibration.off_topic(np.array([-2.0, 3.0]), np.array([0.9, 0.1]))
    assert own == pytest.approx(logistic(0.5 * -2 - 4 * 0.9 + 1))
    assert other == pytest.approx(logistic(0.5 * 3 - 4 * 0.1 + 1))


def test_a_reply_has_a_scale_and_biases() -> None:
    weights = [math.exp(x) for x in (2.0, -2.0 + 0.5, -0.5)]
    found = Calibration(VALUES).reply(np.array([1.0, -1.0, 0.0]))
    assert found == pytest.approx([w / sum(weights) for w in weights])


def test_an_unrelated_comment_has_no_stance() -> None:
    calibration = Calibration(VALUES)
    logits = np.array([[1.0, -1.0, 0.0]] * 2)
    related, unrelated = calibration.stance(logits, np.array([0.8, -0.5]), article=True)
    weights = [math.exp(x) for x in (0.5 + 1.6, -0.5 + 1.6 + 0.1, -3.2 + 0.2)]
    assert related == pytest.approx([w / sum(weights) for w in weights])
    assert related.argmax() == 0
    assert unrelated.argmax() == 2


def test_a_target_without_an_article_may_have_a_calibration_of_its_own() -> None:
    logits, cosine = np.array([[1.0, -1.0, 0.0]]), np.array([0.8])
    alone = {"scale": 1.0, "relatedness": [0.0, 0.0, 0.0], "bias": [0.0, 0.0, -9.0]}
    calibration = Calibration(VALUES | {"stance_without_article": alone})
    weights = [math.exp(x) for x in (1.0, -1.0, -9.0)]
    found = calibration.stance(logits, cosine, article=False)[0]
    assert found == pytest.approx([w / sum(weights) for w in weights])
    under, shared = (
        of.stance(logits, cosine, article=article)
        for of, article in ((calibration, True), (Calibration(VALUES), False))
    )
    assert np.array_equal(under, shared), "without it, both are calibrated alike"


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_probabilities_stay_probabilities(a: float, b: float) -> None:
    low, high = sigmoid(np.array(sorted([a, b])))
    assert 0.0 <= low <= high <= 1.0
    assert softmax(np.array([[a, b, 0.0]])).sum() == pytest.approx(1.0)
