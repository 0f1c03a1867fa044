"""What a comment, a label and a prediction are; the saved artifact; the engine that runs it.

from model import Classifier, Comment
classifier = Classifier.load()
classifier.predict([Comment(text="What nonsense.")])
"""

from model.artifact import Artifact
from model.classifier import Classifier
from model.comment import Article, Comment, Parent, Prediction, Span, Stance
from model.errors import ArtifactError, CommentError, ModelError
from model.notes import Note

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
