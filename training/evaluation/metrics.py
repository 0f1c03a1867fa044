"""Evaluation metrics as plain functions of arrays, and their bootstrap intervals.

with_interval(auc, truth, scores)     {"value": 0.97, "low": 0.96, "high": 0.98}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
RESAMPLES = 200


def auc(truth: Array, scores: Array) -> float:
    """The area under the ROC curve, where ties count as half right; NaN if only one class is present."""
    hits, false = _at_each_score(truth, scores)
    if hits[-1] == 0 or false[-1] == 0:
        return float("nan")
    steps = np.diff(false, prepend=0)
    return float((steps * (hits + np.concatenate(([0], hits[:-1]))) / 2).sum() / (hits[-1] * false[-1]))


def average_precision(truth: Array, scores: Array) -> float:
    """The area under the precision-recall curve; NaN without positives."""
    hits, false = _at_each_score(truth, scores)
    if hits[-1] == 0:
        return float("nan")
    return float((np.diff(hits, prepend=0) * hits / (hits + false)).sum() / hits[-1])


def _at_each_score(truth: Array, scores: Array) -> tuple[Array, Array]:
    """The numbers of positives and negatives at or above each distinct score, the highest score first.

    Own code, because with 200 resamples per figure scikit-learn's input checks took most of an evaluation.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits = np.cumsum(truth[order], dtype=np.int64)[ends]
    return hits, ends + 1 - hits


def macro_f1(truth: Array, predicted: Array) -> float:
    """The mean F1 of the three stances, as VAST reports it."""
    return float(_f1_each(truth, predicted).mean())


def two_sided_f1(truth: Array, predicted: Array) -> float:
    """The mean F1 of favor and against alone, as papers on tweets report it; `none` counts only as a miss."""
    return float(_f1_each(truth, predicted)[:2].mean())


def _f1_each(truth: Array, predicted: Array) -> Array:
    """The F1 of each stance; 0 for a stance that is neither true nor predicted."""
    table = np.bincount(3 * truth + predicted, minlength=9).reshape(3, 3)
    return np.asarray(2 * table.diagonal() / np.maximum(table.sum(0) + table.sum(1), 1))


def expected_calibration_error(truth: Array, scores: Array, *, bins: int = 15) -> float:
    """The mean gap between score and share of positives over equal-width bins, weighted by rows.

    After Naeini et al. 2015. `truth` may be soft: shares of raters.
    """
    return float(
        sum(abs(m - share) * n for m, share, n in reliability(truth, scores, bins=bins)) / len(scores)
    )


def reliability(truth: Array, scores: Array, *, bins: int = 15) -> list[tuple[float, float, int]]:
    """(mean score, share of positives, rows) of each nonempty bin, for a reliability plot."""
    place = np.minimum((scores * bins).astype(int), bins - 1)
    filled = ((place == b) for b in np.unique(place))
    return [(float(scores[b].mean()), float(truth[b].mean()), int(b.sum())) for b in filled]


def at_threshold(truth: Array, scores: Array, threshold: float) -> dict[str, float]:
    """Precision, recall, F1 and false-positive rate of `score >= threshold`."""
    flagged = scores >= threshold
    hits, named, real = float((flagged & truth).sum()), float(flagged.sum()), float(truth.sum())
    precision, recall = hits / named if named else 0.0, hits / real if real else 0.0
    negatives = float((~truth).sum())
    return {
        "threshold": threshold,
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        "false_positive_rate": (named - hits) / negatives if negatives else 0.0,
    }


def character_f1(gold: Iterable[tuple[int, int]], found: Iterable[tuple[int, int]]) -> float:
    """The F1 over the toxic characters of one comment; 1 if neither marks any (SemEval-2021 task 5)."""
    a, b = ({i for start, end in spans for i in range(start, end)} for spans in (gold, found))
    if not a or not b:
        return float(not a and not b)
    return 2 * len(a & b) / (len(a) + len(b))


def mean(values: Array) -> float:
    """The mean, for figures with one number per row."""
    return float(values.mean())


def with_interval(
    figure: Callable[..., float], *columns: Sequence[Any] | Array, seed: int = 0
) -> dict[str, float]:
    """`figure(*columns)` with its 95 % percentile bootstrap interval over rows (Efron 1979)."""
    arrays = [np.asarray(column) for column in columns]
    rng = np.random.default_rng(seed)
    size = len(arrays[0])
    draws = [figure(*(a[rows] for a in arrays)) for rows in rng.integers(0, size, (RESAMPLES, size))]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return {"value": figure(*arrays), "low": float(low), "high": float(high)}
