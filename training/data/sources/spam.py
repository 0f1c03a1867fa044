"""Spam and advertising."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from parley.training.data.examples import Example
from parley.training.data.files import table, unmark
from parley.training.data.registry import Split, part, source
from parley.training.data.sources.room_for_debate import articles

_LINK = re.compile(r"https?:|www\.|\.(?:com|net|org|tv|ml)\b", re.IGNORECASE)


@source(
    "youtube_spam",
    folder="abuse/youtube_spam_merged",
    licence="none stated",
    commercial=False,
    note="comments under four music videos, split by video",
)
def youtube_spam(folder: Path, split: Split, *, holdout: str | None = "Eminem") -> Iterator[Example]:
    """Reads YoutubeSpamMergedData.csv, whose first column is the video. The `holdout` video is the test."""
    for row in table(folder / "YoutubeSpamMergedData.csv"):
        video, text = row["Unnamed: 0"], unmark(row["CONTENT"])
        if text and ("test" if video == holdout else part(text, dev=0.1)) == split:
            yield Example(
                text=text,
                source="youtube_spam",
                labels={"spam": float(row["CLASS"])},
                group=video,
                slice=video,
            )


@source(
    "advertising",
    folder="abuse/youtube_spam_merged",
    licence="none stated",
    commercial=False,
    note="the spam of youtube_spam under debates, where it is always off topic",
)
def advertising(folder: Path, split: Split, *, holdout: str | None = "Eminem") -> Iterator[Example]:
    """Puts each spam comment of youtube_spam under one of room_for_debate's articles; no test."""
    if split == "test":
        return
    under = articles(folder.parents[1] / "stance", split)
    for example in youtube_spam(folder, split, holdout=holdout):
        if example.labels["spam"]:
            article = random.Random(example.text).choice(under)
            yield replace(
                example, source="advertising", article=article, off_topic=1.0, labels={}, slice="advertising"
            )


@source(
    "reddit_ads",
    folder="abuse/jigsaw_agile_rules",
    licence="none stated",
    commercial=False,
    note="Reddit comments judged against a rule on advertising",
)
def reddit_ads(folder: Path, split: Split) -> Iterator[Example]:
    """Reads the rows on advertising in train.csv.

    The raters let many links to streams pass, which a news site would not: a row without a violation is used
    only if it has no link.
    """
    seen = set()
    for row in table(folder / "train.csv"):
        text, advertising = row["body"].strip(), row["rule"].startswith("No Advertising")
        if not advertising or not text or text in seen or part(text, dev=0.1, test=0.1) != split:
            continue
        violation = row["rule_violation"] == "1"
        if violation or not _LINK.search(text):
            seen.add(text)
            yield Example(text=text, source="reddit_ads", labels={"spam": float(violation)})


@source(
    "sms_spam",
    folder="abuse/sms_spam",
    licence="none stated",
    commercial=False,
    note="text messages; far from comments",
)
def sms_spam(folder: Path, split: Split) -> Iterator[Example]:
    """Reads SMSSpamCollection (Label, SMS)."""
    for row in table(folder / "SMSSpamCollection", delimiter="\t", quoting=3):
        if part(row["SMS"]) == split:
            labels = {"spam": float(row["Label"] == "spam")}
            yield Example(text=unmark(row["SMS"]), source="sms_spam", labels=labels)
