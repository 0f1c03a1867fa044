"""What can go wrong in `model`.

ModelError
├── ArtifactError     a saved artifact is missing, incomplete or of another format
└── CommentError      a comment that can't be judged (its message says which field and why)
"""


class ModelError(Exception):
    """Base of every error that `model` raises on purpose; the message says what to do."""


class ArtifactError(ModelError):
    """A saved artifact is missing, incomplete or of another format."""


class CommentError(ModelError, ValueError):
    """A comment that can't be judged."""
