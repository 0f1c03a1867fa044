"""A dump in several files: a folder, an archive or several arguments are read as one, in one order.

    with open_dump([Path("export/")], name=None, columns=Columns()) as (reader, remarks):
        for row in reader: ...                      # parents and articles are found across files

All files have one format: others are skipped and reported. If one breaks off, reading continues with the
next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from parley.service.dumps.formats.registry import (
    GENERIC,
    INPUTS,
    Input,
    Reader,
    detect,
    known_format,
    open_reader,
)
from parley.service.dumps.formats.reply_tree import Index, Joined
from parley.service.dumps.reading.packing import continued, main_file, members, natural
from parley.service.dumps.reading.record import Columns, RawRow, Record
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError, NothingToScore

MOST = 10_000
"""The most files in one dump."""

Opener = Callable[..., Source]


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a dump, or one in an archive."""

    path: Path
    member: str | None = None

    @property
    def name(self) -> str:
        """Its name in messages: the path, and the member of an archive."""
        return f"{self.path}: {self.member}" if self.member else str(self.path)


def parts_of(given: Sequence[Path]) -> list[Part]:
    """The files in `given`, with folders and archives expanded. Raises DumpError."""
    parts = list(dict.fromkeys(part for path in given for part in _inside(path)))
    if len(parts) > MOST:
        raise DumpError(f"{given[0]} has {len(parts):,} files; Parley reads at most {MOST:,} as one dump")
    return parts


def _inside(path: Path) -> Iterator[Part]:
    if path.is_dir():
        names = [str(file.relative_to(path)) for file in sorted(path.rglob("*")) if file.is_file()]
        names = [name for name in names if not any(part.startswith(".") for part in Path(name).parts)]
        if not names:
            raise NothingToScore(f"{path} is an empty folder: there is nothing to score")
        for name in _those_with_comments(names):
            yield from _inside(path / name)
    elif len(names := members(path)) > 1 and "[Content_Types].xml" not in names:
        yield from (Part(path, name) for name in _those_with_comments(names))
    else:
        yield Part(path)


def _those_with_comments(names: Sequence[str]) -> list[str]:
    """The file of comments and its continuations, if the names show which it is; else all files."""
    main = main_file(names)
    return continued(main, names) if main is not None else sorted(names, key=natural)


