"""Fits an artifact's calibration and thresholds on dev examples, through the served path.

    figures = calibrate(Artifact.open("runs/base/artifact"), dev_examples)

A label's present probability is stretched and shifted in log-odds until it means what it says (Platt 1999),
stance by a scale, a bias a class (Guo et al. 2017) and the weight of the cosine; the result is folded into
calibration.json: calibrating twice on the same data changes nothing. Every source counts alike.
Thresholds are set where F1 is best, or where a wish says (see parley.training.evaluation.operating_points).
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from parley.model.artifact import Artifact
from parley.model.calibration import brevity
from parley.model.classifier import Classifier
from parley.model.comment import Prediction
from parley.model.engine import Engine, Outputs
from parley.model.labels import OFF_TOPIC, STANCES
from parley.model.text.plain import plain_text
from parley.model.text.tokenization import Tokenizer, Tokens, content_tokens
from parley.training.console import progress
from parley.training.data.examples import Example
from parley.training.data.identities import terms_in
from parley.training.evaluation import metrics
from parley.training.evaluation.operating_points import FEWEST, Wish, grant
from parley.training.evaluation.served_path import known, predict, score

EDGE = 1e-6
SHORT = (5, 10, 20, 40)
"""Words to which dev comments are cut for off-topic: the debates' run to a hundred, most sites' don't."""
PROBE = 5.0
"""Weight of the cosine when it is read off the stance: small enough for six decimals to tell."""
Floats = NDArray[np.float64]


class Remembering(Engine):
    """An engine that runs each row once: calibrations are tried out on the same rows again and again."""

    def __init__(self, onnx_file: Path) -> None:
        super().__init__(onnx_file)
        self._said: dict[tuple[str, bytes], NDArray[np.float32]] = {}

    def start(self, rows: Sequence[Tokens], *outputs: str) -> Callable[[], Outputs]:
        """As the engine's; of a row that some outputs are not known of, all are asked for."""
        keys = [blake2b(np.array([row.ids, row.types]).tobytes(), digest_size=16).digest() for row in rows]
        new = {
            key: row
            for key, row in zip(keys, rows, strict=True)
            if any((output, key) not in self._said for output in outputs)
        }
        running = super().start(list(new.values()), *outputs)

        def wait() -> Outputs:
            for output, values in running().items():
                self._said.update(zip(((output, key) for key in new), values, strict=True))
            return {output: [self._said[output, key] for key in keys] for output in outputs}

        return wait


def calibrate(
    artifact: Artifact,
    examples: Sequence[Example],
    *,
    wishes: Mapping[str, Wish] | None = None,
    others: Sequence[Example] = (),
) -> dict[str, Any]:
    """Rewrites the artifact's calibration.json and thresholds.json; returns dev figures before and after.

    Labels with fewer than FEWEST positives or negatives are left as they are and say so. Examples may have
    any of the labels. `wishes` (label to Wish) set thresholds; a queue's share is of all examples that get a
    score for the label, so they should be rows as they come in, not a choice of the worst. `others` are rows
    of sources that only wishes name: probabilities are not fitted to them.
    """
    with tempfile.TemporaryDirectory() as folder:
        # Fitting tries calibrations out on a copy: whatever stops it leaves the artifact as it was.
        tried = _copy(artifact, Path(folder))
        figures = _fit_all(tried, examples, wishes or {}, others)
        calibration, thresholds = tried.calibration, tried.thresholds
    _replace(artifact.calibration_file, calibration)
    _replace(artifact.thresholds_file, thresholds)
    return figures


def _copy(artifact: Artifact, folder: Path) -> Artifact:
    """What serving reads of the artifact, in `folder`; no link, which Windows asks for rights to make."""
    copy = Artifact(folder)
    for file in (
        artifact.info_file,
        artifact.onnx_file,
        artifact.tokenizer_file,
        artifact.calibration_file,
        artifact.thresholds_file,
    ):
        shutil.copyfile(file, folder / file.name)
    return copy


