"""The null engine: reads and writes without scoring, to measure what that costs.

Only benchmarks and tests use it, by `parley score --null`, which the help omits.

Every score is the same, with as many digits as real ones, and every comment has the note `null_engine`, so
that nobody mistakes such a file for a scored one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from parley.model.comment import Comment, Prediction, Reply, Stance
from parley.model.labels import ABUSE
from parley.model.text.language import UNDETERMINED

NOTE = "null_engine"
_SCORE = 0.012345
_ABUSE = dict.fromkeys(ABUSE, _SCORE)


@lru_cache(maxsize=1024)
def _stance(target: str) -> Stance:
    return Stance(target=target, favor=_SCORE, against=_SCORE, none=1 - 2 * _SCORE, label="none")


_REPLY = Reply(agree=_SCORE, disagree=_SCORE, none=1 - 2 * _SCORE, label="none")


class NullClassifier:
    """Answers like `model.Classifier`, with the same keys, without reading the comments."""

    info: dict[str, Any] = {"name": "null", "version": "0"}  # noqa: RUF012
    thresholds: dict[str, float] = {}  # noqa: RUF012

    def start(self, comments: Sequence[Comment]) -> Callable[[], list[Prediction]]:
        """Returns a function that answers at once, in place of `model.Classifier.start`'s, which waits."""
        return lambda: [self._answer(comment) for comment in comments]

    def _answer(self, comment: Comment) -> Prediction:
        title = comment.article.title if comment.article else None
        target = comment.target or title
        return Prediction(
            id=comment.id,
            abuse=_ABUSE,
            spam=_SCORE,
            off_topic=_SCORE if title else None,
            stance=_stance(target) if target else None,
            reply=_REPLY if "reply" in comment.ask and comment.parent and comment.parent.text else None,
            language=comment.language or UNDETERMINED,
            notes=(NOTE,),
        )
