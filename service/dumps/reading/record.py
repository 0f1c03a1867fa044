"""One comment of a dump, in any format: a `RawRow` becomes a `Record`, or stays one if it can't be used.

Every reader yields only these two. `Columns.read` makes the record from the row's values: a dotted field name
is either a column of that name or a path into nested objects, so `article.title` is found in
`{"article": {"title": ...}}` and in a CSV column `article.title`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, get_args

from parley.model.comment import Article, Comment, Parent, Question, TextFormat
from parley.service.dumps.reading.guess import guess
from parley.service.dumps.reading.names import AS_SENT, FIELDS, own_name
from parley.service.dumps.reading.times import to_utc
from parley.service.errors import DumpError

_FORMATS: tuple[str, ...] = get_args(TextFormat)
_LIKELY_TEXT = ("comment_text", "comment", "body", "message", "content", "comment_body", "post")
_SHOWN = 40
"""The most columns named in an error."""
EMPTY_TEXT = "the text is empty: nothing to score"
ONE_TEXT = {"author": "author.name", "parent": "parent.id"}
"""The field that a plain string means where an object is expected."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|/", re.IGNORECASE)
_WHOLE = re.compile(r"(\d*[1-9]\d*)\.0")
_NOBODY = re.compile(r"[0-]+|-1|anon(?:ymous)?|\[deleted\]|\[removed\]|null|none|undefined", re.IGNORECASE)
"""Values of a person's name or id that mean nobody."""
_NO_PARENT = ("", "0.0", "root", "null", "none", "nan", "undefined", "false", "-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Comment):
    """A comment and where it came from. `row` counts from 1; `line` is None where the format has no lines."""

    row: int
    line: int | None = None
    author_id: str | None = None
    author_name: str | None = None
    created_at: datetime | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """The dump's own columns, by dotted name; copied to the output."""
    parent_author: tuple[str, ...] = ()
    """The parent's author's name, if the dump has it: pseudonyms look for it in ids."""

    def asked(self, *, target: str | None = None, ask: tuple[Question, ...] = ()) -> Record:
        """The record with `ask`, and with `target` if it has none of its own."""
        target = self.target or target
        same = target == self.target and ask == self.ask
        return self if same else replace(self, target=target, ask=ask)


@dataclass(slots=True, kw_only=True)  # not frozen: that takes 1 µs more, for each row of a dump
class RawRow:
    """A row as its dump has it: `values` by field or column, or `raw`, its text.

    A row that isn't scored stays one. `skip` says why it is left out (deleted, private, not a comment);
    such rows are only counted. `problem` says why it can't be scored; the errors file lists it.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    row: int = 0
    line: int | None = None
    raw: str | None = None
    skip: str | None = None
    problem: str | None = None
    file: str | None = None
    """The file, if the dump has several."""

    def to_dict(self) -> dict[str, Any]:
        """One line of the errors file."""
        where = {"file": self.file} if self.file is not None else {}
        return {**where, "line": self.line, "row": self.row, "reason": self.problem, "raw": self.raw or ""}


def raw_json(values: object) -> str:
    """A parsed row for `RawRow.raw`, with any content."""
    return json.dumps(values, ensure_ascii=False, default=str)


class RowProblem(ValueError):
    """The reason why a row can't be used; `Columns.read` gives it to the row."""


class Columns:
    """Which column holds which field; an unmapped field is looked up by its own name.

    A field mapped to nothing is ignored. `text_format` is for rows without a format. With `guesses`, a field
    that is neither mapped nor present is read from a column with a likely name; `guessed` says which. A
    comment without an id gets its row's number.
    """

    def __init__(
        self,
        mapped: Mapping[str, str] | None = None,
        *,
        text_format: TextFormat | None = None,
        guesses: bool = False,
    ) -> None:
        self.mapped = {name: column for name, column in (mapped or {}).items() if column}
        self.text_format = text_format
        self.guessed: dict[str, str] = {}
        """The guessed columns by field."""
        self._nowhere = {name for name, column in (mapped or {}).items() if not column}
        self._guesses = guesses
        self.unseen = {column: name for name, column in self.mapped.items()}
        """Mapped columns that no row has had so far, with their fields."""
        self._of = {name: self.mapped.get(name, name) for name in FIELDS if name not in self._nowhere}
        self._looked = False
        self._seen: set[str] = set()
        self._fields: dict[str, list[str]] = {}
        """The fields in a column: usually one, with its own name."""
        for name, column in self._of.items():
            self._fields.setdefault(column, []).append(name)
        parts = [column.split(".") for column in self._fields]
        self.groups = {".".join(part[:depth]) for part in parts for depth in range(1, len(part))}

    @classmethod
    def parse(cls, pairs: Iterable[str], **options: Any) -> Columns:
        """Parse `FIELD=COLUMN` pairs of the command line. Raises DumpError."""
        mapped: dict[str, str] = {}
        for pair in pairs:
            name, sign, column = pair.partition("=")
            if not sign or name not in FIELDS or (name == "text" and not column):
                raise DumpError(
                    f"--map {pair}: give FIELD=COLUMN, such as text=body; the fields are {', '.join(FIELDS)}"
                )
            mapped[name] = column
        return cls(mapped, **options)

    @property
    def text_column(self) -> str:
        """The column of the text, or the outermost object around it."""
        return self._of["text"].partition(".")[0]

    def names(self, columns: Iterable[str]) -> tuple[str, ...]:
        """The input's columns under their output names: columns with fields by the fields' names."""
        names: list[str] = []
        for column in columns:
            fields = self._fields.get(column) or [ONE_TEXT.get(column, "")]
            names += [name for name in fields if name] or [own_name(column)]
        if self.text_format is not None and "format" not in names:
            names.append("format")
        return tuple(names)

    def check(self, columns: Iterable[str], *, place: str) -> None:
        """Refuse a table without the text or without a mapped column. Raises DumpError.

        Other missing fields are guessed, if enabled.
        """
        columns = list(columns)
        for name in {"text": "", **self.mapped}:
            column = self._of[name]
            if column not in columns and column.partition(".")[0] not in columns:
                raise DumpError(f"{place} has no column {column!r}; {self.advice(columns, name=name)}")
        self._guess(columns)

    def _guess(self, columns: Iterable[str]) -> None:
        columns = [column for column in columns if column not in self._fields]
        there = {name.partition(".")[0] for name in columns}
        taken = {name for name in FIELDS if name in self.mapped or name in self._nowhere}
        taken |= {name for name, column in ONE_TEXT.items() if column in there}
        taken |= {name for name in FIELDS if "." in name and name.partition(".")[0] in there}
        if self._guesses:
            for name, column in guess(columns, taken=taken | self.guessed.keys() | self._seen).items():
                self.guessed[name] = self._of[name] = column
                self._fields.setdefault(column, []).append(name)

    def check_own(self, place: str) -> None:
        """Refuse options of tables, for a format with fixed fields. Raises DumpError."""
        if self.text_format is not None:
            raise DumpError(f"{place} defines how its texts are marked up: it does not support --text-format")

    def advice(self, columns: Iterable[str], *, name: str = "text") -> str:
        """What to do if the column of the field `name` is missing in `columns`."""
        columns = list(columns)
        likely = [c for c in columns if c.lower() in _LIKELY_TEXT] if name == "text" else []
        return (
            f"its columns are {_listed(columns)}. Name the column with the {name}: "
            f"--map {name}={likely[0] if likely else 'COLUMN'}"
        )

    def read_all(self, rows: Iterable[RawRow], *, before: int = 0) -> Iterator[Record | RawRow]:
        """The rows read, numbered after the `before` rows of earlier files."""
        return (self.read(each, row=number) for number, each in enumerate(rows, start=before + 1))

    def read(self, raw_row: RawRow, *, row: int) -> Record | RawRow:
        """The row's record, or the row with its problem."""
        try:
            if raw_row.problem is not None:
                raise RowProblem(raw_row.problem)
            return self.record(raw_row.values, row=row, line=raw_row.line)
        except RowProblem as problem:
            raw = raw_json(raw_row.values) if raw_row.raw is None else raw_row.raw
            return replace(raw_row, values={}, row=row, raw=raw, problem=str(problem))

    def record(self, values: Mapping[str, Any], *, row: int, line: int | None = None) -> Record:
        """The record in a row of `values`. Raises RowProblem."""
        fields: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        if self._guesses and not self._looked:
            self._looked = True
            self._sort(values, fields, rest)
            self._seen.update(fields)
            self._guess(rest)
            fields, rest = {}, {}
        self._sort(values, fields, rest)
        if "text" not in fields:
            there = [*(self._of[name] for name in fields), *rest]
            raise RowProblem(f"no {self._of['text']!r} here; {self.advice(dict.fromkeys(there))}")
        if self.unseen:
            for column in [column for column, name in self.unseen.items() if name in fields]:
                del self.unseen[column]
        text, sent_at = fields.pop("text"), fields.pop("created_at", None)
        created_at = to_utc(sent_at)
        if created_at is None and sent_at not in (None, ""):
            rest[AS_SENT] = sent_at
        for name, value in fields.items():
            if type(value) is not str or not value:
                fields[name] = _string(value, name)
        if fields.get("id"):
            fields["id"] = _whole(fields["id"])
        if fields.get("parent.id"):
            fields["parent.id"] = _parent_id(fields["parent.id"])
        get = fields.get
        parent = get("parent.id"), get("parent.text")
        article = get("article.id"), get("article.url"), get("article.title"), get("article.text")
        return Record(
            text=_text(text),
            row=row,
            line=line,
            id=get("id") or str(row),
            parent=Parent(id=parent[0], text=parent[1]) if any(parent) else None,
            article=Article(id=article[0], url=article[1], title=article[2], text=article[3])
            if any(article)
            else None,
            author_id=_somebody(get("author.id")),
            author_name=_somebody(get("author.name")),
            created_at=created_at,
            format=_format(get("format") or self.text_format),
            target=get("target"),
            language=get("language"),
            extra=rest,
        )

    def _sort(
        self, values: Mapping[str, Any], fields: dict[str, Any], rest: dict[str, Any], prefix: str = ""
    ) -> None:
        """Put the values of fields into `fields`, by field name, and all others into `rest`.

        Objects with fields are opened.
        """
        groups = self.groups
        for key, value in values.items():
            name = prefix + key if prefix else key
            if name in groups and isinstance(value, Mapping):
                self._sort(value, fields, rest, f"{name}.")
            elif name in self._fields:
                for held in self._fields[name]:
                    fields[held] = value
            elif (only := _only_field(name, value)) is not None and only not in self._nowhere:
                fields.setdefault(only, value)
            else:
                rest[name] = value


def _only_field(name: str, value: object) -> str | None:
    """The field that a plain string means where an object is expected: `"author": "Vera"`."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return None
    if name == "article" and isinstance(value, str):
        return "article.url" if _ADDRESS.match(value) else "article.title"
    return ONE_TEXT.get(name)


def _somebody(name: str | None) -> str | None:
    """The name or id; None for placeholders such as `anonymous` and `0000-0000`."""
    return None if name is None or _NOBODY.fullmatch(name.strip()) else name


def _whole(value: str) -> str:
    """An id without pandas' `.0`: it writes whole numbers in a column with gaps as `123.0`."""
    number = _WHOLE.fullmatch(value)
    return number[1] if number else value


def _parent_id(value: str) -> str | None:
    """The id; None for values that mean no parent."""
    return None if value.strip().lower() in _NO_PARENT else _whole(value)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "none"


def _text(value: object) -> str:
    if value is None or value != value:  # NaN, as pandas writes a missing text
        raise RowProblem("the text is missing (null): nothing to score")
    if not isinstance(value, str):
        raise RowProblem(f"the text must be a string, not {_kind(value)}")
    if not value.strip():
        raise RowProblem(EMPTY_TEXT)
    return value


def _string(value: object, name: str) -> str | None:
    """A field as a string; also accepts whole numbers, which ids often are."""
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise RowProblem(f"{name!r} must be a string, not {_kind(value)}")
    return value


def _format(value: str | None) -> TextFormat:
    if value is None:
        return "plain"
    if value not in _FORMATS:
        raise RowProblem(f"'format' must be one of {', '.join(_FORMATS)}, not {value!r}")
    return value  # type: ignore[return-value]


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)