def _fit_all(
    artifact: Artifact, examples: Sequence[Example], wishes: Mapping[str, Wish], others: Sequence[Example]
) -> dict[str, Any]:
    """Fits what there are rows for, then grants the wishes; all of it in place."""
    engine = Remembering(artifact.onnx_file)
    predictions = _ask(artifact, engine, examples, "dev rows")
    calibration, thresholds = artifact.calibration, artifact.thresholds
    figures: dict[str, Any] = {}
    for label in known(examples):
        rows = [(p, e) for p, e in zip(predictions, examples, strict=True) if label in e.labels]
        truth, weights = np.array([e.labels[label] for _, e in rows]), _weights([e for _, e in rows])
        scores = np.array([score(p, label) for p, _ in rows])
        figures[label] = _fit(label, calibration["comment"], thresholds, scores, truth, weights)
        if label == "toxicity":
            figures[label] |= _identity_auc(truth >= 0.5, scores, [e for _, e in rows])
    figures |= _fit_off_topic(artifact, engine, calibration, thresholds, examples)
    figures |= _fit_stance(artifact, engine, calibration, examples)
    _write(artifact.calibration_file, calibration)
    if wishes:
        # The scores that this calibration gives, as they will be served.
        served, beside = (
            list(zip(of, _ask(artifact, engine, of, "for the wishes"), strict=True))
            for of in (examples, others)
        )
        for label, wish in wishes.items():
            granted = grant(label, wish, served, beside)
            thresholds[label] = granted.get("threshold", thresholds[label])
            figures[label] = figures.get(label, {}) | granted
    _write(artifact.thresholds_file, thresholds)
    figures |= _fit_span_threshold(artifact, engine, thresholds, examples)
    return figures


def _ask(artifact: Artifact, engine: Engine, examples: Sequence[Example], doing: str) -> list[Prediction]:
    """What the artifact as it stands would serve."""
    if not examples:
        return []
    with progress(len(examples), doing) as advance:
        return predict(Classifier(artifact, engine=engine), examples, on_progress=advance)


def _weights(examples: Sequence[Example]) -> Floats:
    """Weights that let every source count alike, mean 1."""
    rows = Counter(e.source for e in examples)
    return np.array([len(examples) / (len(rows) * rows[e.source]) for e in examples])


def _log_odds(probabilities: Floats) -> Floats:
    p = np.clip(probabilities, EDGE, 1 - EDGE)
    return np.log(p / (1 - p))


def _fit(
    label: str,
    table: dict[str, Any],
    thresholds: dict[str, float],
    scores: Floats,
    truth: Floats,
    weights: Floats,
) -> dict[str, Any]:
    """Folds a scale and a bias into `table[label]`, sets its threshold where F1 is best; returns figures."""
    hard = truth >= 0.5
    figures: dict[str, Any] = {
        "rows": len(truth),
        "positives": int(hard.sum()),
        "auc": metrics.auc(hard, scores),
    }
    if min(hard.sum(), (~hard).sum()) < FEWEST:
        return figures | {"left": f"fewer than {FEWEST} positives or negatives"}
    before = metrics.expected_calibration_error(truth, scores)
    x = _log_odds(scores)
    # Soft targets: each row counts as positive by its share, as negative by the rest.
    model = LogisticRegression(C=1e6).fit(
        np.concatenate([x, x])[:, None],
        np.repeat([1, 0], len(x)),
        sample_weight=np.concatenate([weights * truth, weights * (1 - truth)]),
    )
    scale, bias = float(model.coef_[0, 0]), float(model.intercept_[0])
    old = table[label]
    table[label] = {"scale": old["scale"] * scale, "bias": old["bias"] * scale + bias}
    after = 1 / (1 + np.exp(-(scale * x + bias)))
    candidates = np.round(np.arange(0.05, 0.96, 0.01), 2)
    thresholds[label] = float(max(candidates, key=lambda t: _weighted_f1(hard, after >= t, weights)))
    return figures | {
        "ece_before": before,
        "ece": metrics.expected_calibration_error(truth, after),
        "reliability_before": metrics.reliability(truth, scores),
        "reliability": metrics.reliability(truth, after),
        **metrics.at_threshold(hard, after, thresholds[label]),
    }


