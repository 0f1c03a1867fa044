"""Reddit threads: stance of posts and replies, labelled in context; replies under their thread's headline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from parley.training.data.augmentation.pairs import headlines, swapped
from parley.training.data.examples import Example
from parley.training.data.files import json_lines, table, unmark
from parley.training.data.registry import Split, part, source


@source(
    "spinos",
    folder="stance/SPINOS",
    licence="none stated",
    commercial=False,
    note="eight topics; many replies take no clear stance",
)
def spinos(folder: Path, split: Split) -> Iterator[Example]:
    """Reads spinos.jsonl; split by thread. A slight stance has weight 0.5; undecided ones become none."""
    targets = {"nuclear-energy": "nuclear energy", "climate-change": "Climate change is caused by humans"}
    stances = {"favor": "favor", "s_favor": "favor", "against": "against", "s_against": "against"}
    for row in json_lines(folder / "spinos.jsonl"):
        thread, text = row["top_level_post_id"] or row["index"], _join(row["title"], row["content"])
        if text and part(thread, dev=0.1, test=0.1) == split:
            label = row["annotation"]
            yield Example(
                text=text,
                source="spinos",
                target=targets.get(row["topic"], row["topic"]),
                stance=stances.get(label, "none"),
                weight=0.5 if label.startswith("s_") else 1.0,
                group=thread,
            )


def _join(title: str, content: str) -> str:
    title, content = unmark(title), unmark(content)
    return content if content.startswith(title) else f"{title}\n{content}".strip()


@source(
    "mt_csd",
    folder="stance/MT-CSD",
    licence="none stated",
    commercial=False,
    note="threads on Biden, Bitcoin and SpaceX; a reply's stance may depend on its parent",
)
def mt_csd(folder: Path, split: Split) -> Iterator[Example]:
    """Reads {Biden,Bitcoin,SpaceX}/{train,valid,test}.json, thread paths, with the texts in text.csv."""
    for target, path, text, stance in _paths(folder, split):
        if comment := text.get(path[-1], ""):
            yield Example(
                text=comment,
                source="mt_csd",
                target=target,
                stance=stance,
                group=f"{target} {path[0]}",
                slice="post" if len(path) == 1 else "reply",
            )


@source(
    "thread_headlines",
    folder="stance/MT-CSD",
    licence="none stated",
    commercial=False,
    note="Reddit replies under their thread's headline, to measure off-topic; never trained on",
)
def thread_headlines(folder: Path, split: Split) -> Iterator[Example]:
    """Reads the files of mt_csd: each reply once under its headline, and pairs with swapped headlines.

    They are not labelled by people: a reply deep in a thread may be off topic, so figures on it are a lower
    bound.
    """
    if split == "train":
        return
    true = {}
    for target, path, text, _ in _paths(folder, split):
        reply, headline = text.get(path[-1], ""), text.get(path[0], "")
        if reply and headline and len(path) > 1:
            true[headline, reply] = Example(
                text=reply,
                source="thread_headlines",
                article=headline,
                off_topic=0.0,
                group=f"{target} {path[0]}",
                slice="true pair",
            )
    yield from true.values()
    yield from swapped(true.values(), seed=0, headlines=headlines(folder.parents[1], split))


def _paths(folder: Path, split: Split) -> Iterator[tuple[str, list[str], dict[str, str], str]]:
    """For each row: target, ids from the post down to the labelled comment, texts by id, stance."""
    name = {"train": "train", "dev": "valid", "test": "test"}[split]
    for target in ("Biden", "Bitcoin", "SpaceX"):
        text = {row["id"].strip(): unmark(row["text"]) for row in table(folder / target / "text.csv")}
        for row in json.loads((folder / target / f"{name}.json").read_text(encoding="utf-8")):
            yield target, row["index"], text, row["stance"]
