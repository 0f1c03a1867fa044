"""News stories with labelled comments, written for Parley and kept in the repository.

A file's stories come in pairs on the same beat. In training/data/stories the last pair of each file is dev
and the others are train, so that comments on one story never fall into both. Those in
training/data/more_stories are for training only. Some files are plain (short and direct comments), the others
finer (implied, ironic, longer); `slice` says which.

more_stories also has statements.tsv, short comments with their targets; functional.tsv, explicit ones in
similar words; contrasts.jsonl, abuse beside similar words; and answers.tsv, comments with replies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parley.model.labels import COMMENT_LABELS
from parley.training.data.examples import TURNED, Example
from parley.training.data.files import json_lines
from parley.training.data.registry import Split, source

PLAIN = frozenset(
    map(
        str,
        (
            *(10, *range(12, 20), *range(21, 27), 30, 31, 33, 36, 37, 39, 40, 45),
            *(
                *range(48, 52),
                54,
                55,
                *range(57, 63),
                *range(66, 70),
                *range(72, 77),
                *range(79, 85),
                87,
                88,
                93,
                94,
            ),
        ),
    )
)
"""The plain files in both folders."""
MORE = "more_stories"
"""The folder of the stories for training only."""
ALLOWED = ("ok", "harsh", "self", "quote", "crude")
ABUSIVE = ("rude", "veiled", "threat")
_SIGNS = {"+": "favor", "-": "against", "0": "none"}
_ANSWERS = {"+": "agree", "-": "disagree", "0": "none"}
_COMMENT = re.compile(
    r"\[(?:>(?P<parent>\d+) (?P<reply>agree|disagree|none) )?(?P<signs>[+\-0]{4}) (?P<topic>on|tangent|off) "
    rf"(?P<abuse>{'|'.join((*ALLOWED, *ABUSIVE, 'spam'))})\] (?P<text>.*\S)\s*"
)
_TARGET = re.compile(r"[1-4][+\- ] ?(?P<text>\S.*)")
_DEV_PAIRS = 6
"""One pair of contrasts in this many is dev."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryComment:
    """A comment with its labels and a stance on each target; a reply also has `parent` and `reply`."""

    text: str
    stances: tuple[str, ...]
    topic: str
    abuse: str
    parent: str | None
    reply: str | None

    @property
    def off_topic(self) -> bool:
        """Whether it has nothing to do with the article; a tangent still counts as on topic."""
        return self.topic == "off"


@dataclass(slots=True, kw_only=True)
class Story:
    """A news story; the two stories of a pair have the same `pair`."""

    id: str
    pair: str
    plain: bool
    title: str = ""
    paragraphs: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    comments: list[StoryComment] = field(default_factory=list)

    @property
    def article(self) -> str:
        """The title and the lede, on separate lines."""
        return f"{self.title}\n{self.paragraphs[0]}"

    @property
    def slice(self) -> str:
        """The slice of the evaluation that the story belongs to."""
        return "plain" if self.plain else "finer"


def read_stories(folder: Path, split: Split) -> list[Story]:
    """The stories of `split`, the two of a pair next to each other. Raises ValueError naming a bad line."""
    chosen, more = [], folder.name == MORE
    for path in sorted(folder.glob("*.txt")):
        stories = _parse(path)
        if len(stories) < 2 or len(stories) % 2:
            raise ValueError(f"{path} has {len(stories)} stories; they come in pairs")
        last = len(stories) if more else len(stories) - 2
        chosen += {"train": stories[:last], "dev": stories[last:], "test": []}[split]
    if not chosen and split in (("train",) if more else ("train", "dev")):
        raise ValueError(f"no story for {split} in {folder}/*.txt")
    return chosen


def _named(name: str, folder: Path) -> str:
    """The source's name, as one reader serves both folders."""
    return f"more_{name}" if folder.name == MORE else name


