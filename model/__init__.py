"""What a comment, a label and a prediction are; the saved artifact; the engine that runs it.

from model import Classifier, Comment
classifier = Classifier.load()
classifier.predict([Comment(text="What nonsense.")])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from model.artifact import Artifact
from model.comment import Article, Comment, Parent, Prediction, Span, Stance
from model.errors import ArtifactError, CommentError, ModelError
from model.notes import Note

if TYPE_CHECKING:
    from model.classifier import Classifier

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
    "Span",
    "Stance",
]


def __getattr__(name: str) -> Any:
    """Imports the classifier, and the engine with it, when first asked for: `parley --help` never does."""
    if name == "Classifier":
        from model.classifier import Classifier

        return Classifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
