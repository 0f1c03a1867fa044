"""The errors that `model` raises.

ModelError
├── ArtifactError     a saved artifact is missing, incomplete or in another format
└── CommentError      a comment can't be scored; the message says which field and why
"""


class ModelError(Exception):
    """Base class of all errors that `model` raises on purpose; the message says what to do."""


class ArtifactError(ModelError):
    """A saved artifact is missing, incomplete or in another format."""


class CommentError(ModelError, ValueError):
    """A comment can't be scored."""
