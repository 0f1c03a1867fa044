"""The New York Times' Room for Debate: VAST, UKP and ARC contain the same reader comments.

The same rules split all three:
- a comment in VAST's dev or test is in dev or test here (the `vast_split` columns); - a debate without a
comment in VAST's training part is held out as a whole: in test if VAST's test has it, else
  in dev. That leaves 146 debates to train off-topic on, and the held-out ones to measure it;
- `debates` has each comment once, under its article, for off-topic; VAST, UKP and ARC give only stances.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from parley.training.data.augmentation.pairs import headlines, swapped
from parley.training.data.examples import Example
from parley.training.data.files import json_lines, table
from parley.training.data.registry import SPLITS, Split, source

_NYT = "; the comments are their authors'"


@dataclass(frozen=True, slots=True)
class Debate:
    """A debate: its URL, the title and description above its comments, and the split it belongs to."""

    url: str
    article: str
    split: Split


def _article(title: str, description: str) -> str:
    return f"{title}\n{description}".strip()


@lru_cache(maxsize=2)
def _debates(stance_dir: Path) -> dict[str, Debate]:
    """UKP's debates by their claims, of which each debate has two opposite ones."""
    seen: dict[Split, set[str]] = {
        split: {row.get("debate_url", "") for row in _vast_rows(stance_dir / "VAST", split)}
        for split in SPLITS
    }
    debates = {}
    for row in _ukp_rows(stance_dir / "UKP-RoomForDebate"):
        url = row["url"]
        split: Split = "train" if url in seen["train"] else "test" if url in seen["test"] else "dev"
        debate = Debate(url, _article(row["title"], row["description"]), split)
        debates[row["stance1"]] = debates[row["stance2"]] = debate
    return debates


def articles(stance_dir: Path, split: Split) -> list[str]:
    """The titles and descriptions of the debates in `split`."""
    return sorted({debate.article for debate in _debates(stance_dir).values() if debate.split == split})


def _vast_rows(folder: Path, split: Split) -> Iterator[dict[str, str]]:
    return json_lines(folder / f"vast_{split}.with_rfd_context.jsonl")


def _ukp_rows(folder: Path) -> Iterator[dict[str, str]]:
    return table(folder / "ukp3365_with_vast_split.tsv", delimiter="\t")


def _split(vast_split: str, debate: Debate | None) -> Split:
    """The split of a comment by the module's rules; `vast_split` is "none" for a comment not in VAST."""
    if vast_split == "dev" or vast_split == "test":
        return "dev" if vast_split == "dev" else "test"
    return debate.split if debate else "train"


@source(
    "vast",
    folder="stance/VAST",
    licence="none stated" + _NYT,
    commercial=False,
    note="noun-phrase targets; dev and test in zero-shot and few-shot slices",
)
def vast(folder: Path, split: Split) -> Iterator[Example]:
    """Reads vast_{train,dev,test}.with_rfd_context.jsonl; a few rows have no debate."""
    for row in _vast_rows(folder, split):
        yield Example(
            text=row["text"],
            source="vast",
            target=row["target"],
            stance=row["label"],
            group=row.get("debate_url"),
            slice=None if split == "train" else "few-shot" if int(row["seen"]) else "zero-shot",
        )


@source(
    "vast_sentswap",
    folder="stance/VAST",
    licence="none stated" + _NYT,
    commercial=False,
    note="test: VAST's test posts with sentiment words swapped for opposites, which keeps the stance",
)
def vast_sentswap(folder: Path, split: Split) -> Iterator[Example]:
    """Reads vast_test-sentswap.csv: each row unchanged (slice original) and swapped (slice swapped)."""
    if split != "test":
        return
    for row in table(folder / "vast_test-sentswap.csv"):
        pairs = [pair for sentence in json.loads(row["change_lst"]) for pair in sentence]
        for slice_, text in (("original", row["post"]), ("swapped", _swap_words(row["post"], pairs))):
            yield Example(
                text=text,
                source="vast_sentswap",
                made_from=row["post"],
                target=row["topic_str"],
                stance="favor" if row["label"] == "1" else "against",
                group=row["new_id"],
                slice=slice_,
            )


