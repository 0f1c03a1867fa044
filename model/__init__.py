"""Comments, labels and predictions; the saved artifact; the engine that runs it.

from parley.model import Classifier, Comment
classifier = Classifier.load()
classifier.predict([Comment(text="What nonsense.")])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from parley.model.artifact import Artifact
from parley.model.comment import Article, Comment, Parent, Prediction, Reply, Span, Stance
from parley.model.errors import ArtifactError, CommentError, ModelError
from parley.model.notes import Note

if TYPE_CHECKING:
    from parley.model.classifier import Classifier

__all__ = [
    "Article",
    "Artifact",
    "ArtifactError",
    "Classifier",
    "Comment",
    "CommentError",
    "ModelError",
    "Note",
    "Parent",
    "Prediction",
    "Reply",
    "Span",
    "Stance",
]


def __getattr__(name: str) -> Any:
    """Import the classifier, and with it the engine, on first use: `parley --help` doesn't need them."""
    if name == "Classifier":
        from parley.model.classifier import Classifier

        return Classifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
