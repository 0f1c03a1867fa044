"""News stories with labelled comments, written for Parley and kept in the repository.

Stories of a file stand in pairs of one beat. Of those in training/data/stories dev is the last pair of each
file, train the others: comments of one story give each other away. Those in training/data/more_stories are
for training alone. Some files are plain (short, direct), the others finer (implied, ironic, longer);
`slice` tells them apart.

Beside them lie statements.tsv, short comments whose side is plain, on some 300 targets, and answers.tsv,
comments and what others answer them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parley.training.data.examples import TURNED, Example
from parley.training.data.files import json_lines
from parley.training.data.registry import Split, source

PLAIN = frozenset(map(str, (10, *range(12, 20), *range(21, 27), 30, 31, 33, 36, 37, 39, 40, 45)))
"""The files of either folder that are plain."""
MORE = "more_stories"
"""The folder of those that are for training alone."""
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
"""One pair of contrasts in so many is dev."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryComment:
    """A comment and its labels: a stance on each of the story's targets; `parent`, `reply` of an answer."""

    text: str
    stances: tuple[str, ...]
    topic: str
    abuse: str
    parent: str | None
    reply: str | None

    @property
    def off_topic(self) -> bool:
        """Whether it has nothing to do with the article; a tangent that the article raises still has."""
        return self.topic == "off"


@dataclass(slots=True, kw_only=True)
class Story:
    """A news story; `pair` names the two of one beat."""

    id: str
    pair: str
    plain: bool
    title: str = ""
    paragraphs: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    comments: list[StoryComment] = field(default_factory=list)

    @property
    def article(self) -> str:
        """The title, and the lede below it."""
        return f"{self.title}\n{self.paragraphs[0]}"

    @property
    def slice(self) -> str:
        """The slice of the evaluation that it belongs to."""
        return "plain" if self.plain else "finer"


def read_stories(folder: Path, split: Split) -> list[Story]:
    """The stories of a split, the two of a pair behind each other. Raises ValueError naming a wrong line."""
    found, more = [], folder.name == MORE
    for path in sorted(folder.glob("*.txt")):
        stories = _parse(path)
        if len(stories) < 2 or len(stories) % 2:
            raise ValueError(f"{path} has {len(stories)} stories; they come in pairs")
        last = len(stories) if more else len(stories) - 2
        found += {"train": stories[:last], "dev": stories[last:], "test": []}[split]
    if not found and split in (("train",) if more else ("train", "dev")):
        raise ValueError(f"no story for {split} in {folder}/*.txt")
    return found


def _named(name: str, folder: Path) -> str:
    """The source's name: one reader reads both folders."""
    return f"more_{name}" if folder.name == MORE else name


def _parse(path: Path) -> list[Story]:
    """The stories of one file: `#` begins one, `T:` title, `A:` paragraph, `1+` target, `[...]` comment."""
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
            raise ValueError(f"{path}:{number}: a line before the first story, which begins with '# '")
        elif mark == "T: ":
            stories[-1].title = rest
        elif mark == "A: ":
            stories[-1].paragraphs.append(rest)
        elif target := _TARGET.fullmatch(line):
            stories[-1].targets.append(target["text"].strip())
        elif comment := _COMMENT.fullmatch(line):
            stories[-1].comments.append(_comment(comment, stories[-1].comments, f"{path}:{number}"))
        else:
            raise ValueError(f"{path}:{number}: no line of a story (see README.md there): {line[:60]!r}")
    _check_whole(stories, path)
    return stories


def _check_whole(stories: Sequence[Story], path: Path) -> None:
    """Raises ValueError naming a story that lacks something."""
    for story in stories:
        if not (story.title and story.paragraphs and story.comments and len(story.targets) == 4):
            raise ValueError(
                f"{path}: story {story.id} needs a title, a paragraph, four targets and comments"
            )


