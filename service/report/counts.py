"""Counts of comments: `Counts` of any set of them, `Groups` of them by article, author or target, `Timeline`
of them over time. Groups and timelines stay within a size given, whatever comes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta

from parley.service.report.rows import ScoredRow

NAME_LENGTH = 200
"""Characters kept of a group's name."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a report counts of one comment; `off_topic` and `stance` are None where they were not judged."""

    action: str
    abusive: bool
    off_topic: bool | None
    stance: str | None


@dataclass(slots=True)
class Counts:
    """Numbers of comments. `judged` had off-topic judged; stances are counted where there is one."""

    comments: int = 0
    approve: int = 0
    review: int = 0
    reject: int = 0
    abusive: int = 0
    judged: int = 0
    off_topic: int = 0
    favor: int = 0
    against: int = 0
    none: int = 0
    unsure: int = 0

    def add(self, verdict: Verdict) -> None:
        """Count one comment."""
        self.comments += 1
        if verdict.action == "approve":
            self.approve += 1
        elif verdict.action == "review":
            self.review += 1
        else:
            self.reject += 1
        self.abusive += verdict.abusive
        if verdict.off_topic is not None:
            self.judged += 1
            self.off_topic += verdict.off_topic
        if verdict.stance is not None:
            setattr(self, verdict.stance, getattr(self, verdict.stance) + 1)

    def merge(self, other: Counts) -> None:
        """Add the numbers of another part."""
        for each in fields(Counts):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    @property
    def stances(self) -> int:
        """Comments with a stance judged, whichever it is."""
        return self.favor + self.against + self.none + self.unsure

    @property
    def abusive_share(self) -> float | None:
        """In [0, 1]; None of nothing."""
        return self.abusive / self.comments if self.comments else None

    @property
    def off_topic_share(self) -> float | None:
        """Of the comments that were judged, in [0, 1]; None of nothing."""
        return self.off_topic / self.judged if self.judged else None


def abusive(counts: Counts) -> int:
    """What articles and authors are ranked by."""
    return counts.abusive


def stances(counts: Counts) -> int:
    """What targets are ranked by."""
    return counts.stances


def _day(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def _week(time: datetime) -> datetime:
    monday = time.toordinal() - time.weekday()
    return datetime.fromordinal(max(1, monday)).replace(tzinfo=UTC)


STEPS: tuple[tuple[str, Callable[[datetime], datetime], timedelta], ...] = (
    ("hour", lambda time: time.replace(minute=0, second=0, microsecond=0), timedelta(hours=1)),
    ("day", _day, timedelta(days=1)),
    ("week", _week, timedelta(days=7)),
    ("month", lambda time: _day(time).replace(day=1), timedelta(days=30)),
    ("year", lambda time: _day(time).replace(month=1, day=1), timedelta(days=365)),
)
"""Name, the start of the step that a time falls in, and about how long it is; finest first."""


class Timeline:
    """Counts by hour; by day, month or year once there are more than `max_bins` of the finer ones."""

    def __init__(self, *, max_bins: int) -> None:
        self._max_bins = max_bins
        self._step = 0
        self._bins: dict[datetime, Counts] = {}

    def __len__(self) -> int:
        return len(self._bins)

    def add(self, time: datetime, verdict: Verdict) -> None:
        """Count a comment; `time` is in UTC."""
        start = STEPS[self._step][1](time)
        if start not in self._bins:
            self._bins[start] = Counts()
        self._bins[start].add(verdict)
        while len(self._bins) > self._max_bins and self._step < len(STEPS) - 1:
            # Weeks don't add up to months, so none are kept.
            self._step += 2 if STEPS[self._step + 1][0] == "week" else 1
            self._bins = self._by(self._step)

    def shown(self, *, bins: int, step: str = "hour") -> tuple[str, list[tuple[datetime, Counts]]]:
        """How long a step is ("day"), and the counts in order of time, those without comments left out.

        The step is the finest of which about `bins` or fewer lie between the first and the last, `step` or
        coarser.
        """
        places = range(max(self._step, _place(step)), len(STEPS))
        span = max(self._bins) - min(self._bins) if self._bins else timedelta()
        place = next((place for place in places if span / STEPS[place][2] <= bins), places[-1])
        return STEPS[place][0], sorted(self._by(place).items(), key=lambda item: item[0])

    def _by(self, place: int) -> dict[datetime, Counts]:
        found: dict[datetime, Counts] = {}
        for time, counts in self._bins.items():
            found.setdefault(STEPS[place][1](time), Counts()).merge(counts)
        return found


def _place(step: str) -> int:
    return [name for name, _, _ in STEPS].index(step)


@dataclass(slots=True)
class Group:
    """An article, author or target."""

    name: str
    counts: Counts = field(default_factory=Counts)
    timeline: Timeline | None = None


class Groups:
    """Counts by article, author or target, for at most `capacity` of them.

    When there are more, the half with the fewest comments goes into `rest`: the largest groups stay, and
    what one lost before it grew is in `rest` too (lossy counting). `dropped` says how often a group went.
    """

    def __init__(self, *, capacity: int, timeline_bins: int = 0) -> None:
        self._capacity, self._timeline_bins = capacity, timeline_bins
        self._groups: dict[str, Group] = {}
        self.dropped = 0
        self.rest = Counts()
        self.unnamed = 0

    def __len__(self) -> int:
        return len(self._groups)

    def add(self, key: str | None, name: str, row: ScoredRow, verdict: Verdict) -> None:
        """Count a comment; one whose `key` is None belongs to no group."""
        if key is None:
            self.unnamed += 1
            return
        key = key[:NAME_LENGTH]
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= self._capacity:
                self._drop()
            timeline = Timeline(max_bins=self._timeline_bins) if self._timeline_bins else None
            group = self._groups[key] = Group(name[:NAME_LENGTH], timeline=timeline)
        group.counts.add(verdict)
        if group.timeline is not None and row.created_at is not None:
            group.timeline.add(row.created_at, verdict)

    def most(self, n: int, *, by: Callable[[Counts], float]) -> list[Group]:
        """The `n` groups with the highest `by`; among equals the one with more comments, then the first."""
        groups = self._groups.values()
        return sorted(groups, key=lambda g: (by(g.counts), g.counts.comments), reverse=True)[:n]

    def _drop(self) -> None:
        by_size = sorted(self._groups, key=lambda key: self._groups[key].counts.comments)
        for key in by_size[: max(1, self._capacity // 2)]:
            self.rest.merge(self._groups.pop(key).counts)
            self.dropped += 1