def _identity_auc(truth: NDArray[np.bool_], scores: Floats, examples: Sequence[Example]) -> dict[str, Any]:
    """Subgroup, BPSN and BNSP AUC of the rows that name an identity, all together (Borkan et al. 2019)."""
    inside = np.array([bool(terms_in(e.text)) for e in examples])
    groups = {"subgroup_auc": inside, "bpsn_auc": inside != truth, "bnsp_auc": inside == truth}
    both = {name: of for name, of in groups.items() if 0 < truth[of].sum() < of.sum()}
    return {name: metrics.auc(truth[of], scores[of]) for name, of in both.items()}


def _weighted_f1(truth: NDArray[np.bool_], found: NDArray[np.bool_], weights: Floats) -> float:
    hits = weights[truth & found].sum()
    return float(2 * hits / max(weights[truth].sum() + weights[found].sum(), 1e-9))


def _fit_off_topic(
    artifact: Artifact,
    engine: Engine,
    calibration: dict[str, Any],
    thresholds: dict[str, float],
    examples: Sequence[Example],
) -> dict[str, Any]:
    """Fits off-topic on the dev pairs and on their comments cut to a few words, as most comments are short.

    Cosines are read off the served answers, by a calibration that shows them.
    """
    whole = [e for e in examples if e.off_topic is not None and e.article]
    if not whole:
        return {}
    positives = sum((e.off_topic or 0.0) >= 0.5 for e in whole)
    if min(positives, len(whole) - positives) < FEWEST:
        left = f"fewer than {FEWEST} positives or negatives"
        return {OFF_TOPIC: {"rows": len(whole), "positives": positives, "left": left}}
    rows = [*whole, *(cut for words in SHORT for cut in _cut(whole, words))]
    shown = {"scale": 1.0, "bias": 0.0, "brief_scale": 0.0, "brief_bias": 0.0}
    before = _off_topic(artifact, engine, calibration, rows)
    cosines = _log_odds(_off_topic(artifact, engine, calibration | {"off_topic": shown}, rows))
    info = artifact.info
    tokenizer = Tokenizer(artifact.tokenizer_file, max_tokens=info["max_tokens"], stride=info["stride"])
    windows = tokenizer.comments([plain_text(e.text).text for e in rows])
    brief = brevity(np.array([sum(map(content_tokens, of)) for of in windows], dtype=np.float64))
    x = np.stack([cosines, np.ones_like(cosines), brief * cosines, brief], -1)
    truth = np.array([e.off_topic or 0.0 for e in rows])
    model = LogisticRegression(C=1e6, fit_intercept=False, max_iter=1000).fit(
        np.concatenate([x, x]), np.repeat([1, 0], len(x)), sample_weight=np.concatenate([truth, 1 - truth])
    )
    names = ("scale", "bias", "brief_scale", "brief_bias")
    calibration[OFF_TOPIC] = dict(zip(names, map(float, model.coef_[0]), strict=True))
    after, hard = 1 / (1 + np.exp(-(x @ model.coef_[0]))), truth >= 0.5
    candidates = np.round(np.arange(0.05, 0.96, 0.01), 2)
    ones = np.ones(len(rows))
    thresholds[OFF_TOPIC] = float(max(candidates, key=lambda t: _weighted_f1(hard, after >= t, ones)))
    return {
        f"{OFF_TOPIC} {name}": {
            "rows": int(part.sum()),
            "positives": int(hard[part].sum()),
            "auc": metrics.auc(hard[part], after[part]),
            "ece_before": metrics.expected_calibration_error(truth[part], before[part]),
            "ece": metrics.expected_calibration_error(truth[part], after[part]),
            "reliability_before": metrics.reliability(truth[part], before[part]),
            "reliability": metrics.reliability(truth[part], after[part]),
            **metrics.at_threshold(hard[part], after[part], thresholds[OFF_TOPIC]),
        }
        for name, part in (
            ("whole", np.arange(len(rows)) < len(whole)),
            ("cut", np.arange(len(rows)) >= len(whole)),
        )
    }


def _cut(examples: Sequence[Example], words: int) -> list[Example]:
    """The examples that are longer, cut to their first `words` words."""
    return [
        replace(e, text=" ".join(e.text.split()[:words]), spans=None)
        for e in examples
        if len(e.text.split()) > words
    ]