def _parse(path: Path) -> list[Story]:
    """The stories in a file: `#` starts a story, `T:` title, `A:` paragraph, `1+` target, `[...]` comment."""
    stories: list[Story] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        mark, rest = line[:3], line[3:].strip()
        if not line.strip():
            continue
        if line.startswith("# "):
            name = line[2:].split("|")[0].strip()
            pair = f"{path.stem}-{len(stories) // 2 + 1:02d}"
            stories.append(Story(id=name, pair=pair, plain=path.stem in PLAIN))
        elif not stories:
            raise ValueError(f"{path}:{number}: line before the first story; start a story with '# '")
        elif mark == "T: ":
            stories[-1].title = rest
        elif mark == "A: ":
            stories[-1].paragraphs.append(rest)
        elif target := _TARGET.fullmatch(line):
            stories[-1].targets.append(target["text"].strip())
        elif comment := _COMMENT.fullmatch(line):
            stories[-1].comments.append(_comment(comment, stories[-1].comments, f"{path}:{number}"))
        else:
            raise ValueError(f"{path}:{number}: invalid line (README.md there has the format): {line[:60]!r}")
    _check_whole(stories, path)
    return stories


def _check_whole(stories: Sequence[Story], path: Path) -> None:
    """Raises ValueError naming an incomplete story."""
    for story in stories:
        if not (story.title and story.paragraphs and story.comments and len(story.targets) == 4):
            raise ValueError(
                f"{path}: story {story.id} needs a title, a paragraph, four targets and comments"
            )


def _comment(match: re.Match[str], above: Sequence[StoryComment], where: str) -> StoryComment:
    parent = int(match["parent"] or 0)
    if parent > len(above):
        raise ValueError(f"{where}: replies to comment {parent}, which is not above it")
    return StoryComment(
        text=match["text"],
        stances=tuple(_SIGNS[sign] for sign in match["signs"]),
        topic=match["topic"],
        abuse=match["abuse"],
        parent=above[parent - 1].text if parent else None,
        reply=match["reply"],
    )


@source(
    "more_stories",
    folder=MORE,
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: more stories, for training only",
)
@source(
    "stories",
    folder="stories",
    licence="Apache-2.0",
    commercial=True,
    note="synthetic news stories: stance on four targets each, and off-topic; a tangent counts as on topic",
)
def stories(folder: Path, split: Split) -> Iterator[Example]:
    """Reads *.txt: a row for each comment and target.

    Dev also has each on-topic comment under its own story, the other of the pair and one of another pair
    (slices own, twin and other).
    """
    chosen, name = read_stories(folder, split), _named("stories", folder)
    for place, story in enumerate(chosen):
        for number, comment in enumerate(story.comments):
            for target, stance in zip(story.targets, comment.stances, strict=True):
                yield Example(
                    text=comment.text,
                    source=name,
                    article=story.article,
                    target=target,
                    stance=stance,
                    off_topic=float(comment.off_topic),
                    group=story.pair,
                    beat=story.pair,
                    slice=story.slice,
                )
            if split == "dev" and comment.topic == "on":
                under = shown_under(chosen, place, number)
                for under_which, beside in zip(("own", "twin", "other"), under, strict=False):
                    yield Example(
                        text=comment.text,
                        source=name,
                        article=beside.article,
                        off_topic=float(under_which != "own"),
                        group=story.pair,
                        beat=beside.pair,
                        slice=under_which,
                    )


def shown_under(stories: Sequence[Story], place: int, number: int) -> list[Story]:
    """The story at `place`, the other of its pair, and one of another pair, which rotates with `number`."""
    others = len(stories) // 2 - 1
    shown = [stories[place], stories[place ^ 1]]
    if others:
        shown.append(stories[(place + 2 * (1 + number % others)) % len(stories)])
    return shown


@source(
    "more_story_comments",
    folder=MORE,
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: the comments of more_stories, for training only",
)
@source(
    "story_comments",
    folder="stories",
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: abuse under news; attacks on ideas, quoted abuse and swearing at nobody are allowed",
)
def story_comments(folder: Path, split: Split) -> Iterator[Example]:
    """Reads *.txt, only the comments; `slice` is the kind of abuse or of allowed remark."""
    for story in read_stories(folder, split):
        for comment in story.comments:
            yield Example(
                text=comment.text,
                source=_named("story_comments", folder),
                labels=_labels(comment.abuse),
                group=story.pair,
                slice=comment.abuse,
            )


