"""Stance of Reddit posts and replies, judged inside their thread."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from training.examples import Example
from training.sources.files import json_lines, table, unmark
from training.sources.registry import Split, part, source


@source(
    "spinos",
    folder="stance/SPINOS",
    licence="none stated",
    commercial=False,
    note="eight topics; many replies don't say where they stand",
)
def spinos(folder: Path, split: Split) -> Iterator[Example]:
    """Reads spinos.jsonl; split by thread. A slight stance counts half; what raters left open is none."""
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
    note="threads on Biden, Bitcoin and SpaceX; a reply's stance may hang on what it replies to",
)
def mt_csd(folder: Path, split: Split) -> Iterator[Example]:
    """Reads {Biden,Bitcoin,SpaceX}/{train,valid,test}.json, thread paths, with the texts in text.csv."""
    name = {"train": "train", "dev": "valid", "test": "test"}[split]
    for target in ("Biden", "Bitcoin", "SpaceX"):
        text = {row["id"].strip(): unmark(row["text"]) for row in table(folder / target / "text.csv")}
        for row in json.loads((folder / target / f"{name}.json").read_text(encoding="utf-8")):
            path = row["index"]
            if own := text.get(path[-1], ""):
                yield Example(
                    text=own,
                    source="mt_csd",
                    target=target,
                    stance=row["stance"],
                    group=f"{target} {path[0]}",
                    slice="post" if len(path) == 1 else "reply",
                )
