"""CSV and TSV with a header row; the columns are the fields of the REST request with dots, or mapped.

A row that fails is tried again with backslash-escaped quotation marks, and in TSV as plain cells.

A quotation mark that is never closed would silently swallow all following rows. So each row is parsed
strictly by itself and must have as many cells as the header; if a row that spans lines fails, only its first
line is bad, and reading continues with the next line.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from parley.service.dumps.reading.record import Columns, RawRow, Record
from parley.service.dumps.reading.source import MAX_LINE, Source
from parley.service.errors import DumpError

DELIMITERS = ",;\t|"
_SEPARATOR = re.compile(r"\ufeff?sep=(.)", re.IGNORECASE)
_NEVER_CLOSED = (
    "a quotation mark opens here and is not closed properly: close it, or double those within the text"
)
_NOT_DOUBLED = 'a quotation mark inside a quoted cell must be doubled (""), or the cell is never closed'


class Rows:
    """The rows of a delimited file, each parsed strictly by itself."""

    def __init__(self, source: Source, delimiter: str) -> None:
        csv.field_size_limit(MAX_LINE)
        self.width: int | None = None
        """The required number of cells; other rows are tried in other dialects."""
        self._lines = source.lines()
        self._again: deque[tuple[int, str]] = deque()
        self._delimiter = delimiter

    def next(self) -> Row | None:
        """The next row that isn't blank, parsed strictly; None at the end. Raises DumpError."""
        while (first := self._next_line()) is not None:
            if first[1].strip("\r\n"):
                return self._parse([first])
        return None

    def _parse(self, taken: list[tuple[int, str]]) -> Row:
        """The row that starts with the line in `taken`; the lines it spans are added there."""
        row = self._read(taken)
        if self.width is None or (row.problem is None and len(row.cells) == self.width):
            return row
        others: list[dict[str, Any]] = []
        if any(r"\"" in line for _, line in row.lines):
            others.append({"escapechar": "\\"})
        if self._delimiter == "\t" and '"' in taken[0][1]:
            others.append({"quoting": csv.QUOTE_NONE})
        for dialect in others:
            self.again(row)
            row = self._read(taken[:1], **dialect)
            if row.problem is None and len(row.cells) == self.width:
                return row
        if others:
            self.again(row)
            row = self._read(taken[:1])
        return row

    def _read(self, taken: list[tuple[int, str]], **dialect: Any) -> Row:
        try:
            cells = next(csv.reader(self._spanned(taken), delimiter=self._delimiter, strict=True, **dialect))
        except csv.Error:
            return Row(taken, [], _NEVER_CLOSED if len(taken) > 1 else _NOT_DOUBLED)
        return Row(taken, cells, None)

    def _spanned(self, taken: list[tuple[int, str]]) -> Iterator[str]:
        size = 0
        yield taken[0][1]
        while size < MAX_LINE and (line := self._next_line()) is not None:
            taken.append(line)
            size += len(line[1])
            yield line[1]

    def _next_line(self) -> tuple[int, str] | None:
        return self._again.popleft() if self._again else next(self._lines, None)

    def again(self, row: Row) -> None:
        """Read the lines after a broken row's first again, as separate rows."""
        self._again.extendleft(reversed(row.lines[1:]))


class CsvReader:
    """Records of a delimited file. The delimiter is the one of `,` `;` tab `|` that the header uses."""

    def __init__(self, source: Source, columns: Columns) -> None:
        self._source, self._columns = source, columns
        self._rows = Rows(source, delimiter(source.head_text))
        self._header = self._read_header()
        columns.check(self._header, place=source.place)
        self.columns = columns.names(self._header)

    @property
    def fraction(self) -> float:
        """How much of the input has been read, in [0, 1]."""
        return self._source.fraction

    def __iter__(self) -> Iterator[Record | RawRow]:
        return self._columns.read_all(self._raw_rows(), before=self._source.rows_before)

    def _raw_rows(self) -> Iterator[RawRow]:
        recovering = False
        while (parsed := self._rows.next()) is not None:
            problem = parsed.problem
            if problem is None and len(parsed.cells) != len(self._header):
                problem = f"{len(parsed.cells)} cells, where the header has {len(self._header)}"
            if problem is None and recovering and parsed.raw.count('"') % 2:
                problem = "belongs to the broken row above"
            recovering = problem is not None and (recovering or '"' in parsed.raw)
            if problem is not None:
                self._rows.again(parsed)
                yield RawRow(problem=problem, line=parsed.line, raw=parsed.lines[0][1].rstrip("\r\n"))
            else:
                values = dict(zip(self._header, parsed.cells, strict=True))
                yield RawRow(values=values, line=parsed.line, raw=parsed.raw.rstrip("\r\n"))

    def _read_header(self) -> tuple[str, ...]:
        header = self._rows.next()
        if header is not None and _SEPARATOR.fullmatch(header.raw.strip("\ufeff\r\n")):
            header = self._rows.next()
        if header is None or header.problem is not None:
            problem = header.problem if header else "every line is blank"
            raise DumpError(f"{self._source.place} has no readable header row: {problem}")
        names: dict[str, None] = {}
        for number, cell in enumerate(header.cells, start=1):
            name = " ".join(cell.split()) or f"column_{number}"
            while name in names:
                name = f"{name}_{number}"
            names[name] = None
        self._rows.width = len(names)
        if not all(map(str.isprintable, names)):
            raise DumpError(
                f"{self._source.place} is not text; save a spreadsheet as CSV, or give its --format"
            )
        return tuple(names)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the file: its numbered lines, its cells, and its problem."""

    lines: list[tuple[int, str]]
    cells: list[str]
    problem: str | None

    @property
    def line(self) -> int:
        """The number of its first line."""
        return self.lines[0][0]

    @property
    def raw(self) -> str:
        """Its text, line ends included."""
        return "".join([text for _, text in self.lines])


def checked_rows(source: Source, widths: Collection[int] = ()) -> Iterator[Row]:
    """The rows of a comma-separated file, each with its problem; of a broken one that spans lines only the
    first line is lost. `widths` are the allowed numbers of cells (empty: any)."""
    rows = Rows(source, ",")
    while (row := rows.next()) is not None:
        if row.problem is None and widths and len(row.cells) not in widths:
            row = replace(row, problem=f"{len(row.cells)} cells, where the format has {max(widths)}")
        if row.problem is not None:
            rows.again(row)
        yield row


def delimiter(head: str) -> str:
    """The delimiter of Excel's line `sep=;`, or the one of DELIMITERS that the first line uses most."""
    first = next((line for line in head.splitlines() if line.strip()), "")
    told = _SEPARATOR.fullmatch(first)
    return told[1] if told else max(DELIMITERS, key=first.count)


def header_line(head: str) -> str:
    """The first line that isn't blank, nor Excel's `sep=;`."""
    lines = (line for line in head.splitlines() if line.strip() and not _SEPARATOR.fullmatch(line))
    return next(lines, "")
