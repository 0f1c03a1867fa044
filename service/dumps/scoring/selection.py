"""Selects a dump's comments and pseudonymizes authors: `--where`, `--since`, `--limit`, `--pseudonymize`.

    Selection(reader, where=[Filter.parse("article.url~/sport/")], limit=1000)

A selection is itself a reader, between the dump's reader and the scorer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from parley.service.dumps.formats.registry import Reader
from parley.service.dumps.reading.names import FIELDS
from parley.service.dumps.reading.record import RawRow, Record
from parley.service.dumps.scoring.pseudonyms import Pseudonyms
from parley.service.errors import DumpError

_PARTS = re.compile(r"\s*([^=!~<>]+?)\s*(>=|<=|!=|!~|=|~|>|<)\s*(.*?)\s*", re.DOTALL)
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    ">=": lambda found, wanted: found >= wanted,
    "<=": lambda found, wanted: found <= wanted,
    ">": lambda found, wanted: found > wanted,
    "<": lambda found, wanted: found < wanted,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """`FIELD OP VALUE`: a condition on comments.

    `=` and `!=` compare whole values (an empty VALUE means missing), `~` and `!~` search for a regular
    expression, ignoring case, the others compare times, numbers, or else texts. FIELD is one of Parley's or
    an input's own column; if it is missing, only `!=`, `!~` and an empty `=` match.
    """

    field: str
    sign: str
    wanted: Any
    given: str

    @classmethod
    def parse(cls, given: str) -> Filter:
        """Parse a condition of `--where`. Raises DumpError."""
        parts = _PARTS.fullmatch(given)
        if parts is None:
            raise DumpError(f"--where {given}: give FIELD=VALUE, or != ~ !~ < <= > >= instead of =")
        field, sign, value = parts.groups()
        wanted: Any = value
        if sign in ("~", "!~"):
            try:
                wanted = re.compile(value, re.IGNORECASE)
            except re.error as error:
                raise DumpError(f"--where {given}: {value!r} is not a regular expression: {error}") from error
        elif sign in _ORDER and field not in FIELDS and not _is_ordered(value):
            raise DumpError(
                f"--where {given}: {value!r} is neither a number nor a date, which {sign} compares: give "
                "one, or ~ for a regular expression"
            )
        elif field == "created_at" and value:
            wanted = _time(value, given=f"--where {given}")
        return cls(field, sign, wanted, given)

    @classmethod
    def since(cls, date: str) -> Filter:
        """The condition of `--since`: written on or after `date`. Raises DumpError."""
        return cls("created_at", ">=", _time(date, given=f"--since {date}"), f"created_at>={date}")

    def holds(self, value: Any) -> bool:
        """Whether a field with this value matches."""
        if value is None or value == "":
            return self.sign == "!~" or (
                self.sign in ("=", "!=") and (self.sign == "=") == (self.wanted == "")
            )
        if self.sign in ("~", "!~"):
            return (self.wanted.search(_text(value)) is not None) == (self.sign == "~")
        value, wanted = _alike(value, self.wanted)
        if self.sign in ("=", "!="):
            return bool(value == wanted) == (self.sign == "=")
        return _ORDER[self.sign](value, wanted)


class OneRecord:
    """A reader of one comment."""

    columns: tuple[str, ...] = ()
    fraction = 1.0

    def __init__(self, record: Record) -> None:
        self._record = record

    def __iter__(self) -> Iterator[Record | RawRow]:
        yield self._record


class Selection:
    """The rows of `reader` to be scored, in order; bad rows are always included.

    `limit` counts comments. With `pseudonyms` authors are renamed after the conditions were checked, and bad
    rows lose their content.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        where: Sequence[Filter] = (),
        limit: int | None = None,
        pseudonyms: Pseudonyms | None = None,
    ) -> None:
        self._reader, self._where, self._limit, self._pseudonyms = reader, where, limit, pseudonyms
        self.taken = self.chosen = self.left_out = 0
        self.unseen = {c.field for c in where} - set(FIELDS)
        """Fields of conditions that no row has had so far."""
        if reader.columns and (missing := self.unseen - set(reader.columns)):
            raise DumpError(
                f"--where names {missing.pop()!r}, which the input lacks; "
                f"it has {', '.join(reader.columns)}, and Parley knows {', '.join(FIELDS)}"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """The input's columns, without those that pseudonymizing drops."""
        columns = self._reader.columns
        return self._pseudonyms.columns(columns) if self._pseudonyms else columns

    @property
    def types(self) -> dict[str, Any]:
        """Arrow types by column, if the input has them."""
        return getattr(self._reader, "types", {})

    @property
    def fraction(self) -> float:
        """How much has been read, in [0, 1]."""
        done = self.chosen / self._limit if self._limit else 0.0
        return max(done, self._reader.fraction)

    def __iter__(self) -> Iterator[Record | RawRow]:
        if self._limit == 0:
            return
        for row in self._reader:
            self.taken += 1
            if isinstance(row, RawRow):
                yield self._pseudonyms.bad_row(row) if self._pseudonyms else row
                continue
            if self._where and not self._fits(row):
                self.left_out += 1
                continue
            self.chosen += 1
            yield self._pseudonyms(row) if self._pseudonyms else row
            if self.chosen == self._limit:
                return

    def _fits(self, record: Record) -> bool:
        values = [field_of(record, condition.field) for condition in self._where]
        if self.unseen:
            self.unseen -= {
                c.field for c, value in zip(self._where, values, strict=True) if value is not None
            }
        return all(c.holds(value) for c, value in zip(self._where, values, strict=True))


def field_of(record: Record, name: str) -> Any:
    """The value of one of FIELDS or of an input's own column, or None."""
    if name not in FIELDS:
        return record.extra.get(name)
    if name in ("author.id", "author.name"):
        return getattr(record, name.replace(".", "_"))
    group, _, inner = name.partition(".")
    value = getattr(record, group)
    return getattr(value, inner) if inner and value is not None else value


def _time(value: str, *, given: str) -> datetime:
    try:
        time = datetime.fromisoformat(value)
    except ValueError as error:
        raise DumpError(f"{given}: give a date such as 2024-05-31 or 2024-05-31T18:00+02:00") from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _is_ordered(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return False
    return True


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _alike(value: Any, wanted: Any) -> tuple[Any, Any]:
    """The two values in a form that can be compared: both times, both numbers, or both texts."""
    if isinstance(wanted, datetime) and isinstance(value, datetime):
        return value, wanted
    try:
        return float(_text(value)), float(_text(wanted))
    except ValueError:
        return _text(value), _text(wanted)
