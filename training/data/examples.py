"""The type `Example`, into which every source is read.

Example(text="Well argued.", source="mine", labels={"toxicity": 0.0})
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from parley.model.labels import COMMENT_LABELS, REPLIES, STANCES

NOT_ENTAILED = "not_entailed"
"""The stance of a premise that doesn't entail its hypothesis, if it is unknown whether it contradicts it."""
SIDES = (*STANCES, NOT_ENTAILED)
"""Values of `Example.stance`."""
TURNED = {"favor": "against", "against": "favor", "none": "none"}
"""The stance towards a target's opposite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A comment with its labels. A label that the source doesn't give is missing, and the loss masks it.

    `article` is the title the comment is paired with, followed by a newline and the description, if any.
    `off_topic` is the label of that pair, from 0.0 (the comment's own article) to 1.0 (another debate's), and
    needs the article. `labels` maps labels of the comment pass to targets in [0, 1], soft where raters
    disagreed. `stance` is one of `SIDES` and needs `target`; a row with an article as well trains both stance
    and off_topic. `reply` is one of `REPLIES`, towards `parent`, the text of the comment replied to. `spans`
    are the (start, end) of toxic spans in characters of `text`: None if they were not annotated, () if
    annotators marked none. Examples of a `group` (a debate, a video, an article) stay in the same split;
    `beat` is shared by similar articles (a forum, a day, a pair of stories), from which near negatives are
    drawn. `slice` names a part of a test that is reported separately. `made_from` is the original of an
    altered text. `weight` 0.0 marks an unlabelled pair for a teacher to label: its stance or off_topic is a
    placeholder.
    """

    text: str
    source: str
    article: str | None = None
    target: str | None = None
    parent: str | None = None
    labels: Mapping[str, float] = field(default_factory=dict)
    stance: str | None = None
    off_topic: float | None = None
    reply: str | None = None
    spans: tuple[tuple[int, int], ...] | None = None
    weight: float = 1.0
    group: str | None = None
    beat: str | None = None
    slice: str | None = None
    made_from: str | None = None

    def __post_init__(self) -> None:
        if unknown := self.labels.keys() - set(COMMENT_LABELS):
            raise ValueError(f"{self.source}: unknown labels {sorted(unknown)}; known are {COMMENT_LABELS}")
        if not all(0.0 <= value <= 1.0 for value in self.labels.values()):
            raise ValueError(f"{self.source}: labels must be in [0, 1], got {dict(self.labels)}")
        if self.stance is not None and (self.stance not in SIDES or not self.target):
            raise ValueError(f"{self.source}: stance {self.stance!r} needs a target and must be in {SIDES}")
        if self.reply is not None and (self.reply not in REPLIES or not self.parent):
            raise ValueError(f"{self.source}: reply {self.reply!r} needs a parent and must be in {REPLIES}")
        if self.off_topic is not None and not (self.article and 0.0 <= self.off_topic <= 1.0):
            raise ValueError(
                f"{self.source}: off_topic {self.off_topic} needs an article and must be in [0, 1]"
            )
        if any(not 0 <= start < end <= len(self.text) for start, end in self.spans or ()):
            raise ValueError(f"{self.source}: a span lies outside the text: {self.spans}")


def reworded(example: Example, text: str, *, slice: str) -> Example:
    """The example with another text and only its labels kept."""
    return replace(
        example,
        text=text,
        slice=slice,
        made_from=example.text,
        spans=None,
        article=None,
        off_topic=None,
        target=None,
        stance=None,
        parent=None,
        reply=None,
    )


def alone(example: Example) -> Example:
    """The example with only its text."""
    return replace(reworded(example, example.text, slice=""), labels={}, slice=None, made_from=None)
