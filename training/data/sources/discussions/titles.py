"""Comments under the title they were written for, taken as on topic.

They are not labelled by people, and a few are off topic. Each has a `beat`, from which near negatives are
drawn (parley.training.data.augmentation.contexts); dev and test already contain such negatives.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from parley.training.data.augmentation.contexts import under_other_titles
from parley.training.data.examples import Example
from parley.training.data.files import json_file, json_lines, unmark
from parley.training.data.registry import Split, part, source

_FEWEST_WORDS = 5
_DESCRIPTION = 400
"""Characters of an article's text kept after its title."""


@source(
    "news_posts",
    folder="offtopic/news-posts",
    licence="none stated",
    commercial=False,
    note="comments under headlines on Reddit and under MetaFilter posts",
)
def news_posts(folder: Path, split: Split) -> Iterator[Example]:
    """Reads comments.jsonl.gz, except YouTube comments, which are in many languages; split by title."""
    rows = (
        _under(row["comment"], row["title"], source="news_posts", beat=f"news_posts {row['source']}")
        for row in json_lines(folder / "comments.jsonl.gz")
        if "youtube" not in row["source"].lower()
        and len(row["comment"].split()) >= _FEWEST_WORDS
        and part(row["title"], dev=0.05, test=0.05) == split
    )
    return _with_negatives(rows, split)


@source(
    "iac_threads",
    folder="offtopic/IAC-threads",
    licence="none stated",
    commercial=False,
    note="two replies from each of thousands of forum threads",
)
def iac_threads(folder: Path, split: Split) -> Iterator[Example]:
    """Reads thread_replies.jsonl.gz, two replies of more than five words a thread; split by thread."""
    threads: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in json_lines(folder / "thread_replies.jsonl.gz"):
        if len(row["text"].split()) > _FEWEST_WORDS:
            threads[row["discussion"]].append(row)
    rng = random.Random("iac_threads")
    rows = (
        _under(
            row["text"],
            row["title"],
            row["first_post"] or "",
            source="iac_threads",
            beat=f"iac_threads {row['forum']}",
            group=f"iac_threads {thread}",
        )
        for thread, replies in threads.items()
        for row in rng.sample(replies, min(2, len(replies)))
        if part(f"iac_threads {thread}", dev=0.05, test=0.05) == split
    )
    return _with_negatives(rows, split)


@source(
    "cocolofa",
    folder="offtopic/CoCoLoFa",
    licence="none stated",
    commercial=False,
    note="crowd-written comments on news articles",
)
def cocolofa(folder: Path, split: Split) -> Iterator[Example]:
    """Reads dev.json.gz, of whose articles a tenth is dev and the rest train, and test.json.gz."""
    rows = (
        _under(comment["comment"], article["title"], unmark(article["content"]), source="cocolofa")
        for article in json_file(folder / ("test.json.gz" if split == "test" else "dev.json.gz"))
        if split == "test" or part(article["title"]) == split
        for comment in article["comments"]
    )
    return _with_negatives(rows, split)


def _under(
    text: str, title: str, description: str = "", *, source: str, beat: str = "", group: str = ""
) -> Example:
    title = " ".join(title.split())
    lede = " ".join(description.split())[:_DESCRIPTION]
    return Example(
        text=text,
        source=source,
        article=f"{title}\n{lede}".strip(),
        off_topic=0.0,
        group=group or title,
        beat=beat or source,
    )


def _with_negatives(rows: Iterable[Example], split: Split) -> Iterator[Example]:
    true = [row for row in rows if row.text.strip() and row.article]
    yield from true
    if split != "train":
        yield from under_other_titles(true, seed=0, near=1.0, far=0.4)
