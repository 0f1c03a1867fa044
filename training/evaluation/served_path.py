"""Runs examples through the serving code, for calibration and evaluation.

for example, prediction in zip(examples, predict(classifier, examples)): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from parley.model.comment import Article, Comment, Parent, Prediction, Predictor
from parley.model.labels import ABUSE, SPAM
from parley.training.data.examples import Example

CHUNK = 512


def predict(
    classifier: Predictor, examples: Sequence[Example], *, on_progress: Callable[[int], object] | None = None
) -> list[Prediction]:
    """One prediction per example, in order; `on_progress` is called with the number newly done.

    Equal texts (a comment with several targets) are predicted together, so that each is read once.
    """
    order = sorted(range(len(examples)), key=lambda i: examples[i].text)
    predictions: dict[int, Prediction] = {}
    for start in range(0, len(examples), CHUNK):
        chunk = order[start : start + CHUNK]
        answers = classifier.predict([comment(examples[i]) for i in chunk])
        predictions.update(zip(chunk, answers, strict=True))
        if on_progress is not None:
            on_progress(len(chunk))
    return [predictions[i] for i in range(len(examples))]


def comment(example: Example) -> Comment:
    """The comment as a caller would send it, with a target only for stance and a parent only for reply."""
    return Comment(
        text=example.text,
        article=Article(text=example.article) if example.article is not None else None,
        target=example.target if example.stance is not None else None,
        parent=Parent(text=example.parent) if example.reply is not None else None,
        ask=("reply",) if example.reply is not None else (),
        language="en",
    )


def known(examples: Iterable[Example]) -> list[str]:
    """The labels of the comment pass that at least one of `examples` has."""
    labels = {label for example in examples for label in example.labels}
    return [label for label in (*ABUSE, SPAM) if label in labels]
