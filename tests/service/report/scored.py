"""Scored comments as `parley score` writes them, with scores that the tests choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from parley.model.comment import Article, Prediction, Span, Stance, TextFormat
from parley.model.labels import ABUSE, STANCES
from parley.service.dumps.reading.record import Record
from parley.service.dumps.scoring.rows import Layout, Scored
from parley.service.dumps.scoring.writers import WRITERS
from parley.service.policy.decision import Policy

THRESHOLDS = {
    "off_topic": 0.95,
    "toxicity": 0.5,
    "threat": 0.5,
    "identity_attack": 0.5,
    "sexually_explicit": 0.5,
    "spam": 0.6,
}
POLICY = Policy.load("default", thresholds=THRESHOLDS)
DAY = datetime(2024, 6, 3, 12, tzinfo=UTC)


def scored(
    text: str = "Well said.",
    *,
    id: str = "1",
    abuse: Mapping[str, float] | None = None,
    spam: float = 0.01,
    off_topic: float | None = 0.1,
    stance: str | None = "none",  # or "unsure"
    target: str = "Bridge to close",
    article: str | None = "Bridge to close",
    author: str | None = "Ada",
    at: datetime | None = DAY,
    spans: Sequence[tuple[int, int]] = (),
    notes: Sequence[str] = (),
    format: TextFormat = "plain",
    policy: Policy = POLICY,
) -> Scored:
    """A comment with these scores and the default policy's decision."""
    record = Record(
        text=text,
        row=1,
        id=id,
        article=Article(id=article, title=article) if article else None,
        author_id=author,
        author_name=author,
        created_at=at,
        format=format,
    )
    likely = {each: 0.8 if each == stance else 0.1 for each in STANCES}
    prediction = Prediction(
        id=id,
        abuse=dict.fromkeys(ABUSE, 0.02) | dict(abuse or {}),
        spam=spam,
        off_topic=off_topic,
        stance=Stance(target=target, label=stance if stance in STANCES else None, **likely)
        if stance
        else None,
        spans=tuple(Span(start=start, end=end, label="toxicity", score=0.9) for start, end in spans),
        language="en",
        notes=tuple(notes),
    )
    return Scored(record, prediction, policy.decide(record, prediction))


def write(path: Path, rows: Sequence[Scored]) -> Path:
    """Write the rows as `parley score` would to a file of this name."""
    form = path.suffix.removeprefix(".")
    layout = Layout.of((), [row.record for row in rows], types={})
    with path.open("wb") as handle:
        writer = WRITERS[form].open(handle, layout)
        writer.write(rows)
        writer.close()
    return path
