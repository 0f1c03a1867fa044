"""JSON lines: one comment a line, with the fields of the REST request, nested or with dots.

{"id": "7", "text": "Well said.", "article": {"title": "Bridge to close"}, "parent": {"text": "Close
it."}}
"""

from __future__ import annotations

from collections.abc import Iterator

from parley.service.dumps.formats.native import parse_object
from parley.service.dumps.reading.record import BadRow, Columns, Record, RowProblem
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError


class JsonLinesReader:
    """Records of a JSON lines file. `columns` is empty: only the rows know what they hold."""

    columns: tuple[str, ...] = ()

    def __init__(self, source: Source, columns: Columns) -> None:
        if source.head_text.lstrip().startswith("["):
            raise DumpError(
                f"{source.place} holds one JSON list; Parley reads one comment a line: "
                f"jq -c '.[]' {source.path.name} > comments.jsonl"
            )
        self._source, self._columns = source, columns

    @property
    def fraction(self) -> float:
        return self._source.fraction

    def __iter__(self) -> Iterator[Record | BadRow]:
        row = 0
        for number, line in self._source.lines():
            if not line.strip():
                continue
            row += 1
            try:
                yield self._columns.record(parse_object(line), row=row, line=number)
            except RowProblem as problem:
                yield BadRow(reason=str(problem), row=row, line=number, raw=line.rstrip("\r\n"))
