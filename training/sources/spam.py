"""Spam and advertising."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from training.examples import Example
from training.sources.files import table, unmark
from training.sources.registry import Split, part, source


@source(
    "youtube_spam",
    folder="abuse/youtube_spam_merged",
    licence="none stated",
    commercial=False,
    note="comments under four music videos, split by video",
)
def youtube_spam(folder: Path, split: Split, *, holdout: str | None = "Eminem") -> Iterator[Example]:
    """Reads YoutubeSpamMergedData.csv, whose first column is the video. Test: the `holdout` video."""
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