def _swap_words(text: str, pairs: list[list[str]]) -> str:
    """The text with each (old, new) pair of words replaced once, in order of appearance."""
    done = 0
    for old, new in pairs:
        if match := re.compile(rf"\b{re.escape(old)}\b", re.IGNORECASE).search(text, done):
            text = text[: match.start()] + new + text[match.end() :]
            done = match.start() + len(new)
    return text


@source(
    "ukp",
    folder="stance/UKP-RoomForDebate",
    licence="Apache-2.0" + _NYT,
    commercial=True,
    note="two opposite claims per comment: favor for the one it takes, against for the other",
)
def ukp(folder: Path, split: Split) -> Iterator[Example]:
    """Reads ukp3365_with_vast_split.tsv (and VAST, for held-out debates); skips comments on both sides."""
    debates = _debates(folder.parent)
    for row in _ukp_rows(folder):
        debate = debates[row["stance1"]]
        if row["annotatedStanceBothSides"] == "True" or _split(row["vast_split"], debate) != split:
            continue
        for claim in (row["stance1"], row["stance2"]):
            yield Example(
                text=row["text"],
                source="ukp",
                target=claim,
                stance="favor" if claim == row["annotatedStance"] else "against",
                group=debate.url,
            )


@source(
    "arc",
    folder="stance/ARC",
    licence="Apache-2.0" + _NYT,
    commercial=True,
    note="claims; discuss and unrelated (pairs made by its authors) become none",
)
def arc(folder: Path, split: Split, *, unrelated: int = 1) -> Iterator[Example]:
    """Reads arc_bodies_with_vast_split.csv and arc_stances.csv (and UKP and VAST for the debates).

    ARC pairs each comment with three unrelated claims, of which the first `unrelated` are used.
    """
    stances = {"agree": "favor", "disagree": "against", "discuss": "none"}
    for body, debate, claims in _arc_comments(folder):
        if _split(body["vast_split"], debate) != split:
            continue
        seen = 0
        for row in claims:
            related = row["Stance"] != "unrelated"
            seen += not related
            if related or seen <= unrelated:
                yield Example(
                    text=body["articleBody"],
                    source="arc",
                    target=row["Headline"],
                    stance=stances.get(row["Stance"], "none"),
                    group=debate.url if debate else None,
                )


def _arc_comments(folder: Path) -> Iterator[tuple[dict[str, str], Debate | None, list[dict[str, str]]]]:
    """Each ARC comment with its debate (None if its claims don't identify one) and its claims."""
    claims: dict[str, list[dict[str, str]]] = {}
    for row in table(folder / "arc_stances.csv"):
        claims.setdefault(row["Body ID"], []).append(row)
    debates = _debates(folder.parent)
    for body in table(folder / "arc_bodies_with_vast_split.csv"):
        rows = claims[body["Body ID"]]
        claim = next((row["Headline"] for row in rows if row["Stance"] != "unrelated"), "")
        yield body, debates.get(claim), rows


@source(
    "debates",
    folder="stance/ARC",
    licence="Apache-2.0" + _NYT,
    commercial=True,
    note="each comment under its debate; dev and test are held-out debates, with swapped articles",
)
def debates(folder: Path, split: Split) -> Iterator[Example]:
    """Each ARC comment once, under its debate's title and description (read from UKP).

    Dev and test are debates that training never sees, plus swapped negatives of each kind. In training the
    comments are labelled neither toxic nor spam, since they passed the paper's moderation; nobody rated them,
    so dev and test have no such labels.
    """
    true = [
        Example(
            text=body["articleBody"],
            source="debates",
            article=debate.article,
            off_topic=0.0,
            labels={"toxicity": 0.0, "spam": 0.0} if split == "train" else {},
            group=debate.url,
            beat="debates",
            slice=None if split == "train" else "true pair",
        )
        for body, debate, _ in _arc_comments(folder)
        if debate and debate.split == split == _split(body["vast_split"], debate)
    ]
    yield from true
    if split != "train":
        yield from swapped(true, seed=0, share=1.0, headlines=headlines(folder.parents[1], split))
