"""The input and the output: `Comment` and `Prediction`, plain frozen dataclasses.

Comment(text="Stop being a world cop.", article=Article(title="US, Russia at odds"))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from parley.model.labels import ABUSE, OFF_TOPIC, SPAM, STANCES

TextFormat = Literal["plain", "html", "markdown"]
Question = Literal["reply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """The article a comment is on; off-topic needs its title or text."""

    id: str | None = None
    url: str | None = None
    title: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The comment replied to."""

    id: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A reader's comment and its context.

    `target` is what the stance is towards; by default the article's title. `language` is declared by the
    caller (BCP 47); `format` is the markup of `text`. `ask` names optional labels: "reply", which needs the
    parent's text.
    """

    text: str
    id: str | None = None
    article: Article | None = None
    parent: Parent | None = None
    target: str | None = None
    language: str | None = None
    format: TextFormat = "plain"
    ask: tuple[Question, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of the text as sent: `start` inclusive, `end` exclusive, in characters (code points)."""

    start: int
    end: int
    label: str
    score: float

    def to_dict(self) -> dict[str, Any]:
        """The span as JSON-ready values."""
        return {"start": self.start, "end": self.end, "label": self.label, "score": self.score}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stance:
    """Probabilities of the three stances towards `target`, and the likeliest as `label`.

    `label` is None if the likeliest is a side that is not likely enough to be named.
    """

    target: str
    favor: float
    against: float
    none: float
    label: str | None

    @property
    def likeliest(self) -> str:
        """The likeliest stance, named or not."""
        return max(STANCES, key=lambda name: float(getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        """The stance as JSON-ready values."""
        return {
            "target": self.target,
            "favor": self.favor,
            "against": self.against,
            "none": self.none,
            "label": self.label,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Probabilities that the comment agrees with its parent, disagrees or neither, and the likeliest."""

    agree: float
    disagree: float
    none: float
    label: str

    def to_dict(self) -> dict[str, Any]:
        """The reply as JSON-ready values."""
        return {"agree": self.agree, "disagree": self.disagree, "none": self.none, "label": self.label}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The model's answer for one comment. Scores are calibrated probabilities in [0, 1].

    `off_topic`, `stance` and `reply` are None if their input is missing; `notes` then says why (see
    `parley.model.notes`). `reply` is also None if it wasn't asked for. Spans are in characters of the text as
    sent.
    """

    id: str | None
    abuse: dict[str, float]
    spam: float
    off_topic: float | None
    stance: Stance | None
    reply: Reply | None = None
    spans: tuple[Span, ...] = ()
    language: str | None = None
    notes: tuple[str, ...] = field(default=())

    def score(self, name: str) -> float | None:
        """A score by its label or its path in the answer: `threat`, `abuse.threat`, `spam`, `stance.favor`.

        None if the comment couldn't be scored for it. Raises KeyError for an unknown name.
        """
        if name == SPAM:
            return self.spam
        if name == OFF_TOPIC:
            return self.off_topic
        group, _, inner = name.rpartition(".")
        if group == "stance" and inner in STANCES:
            return None if self.stance is None else float(getattr(self.stance, inner))
        if group not in ("", "abuse") or inner not in ABUSE:
            raise KeyError(name)
        return self.abuse.get(inner)

    def to_dict(self) -> dict[str, Any]:
        """The prediction as JSON-ready values, with the keys of the REST answer."""
        # Spelt out, because dataclasses.asdict took half the time of writing a dump's scores.
        return {
            "id": self.id,
            "abuse": dict(self.abuse),
            "spam": self.spam,
            "off_topic": self.off_topic,
            "stance": None if self.stance is None else self.stance.to_dict(),
            "reply": None if self.reply is None else self.reply.to_dict(),
            "spans": [span.to_dict() for span in self.spans],
            "language": self.language,
            "notes": list(self.notes),
        }


class Predictor(Protocol):
    """Anything that predicts: a Classifier, or a baseline."""

    def predict(self, comments: Sequence[Comment]) -> list[Prediction]:
        """One prediction per comment, in the same order."""
