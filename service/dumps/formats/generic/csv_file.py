"""CSV and TSV with a header row; the columns are the fields of the REST request with dots, or mapped.

A quotation mark that is never closed would swallow every row after it, silently. So each row is parsed on
its own, strictly, and must have as many cells as the header; where a row that spans lines fails, only its
first line is bad, and reading goes on with the line below.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from parley.service.dumps.reading.record import BadRow, Columns, Record, RowProblem
from parley.service.dumps.reading.source import MAX_LINE, Source
from parley.service.errors import DumpError

DELIMITERS = ",;\t|"
_NEVER_CLOSED = (
    "a quotation mark opens here and is not closed properly: close it, or double those within the text"
)
_NOT_DOUBLED = 'a quotation mark inside a quoted cell must be doubled (""), or the cell is never closed'


class CsvReader:
    """Records of a delimited file. The delimiter is whichever of `,` `;` tab `|` the header uses."""

    def __init__(self, source: Source, columns: Columns) -> None:
        csv.field_size_limit(MAX_LINE)
        self._source, self._columns = source, columns
        self._lines = source.lines()
        self._again: deque[tuple[int, str]] = deque()
        self._delimiter = delimiter(source.head_text)
        self._header = self._read_header()
        columns.check(self._header, place=str(source.path))
        self.columns = columns.names(self._header)

    @property
    def fraction(self) -> float:
        return self._source.fraction

    def __iter__(self) -> Iterator[Record | BadRow]:
        row, recovering = 0, False
        while (found := self._next_row()) is not None:
            row += 1
            problem = found.problem
            if problem is None and len(found.cells) != len(self._header):
                problem = f"{len(found.cells)} cells, where the header has {len(self._header)}"
            if problem is None and recovering and found.raw.count('"') % 2:
                problem = "belongs to the broken row above"
            recovering = problem is not None and (recovering or '"' in found.raw)
            if problem is not None:
                self._push_back(found)
                yield BadRow(reason=problem, row=row, line=found.line, raw=found.lines[0][1].rstrip("\r\n"))
                continue
            try:
                values = dict(zip(self._header, found.cells, strict=True))
                yield self._columns.record(values, row=row, line=found.line)
            except RowProblem as reason:
                yield BadRow(reason=str(reason), row=row, line=found.line, raw=found.raw.rstrip("\r\n"))

    def _read_header(self) -> tuple[str, ...]:
        header = self._next_row()
        if header is None or header.problem is not None:
            problem = header.problem if header else "every line is blank"
            raise DumpError(f"{self._source.path} has no readable header row: {problem}")
        names: dict[str, None] = {}
        for number, cell in enumerate(header.cells, start=1):
            name = " ".join(cell.split()) or f"column_{number}"
            while name in names:
                name = f"{name}_{number}"
            names[name] = None
        if not all(map(str.isprintable, names)):
            raise DumpError(f"{self._source.path} is no text; save a spreadsheet as CSV, or say its --format")
        return tuple(names)

    def _next_row(self) -> _Row | None:
        """The next row that isn't blank, read strictly; None at the end."""
        while (first := self._next_line()) is not None:
            if first[1].strip("\r\n"):
                return self._parse([first])
        return None

    def _parse(self, taken: list[tuple[int, str]]) -> _Row:
        """The row that starts with the one line in `taken`, to which the lines it spans are added."""
        try:
            cells = next(csv.reader(self._spanned(taken), delimiter=self._delimiter, strict=True))
        except csv.Error:
            return _Row(taken, [], _NEVER_CLOSED if len(taken) > 1 else _NOT_DOUBLED)
        return _Row(taken, cells, None)

    def _spanned(self, taken: list[tuple[int, str]]) -> Iterator[str]:
        size = 0
        yield taken[0][1]
        while size < MAX_LINE and (line := self._next_line()) is not None:
            taken.append(line)
            size += len(line[1])
            yield line[1]

    def _next_line(self) -> tuple[int, str] | None:
        return self._again.popleft() if self._again else next(self._lines, None)

    def _push_back(self, row: _Row) -> None:
        """Read the lines below a broken row's first again, as rows of their own."""
        self._again.extendleft(reversed(row.lines[1:]))


@dataclass(frozen=True, slots=True)
class _Row:
    lines: list[tuple[int, str]]
    cells: list[str]
    problem: str | None

    @property
    def line(self) -> int:
        return self.lines[0][0]

    @property
    def raw(self) -> str:
        return "".join(text for _, text in self.lines)


def delimiter(head: str) -> str:
    """Whichever of DELIMITERS the first line uses most."""
    header = next((line for line in head.splitlines() if line.strip()), "")
    return max(DELIMITERS, key=header.count)
