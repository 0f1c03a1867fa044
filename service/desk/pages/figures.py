"""Small figures as SVG, drawn on the server: bars by day, a line by day, and a calibration curve.

A figure is 360 units wide and shown at 288 to 480 pixels, so its text stays readable on a phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 12, 26
MIN_DAYS = 7
"""The fewest days that the width represents, so that a single day doesn't fill the figure."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A rectangle (`a`, `b`) or a dot, in the figure's units."""

    kind: str
    x: float
    y: float
    width: float = 0.0
    height: float = 0.0


@dataclass(frozen=True, slots=True)
class Label:
    """Text in a figure; `anchor` as in SVG."""

    x: float
    y: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure with the sentence that says what it shows, and its numbers as a table."""

    title: str
    sentence: str
    marks: Sequence[Mark] = ()
    line: Sequence[tuple[float, float]] = ()
    ideal: bool = False
    grid: Sequence[float] = ()
    labels: Sequence[Label] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default=())

    @property
    def points(self) -> str:
        """The line as an SVG polyline's `points`."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.line)


def bars_by_day(
    title: str, sentence: str, days: Sequence[tuple[date, int, int]], *, head: Sequence[str]
) -> Figure:
    """Daily bars of a total and its marked part."""
    top = _nice(max((whole for _, whole, _ in days), default=1))
    places = _places([day for day, _, _ in days])
    width = (WIDTH - LEFT - RIGHT) / max(len(days), MIN_DAYS) * 0.72
    marks = []
    for x, (_, whole, part) in zip(places, days, strict=True):
        for kind, low, high in (("b", 0, part), ("a", part, whole)):
            y = _y(high, top)
            marks.append(Mark(kind, x - width / 2, y, width, max(0.0, _y(low, top) - y)))
    return Figure(
        title=title,
        sentence=sentence,
        marks=marks,
        grid=[_y(top, top), _y(top / 2, top), _y(0, top)],
        labels=[*_scale(top), *_days([day for day, _, _ in days], places)],
        head=head,
        rows=[(day.isoformat(), f"{whole:,}", f"{part:,}") for day, whole, part in days],
    )


def line_by_day(
    title: str, sentence: str, days: Sequence[tuple[date, float]], *, head: Sequence[str], percent: bool
) -> Figure:
    """A daily value."""
    top = _nice(100 * max((value for _, value in days), default=0.01)) / 100
    places = _places([day for day, _ in days])
    line = [(x, _y(value, top)) for x, (_, value) in zip(places, days, strict=True)]
    shown = "{:.0%}" if percent and top >= 0.1 else "{:.1%}" if percent else "{:.3g}"
    scale = [Label(LEFT - 6, _y(v, top) + 4, shown.format(v), "end") for v in (0, top / 2, top)]
    return Figure(
        title=title,
        sentence=sentence,
        line=line,
        marks=[Mark("dot", x, y) for x, y in line],
        grid=[_y(top, top), _y(top / 2, top), _y(0, top)],
        labels=[*scale, *_days([day for day, _ in days], places)],
        head=head,
        rows=[(day.isoformat(), f"{value:.1%}" if percent else f"{value:.3f}") for day, value in days],
    )


def calibration(
    title: str, sentence: str, bins: Sequence[tuple[float, float, int]], *, head: Sequence[str]
) -> Figure:
    """The share of rejected comments by score; calibrated scores lie on the dotted line."""
    line = [(_x(score), _y(share, 1.0)) for score, share, _ in bins]
    ticks = [Label(_x(v), HEIGHT - 8, f"{v:.0%}") for v in (0.0, 0.5, 1.0)]
    ticks[0] = Label(_x(0.0) + 4, HEIGHT - 8, "0%", "middle")
    ticks[2] = Label(_x(1.0), HEIGHT - 8, "100%", "end")
    return Figure(
        title=title,
        sentence=sentence,
        line=line,
        marks=[Mark("dot", x, y) for x, y in line],
        ideal=True,
        grid=[_y(v, 1.0) for v in (0, 0.5, 1.0)],
        labels=[*(Label(LEFT - 6, _y(v, 1.0) + 4, f"{v:.0%}", "end") for v in (0.5, 1.0)), *ticks],
        head=head,
        rows=[(f"{score:.0%}", f"{share:.0%}", f"{count:,}") for score, share, count in bins],
    )


def _x(value: float) -> float:
    return LEFT + value * (WIDTH - LEFT - RIGHT)


def _y(value: float, top: float) -> float:
    return TOP + (1 - (value / top if top else 0)) * (HEIGHT - TOP - BOTTOM)


def _places(days: Sequence[date]) -> list[float]:
    """The middle of each day's column, from the left; the width holds at least MIN_DAYS."""
    step = (WIDTH - LEFT - RIGHT) / max(len(days), MIN_DAYS)
    return [LEFT + step * (at + 0.5) for at in range(len(days))]


def _days(days: Sequence[date], places: Sequence[float]) -> list[Label]:
    """At most four day labels, with room between them."""
    every = max(1, -(-len(days) // 4))
    return [
        Label(x, HEIGHT - 8, f"{day.day} {day:%b}")
        for at, (x, day) in enumerate(zip(places, days, strict=True))
        if at % every == 0
    ]


def _scale(top: float) -> list[Label]:
    return [Label(LEFT - 6, _y(value, top) + 4, f"{value:,.0f}", "end") for value in (0, top)]


def _nice(value: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that is at least `value`."""
    size = 1.0
    while True:
        for step in (1, 2, 5):
            if value <= step * size:
                return step * size
        size *= 10
