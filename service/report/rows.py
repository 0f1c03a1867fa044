"""Reads scored output back: JSON lines, CSV or Parquet from `parley score`, as one file or a folder of parts.

    for row in ScoredFile.open(Path("scores.jsonl")): ...

A row keeps only the columns a report needs. A row that can't be read is counted in `unreadable` and skipped.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

from parley.model.labels import STANCES, UNSURE
from parley.service.dumps.formats.generic.csv_file import DELIMITERS
from parley.service.dumps.formats.generic.tables import import_pyarrow
from parley.service.dumps.reading.source import MAX_LINE, Source
from parley.service.dumps.reading.times import in_utc
from parley.service.errors import DumpError
from parley.service.policy.decision import SEVERITY
from parley.service.policy.rules import SCORES

NEEDED = ("text", "abuse.toxicity", "decision.action")
"""The columns that every scored file has."""
COLUMNS = (
    *NEEDED,
    *(score for score in SCORES if score not in NEEDED),
    *("id", "format", "created_at", "language"),
    *("article.id", "article.url", "article.title", "author.id", "author.name"),
    *("stance.target", "stance.label", "spans", "decision.reasons", "notes"),
)
_SUFFIXES = (".jsonl", ".ndjson", ".csv", ".parquet")
_OBJECTS = ("article", "author", "abuse", "stance", "decision")


class _Unreadable(ValueError):
    """A row that can't be used; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRow:
    """One scored comment. `scores` are by path (`abuse.toxicity`), None where the model gave no score.

    `stance` is one of STANCES, UNSURE if the model settled on none, and None without a target.
    """

    id: str
    text: str
    format: str
    created_at: datetime | None
    language: str | None
    article: str | None
    article_name: str
    author: str | None
    author_name: str
    scores: dict[str, float | None]
    target: str | None
    stance: str | None
    spans: list[Mapping[str, Any]]
    action: str
    reasons: list[Mapping[str, Any]]
    notes: list[str]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The row with these values, given by column. Raises _Unreadable."""
        get = values.get
        action, text = get("decision.action"), get("text")
        if action not in SEVERITY or not isinstance(text, str):
            raise _Unreadable("it lacks text or decision.action")
        stance = get("stance.label") or None
        if stance is not None and stance not in STANCES:
            raise _Unreadable(f"its stance.label is not one of {', '.join(STANCES)}")
        target = get("stance.target") or None
        article = get("article.id") or get("article.url") or get("article.title")
        author = get("author.id") or get("author.name")
        return cls(
            id=str(get("id") or ""),
            text=text,
            format=get("format") or "plain",
            created_at=_time(get("created_at")),
            language=get("language") or None,
            article=None if article is None else str(article),
            article_name=str(get("article.title") or get("article.url") or article or ""),
            author=None if author is None else str(author),
            author_name=str(get("author.name") or author or ""),
            scores={score: _score(get(score)) for score in SCORES},
            target=target,
            stance=stance or (UNSURE if target else None),
            spans=[span for span in _list(get("spans")) if isinstance(span, dict)],
            action=action,
            reasons=[reason for reason in _list(get("decision.reasons")) if isinstance(reason, dict)],
            notes=[str(note) for note in _list(get("notes"))],
        )


class ScoredFile:
    """The rows of a scored file, or of the files in a folder in the order of their names.

    `unreadable` counts the rows skipped so far; `first_problem` describes the first of them.
    """

    def __init__(self, files: list[Path]) -> None:
        self.files = files
        self.unreadable = 0
        self.first_problem = ""
        self._sizes = [file.stat().st_size for file in files]
        self._done = 0
        self._source: Source | None = None

    @classmethod
    def open(cls, path: Path) -> Self:
        """The rows at `path`. Raises DumpError if there is no such file or no scored file in the folder."""
        if not path.exists():
            raise DumpError(f"{path} can't be opened: there is no such file")
        if not path.is_dir():
            return cls([path])
        if (path / "manifest.jsonl").exists():
            raise DumpError(
                f"{path} is an unfinished run; give the same `parley score` command again to complete it"
            )
        files = sorted(file for file in path.iterdir() if _is_part(file))
        if not files:
            raise DumpError(f"{path} contains no scored file ({', '.join(_SUFFIXES)})")
        return cls(files)

    @property
    def fraction(self) -> float:
        """The share of the bytes read so far, in [0, 1]."""
        now = self._source.fraction * self._source.size if self._source else 0.0
        return min(1.0, (self._done + now) / (sum(self._sizes) or 1))

    def __iter__(self) -> Iterator[ScoredRow]:
        """Every row that can be read. Raises DumpError for a file that has no scores or is damaged."""
        for file, size in zip(self.files, self._sizes, strict=True):
            with closing(Source(file)) as self._source:
                for number, values in enumerate(_values(self._source), start=1):
                    try:
                        yield ScoredRow.of(values() if callable(values) else values)
                    except (ValueError, TypeError) as error:
                        self._skip(f"{file.name}, row {number}: {error}")
            self._done, self._source = self._done + size, None

    def _skip(self, problem: str) -> None:
        self.unreadable += 1
        self.first_problem = self.first_problem or problem


_Values = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
"""A row's values by column, or a function that parses them and may fail."""