class Several:
    """The rows of several files in their order. `open_source(path, member=..., rows_before=...)` opens each.

    Raises DumpError if none is a dump.
    """

    def __init__(
        self, parts: Sequence[Part], *, name: str | None, columns: Columns, open_source: Opener = Source
    ) -> None:
        self._open, self._given_columns = open_source, columns
        self.remarks: list[str] = []
        self.skipped: Counter[str] = Counter()
        self.repaired = 0
        self.columns: tuple[str, ...] = ()
        self.types: dict[str, Any] = {}
        self._form, fitting = self._format(parts, name)
        self._parts = self._that_open(fitting)
        self._sizes = [part.path.stat().st_size for part in self._parts]
        self._done = 0
        self._joined: Joined | None = None
        self._source: Source | None = None

    @property
    def fraction(self) -> float:
        """How much has been read, in [0, 1]: by the files' sizes, or by their number in an archive."""
        whole = len({part.path for part in self._parts}) == len(self._parts)
        sizes = self._sizes if whole else [1] * len(self._parts)
        source = self._source
        current = sizes[self._done] * source.fraction if source is not None and self._done < len(sizes) else 0
        read = min(1.0, (sum(sizes[: self._done]) + current) / max(sum(sizes), 1))
        return read * (self._joined.share if self._joined else 1.0)

    def __iter__(self) -> Iterator[Record | RawRow]:
        with closing(Index()) as index:
            self._joined = Joined(
                self._rows(index),
                index,
                skipped=self.skipped,
                read_ahead=not self._form.parents_first,
                rooted=self._form.rooted,
            )
            yield from self._joined

    def _format(self, parts: Sequence[Part], name: str | None) -> tuple[Input, list[Part]]:
        """The format of most files, and the files that have it; specific formats come before tables."""
        formats = {part: self._told(part) for part in parts}
        counts = Counter(form for form in formats.values() if form)
        own = Counter({form: count for form, count in counts.items() if form not in GENERIC})
        most = name or next((form for form, _ in (own or counts).most_common(1)), None)
        if most is None:
            names = ", ".join(part.name for part in parts[:3])
            raise DumpError(
                f"can't detect the format of {names}: give --format with one of {', '.join(INPUTS)}"
            )
        chosen = INPUTS[known_format(most)]
        fitting = [part for part, form in formats.items() if form == most] or list(parts)
        self._pass_over([part for part in parts if part not in fitting], f"no {most}")
        return chosen, fitting

    def _told(self, part: Part) -> str | None:
        try:
            with closing(self._open(part.path, member=part.member)) as source:
                return detect(source, mapped=bool(self._given_columns.mapped))
        except DumpError:
            return None

    def _that_open(self, parts: Sequence[Part]) -> list[Part]:
        """The readable files, and their columns."""
        opened, names, problem = [], {}, None
        for part in parts:
            try:
                with closing(self._open(part.path, member=part.member)) as source:
                    reader = self._form.open(source, copy(self._given_columns))
                    names.update(dict.fromkeys(reader.columns))
                    self.types.update(getattr(reader, "types", {}))
                opened.append(part)
            except DumpError as error:
                problem = problem or error
        if not opened and problem is not None:
            raise problem
        self._pass_over([part for part in parts if part not in opened], f"not read ({problem})")
        self.columns = tuple(names)
        if names and "parent.id" in names and "parent.text" not in names:
            self.columns += ("parent.text",)
        return opened

    def _pass_over(self, parts: Sequence[Part], why: str) -> None:
        if parts:
            more = f" and {len(parts) - 3:,} more" if len(parts) > 3 else ""
            named = ", ".join(part.member or part.path.name for part in parts[:3])
            self.remarks.append(f"files skipped as {why}: {named}{more}")

    def _rows(self, index: Index) -> Iterator[Record | RawRow]:
        before = 0
        for number, part in enumerate(self._parts):
            self._done = number
            for row in self._of_part(part, index, before):
                before += 1
                yield row
        self._done = len(self._parts)

    def _of_part(self, part: Part, index: Index, before: int) -> Iterator[Record | RawRow]:
        number = 0
        try:
            with closing(self._open(part.path, member=part.member, rows_before=before)) as source:
                self._source = source
                reader = self._form.open(source, copy(self._given_columns))
                try:
                    for row in reader.rows(index):
                        number += 1
                        yield replace(row, file=part.name) if isinstance(row, RawRow) else row
                finally:
                    self.repaired += source.repaired
                    self.remarks += source.remarks
                    self.skipped.update(source.skipped)
        except NothingToScore:
            return
        except DumpError as error:
            self.remarks.append(f"a file could not be read to its end: {error}")
            reason = f"the rest of this file is not read: {error}"
            yield RawRow(problem=reason, row=before + number + 1, file=part.name)
        finally:
            self._source = None


class Told(Protocol):
    """What the run's summary says about its input."""

    remarks: list[str]
    skipped: Counter[str]
    repaired: int


@contextmanager
def open_dump(
    given: Sequence[Path], *, name: str | None, columns: Columns, **options: Any
) -> Iterator[tuple[Reader, Told]]:
    """The reader of the dump in these files, and the summary's remarks. `options` are Source's."""
    parts = parts_of(given)
    if len(parts) == 1:
        with closing(Source(parts[0].path, member=parts[0].member, **options)) as source:
            yield open_reader(source, name=name, columns=columns), source
        return
    several = Several(parts, name=name, columns=columns, open_source=partial(Source, **options))
    yield several, several
