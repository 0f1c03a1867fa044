"""Counts of comments: `Counts` for any set, `Groups` by article, author or target, `Timeline` over time.

Groups and timelines have a maximum size, whatever the input.
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
    """What a report counts about one comment; `off_topic` and `stance` are None where not judged."""

    action: str
    abusive: bool
    off_topic: bool | None
    stance: str | None


@dataclass(slots=True)
class Counts:
    """Numbers of comments. `judged` have an off-topic score, `favor` to `unsure` a target."""

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
        """Add the numbers in `other`."""
        for each in fields(Counts):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    @property
    def stances(self) -> int:
        """How many comments have a stance, whichever it is."""
        return self.favor + self.against + self.none + self.unsure

    @property
    def abusive_share(self) -> float | None:
        """In [0, 1]; None if there are no comments."""
        return self.abusive / self.comments if self.comments else None

    @property
    def off_topic_share(self) -> float | None:
        """The share of the judged comments, in [0, 1]; None if none was judged."""
        return self.off_topic / self.judged if self.judged else None


def abusive(counts: Counts) -> int:
    """The number that articles and authors are ranked by."""
    return counts.abusive


def stances(counts: Counts) -> int:
    """The number that targets are ranked by."""
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
"""For each step, finest first: its name, a function from a time to the step's start, and its rough length."""


class Timeline:
    """Counts by hour, then by day, month or year as soon as the finer step needs more than `max_bins`."""

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
            # Weeks don't add up to months, so that step is skipped.
            self._step += 2 if STEPS[self._step + 1][0] == "week" else 1
            self._bins = self._by(self._step)

    def shown(self, *, bins: int, step: str = "hour") -> tuple[str, list[tuple[datetime, Counts]]]:
        """The step's name ("day"), and the counts in order of time; steps without comments are left out.

        It is the finest step, `step` or coarser, that divides the time covered into about `bins` or fewer.
        """
        places = range(max(self._step, _place(step)), len(STEPS))
        span = max(self._bins) - min(self._bins) if self._bins else timedelta()
        place = next((place for place in places if span / STEPS[place][2] <= bins), places[-1])
        return STEPS[place][0], sorted(self._by(place).items(), key=lambda item: item[0])

    def _by(self, place: int) -> dict[datetime, Counts]:
        merged: dict[datetime, Counts] = {}
        for time, counts in self._bins.items():
            merged.setdefault(STEPS[place][1](time), Counts()).merge(counts)
        return merged


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

    When there are more, the half with the fewest comments is merged into `rest` (lossy counting): the largest
    groups stay, though comments counted before a group was dropped remain in `rest` if it comes back.
    `dropped` counts the groups dropped.
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
        """Count a comment. With `key` None it belongs to no group and counts in `unnamed`."""
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
        """The `n` groups with the highest `by`; ties go to more comments, then to the earlier group."""
        groups = self._groups.values()
        return sorted(groups, key=lambda g: (by(g.counts), g.counts.comments), reverse=True)[:n]

    def _drop(self) -> None:
        by_size = sorted(self._groups, key=lambda key: self._groups[key].counts.comments)
        for key in by_size[: max(1, self._capacity // 2)]:
            self.rest.merge(self._groups.pop(key).counts)
            self.dropped += 1
