"""The notes of a prediction: why an answer is null or doubtful.

The codes are part of the answer format: once published, a code keeps its meaning.
"""

from __future__ import annotations

from enum import StrEnum


class Note(StrEnum):
    """A note's code; `meaning` explains it in a sentence."""

    meaning: str

    EMPTY_TEXT = (
        "empty_text",
        "The text has no letter and no digit, so off_topic, stance and reply are null.",
    )
    NO_ARTICLE = ("no_article", "The comment came without an article title or text, so off_topic is null.")
    NO_TARGET = ("no_target", "The comment came without a target or article title, so stance is null.")
    STANCE_UNSURE = (
        "stance_unsure",
        "The likeliest stance is a side, but too unlikely to be named, so stance.label is null.",
    )
    STANCE_TEXT_CUT = (
        "stance_text_cut",
        "Comment or target is too long to be read whole with the other: stance is that of the beginning.",
    )
    NO_PARENT = ("no_parent", "The comment came without its parent's text, so reply is null.")
    REPLY_TEXT_CUT = (
        "reply_text_cut",
        "Comment or parent is too long to be read whole with the other: reply is that of the beginning.",
    )
    LANGUAGE_NOT_SUPPORTED = (
        "language_not_supported",
        "The model was not trained on the comment's language: its scores are guesses.",
    )

    STORY_CLOSED = (
        "story_closed",
        "The comment is on a story that takes no more comments; set by the service, not the model.",
    )

    def __new__(cls, code: str, meaning: str) -> Note:
        """Create the member from its code and meaning."""
        note = str.__new__(cls, code)
        note._value_ = code
        note.meaning = meaning
        return note
