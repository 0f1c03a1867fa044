"""JSON lines: one comment a line, with the fields of the REST request, nested or with dots.

{"id": "7", "text": "Well said.", "article": {"title": "Bridge to close"}, "parent": {"text": "Close
it."}}
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from service.dumps.record import BadRow, Columns, Record, RowProblem
from service.dumps.source import MAX_LINE, Source
from service.errors import DumpError


class JsonLinesReader:
    """Records of a JSON lines file. `columns` is empty: only the rows know what they hold."""

    columns: tuple[str, ...] = ()

    def __init__(self, source: Source, columns: Columns) -> None:
        if source.head_text.lstrip().startswith("["):
            raise DumpError(
                f"{source.path} holds one JSON list; Parley reads one comment a line: "
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
                yield self._columns.record(_parse(line), row=row, line=number)
            except RowProblem as problem:
                yield BadRow(reason=str(problem), row=row, line=number, raw=line.rstrip("\r\n"))


def _parse(line: str) -> dict[str, object]:
    if len(line) >= MAX_LINE:
        raise RowProblem(f"the line is longer than {MAX_LINE:,} characters; its start is kept here")
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RowProblem(f"not JSON: {error}") from error
    if not isinstance(values, dict):
        raise RowProblem('not a JSON object; a comment is {"text": "..."}')
    return values
