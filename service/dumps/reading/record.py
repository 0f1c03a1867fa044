"""One comment of a dump, whatever file it came from: `Record`, or `BadRow` where a row can't be used.

Every reader yields these two and nothing else. Tabular readers and JSON readers build records from a
mapping by `Columns.record`: a field's name with dots is either a column of that name or a path into nested
objects, so that `article.title` is found in `{"article": {"title": ...}}` and in a CSV with a column
`article.title` alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, get_args

from parley.model.comment import Article, Comment, Parent, TextFormat
from parley.service.dumps.reading.names import AS_SENT, FIELDS, own_name
from parley.service.errors import DumpError

_FORMATS: tuple[str, ...] = get_args(TextFormat)
_LIKELY_TEXT = ("comment_text", "comment", "body", "message", "content", "comment_body", "post")
_SHOWN = 40
"""Columns that an error names at most."""
EMPTY_TEXT = "the text is empty: nothing to score"
_EPOCH_MILLISECONDS = 1e11
"""Numbers above this are milliseconds since 1970, as JavaScript counts; in seconds it would be the year
5138."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A comment and where it came from. `row` counts from 1; `line` is None where the format has no lines."""

    text: str
    row: int
    line: int | None = None
    id: str | None = None
    parent: Parent | None = None
    article: Article | None = None
    author_id: str | None = None
    author_name: str | None = None
    created_at: datetime | None = None
    format: TextFormat = "plain"
    target: str | None = None
    language: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Columns of the dump's own, by dotted name; they are handed through to the output."""
    parent_author: tuple[str, ...] = ()
    """What the parent's author is called, where the dump says so: pseudonyms look for it in ids."""

    def comment(self, *, target: str | None = None) -> Comment:
        """What the model is asked; `target` serves records that bring none of their own."""
        return Comment(
            text=self.text,
            id=self.id,
            article=self.article,
            parent=self.parent,
            target=self.target or target,
            language=self.language,
            format=self.format,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that can't be scored: where it stands, why, and the row itself, so that nothing is lost."""

    reason: str
    row: int
    line: int | None = None
    raw: str = ""
    file: str | None = None
    """Where the dump is in several."""

    def to_dict(self) -> dict[str, Any]:
        """One line of the errors file."""
        where = {"file": self.file} if self.file is not None else {}
        return {**where, "line": self.line, "row": self.row, "reason": self.reason, "raw": self.raw}


class RowProblem(ValueError):
    """Why one row can't be used; a reader turns it into a BadRow."""


class Columns:
    """Which column of the input holds which field; a field that isn't mapped is looked up by its own name.

    `rows_before` are rows of the same dump that stand in files read elsewhere: a comment without an id has
    its row's number for one.
    """

    def __init__(self, mapped: Mapping[str, str] | None = None, *, rows_before: int = 0) -> None:
        self.mapped = dict(mapped or {})
        self._rows_before = rows_before
        self.unseen = {column: name for name, column in self.mapped.items()}
        """Mapped columns that no row had so far, with their fields."""
        self._of = {name: self.mapped.get(name, name) for name in FIELDS}
        self._fields: dict[str, list[str]] = {}
        """The fields that a column holds: mostly one, of its own name."""
        for name, column in self._of.items():
            self._fields.setdefault(column, []).append(name)
        parts = [column.split(".") for column in self._fields]
        self.groups = {".".join(part[:depth]) for part in parts for depth in range(1, len(part))}

    @classmethod
    def parse(cls, pairs: Iterable[str]) -> Columns:
        """The columns from `FIELD=COLUMN` pairs, as the command line gives them. Raises DumpError."""
        mapped: dict[str, str] = {}
        for pair in pairs:
            name, sign, column = pair.partition("=")
            if not sign or not column or name not in FIELDS:
                raise DumpError(
                    f"--map {pair}: give FIELD=COLUMN, such as text=body; the fields are {', '.join(FIELDS)}"
                )
            mapped[name] = column
        return cls(mapped)

    def of_part(self, rows_before: int) -> Columns:
        """The same columns for a file with so many rows of the dump before it; `unseen` is shared."""
        part = copy(self)
        part._rows_before = rows_before
        return part

    def names(self, found: Iterable[str]) -> tuple[str, ...]:
        """The input's columns as the output names them: by its fields' names a column that holds some."""
        names: list[str] = []
        for column in found:
            fields = [name for name, held in self._of.items() if held == column]
            names += fields or [own_name(column)]
        return tuple(names)

    def check(self, found: Iterable[str], *, place: str) -> None:
        """Refuse a table that lacks the text, or a column that was mapped. Raises DumpError."""
        found = list(found)
        for name in {"text": "", **self.mapped}:
            column = self._of[name]
            if column not in found and column.partition(".")[0] not in found:
                raise DumpError(f"{place} has no column {column!r}; {self.advice(found, name=name)}")

    def advice(self, found: Iterable[str], *, name: str = "text") -> str:
        """What to do where the column of the field `name` is missing among those `found`."""
        found = list(found)
        likely = [c for c in found if c.lower() in _LIKELY_TEXT] if name == "text" else []
        return (
            f"its columns are {_listed(found)}. Name the column that holds the {name}: "
            f"--map {name}={likely[0] if likely else 'COLUMN'}"
        )

    def record(self, values: Mapping[str, Any], *, row: int, line: int | None = None) -> Record:
        """The record that a row of `values` holds. Raises RowProblem."""
        found: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        self._sort(values, found, rest)
        if "text" not in found:
            there = [*(self._of[name] for name in found), *rest]
            raise RowProblem(f"no {self._of['text']!r} here; {self.advice(dict.fromkeys(there))}")
        if self.unseen:
            for column in [column for column, name in self.unseen.items() if name in found]:
                del self.unseen[column]
        text, sent_at = found.pop("text"), found.pop("created_at", None)
        created_at = to_utc(sent_at)
        if created_at is None and sent_at not in (None, ""):
            rest[AS_SENT] = sent_at
        for name, value in found.items():
            if type(value) is not str or not value:
                found[name] = _string(value, name)
        get = found.get
        parent = get("parent.id"), get("parent.text")
        article = get("article.id"), get("article.url"), get("article.title"), get("article.text")
        return Record(
            text=_text(text),
            row=row,
            line=line,
            id=get("id") or str(self._rows_before + row),
            parent=Parent(id=parent[0], text=parent[1]) if any(parent) else None,
            article=Article(id=article[0], url=article[1], title=article[2], text=article[3])
            if any(article)
            else None,
            author_id=get("author.id"),
            author_name=get("author.name"),
            created_at=created_at,
            format=_format(get("format")),
            target=get("target"),
            language=get("language"),
            extra=rest,
        )

    def _sort(
        self, values: Mapping[str, Any], found: dict[str, Any], rest: dict[str, Any], prefix: str = ""
    ) -> None:
        """Put the values of fields into `found`, by the fields' names, and all others into `rest`.

        Objects that hold fields are opened.
        """
        groups = self.groups
        for key, value in values.items():
            name = prefix + key if prefix else key
            if name in groups and isinstance(value, Mapping):
                self._sort(value, found, rest, f"{name}.")
            elif name in self._fields:
                for held in self._fields[name]:
                    found[held] = value
            else:
                rest[name] = value


def to_utc(value: object) -> datetime | None:
    """A time in UTC from ISO 8601, seconds or milliseconds since 1970, a datetime or a date; else None.

    A time without a zone counts as UTC.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = _number_or_iso(value.strip())
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            seconds = value / 1000 if abs(value) > _EPOCH_MILLISECONDS else value
            return datetime.fromtimestamp(seconds, UTC)
        except (OverflowError, OSError, ValueError):
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, datetime):
        try:
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except OverflowError:
            return None
    return None


def _number_or_iso(value: str) -> float | datetime | None:
    if value[4:5] != "-":  # an ISO date has no need to fail as a number first, which costs more than the rest
        try:
            return float(value)
        except ValueError:
            pass
    try:
        return datetime.fromisoformat(value.removesuffix(" UTC"))
    except ValueError:
        return None


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "none"


def _text(value: object) -> str:
    if value is None or value != value:  # NaN, as pandas writes a missing text
        raise RowProblem("the text is missing (null): nothing to score")
    if not isinstance(value, str):
        raise RowProblem(f"the text must be a string; this is {_kind(value)}")
    if not value.strip():
        raise RowProblem(EMPTY_TEXT)
    return value


def _string(value: object, name: str) -> str | None:
    """A field as a string: a whole number will do (ids often are), nothing else."""
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise RowProblem(f"{name!r} must be a string; this is {_kind(value)}")
    return value


def _format(value: str | None) -> TextFormat:
    if value is None:
        return "plain"
    if value not in _FORMATS:
        raise RowProblem(f"'format' must be one of {', '.join(_FORMATS)}; this is {value!r}")
    return value  # type: ignore[return-value]


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)