def _labels(kind: str) -> dict[str, float]:
    """The labels that a kind implies; the others are missing."""
    labels = {"spam": float(kind == "spam"), "threat": float(kind == "threat")}
    if kind not in ABUSIVE:
        labels |= dict.fromkeys(("severe_toxicity", "identity_attack", "sexually_explicit"), 0.0)
    if kind != "spam":
        labels["toxicity"] = {"veiled": 0.9}.get(kind, float(kind in ABUSIVE))
    if kind != "threat":
        labels["insult"] = float(kind in ("rude", "veiled"))
    if kind in ("ok", "self", "crude"):
        labels["profanity"] = float(kind == "crude")
    return labels


@source(
    "more_story_replies",
    folder=MORE,
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: the replies of more_stories, for training only",
)
@source(
    "story_replies",
    folder="stories",
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: whether a reply agrees with the comment above it",
)
def story_replies(folder: Path, split: Split) -> Iterator[Example]:
    """Reads *.txt, only comments that reply to another."""
    for story in read_stories(folder, split):
        for comment in story.comments:
            if comment.parent is not None:
                yield Example(
                    text=comment.text,
                    source=_named("story_replies", folder),
                    parent=comment.parent,
                    reply=comment.reply,
                    group=story.pair,
                    slice=story.slice,
                )


@source(
    "more_contrasts",
    folder=MORE,
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: contrasts for training only, half of them on groups of people and on polite contempt",
)
@source(
    "contrasts",
    folder="stories",
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: similar texts, one abusive and one not (threat or figure of speech, said or quoted)",
)
def contrasts(folder: Path, split: Split) -> Iterator[Example]:
    """Reads contrasts.jsonl; of `stories` every sixth pair is dev. `slice` is the kind of contrast."""
    more = folder.name == MORE
    for row in json_lines(folder / "contrasts.jsonl"):
        its_split: Split = "train" if more or int(row["pair"].removeprefix("p")) % _DEV_PAIRS else "dev"
        if its_split == split:
            yield Example(
                text=row["text"],
                source=_named("contrasts", folder),
                labels={name: float(row[name]) for name in COMMENT_LABELS if name in row},
                group=row["pair"],
                slice=row["kind"],
            )


@source(
    "statements",
    folder=MORE,
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: short comments with an obvious side, each with its target and with the opposite one",
)
def statements(folder: Path, split: Split) -> Iterator[Example]:
    """Reads statements.tsv: a title, a target and its opposite, and comments."""
    if split == "train":
        yield from _statements(folder / "statements.tsv", "statements")


@source(
    "functional",
    folder=MORE,
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: explicit sides in similar words (negation, comparison, reported opinion and the like)",
)
def functional(folder: Path, split: Split) -> Iterator[Example]:
    """Reads functional.tsv, of the same format."""
    if split == "train":
        yield from _statements(folder / "functional.tsv", "functional")


def _statements(path: Path, name: str) -> Iterator[Example]:
    for (title, *targets), sign, text in _blocks(path):
        stance = _SIGNS[sign]
        for target, side in zip(targets, (stance, TURNED[stance]), strict=False):
            yield Example(text=text, source=name, article=title, target=target, stance=side, group=title)


@source(
    "answers",
    folder=MORE,
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: whether a reply agrees with its parent; many replies to one comment",
)
def answers(folder: Path, split: Split) -> Iterator[Example]:
    """Reads answers.tsv: comments with their replies."""
    if split != "train":
        return
    for (parent, *_), sign, text in _blocks(folder / "answers.tsv"):
        yield Example(text=text, source="answers", parent=parent, reply=_ANSWERS[sign], group=parent)


def _blocks(path: Path) -> Iterator[tuple[list[str], str, str]]:
    """For each comment the header of its block, its sign and its text. Raises ValueError for a bad line.

    A line is a sign, a tab and a text: `=` starts a block with its header; `+`, `-` and `0` are its comments.
    """
    about: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        sign, _, rest = line.partition("\t")
        if sign == "=" and rest:
            about = rest.split("\t")
        elif sign in _SIGNS and rest and about:
            yield about, sign, rest
        elif line:
            raise ValueError(f"{path}:{number}: a line is a sign (= + - 0), a tab and a text: {line[:60]!r}")
