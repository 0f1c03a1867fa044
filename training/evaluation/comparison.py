"""Compares two artifacts on the same rows: each label's figures, and their difference with its interval.

    compare(Classifier.load("A"), Classifier.load("B"), rows)
    {"toxicity": {"rows": 120, "figures": {"auc": (0.91, 0.93, {"value": 0.02, "low": ..., "high": ...})},
                  "flipped": 0.04}}

The interval is a paired bootstrap: both are resampled together, so that rows that are hard for both cancel
out. If it includes 0, the rows show no difference. Each artifact decides by its own thresholds; "flipped" is
the share of rows that they decide differently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from parley.model.classifier import Classifier
from parley.model.comment import Prediction, Stance
from parley.model.labels import OFF_TOPIC, STANCES
from parley.training.data.examples import Example
from parley.training.evaluation import metrics
from parley.training.evaluation.figures import SEED, truths
from parley.training.evaluation.served_path import known, predict

Compared = Mapping[str, tuple[float, float, dict[str, float] | None]]


def compare(
    one: Classifier,
    other: Classifier,
    rows: Sequence[Example],
    *,
    on_progress: Callable[[int], object] | None = None,
) -> dict[str, dict[str, Any]]:
    """The figures of `one` and `other` for every label that `rows` have."""
    mine, theirs = (predict(system, rows, on_progress=on_progress) for system in (one, other))
    thresholds = one.thresholds, other.thresholds
    figures = {}
    for label in (*known(rows), OFF_TOPIC):
        both = [truths(list(zip(rows, of, strict=True)), label) for of in (mine, theirs)]
        if both[0] and len(both[0]) == len(both[1]):
            figures[label] = _binary(both, [of[label] for of in thresholds])
    pairs = [
        (e, p, q) for e, p, q in zip(rows, mine, theirs, strict=True) if e.stance and p.stance and q.stance
    ]
    if pairs:
        figures["stance"] = _stance(pairs)
    return figures


def _binary(both: Sequence[Sequence[tuple[float, float]]], thresholds: Sequence[float]) -> dict[str, Any]:
    truth = np.array([soft >= 0.5 for soft, _ in both[0]])
    a, b = (np.array([given for _, given in of]) for of in both)
    named = [of >= threshold for of, threshold in zip((a, b), thresholds, strict=True)]
    figures: dict[str, Any] = {}
    if 0 < truth.sum() < len(truth):
        figures["AUC"] = _difference(metrics.auc, truth, a, b)
        figures["recall"] = _difference(_share, np.ones(int(truth.sum())), *(of[truth] for of in named))
    if not truth.all():
        wrong = (of[~truth] for of in named)
        figures["false positives"] = _difference(_share, np.ones(int((~truth).sum())), *wrong)
    soft = np.array([value for value, _ in both[0]])
    figures["ECE"] = _difference(metrics.expected_calibration_error, soft, a, b)
    return {"rows": len(truth), "figures": figures, "flipped": float((named[0] != named[1]).mean())}


def _stance(rows: Sequence[tuple[Example, Prediction, Prediction]]) -> dict[str, Any]:
    truth = np.array([STANCES.index(e.stance or "") for e, _, _ in rows])
    answers = [[p.stance for _, p, _ in rows if p.stance], [q.stance for _, _, q in rows if q.stance]]
    a, b = (np.array([_likeliest(given) for given in of]) for of in answers)
    flipped = [one.label != other.label for one, other in zip(*answers, strict=True)]
    return {
        "rows": len(rows),
        "figures": {"macro-F1": _difference(metrics.macro_f1, truth, a, b)},
        "flipped": float(np.mean(flipped)),
    }


def _likeliest(given: Stance) -> int:
    return int(np.argmax([given.favor, given.against, given.none]))


def _share(_: Any, named: Any) -> float:
    return float(named.mean())


def _difference(
    of: Callable[..., float], truth: Any, a: Any, b: Any
) -> tuple[float, float, dict[str, float] | None]:
    """The figures of `a` and `b`, and `b` minus `a`; no interval if a resample has no figure."""

    def gap(rows: Any, first: Any, second: Any) -> float:
        return of(rows, second) - of(rows, first)

    return of(truth, a), of(truth, b), metrics.with_interval(gap, truth, a, b, seed=SEED)