def _off_topic(
    artifact: Artifact, engine: Engine, calibration: dict[str, Any], examples: Sequence[Example]
) -> Floats:
    _write(artifact.calibration_file, calibration)
    answers = _ask(artifact, engine, examples, "off topic")
    return np.array([0.5 if p.off_topic is None else p.off_topic for p in answers])


def _fit_stance(
    artifact: Artifact, engine: Engine, calibration: dict[str, Any], examples: Sequence[Example]
) -> dict[str, Any]:
    """Fits scale, relatedness and biases of the stance softmax on sources that have all three stances.

    A source without `none` can't tell how common it is. Sides and cosines are read off the served answers by
    calibrating for the one, then for the other.
    """
    stances = {
        name: {e.stance for e in examples if e.source == name} for name in {e.source for e in examples}
    }
    rows = [e for e in examples if e.stance and set(STANCES) <= stances[e.source]]
    if len(rows) < FEWEST:
        return {}

    def served(stance: dict[str, Any]) -> Floats:
        _write(artifact.calibration_file, calibration | {"stance": stance})
        answers = [p.stance for p in _ask(artifact, engine, rows, "stance")]
        scores = np.array([(s.favor, s.against, s.none) for s in answers if s])
        return np.asarray(np.log(np.maximum(scores, EDGE)))

    nothing = [0.0, 0.0, 0.0]
    before = served(calibration["stance"])
    sides = served({"scale": 1.0, "relatedness": nothing, "bias": nothing})
    related = served({"scale": 0.0, "relatedness": [0.0, 0.0, -PROBE], "bias": nothing})
    cosines = (related[:, 0] - related[:, 2]) / PROBE
    truth = np.array([STANCES.index(e.stance or "none") for e in rows])
    fitted, after = _likeliest(sides, cosines, truth, _weights(rows))
    calibration["stance"] = fitted
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


def _likeliest(
    sides: Floats, cosines: Floats, truth: NDArray[Any], weights: Floats
) -> tuple[dict[str, Any], Floats]:
    """The stance calibration under which `truth` is likeliest, and its logits (rows, 3)."""
    from scipy.optimize import minimize

    def logits(parameters: Floats) -> Floats:
        scale, related, favor, against = parameters
        none = related * cosines - favor - against
        shifts = np.stack([np.full_like(cosines, favor), np.full_like(cosines, against), none], -1)
        return np.asarray(np.exp(scale) * sides + shifts)

    def loss(parameters: Floats) -> float:
        values = logits(parameters)
        values = values - values.max(-1, keepdims=True)
        likelihood = values[np.arange(len(truth)), truth] - np.log(np.exp(values).sum(-1))
        return float(-(weights * likelihood).mean())

    found = minimize(loss, np.array([0.0, -4.0, 0.0, 0.0]), method="L-BFGS-B").x
    scale, related, favor, against = map(float, found)
    calibration = {
        "scale": float(np.exp(scale)),
        "relatedness": [0.0, 0.0, related],
        "bias": [favor, against, -favor - against],
    }
    return calibration, logits(found)


def _fit_span_threshold(
    artifact: Artifact, engine: Engine, thresholds: dict[str, float], examples: Sequence[Example]
) -> dict[str, Any]:
    """Tries thresholds for a toxic token and keeps the one whose spans have the best mean character F1."""
    marked = [e for e in examples if e.spans is not None]
    if len(marked) < FEWEST:
        return {}
    found = {}
    for threshold in (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6):
        _write(artifact.thresholds_file, thresholds | {"span": threshold})
        spans = [p.spans for p in _ask(artifact, engine, marked, f"spans at {threshold:g}")]
        f1 = [
            metrics.character_f1(e.spans or (), [(s.start, s.end) for s in of])
            for e, of in zip(marked, spans, strict=True)
        ]
        found[threshold] = float(np.mean(f1))
    best = max(found, key=lambda t: found[t])
    _write(artifact.thresholds_file, thresholds | {"span": best})
    return {"span": {"rows": len(marked), "threshold": best, "character_f1": found[best]}}


def _write(file: Path, values: dict[str, Any]) -> None:
    file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _replace(file: Path, values: dict[str, Any]) -> None:
    """Writes all or nothing."""
    temporary = file.with_suffix(".part")
    _write(temporary, values)
    temporary.replace(file)
