"""One pass over scored comments: every number of a report, and the comments to look at first.

    tally = Tally(Lines.load("default"), top=20)
    for row in scored_file: tally.add(row)

Memory is bounded by the capacities below, not by the number of comments.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count

from parley.model.labels import OFF_TOPIC, SPAM
from parley.service.policy.decision import SEVERITY
from parley.service.policy.rules import SCORES
from parley.service.report.counts import Counts, Groups, Timeline, Verdict
from parley.service.report.lines import Lines
from parley.service.report.rows import ScoredRow

TOXICITY = "abuse.toxicity"
BINS = 50
"""Bins of a score's distribution, each 0.02 wide."""
GROUPS = 100_000
"""The most articles, and the most authors: some 40 MB each."""
TARGETS = 1_000
"""The most targets: fewer, since each keeps a timeline."""
TARGET_BINS = 200
TIME_BINS = 5_000
TEXT_LENGTH = 3_000
"""Characters kept of each comment to look at."""
KINDS = 500
"""The most different reason codes, notes or languages counted apart; Parley's own files have a few dozen."""


@dataclass(slots=True)
class Pick:
    """A comment to look at, whether its text was `cut`, and how often the text came while it was listed."""

    row: ScoredRow
    cut: bool
    copies: int = 1


class First:
    """The `size` comments to look at first, ranked by decision, then abuse, then spam, then off-topic score.

    Each text is listed once.
    """

    def __init__(self, *, size: int) -> None:
        self._size = size
        self._heap: list[tuple[tuple[float, ...], int, Pick]] = []
        self._by_text: dict[str, Pick] = {}
        self._order = count(0, -1)

    def add(self, row: ScoredRow) -> None:
        """Keep the row if it ranks high enough; a text already kept counts as another copy."""
        scores = row.scores
        abuse = max(score or 0.0 for name, score in scores.items() if name.startswith("abuse."))
        rank = (SEVERITY[row.action], abuse, scores[SPAM] or 0.0, scores[OFF_TOPIC] or 0.0)  # type: ignore[index]
        text = row.text[:TEXT_LENGTH]
        pick = self._by_text.get(text)
        if pick is not None:
            pick.copies += 1
        elif len(self._heap) < self._size or rank > self._heap[0][0]:
            pick = self._by_text[text] = Pick(replace(row, text=text), cut=text != row.text)
            heapq.heappush(self._heap, (rank, next(self._order), pick))
            if len(self._heap) > self._size:
                del self._by_text[heapq.heappop(self._heap)[2].row.text]

    def ranked(self) -> list[Pick]:
        """The highest ranked first. Comments that no rule fired on are included only if none fired at all."""
        picks = [pick for _, _, pick in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]
        held = [pick for pick in picks if pick.row.reasons or pick.row.action != "approve"]
        return held or picks


@dataclass(slots=True)
class Distribution:
    """A score's distribution: `bins` of equal width from 0 to 1, comments at or over the cut, and nulls."""

    bins: list[int] = field(default_factory=lambda: [0] * BINS)
    over: int = 0
    null: int = 0


class Tally:
    """A report's numbers. `lines` are its thresholds, `top` the number of comments to look at first."""

    def __init__(self, lines: Lines, *, top: int) -> None:
        self.lines = lines
        self.all = Counts()
        self.first = First(size=top)
        self.timeline = Timeline(max_bins=TIME_BINS)
        self.articles, self.authors = Groups(capacity=GROUPS), Groups(capacity=GROUPS)
        self.targets = Groups(capacity=TARGETS, timeline_bins=TARGET_BINS)
        self.own_targets = 0
        """Comments whose target is not their article's title."""
        self.distributions = {score: Distribution() for score in SCORES}
        self.reasons: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.languages: Counter[str] = Counter()
        self.undated = 0
        self.earliest: datetime | None = None
        self.latest: datetime | None = None

    def add(self, row: ScoredRow) -> None:
        """Count a comment."""
        verdict = self._verdict(row)
        self.all.add(verdict)
        self.first.add(row)
        self._add_time(row, verdict)
        self.articles.add(row.article, row.article_name, row, verdict)
        self.authors.add(row.author, row.author_name, row, verdict)
        self.targets.add(row.target, row.target or "", row, verdict)
        self.own_targets += row.target is not None and row.target != row.article_name
        for score, value in row.scores.items():
            self._add_score(self.distributions[score], score, value)
        _count(self.reasons, {str(reason.get("code")) for reason in row.reasons})
        _count(self.notes, set(row.notes))
        _count(self.languages, {row.language or "unknown"})

    @property
    def foreign_codes(self) -> list[str]:
        """Reasons in the file that the report's policy has no rule for: another policy made the decisions."""
        return sorted(set(self.reasons) - self.lines.codes)

    def _verdict(self, row: ScoredRow) -> Verdict:
        toxicity, off_topic = row.scores[TOXICITY], row.scores[OFF_TOPIC]
        cuts = self.lines.cuts
        return Verdict(
            action=row.action,
            abusive=toxicity is not None and toxicity >= cuts[TOXICITY].value,
            off_topic=None if off_topic is None else off_topic >= cuts[OFF_TOPIC].value,
            stance=row.stance,
        )

    def _add_time(self, row: ScoredRow, verdict: Verdict) -> None:
        time = row.created_at
        if time is None:
            self.undated += 1
            return
        self.timeline.add(time, verdict)
        self.earliest = min(self.earliest or time, time)
        self.latest = max(self.latest or time, time)

    def _add_score(self, distribution: Distribution, score: str, value: float | None) -> None:
        if value is None:
            distribution.null += 1
            return
        distribution.bins[min(int(value * BINS), BINS - 1)] += 1
        distribution.over += value >= self.lines.cuts[score].value


def _count(counter: Counter[str], names: set[str]) -> None:
    """Count each name; beyond KINDS different ones, new names count as "others"."""
    for name in {name[:80] for name in names}:
        counter[name if name in counter or len(counter) < KINDS else "others"] += 1
