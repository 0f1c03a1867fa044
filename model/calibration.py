"""Turns logits into calibrated probabilities; `training.evaluation.calibration` fits the parameters.

calibration.json:
    {"comment": {LABEL: {"scale", "bias"}},            sigmoid(scale * logit + bias)        Platt scaling
     "span": {"scale", "bias"},                        the same for each token
     "off_topic": {"pair", "cosine", "bias"},          sigmoid(pair * logit + cosine * cosine + bias)
     "stance": {"scale", "relatedness": [3], "bias": [3]},
                                                      softmax(scale * logits + relatedness * cosine + bias)
     "stance_without_article": as "stance", for a target without an article (default: as with one)
     "reply": {"scale", "bias": [3]}}                  softmax(scale * logits + bias)

Sources: Platt (1999), "Probabilistic outputs for support vector machines"; Guo et al. (2017), "On calibration
of modern neural networks". In addition to the pair's logits, off-topic uses the cosine of the article's and
the comment's embeddings, stance that of the target's and the comment's: embeddings show better than the pair
whether two texts are about the same subject at all (docs/decisions). Under an article most comments take no
side on a given target; where a target comes alone, most comments are about it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.model.labels import COMMENT_LABELS

Floats = NDArray[np.floating[Any]]


def sigmoid(x: Floats) -> Floats:
    """The logistic function, stable for any finite input."""
    return np.asarray(0.5 * (np.tanh(0.5 * x) + 1.0))


def softmax(x: Floats) -> Floats:
    """The softmax over the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


class Calibration:
    """Applies an artifact's calibration. Shapes have rows first, labels last."""

    def __init__(self, values: dict[str, Any]) -> None:
        comment = [values["comment"][label] for label in COMMENT_LABELS]
        self._scale = np.array([c["scale"] for c in comment], dtype=np.float64)
        self._bias = np.array([c["bias"] for c in comment], dtype=np.float64)
        self._span = values["span"]
        self._off_topic = {name: float(values["off_topic"][name]) for name in ("pair", "cosine", "bias")}
        self._stance = values["stance"]
        self._stance_without_article = values.get("stance_without_article", self._stance)
        self._reply = values["reply"]

    def comment(self, logits: Floats) -> Floats:
        """Probabilities for logits (rows, 8), in the order of COMMENT_LABELS."""
        return sigmoid(self._scale * logits + self._bias)

    def span(self, logits: Floats) -> Floats:
        """Probabilities for token logits of any shape."""
        return sigmoid(self._span["scale"] * logits + self._span["bias"])

    def off_topic(self, logits: Floats, cosine: Floats) -> Floats:
        """The probability of off-topic for pair logits and cosines of article and comment, both (rows,)."""
        of = self._off_topic
        return sigmoid(of["pair"] * logits + of["cosine"] * cosine + of["bias"])

    def stance(self, logits: Floats, cosine: Floats, *, article: bool) -> Floats:
        """Probabilities for pair logits (rows, 3) and cosines of target and comment (rows,).

        `article` says whether the pairs had an article.
        """
        of = self._stance if article else self._stance_without_article
        related = np.asarray(of["relatedness"]) * cosine[:, None]
        return softmax(of["scale"] * logits + related + np.asarray(of["bias"]))

    def reply(self, logits: Floats) -> Floats:
        """Probabilities for pair logits of parent and comment, (rows, 3)."""
        return softmax(self._reply["scale"] * logits + np.asarray(self._reply["bias"]))
