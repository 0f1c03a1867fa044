"""The attributes that can be requested, and the score behind each.

    lookup("TOXICITY_FAST", site={})                                     # "abuse.toxicity"
    lookup("LIKELY_TO_REJECT", site={"LIKELY_TO_REJECT": "spam"})        # "spam"

A site can map further names, or remap these, in its settings (`perspective.attributes`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from parley.model.comment import Prediction
from parley.model.labels import ABUSE, OFF_TOPIC, SPAM
from parley.model.notes import Note

_PLAIN = {name.upper(): f"abuse.{name}" for name in ABUSE} | {"SPAM": SPAM, "OFF_TOPIC": OFF_TOPIC}
BUILT_IN: Mapping[str, str] = {
    **_PLAIN,
    **{f"{name}_EXPERIMENTAL": score for name, score in _PLAIN.items()},
    "TOXICITY_FAST": "abuse.toxicity",
    "STANCE_FAVOR": "stance.favor",
    "STANCE_AGAINST": "stance.against",
    "STORY_CLOSED": Note.STORY_CLOSED.value,
}
"""Attribute to the path of its score in the native answer."""

NEEDS_ARTICLE = (OFF_TOPIC, "stance.favor", "stance.against")

MAX_ATTRIBUTES = 100
"""Limit per request; Perspective never had half as many."""

_VERSION = re.compile(r"@.*")


def without_version(attribute: str) -> str:
    """`TOXICITY@6`, as older clients wrote it, without its version."""
    return _VERSION.sub("", attribute)


def lookup(attribute: str, *, site: Mapping[str, str | None]) -> str | None:
    """The path of the score behind `attribute`; None for an unknown name."""
    name = without_version(attribute)
    return site[name] if name in site else BUILT_IN.get(name)


def left_out(attribute: str, *, site: Mapping[str, str | None]) -> bool:
    """Whether the site maps `attribute` to null: it is omitted instead of failing the request."""
    return site.get(without_version(attribute), "") is None


def score_of(prediction: Prediction, path: str) -> float | None:
    """The score at `path`; for a closed story 1, else 0."""
    return float(path in prediction.notes) if path == Note.STORY_CLOSED else prediction.score(path)
