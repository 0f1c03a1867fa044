"""Calibrates the labels of the pair pass: off-topic, stance and reply.

Logits and cosines are recovered from served answers, with calibrations that expose one or the other, so that
the fit is made on what will be served.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from parley.model.labels import OFF_TOPIC, REPLIES, STANCES
from parley.training.data.examples import Example
from parley.training.evaluation import metrics
from parley.training.evaluation.operating_points import FEWEST
from parley.training.evaluation.trial import EDGE, Floats, Trial, best_threshold, log_odds, weights_of

SHOWN, PROBE = 0.25, 5.0
"""The scale with which pair logits are recovered from probabilities, and the weight with which the cosine is
recovered from the stance: chosen so that six decimals are enough."""
WITH_ARTICLE, WITHOUT_ARTICLE = "stance", "stance_without_article"
"""The calibrations of stance, by their keys in calibration.json."""
_NOTHING = [0.0, 0.0, 0.0]


def fit_off_topic(trial: Trial, examples: Sequence[Example]) -> dict[str, Any]:
    """Fit the weights of the pair logit and the cosine, and set the threshold where F1 is best."""
    rows = [e for e in examples if e.off_topic is not None and e.article]
    if not rows:
        return {}
    truth, weights = np.array([e.off_topic or 0.0 for e in rows]), weights_of(rows)
    hard = truth >= 0.5
    figures: dict[str, Any] = {"rows": len(rows), "positives": int(hard.sum())}
    if min(hard.sum(), (~hard).sum()) < FEWEST:
        return {OFF_TOPIC: figures | {"left": f"fewer than {FEWEST} positives or negatives"}}

    def served(**values: float) -> Floats:
        shown = {"off_topic": values} if values else None
        answers = trial.ask(rows, "off topic", calibration=shown)
        return np.array([0.5 if p.off_topic is None else p.off_topic for p in answers])

    before = served()
    logits = log_odds(served(pair=SHOWN, cosine=0.0, bias=0.0)) / SHOWN
    cosines = log_odds(served(pair=0.0, cosine=1.0, bias=0.0))
    x = np.stack([logits, cosines], -1)
    # Soft targets: each row is both a positive, weighted by its label, and a negative, weighted by the rest.
    model = LogisticRegression(C=1e6, max_iter=1000).fit(
        np.concatenate([x, x]),
        np.repeat([1, 0], len(x)),
        sample_weight=np.concatenate([weights * truth, weights * (1 - truth)]),
    )
    pair, cosine, bias = (*map(float, model.coef_[0]), float(model.intercept_[0]))
    trial.calibration["off_topic"] = {"pair": pair, "cosine": cosine, "bias": bias}
    after = 1 / (1 + np.exp(-(x @ model.coef_[0] + bias)))
    trial.thresholds[OFF_TOPIC] = best_threshold(hard, after, weights)
    figures |= {
        "auc": metrics.auc(hard, after),
        "ece_before": metrics.expected_calibration_error(truth, before),
        "ece": metrics.expected_calibration_error(truth, after),
        "reliability_before": metrics.reliability(truth, before),
        "reliability": metrics.reliability(truth, after),
        **metrics.at_threshold(hard, after, trial.thresholds[OFF_TOPIC]),
    }
    return {OFF_TOPIC: figures}


def fit_stance(trial: Trial, examples: Sequence[Example]) -> dict[str, Any]:
    """Fit scale, relatedness and biases of the stance softmax: for targets with an article, and for those
    without.

    Only sources with all three stances are used: one without `none` can't show how common it is. With fewer
    than FEWEST rows of one kind, its calibration stays unchanged.
    """
    stances = {
        name: {e.stance for e in examples if e.source == name} for name in {e.source for e in examples}
    }
    rows = [e for e in examples if e.stance in STANCES and set(STANCES) <= stances[e.source]]
    if len(rows) < FEWEST:
        return {}

    def served(**stance: Any) -> Floats:
        shown = dict.fromkeys((WITH_ARTICLE, WITHOUT_ARTICLE), stance) if stance else None
        answers = trial.ask(rows, "stance", calibration=shown)
        scores = np.array([(s.favor, s.against, s.none) for p in answers if (s := p.stance)])
        return np.asarray(np.log(np.maximum(scores, EDGE)))

    before = served()
    sides = served(scale=1.0, relatedness=_NOTHING, bias=_NOTHING)
    related = served(scale=0.0, relatedness=[0.0, 0.0, -PROBE], bias=_NOTHING)
    cosines = (related[:, 0] - related[:, 2]) / PROBE
    truth = np.array([STANCES.index(e.stance or "none") for e in rows])
    weights = weights_of(rows)
    under = np.array([bool(e.article) for e in rows])
    after = before.copy()
    for name, of in ((WITH_ARTICLE, under), (WITHOUT_ARTICLE, ~under)):
        if of.sum() >= FEWEST:
            trial.calibration[name], after[of] = fit_softmax(
                sides[of], truth[of], weights[of], cosines=cosines[of]
            )
    sided = truth != STANCES.index("none")
    favored = after[sided, 0] >= after[sided, 1]
    return {
        "stance": {
            "rows": len(rows),
            "side_accuracy": float((favored == (truth[sided] == STANCES.index("favor"))).mean()),
            "macro_f1_before": metrics.macro_f1(truth, before.argmax(-1)),
            "macro_f1": metrics.macro_f1(truth, after.argmax(-1)),
        }
    }


def fit_reply(trial: Trial, examples: Sequence[Example]) -> dict[str, Any]:
    """Fit the scale and biases of the reply softmax."""
    rows = [e for e in examples if e.reply is not None]
    if len(rows) < FEWEST:
        return {}

    def served(**reply: Any) -> Floats:
        answers = trial.ask(rows, "replies", calibration={"reply": reply} if reply else None)
        scores = np.array([(r.agree, r.disagree, r.none) for p in answers if (r := p.reply)])
        return np.asarray(np.log(np.maximum(scores, EDGE)))

    before = served()
    truth = np.array([REPLIES.index(e.reply or "none") for e in rows])
    fitted, after = fit_softmax(served(scale=1.0, bias=_NOTHING), truth, weights_of(rows))
    trial.calibration["reply"] = {"scale": fitted["scale"], "bias": fitted["bias"]}
    return {
        "reply": {
            "rows": len(rows),
            "macro_f1_before": metrics.macro_f1(truth, before.argmax(-1)),
            "macro_f1": metrics.macro_f1(truth, after.argmax(-1)),
        }
    }


def fit_softmax(
    logits: Floats, truth: NDArray[Any], weights: Floats, *, cosines: Floats | None = None
) -> tuple[dict[str, Any], Floats]:
    """The maximum-likelihood calibration for `truth`, and its logits (rows, 3).

    Only the third class uses `cosines`; the biases sum to zero.
    """
    from scipy.optimize import minimize

    about = np.zeros(len(truth)) if cosines is None else cosines

    def calibrated(parameters: Floats) -> Floats:
        scale, related, first, second = parameters
        third = related * about - first - second
        shifts = np.stack([np.full_like(about, first), np.full_like(about, second), third], -1)
        return np.asarray(np.exp(scale) * logits + shifts)

    def loss(parameters: Floats) -> float:
        values = calibrated(parameters)
        values = values - values.max(-1, keepdims=True)
        likelihood = values[np.arange(len(truth)), truth] - np.log(np.exp(values).sum(-1))
        return float(-(weights * likelihood).mean())

    best = minimize(loss, np.array([0.0, -4.0, 0.0, 0.0]), method="L-BFGS-B").x
    scale, related, first, second = map(float, best)
    calibration = {
        "scale": float(np.exp(scale)),
        "relatedness": [0.0, 0.0, related],
        "bias": [first, second, -first - second],
    }
    return calibration, calibrated(best)
