"""Systems to compare with on the same rows: the float network, the untuned encoder, TF-IDF.

    {"float": float_network(artifact, folder), "untuned": Untuned(artifact, folder), "tfidf": TfIdf(train)}

Each has `predict(comments)` like a Classifier, so that all figures are computed the same way.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.model.artifact import Artifact
from parley.model.classifier import Classifier
from parley.model.comment import Article, Comment, Prediction, Predictor, Stance
from parley.model.labels import ABUSE, COMMENT_LABELS, SPAM, STANCES
from parley.training.data.examples import Example
from parley.training.data.preparation import Swaps, prepare
from parley.training.errors import RunError
from parley.training.evaluation.suite import trained_on

FEWEST = 20
"""With fewer positives or negatives a label is not learnt, and its score is always 0.5."""


def float_network(artifact: Artifact, folder: Path, *, threads: int | None = None) -> Classifier:
    """The artifact run by the same code with float activations; its weights are still the quantised ones.

    Raises BaseModelError if the artifact lacks the files that training would start from.
    """
    from parley.training.network.export import to_onnx
    from parley.training.network.network import Network

    network = Network.from_artifact(artifact).eval()
    copy = Artifact(folder / "float")
    copy.path.mkdir(parents=True)
    for file in {*artifact.served_files}.difference(artifact.network_files):
        shutil.copy(file, copy.path)
    to_onnx(network, copy)
    return Classifier.load(copy.path, threads=threads)


class Untuned:
    """The encoder before training; its cosine gives off_topic and the stance `none`."""

    def __init__(self, artifact: Artifact, folder: Path, *, threads: int | None = None) -> None:
        """Raises BaseModelError if the artifact's base can't be loaded."""
        from parley.training.network.export import save_tokenizer, start_calibration, to_onnx
        from parley.training.network.network import Network, base_tokenizer, first_base

        base = first_base(str(artifact.path))
        network = Network.from_base(base).eval()
        copy = Artifact(folder / "untuned")
        copy.path.mkdir(parents=True)
        for file in (artifact.info_file, artifact.thresholds_file):
            shutil.copy(file, copy.path)
        start_calibration(network, copy)
        scale, bias = network.off_topic_scale.item(), network.off_topic_bias.item()
        calibration = copy.calibration | {"off_topic": {"pair": 0.0, "cosine": scale, "bias": bias}}
        copy.calibration_file.write_text(json.dumps(calibration), encoding="utf-8")
        save_tokenizer(base_tokenizer(base), copy.tokenizer_file)
        to_onnx(network, copy)
        self._classifier = Classifier.load(copy.path, threads=threads)

    def predict(self, comments: Sequence[Comment]) -> list[Prediction]:
        """One prediction per comment, with only off-topic and stance."""
        under = self._classifier.predict([replace(c, target=None) for c in comments])
        aimed = [replace(c, article=Article(text=c.target), target=None) for c in comments if c.target]
        unrelated = iter(self._classifier.predict(aimed))
        return [
            replace(
                prediction,
                abuse={},
                stance=_by_cosine(c.target, next(unrelated).off_topic) if c.target else None,
                spans=(),
            )
            for c, prediction in zip(comments, under, strict=True)
        ]


def _by_cosine(target: str, unrelated: float | None) -> Stance:
    none = 0.5 if unrelated is None else unrelated
    side = (1 - none) / 2
    return Stance(
        target=target, favor=side, against=side, none=none, label="none" if none >= 0.5 else "favor"
    )


class TfIdf:
    """Logistic regression on TF-IDF of words and bigrams: one model per label, and one for stance."""

    def __init__(self, examples: Sequence[Example]) -> None:
        known = [e for e in examples if e.labels or e.stance]
        texts = dict.fromkeys(e.text for e in known)
        place = {text: i for i, text in enumerate(texts)}
        self._words = _vectorizer(pairs=True)
        rows = self._words.fit_transform(list(texts))
        self._labels = {}
        for label in COMMENT_LABELS:
            of = [(place[e.text], e.labels[label] >= 0.5, e.weight) for e in known if label in e.labels]
            positives = sum(truth for _, truth, _ in of)
            if min(positives, len(of) - positives) >= FEWEST:
                at, truth, weights = zip(*of, strict=True)
                self._labels[label] = _regression().fit(rows[list(at)], truth, np.array(weights))
        stances = [e for e in known if e.stance]
        self._stance = None
        if len({e.stance for e in stances}) == len(STANCES):
            self._targets = _vectorizer(pairs=False)
            self._targets.fit(e.target or "" for e in stances)
            joined = self._joined(rows[[place[e.text] for e in stances]], [e.target or "" for e in stances])
            self._stance = _regression().fit(joined, [STANCES.index(e.stance or "") for e in stances])

    def _joined(self, rows: Any, targets: Sequence[str]) -> Any:
        from scipy.sparse import hstack

        return hstack([rows, self._targets.transform(targets)]).tocsr()

    def predict(self, comments: Sequence[Comment]) -> list[Prediction]:
        """One prediction per comment, with everything but off-topic."""
        rows = self._words.transform([c.text for c in comments])
        scores = {label: self._scores(label, rows) for label in COMMENT_LABELS}
        stances = self._stances(comments, rows)
        return [
            Prediction(
                id=c.id,
                abuse={label: float(scores[label][i]) for label in ABUSE},
                spam=float(scores[SPAM][i]),
                off_topic=None,
                stance=stances[i],
            )
            for i, c in enumerate(comments)
        ]

    def _scores(self, label: str, rows: Any) -> NDArray[np.float64]:
        if label not in self._labels or not rows.shape[0]:
            return np.full(rows.shape[0], 0.5)
        return np.asarray(self._labels[label].predict_proba(rows)[:, 1])

    def _stances(self, comments: Sequence[Comment], rows: Any) -> list[Stance | None]:
        stances: list[Stance | None] = [None] * len(comments)
        asked = [i for i, c in enumerate(comments) if c.target]
        if self._stance is None or not asked:
            return stances
        targets = [comments[i].target or "" for i in asked]
        for i, row in zip(asked, self._stance.predict_proba(self._joined(rows[asked], targets)), strict=True):
            scores = {name: float(p) for name, p in zip(STANCES, row, strict=True)}
            label = max(scores, key=scores.__getitem__)
            stances[i] = Stance(target=comments[i].target or "", **scores, label=label)
        return stances


def _vectorizer(*, pairs: bool) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        ngram_range=(1, 2 if pairs else 1), min_df=2, max_features=200_000, sublinear_tf=True
    )


def _regression() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, class_weight="balanced", max_iter=300)


def systems(
    artifact: Artifact,
    folder: Path,
    data_dir: Path,
    baselines: bool,
    full_precision: bool,
    threads: int | None,
) -> dict[str, Predictor]:
    """The systems to compare with the artifact; their files go into `folder`.

    Raises RunError if the artifact doesn't state its training data.
    """
    chosen: dict[str, Predictor] = {}
    if full_precision:
        chosen["float"] = float_network(artifact, folder, threads=threads)
    if baselines:
        if not (specs := trained_on(artifact)):
            raise RunError(
                f"{artifact.path} doesn't say what it was trained on, so baselines can't be trained on the "
                "same: omit --baselines"
            )
        config = artifact.info["training"]["config"]
        swaps = Swaps.model_validate(config.get("swaps", {}))
        chosen["tfidf"] = TfIdf(prepare(specs, data_dir=data_dir, swaps=swaps, seed=config["seed"]).train)
        chosen["untuned"] = Untuned(artifact, folder, threads=threads)
    return chosen
