"""The errors that `model` raises.

ModelError
├── ArtifactError     a saved artifact is missing, incomplete or in another format
└── CommentError      a comment can't be judged (the message says which field and why)
"""


class ModelError(Exception):
    """Base of all errors that `model` raises deliberately; the message says what to do."""


class ArtifactError(ModelError):
    """A saved artifact is missing, incomplete or in another format."""


class CommentError(ModelError, ValueError):
    """A comment can't be judged."""