def _is_part(file: Path) -> bool:
    name = file.name.lower()
    hidden = name.startswith((".", "_")) or name.endswith(".errors.jsonl")
    return file.is_file() and not hidden and name.removesuffix(".gz").endswith(_SUFFIXES)


def _values(source: Source) -> Iterator[_Values]:
    if source.head.startswith(b"PAR1"):
        return _from_parquet(source)
    if source.head_text.lstrip("\ufeff \r\n\t").startswith("{"):
        return _from_json(source)
    return _from_csv(source)


def _from_json(source: Source) -> Iterator[_Values]:
    checked = False
    for _, line in source.lines():
        if not line.strip():
            continue
        if not checked:
            _check(source.path, _first(line, source.path))
            checked = True
        yield partial(_parse, line)


def _parse(line: str) -> dict[str, Any]:
    return _flat(json.loads(line))


def _first(line: str, path: Path) -> dict[str, Any]:
    try:
        return _parse(line)
    except ValueError as error:
        raise DumpError(
            f"{path} is not a scored file: its first line is not JSON; create one with "
            f"`parley score comments.csv -o scores.jsonl`"
        ) from error


def _flat(values: Any) -> dict[str, Any]:
    """Nested objects flattened into dotted names."""
    if not isinstance(values, dict):
        raise _Unreadable("it is not a JSON object")
    flat = dict(values)
    for group in _OBJECTS:
        if isinstance(flat.get(group), dict):
            flat.update({f"{group}.{name}": value for name, value in flat.pop(group).items()})
    return flat


def _from_csv(source: Source) -> Iterator[_Values]:
    csv.field_size_limit(MAX_LINE)
    header = source.head_text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=header.count)
    rows = csv.DictReader((line for _, line in source.lines()), delimiter=delimiter)
    try:
        _check(source.path, rows.fieldnames or ())
        for row in rows:
            yield {name: value or None for name, value in row.items()}
    except csv.Error as error:
        raise DumpError(f"{source.path} can't be read past line {rows.line_num}: {error}") from error


def _from_parquet(source: Source) -> Iterator[_Values]:
    pa = import_pyarrow()
    try:
        table = pa.parquet.ParquetFile(source.stream)
        names = table.schema_arrow.names
        _check(source.path, names)
        wanted = [name for name in names if name in COLUMNS]
        for batch in table.iter_batches(batch_size=1000, columns=wanted):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        first = str(error).partition("\n")[0]
        raise DumpError(f"{source.path} can't be read: it is damaged or was cut short ({first})") from error


def _check(path: Path, names: Iterable[str]) -> None:
    """Raises DumpError if a column that every scored file has is missing."""
    columns = set(names)
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise DumpError(
            f"{path} is not a scored file: it lacks {', '.join(missing)}. `parley score` adds them: "
            f"parley score {path} -o scores.jsonl, then parley report scores.jsonl"
        )


def _score(value: Any) -> float | None:
    if value is None or value == "":
        return None
    score = float(value)
    if not 0 <= score <= 1 or math.isnan(score):
        raise _Unreadable("a score is not between 0 and 1")
    return score


def _time(value: Any) -> datetime | None:
    """The time in UTC; None if it is missing or can't be parsed."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return in_utc(value) if isinstance(value, datetime) else None


def _list(value: Any) -> list[Any]:
    """A list; in CSV it is stored as JSON."""
    if isinstance(value, str):
        value = json.loads(value) if value else []
    return value if isinstance(value, list) else []
