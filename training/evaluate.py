"""Scores an artifact on the test sets through the served path, and says how sure each figure is.

    report = evaluate(Artifact.open(DEFAULT), {"robtest": examples, ...})

The report, as JSON:
    {"artifact": {name, version, commit}, "created", "seed",
     "tests": {SOURCE: {"licence", "rows", "slices": {SLICE: {LABEL: figures}}}}}
A slice "all" holds every row; a source that names slices has each beside it. Figures are {"value", "low",
"high"} (95 % bootstrap over rows) or plain numbers; labels of the comment pass have AUC, average precision,
calibration error and what the artifact's own threshold does; stance has three-class macro-F1; spans mean
character F1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from model.artifact import Artifact
from model.classifier import Classifier
from model.comment import Prediction, Stance
from model.labels import OFF_TOPIC, STANCES
from training import metrics
from training.examples import Example
from training.served import known, predict, score
from training.sources import get

SEED = 0
FAVOR, NONE = STANCES.index("favor"), STANCES.index("none")
TESTS = (
    "vast",
    "robtest",
    "toxic_spans",
    "jigsaw_multilabel",
    "hatemoji",
    "c3",
    "debates",
    "youtube_spam",
)
"""The test sets of a released model; each is scored once a release."""

Row = tuple[Example, Prediction]


def evaluate(
    artifact: Artifact,
    tests: Mapping[str, Sequence[Example]],
    *,
    threads: int | None = None,
    on_progress: Callable[[int], object] | None = None,
) -> dict[str, Any]:
    """The report of `artifact` on `tests`, a source's name to its test examples."""
    classifier = Classifier.load(artifact.path, threads=threads)
    info = artifact.info
    report: dict[str, Any] = {
        "artifact": {key: info[key] for key in ("name", "version", "commit")},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": SEED,
        "tests": {},
    }
    for name, examples in tests.items():
        rows = list(zip(examples, predict(classifier, examples, on_progress=on_progress), strict=True))
        report["tests"][name] = {
            "licence": get(name).licence,
            "rows": len(rows),
            "slices": {part: judge(of, classifier.thresholds) for part, of in _slices(rows)},
        }
    return report


def judge(rows: Sequence[Row], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """The figures of every label that `rows` have."""
    figures: dict[str, Any] = {}
    for label in known(e for e, _ in rows):
        of = [(e.labels[label], score(p, label)) for e, p in rows if label in e.labels]
        figures[label] = _binary(of, thresholds[label])
    pairs = [
        (e.off_topic, p.off_topic) for e, p in rows if e.off_topic is not None and p.off_topic is not None
    ]
    if pairs:
        figures[OFF_TOPIC] = _binary(pairs, thresholds[OFF_TOPIC])
    sides = [(e.stance, p.stance) for e, p in rows if e.stance and p.stance]
    if sides:
        figures["stance"] = _stance([(STANCES.index(wanted), given) for wanted, given in sides])
    marked = [(e.spans, [(s.start, s.end) for s in p.spans]) for e, p in rows if e.spans is not None]
    if marked:
        each = [metrics.character_f1(gold, spans) for gold, spans in marked]
        figures["spans"] = {
            "rows": len(each),
            "character_f1": metrics.with_interval(metrics.mean, each, seed=SEED),
        }
    return figures


def _slices(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    yield "all", list(rows)
    for part in sorted({e.slice for e, _ in rows if e.slice}):
        yield part, [row for row in rows if row[0].slice == part]


def _binary(rows: Sequence[tuple[float, float]], threshold: float) -> dict[str, Any]:
    """Figures of one probability against truths in [0, 1]; a truth from 0.5 counts as positive."""
    soft, scores = (np.array(column) for column in zip(*rows, strict=True))
    truth = soft >= 0.5
    figures: dict[str, Any] = {"rows": len(rows), "positives": int(truth.sum())}
    if 0 < truth.sum() < len(truth):
        figures["auc"] = metrics.with_interval(metrics.auc, truth, scores, seed=SEED)
        figures["average_precision"] = metrics.with_interval(
            metrics.average_precision, truth, scores, seed=SEED
        )
    figures["calibration_error"] = metrics.expected_calibration_error(soft, scores)
    return figures | metrics.at_threshold(truth, scores, threshold)


def _stance(rows: Sequence[tuple[int, Stance]]) -> dict[str, Any]:
    """Three-class figures, and the two questions behind them: is it about the target, and on which side?"""
    truth = np.array([wanted for wanted, _ in rows])
    found = np.array([STANCES.index(given.label) for _, given in rows])
    none = np.array([given.none for _, given in rows])
    sided = [(wanted == FAVOR) == (given.favor > given.against) for wanted, given in rows if wanted != NONE]
    return {
        "rows": len(rows),
        "macro_f1": metrics.with_interval(metrics.macro_f1, truth, found, seed=SEED),
        "accuracy": metrics.with_interval(metrics.mean, truth == found, seed=SEED),
        "none_auc": metrics.auc(truth == NONE, none),
        "side_accuracy": metrics.with_interval(metrics.mean, sided, seed=SEED) if sided else None,
        "confusion": [[int(((truth == t) & (found == f)).sum()) for f in range(3)] for t in range(3)],
    }
