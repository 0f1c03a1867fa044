"""The figures that evaluation resamples, against scikit-learn's slower ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.training.evaluation import metrics

sklearn = pytest.importorskip("sklearn.metrics", reason="training needs the train extra")
ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.5, 0.50001, 1.0])), min_size=2, max_size=30
)


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_areas_equal_scikit_learns_with_ties_too(rows: list[tuple[bool, float]]) -> None:
    truth, scores = (np.array(column) for column in zip(*rows, strict=True))
    if 0 < truth.sum() < len(truth):
        assert metrics.auc(truth, scores) == pytest.approx(sklearn.roc_auc_score(truth, scores))
    else:
        assert math.isnan(metrics.auc(truth, scores))
    if truth.any():
        expected = sklearn.average_precision_score(truth, scores)
        assert metrics.average_precision(truth, scores) == pytest.approx(expected)
    else:
        assert math.isnan(metrics.average_precision(truth, scores))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_macro_f1_counts_a_stance_that_never_occurs_as_zero(rows: list[tuple[int, int]]) -> None:
    truth, predicted = (np.array(column) for column in zip(*rows, strict=True))
    expected = sklearn.f1_score(truth, predicted, average="macro", labels=[0, 1, 2], zero_division=0)
    assert metrics.macro_f1(truth, predicted) == pytest.approx(expected)
