"""Files of scores: JSON lines, CSV, Parquet, written in parts and joined into one file.

All parts of a file have one layout; only the first has the `header`, in formats that have one.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from parley.service.dumps.formats.generic.tables import import_pyarrow
from parley.service.dumps.reading.names import LISTS, PREDICTED
from parley.service.dumps.scoring.rows import Layout, Scored, json_row, kind_of, plain, table_row, to_json

ROW_GROUP = 20_000
"""Rows per Parquet row group: many small ones are slow to read."""
_TEXTS = ("stance.target", "stance.label", "reply.label", "language", "decision.action")


class Writer(Protocol):
    """Writes scored comments in the order given; `close` ends the format without closing the file."""

    def write(self, rows: Sequence[Scored]) -> None:
        """Append these rows."""

    def close(self) -> None:
        """Write the format's end."""


class JsonLinesWriter:
    """One object per line, as in `parley.service.dumps.scoring.rows`."""

    def __init__(self, handle: BinaryIO, layout: Layout, *, header: bool = True) -> None:
        self._handle = handle

    def write(self, rows: Sequence[Scored]) -> None:
        """Write one line per row."""
        self._handle.writelines(to_json(json_row(row)) + b"\n" for row in rows)

    def close(self) -> None:
        """Nothing: JSON lines have no end."""
        pass


_CELLS = (str, float, int)
"""Characters that the csv module writes unquoted."""


class CsvWriter:
    """RFC 4180 in UTF-8. Cells are written unchanged, even if they start with `=`."""

    def __init__(self, handle: BinaryIO, layout: Layout, *, header: bool = True) -> None:
        self._layout = layout
        self._text = io.TextIOWrapper(handle, encoding="utf-8", errors="backslashreplace", newline="")
        self._csv = csv.writer(self._text)
        if header:
            self._csv.writerow(layout.columns)

    def write(self, rows: Sequence[Scored]) -> None:
        """Write one record per row."""
        for row in rows:
            cells = table_row(row, self._layout)
            self._csv.writerow([v if v is None or type(v) in _CELLS else plain(v) for v in cells])

    def close(self) -> None:
        """Flush, and leave the handle open."""
        self._text.flush()
        self._text.detach()


class ParquetWriter:
    """Scores as 64-bit floats, lists as lists of structs, the input's own columns with their types.

    JSON lines have no types: the first rows decide a column's type, and a later value that doesn't fit goes
    to the column `input.others`. All else is text.
    """

    def __init__(self, handle: BinaryIO, layout: Layout, *, header: bool = True) -> None:
        self._pa = import_pyarrow()
        self._layout = layout
        kinds = layout.kinds
        self._kinds = [(at, name, kinds[name]) for at, name in enumerate(layout.inputs) if name in kinds]
        self._schema = self._pa.schema([(name, self._type(name)) for name in layout.columns])
        self._texts = {column.name for column in self._schema if column.type == self._pa.string()}
        self._parquet = self._pa.parquet.ParquetWriter(handle, self._schema, compression="zstd")
        self._waiting: list[Any] = []

    def write(self, rows: Sequence[Scored]) -> None:
        """Buffer the rows until they fill a row group."""
        flat = [table_row(row, self._layout) for row in rows]
        for row in flat:
            self._move_misfits(row)
        columns = zip(self._layout.columns, zip(*flat, strict=True), strict=True)
        table = {name: self._column(name, values) for name, values in columns}
        self._waiting.append(self._pa.table(table, schema=self._schema))
        if sum(table.num_rows for table in self._waiting) >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write the last row group and the footer."""
        self._flush()
        self._parquet.close()

    def _flush(self) -> None:
        if self._waiting:
            self._parquet.write_table(self._pa.concat_tables(self._waiting))
        self._waiting = []

    def _move_misfits(self, row: list[Any]) -> None:
        """Move values that don't fit their column's type into the column for others."""
        others = len(self._layout.inputs)
        for at, name, kind in self._kinds:
            if row[at] is not None and kind_of([row[at], kind()]) is not kind:
                row[others] = {**(row[others] or {}), name: row[at]}
                row[at] = None

    def _type(self, name: str) -> Any:
        pa = self._pa
        if name == "created_at":
            return pa.timestamp("us", "UTC")
        if name in self._layout.kinds:
            return {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}[self._layout.kinds[name]]
        if name not in PREDICTED:
            kind = self._layout.types.get(name, "string")
            return pa.type_for_alias(kind) if isinstance(kind, str) else kind
        lists = {
            "spans": pa.struct(
                [("start", pa.int64()), ("end", pa.int64()), ("label", pa.string()), ("score", pa.float64())]
            ),
            "decision.reasons": pa.struct(
                [
                    ("code", pa.string()),
                    ("detail", pa.string()),
                    ("score", pa.float64()),
                    ("threshold", pa.float64()),
                ]
            ),
            "notes": pa.string(),
        }
        if name in LISTS:
            return pa.list_(lists[name])
        return pa.string() if name in _TEXTS else pa.float64()

    def _column(self, name: str, values: Sequence[Any]) -> Sequence[Any]:
        if name not in self._texts:
            return values
        return [value if value is None else _utf8(value) for value in values]


def _utf8(value: Any) -> str:
    """The value as text that UTF-8 can encode."""
    text = value if type(value) is str else plain(value)
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def concatenate(parts: Sequence[Path], out: BinaryIO) -> None:
    """Join parts of a text format."""
    for part in parts:
        with part.open("rb") as handle:
            shutil.copyfileobj(handle, out, 2**20)


def concatenate_parquet(parts: Sequence[Path], out: BinaryIO) -> None:
    """Join parts into row groups of ROW_GROUP rows."""
    pa = import_pyarrow()
    schema = pa.parquet.read_schema(parts[0])
    with pa.parquet.ParquetWriter(out, schema, compression="zstd") as joined:
        for group in _in_groups(pa, (pa.parquet.read_table(part, schema=schema) for part in parts)):
            joined.write_table(group)


def _in_groups(pa: Any, tables: Iterator[Any]) -> Iterator[Any]:
    group: list[Any] = []
    rows = 0
    for table in tables:
        group.append(table)
        rows += table.num_rows
        while rows >= ROW_GROUP:
            # As one chunk, since the chunks of a column would change the bytes.
            whole = pa.concat_tables(group)
            yield whole.slice(0, ROW_GROUP).combine_chunks()
            rows -= ROW_GROUP
            group = [whole.slice(ROW_GROUP)]
    if rows:
        yield pa.concat_tables(group).combine_chunks()


class OpenWriter(Protocol):
    """Opens a writer on a handle."""

    def __call__(self, handle: BinaryIO, layout: Layout, *, header: bool = True) -> Writer:
        """A writer of this layout; `header` False omits a CSV's first line."""


class Join(Protocol):
    """Joins files from such writers."""

    def __call__(self, parts: Sequence[Path], out: BinaryIO) -> None:
        """Write the parts, in order, as one file to `out`."""


@dataclass(frozen=True, slots=True)
class Output:
    """A format that can be written."""

    open: OpenWriter
    join: Join


WRITERS: dict[str, Output] = {
    "jsonl": Output(JsonLinesWriter, concatenate),
    "csv": Output(CsvWriter, concatenate),
    "parquet": Output(ParquetWriter, concatenate_parquet),
}
"""Every output format by its name."""
