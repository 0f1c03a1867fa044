"""Fits an artifact's calibration and thresholds on dev examples, through the serving code.

    figures = calibrate(Artifact.open("runs/base/artifact"), dev_examples)

A label's log-odds get a scale and a bias (Platt 1999), off-topic a weight each for pair logit and cosine,
stance and reply a scale and a bias per class (Guo et al. 2017). The result is folded into calibration.json,
so calibrating twice on the same data changes nothing. Sources have equal weight. Thresholds are set where F1
is best, or at an operating point (see parley.training.evaluation.operating_points); a side is named from the
probability at which four in five are right, over all rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from parley.model.artifact import Artifact
from parley.training.data.examples import Example
from parley.training.data.identities import terms_in
from parley.training.evaluation import metrics
from parley.training.evaluation.operating_points import FEWEST, NAMED_SIDES, OperatingPoint, find_threshold
from parley.training.evaluation.pair_calibration import fit_off_topic, fit_reply, fit_stance
from parley.training.evaluation.served_path import known
from parley.training.evaluation.trial import Floats, Trial, best_threshold, log_odds, weights_of


def calibrate(
    artifact: Artifact,
    examples: Sequence[Example],
    *,
    points: Mapping[str, OperatingPoint] | None = None,
    others: Sequence[Example] = (),
) -> dict[str, Any]:
    """Rewrite the artifact's calibration.json and thresholds.json; returns dev figures before and after.

    Examples may have any of the labels. Labels with fewer than FEWEST positives or negatives stay unchanged,
    and the figures say so. `points` set thresholds by label; a queue's share is that of all examples with a
    score for the label, so they should be an unselected sample of comments. `others` are rows of sources that
    only operating points name; no probability is fitted to them.
    """
    with Trial.of(artifact) as trial:
        figures = _fit_all(trial, examples, points or {}, others)
        trial.keep(artifact)
    return figures


def _fit_all(
    trial: Trial, examples: Sequence[Example], points: Mapping[str, OperatingPoint], others: Sequence[Example]
) -> dict[str, Any]:
    """Fit the labels with enough rows, then set the thresholds that `points` define."""
    predictions = trial.ask(examples, "dev rows")
    figures: dict[str, Any] = {}
    for label in known(examples):
        rows = [(p, e) for p, e in zip(predictions, examples, strict=True) if label in e.labels]
        truth, weights = np.array([e.labels[label] for _, e in rows]), weights_of([e for _, e in rows])
        scores = np.array([p.score(label) for p, _ in rows])
        figures[label] = _fit(label, trial, scores, truth, weights)
        if label == "toxicity":
            figures[label] |= _identity_auc(truth >= 0.5, scores, [e for _, e in rows])
    figures |= fit_off_topic(trial, examples) | fit_stance(trial, examples) | fit_reply(trial, examples)
    asked = examples if points else [e for e in examples if e.stance]
    if "stance" in figures:
        points = {"stance": NAMED_SIDES, **points}
    if points:
        # Scores under the new calibration, as they will be served.
        served, beside = (
            list(zip(of, trial.ask(of, "for the thresholds"), strict=True)) for of in (asked, others)
        )
        for label, point in points.items():
            chosen = find_threshold(label, point, served, beside)
            trial.thresholds[label] = chosen.get("threshold", trial.thresholds[label])
            fitted = figures.get(label, {})
            if "threshold" in chosen and "left" in fitted:
                fitted["probabilities_left"] = fitted.pop("left")
            figures[label] = fitted | chosen
    return figures | _fit_span_threshold(trial, examples)


def _fit(label: str, trial: Trial, scores: Floats, truth: Floats, weights: Floats) -> dict[str, Any]:
    """Fit a scale and a bias into the label's calibration and set its threshold by F1; returns figures."""
    hard = truth >= 0.5
    figures: dict[str, Any] = {
        "rows": len(truth),
        "positives": int(hard.sum()),
        "auc": metrics.auc(hard, scores),
    }
    if min(hard.sum(), (~hard).sum()) < FEWEST:
        return figures | {"left": f"fewer than {FEWEST} positives or negatives"}
    before = metrics.expected_calibration_error(truth, scores)
    x = log_odds(scores)
    # Soft targets: each row is both a positive, weighted by its label, and a negative, weighted by the rest.
    model = LogisticRegression(C=1e6).fit(
        np.concatenate([x, x])[:, None],
        np.repeat([1, 0], len(x)),
        sample_weight=np.concatenate([weights * truth, weights * (1 - truth)]),
    )
    scale, bias = float(model.coef_[0, 0]), float(model.intercept_[0])
    table = trial.calibration["comment"]
    old = table[label]
    table[label] = {"scale": old["scale"] * scale, "bias": old["bias"] * scale + bias}
    after = 1 / (1 + np.exp(-(scale * x + bias)))
    trial.thresholds[label] = best_threshold(hard, after, weights)
    return figures | {
        "ece_before": before,
        "ece": metrics.expected_calibration_error(truth, after),
        "reliability_before": metrics.reliability(truth, scores),
        "reliability": metrics.reliability(truth, after),
        **metrics.at_threshold(hard, after, trial.thresholds[label]),
    }


def _identity_auc(truth: NDArray[np.bool_], scores: Floats, examples: Sequence[Example]) -> dict[str, Any]:
    """Subgroup, BPSN and BNSP AUC over all rows that name an identity, pooled (Borkan et al. 2019)."""
    inside = np.array([bool(terms_in(e.text)) for e in examples])
    groups = {"subgroup_auc": inside, "bpsn_auc": inside != truth, "bnsp_auc": inside == truth}
    both = {name: of for name, of in groups.items() if 0 < truth[of].sum() < of.sum()}
    return {name: metrics.auc(truth[of], scores[of]) for name, of in both.items()}


def _fit_span_threshold(trial: Trial, examples: Sequence[Example]) -> dict[str, Any]:
    """Try thresholds for toxic tokens and set the one whose spans have the best mean character F1."""
    marked = [e for e in examples if e.spans is not None]
    if len(marked) < FEWEST:
        return {}
    scores = {}
    for threshold in (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6):
        answers = trial.ask(marked, f"spans at {threshold:g}", thresholds={"span": threshold})
        f1 = [
            metrics.character_f1(e.spans or (), [(s.start, s.end) for s in p.spans])
            for e, p in zip(marked, answers, strict=True)
        ]
        scores[threshold] = float(np.mean(f1))
    best = max(scores, key=lambda t: scores[t])
    trial.thresholds["span"] = best
    return {"span": {"rows": len(marked), "threshold": best, "character_f1": scores[best]}}