def _comment(match: re.Match[str], above: Sequence[StoryComment], where: str) -> StoryComment:
    parent = int(match["parent"] or 0)
    if parent > len(above):
        raise ValueError(f"{where}: answers comment {parent}, which is not above it")
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
    note="synthetic: further stories, for training alone",
)
@source(
    "stories",
    folder="stories",
    licence="Apache-2.0",
    commercial=True,
    note="synthetic news stories: stance on four targets each, off-topic; a tangent counts as on topic",
)
def stories(folder: Path, split: Split) -> Iterator[Example]:
    """Reads *.txt: a row for each comment and target. Dev has each comment that is on topic under its own
    story, the twin and another one as well (slices own, twin and other)."""
    found, name = read_stories(folder, split), _named("stories", folder)
    for place, story in enumerate(found):
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
                under = shown_under(found, place, number)
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


def shown_under(found: Sequence[Story], place: int, number: int) -> list[Story]:
    """The story of a comment, its twin, and a story of another pair, which takes turns by the comment's
    number."""
    others = len(found) // 2 - 1
    shown = [found[place], found[place ^ 1]]
    if others:
        shown.append(found[(place + 2 * (1 + number % others)) % len(found)])
    return shown


@source(
    "more_story_comments",
    folder=MORE,
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: the comments of further stories, for training alone",
)
@source(
    "story_comments",
    folder="stories",
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: abuse under news; harsh words on ideas, quoted abuse and swearing at nobody are allowed",
)
def story_comments(folder: Path, split: Split) -> Iterator[Example]:
    """Reads *.txt: the comments alone; `slice` is the kind of abuse, or of what is allowed."""
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
    """What a kind says of each label; what it leaves open is missing."""
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
    note="synthetic: the replies of further stories, for training alone",
)
@source(
    "story_replies",
    folder="stories",
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: whether an answer agrees with the comment above it",
)
def story_replies(folder: Path, split: Split) -> Iterator[Example]:
    """Reads *.txt: the comments that answer another."""
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
    "contrasts",
    folder="stories",
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: texts alike in wording whose abuse differs (threat or figure of speech, quoted or said)",
)
def contrasts(folder: Path, split: Split) -> Iterator[Example]:
    """Reads contrasts.jsonl; every sixth pair is dev. `slice` is the kind of contrast."""
    for row in json_lines(folder / "contrasts.jsonl"):
        own: Split = "train" if int(row["pair"].removeprefix("p")) % _DEV_PAIRS else "dev"
        if own == split:
            labels = {
                name: float(row[name]) for name in ("toxicity", "insult", "threat", "profanity", "spam")
            }
            yield Example(
                text=row["text"], source="contrasts", labels=labels, group=row["pair"], slice=row["kind"]
            )


@source(
    "statements",
    folder=MORE,
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: short comments with a plain side, each asked for its target and for that turned round",
)
def statements(folder: Path, split: Split) -> Iterator[Example]:
    """Reads statements.tsv: a title and its targets, the second the first turned round, and comments."""
    if split != "train":
        return
    for (title, *targets), sign, text in _blocks(folder / "statements.tsv"):
        stance = _SIGNS[sign]
        for target, side in zip(targets, (stance, TURNED[stance]), strict=False):
            yield Example(
                text=text, source="statements", article=title, target=target, stance=side, group=title
            )


@source(
    "answers",
    folder=MORE,
    licence="Apache-2.0",
    commercial=True,
    note="synthetic: whether an answer agrees with the comment above it; many to one comment",
)
def answers(folder: Path, split: Split) -> Iterator[Example]:
    """Reads answers.tsv: a comment, and what others answer."""
    if split != "train":
        return
    for (parent, *_), sign, text in _blocks(folder / "answers.tsv"):
        yield Example(text=text, source="answers", parent=parent, reply=_ANSWERS[sign], group=parent)


def _blocks(path: Path) -> Iterator[tuple[list[str], str, str]]:
    """What a block is about, and sign and text of each of its comments. Raises ValueError for a wrong line.

    A line is a sign, a tab and a text: `=` begins a block, `+`, `-` and `0` are comments of it.
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
