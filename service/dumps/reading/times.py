"""Times in dumps, in whatever form they are written, as datetimes in UTC.

to_utc("2024-01-02T03:04:05Z")       or "20240102", 1704164645, 1704164645000, a datetime, a date
"""

from __future__ import annotations

from datetime import UTC, date, datetime

_EPOCH_MILLISECONDS = 1e11
"""Numbers above this are milliseconds since 1970, as in JavaScript, or microseconds; as seconds it is the
year 5138."""
_EARLIEST, _LATEST = 1e8, 1e18
_COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def to_utc(value: object) -> datetime | None:
    """A time in UTC from ISO 8601, also compact (`20240102`), from seconds, milliseconds or microseconds
    since 1970, a datetime or a date; else None.

    A time without a zone counts as UTC. Seconds before 1973 give None: the number is something else.
    """
    if isinstance(value, str):
        value = _number_or_iso(value.strip())
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _from_number(value)
    if isinstance(value, datetime):
        return in_utc(value)
    return datetime(value.year, value.month, value.day, tzinfo=UTC) if isinstance(value, date) else None


def in_utc(time: datetime) -> datetime | None:
    """The time in UTC; a time without a zone counts as UTC. None if it is out of the calendar's range."""
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        return None


def _from_number(value: float) -> datetime | None:
    """A compact date, or seconds, milliseconds or microseconds since 1970; None for other numbers."""
    if not abs(value) < _LATEST:  # also excludes NaN
        return None
    if (compact := _compact(value)) is not None:
        return compact
    try:
        while abs(value) > _EPOCH_MILLISECONDS:
            value /= 1000
        return datetime.fromtimestamp(value, UTC) if abs(value) >= _EARLIEST else None
    except (OverflowError, OSError, ValueError):
        return None


def _compact(value: float) -> datetime | None:
    """`20240102`, `202401021504` and `20240102150405` as recent times; None for other numbers."""
    digits = str(int(value)) if value == int(value) else ""
    form = _COMPACT.get(len(digits))
    if form is None or not "1990" <= digits[:4] <= "2099":
        return None
    try:
        return datetime.strptime(digits, form).replace(tzinfo=UTC)
    except ValueError:
        return None


def _number_or_iso(value: str) -> float | datetime | None:
    if value[4:5] != "-":  # don't try an ISO date as a number first: the failure costs more than the rest
        try:
            return float(value)
        except ValueError:
            pass
    try:
        return datetime.fromisoformat(value.removesuffix(" UTC"))
    except ValueError:
        return None
