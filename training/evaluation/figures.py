"""Computes figures from examples and their predictions.

    judge(list(zip(examples, predictions)), thresholds)        {"toxicity": {"rows": 900, "auc": {...}}, ...}

A figure is {"value", "low", "high"} (95 % bootstrap over rows), or a plain number if `intervals` is False.
Labels of the comment pass and off_topic have AUC, average precision, accuracy, calibration error and figures
at the artifact's own threshold. Stance and reply have three-class macro-F1, of the likeliest class even if
`stance.label` is null. Spans have mean character F1. "majority" has the figures of always giving the most
frequent answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from parley.model.comment import Prediction, Stance
from parley.model.labels import OFF_TOPIC, REPLIES, STANCES
from parley.training.data.examples import Example
from parley.training.evaluation import metrics
from parley.training.evaluation.served_path import known

SEED = 0
FAVOR, NONE = STANCES.index("favor"), STANCES.index("none")
Row = tuple[Example, Prediction]


def judge(rows: Sequence[Row], thresholds: Mapping[str, float], *, intervals: bool = True) -> dict[str, Any]:
    """The figures of every label that `rows` have."""
    figures: dict[str, Any] = {}
    for label in known(e for e, _ in rows):
        figures[label] = _binary(truths(rows, label), thresholds[label], intervals)
    if pairs := truths(rows, OFF_TOPIC):
        figures[OFF_TOPIC] = _binary(pairs, thresholds[OFF_TOPIC], intervals)
    sides = [(e.stance, p.stance) for e, p in rows if e.stance and p.stance]
    if sides:
        figures["stance"] = _stance([(STANCES.index(wanted), given) for wanted, given in sides], intervals)
    replies = [(REPLIES.index(e.reply), REPLIES.index(p.reply.label)) for e, p in rows if e.reply and p.reply]
    if replies:
        truth, given = np.array(replies).T
        figures["reply"] = _three_classes(truth, given, intervals)
    marked = [(e.spans, [(s.start, s.end) for s in p.spans]) for e, p in rows if e.spans is not None]
    if marked:
        each = [metrics.character_f1(gold, spans) for gold, spans in marked]
        figures["spans"] = {
            "rows": len(each),
            "character_f1": figure(metrics.mean, each, intervals=intervals),
        }
    return figures


def truths(rows: Sequence[Row], label: str) -> list[tuple[float, float]]:
    """(truth, score) of the rows that have both for `label`, a label of the comment pass or off_topic."""
    both = ((e.off_topic if label == OFF_TOPIC else e.labels.get(label), p.score(label)) for e, p in rows)
    return [(truth, given) for truth, given in both if truth is not None and given is not None]


def figure(of: Callable[..., float], *columns: Any, intervals: bool = True) -> Any:
    """`of(*columns)` with its interval, or as a plain number."""
    if intervals:
        return metrics.with_interval(of, *columns, seed=SEED)
    return of(*(np.asarray(column) for column in columns))


def value(of: Any) -> float | None:
    """The number in a figure, which may have an interval or be plain."""
    number = of["value"] if isinstance(of, dict) else of
    return None if number is None else float(number)


def _binary(rows: Sequence[tuple[float, float]], threshold: float, intervals: bool) -> dict[str, Any]:
    """The figures of one probability against truths in [0, 1]; a truth of 0.5 or more counts as positive."""
    soft, scores = (np.array(column) for column in zip(*rows, strict=True))
    truth = soft >= 0.5
    figures: dict[str, Any] = {"rows": len(rows), "positives": int(truth.sum())}
    if 0 < truth.sum() < len(truth):
        figures["auc"] = figure(metrics.auc, truth, scores, intervals=intervals)
        figures["average_precision"] = figure(metrics.average_precision, truth, scores, intervals=intervals)
    figures["calibration_error"] = metrics.expected_calibration_error(soft, scores)
    figures["reliability"] = metrics.reliability(soft, scores)
    figures["accuracy"] = float(((scores >= threshold) == truth).mean())
    figures["majority"] = {"accuracy": float(max(truth.mean(), 1 - truth.mean()))}
    return figures | metrics.at_threshold(truth, scores, threshold)


def _stance(rows: Sequence[tuple[int, Stance]], intervals: bool) -> dict[str, Any]:
    """Three-class figures, and those of the two questions behind them: is there a side, and which is it?"""
    truth = np.array([wanted for wanted, _ in rows])
    predicted = np.array([STANCES.index(given.likeliest) for _, given in rows])
    named = np.array([given.label in ("favor", "against") for _, given in rows])
    none = np.array([given.none for _, given in rows])
    sided = [(wanted == FAVOR) == (given.favor > given.against) for wanted, given in rows if wanted != NONE]
    return _three_classes(truth, predicted, intervals) | {
        "two_sided_f1": figure(metrics.two_sided_f1, truth, predicted, intervals=intervals),
        "none_auc": metrics.auc(truth == NONE, none),
        "side_accuracy": figure(metrics.mean, sided, intervals=intervals) if sided else None,
        "named": float(named.mean()),
        "named_precision": figure(metrics.mean, (truth == predicted)[named], intervals=intervals)
        if named.any()
        else None,
    }


def _three_classes(truth: Any, predicted: Any, intervals: bool) -> dict[str, Any]:
    """The figures of a prediction of three classes."""
    most = np.bincount(truth, minlength=3).argmax()
    return {
        "rows": len(truth),
        "macro_f1": figure(metrics.macro_f1, truth, predicted, intervals=intervals),
        "accuracy": figure(metrics.mean, truth == predicted, intervals=intervals),
        "confusion": [[int(((truth == t) & (predicted == p)).sum()) for p in range(3)] for t in range(3)],
        "majority": {
            "accuracy": float((truth == most).mean()),
            "macro_f1": metrics.macro_f1(truth, np.full_like(truth, most)),
        },
    }
