"""Reddit replies, labelled for whether they agree with the comment they reply to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from parley.training.data.augmentation.contexts import under_other_titles
from parley.training.data.examples import Example
from parley.training.data.files import json_lines, table
from parley.training.data.registry import Split, part, source


@source(
    "debagreement",
    folder="stance/DEBAGREEMENT",
    licence="none stated",
    commercial=False,
    note="replies with parent and submission title, five subreddits; the titles also serve for off-topic",
)
def debagreement(folder: Path, split: Split) -> Iterator[Example]:
    """Reads dev.jsonl.gz, of whose submissions a tenth is dev and the rest train, and test.jsonl.gz.

    Dev also has pairs with other submissions' titles; test has no titles, only replies.
    """
    replies = {"agree": "agree", "disagree": "disagree", "neutral": "none"}
    pairs = []
    for row in json_lines(folder / ("test.jsonl.gz" if split == "test" else "dev.jsonl.gz")):
        if split != "test" and part(row["submission_id"]) != split:
            continue
        title = row["title"].strip() if split != "test" else ""
        pairs.append(
            Example(
                text=row["comment"],
                source="debagreement",
                parent=row["parent"],
                reply=replies[row["label"]],
                article=title or None,
                off_topic=0.0 if title else None,
                group=row["submission_id"],
                beat=f"debagreement {row['subreddit']}",
            )
        )
    yield from pairs
    if split == "dev":
        yield from under_other_titles(pairs, seed=0, near=1.0, far=0.4)


@source(
    "subreddit_agreement",
    folder="stance/SubReddit-agreement",
    licence="none stated",
    commercial=False,
    note="quote and response on vaccines and masks",
)
def subreddit_agreement(folder: Path, split: Split) -> Iterator[Example]:
    """Reads SubReddit-{CovidVaccine,MaskMandate}.csv.gz; dev is a tenth of the quotes."""
    replies = {"2": "agree", "0": "disagree", "1": "none"}
    for name in ("CovidVaccine", "MaskMandate"):
        for row in table(folder / f"SubReddit-{name}.csv.gz", encoding="cp1252"):
            quote = row["quote_text"].strip()
            if quote and row["response_text"].strip() and part(quote) == split:
                yield Example(
                    text=row["response_text"],
                    source="subreddit_agreement",
                    parent=quote,
                    reply=replies[row["relation"].strip()],
                    group=quote,
                )
