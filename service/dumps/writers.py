"""Files of scores: JSON lines, CSV, Parquet, each written beside its place and moved there when it is
whole."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from service.dumps.names import LISTS, OTHERS, PREDICTED, REPEATED
from service.dumps.rows import Layout, Scored, json_row, plain, table_row, to_json
from service.dumps.tables import import_pyarrow
from service.errors import DumpError

ROW_GROUP = 20_000
"""Rows of a Parquet row group: readers are slow over many small ones."""
_TEXTS = ("stance.target", "stance.label", "language", "decision.action")


class AtomicFile:
    """A file that appears under its name whole or not at all; `discard` must follow `open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._handle: BinaryIO | None = None

    def open(self) -> None:
        """Start the file. Raises DumpError where the folder is missing or can't be written."""
        try:
            self._handle = self._part.open("wb")
        except OSError as error:
            raise DumpError(
                f"{self.path} can't be written: {error.strerror or error}; choose another place"
            ) from error

    @property
    def handle(self) -> BinaryIO:
        """What is written to; there is none before `open`."""
        assert self._handle is not None
        return self._handle

    def commit(self) -> None:
        """Move the whole file to its place."""
        self.handle.flush()
        os.fsync(self.handle.fileno())
        self.handle.close()
        os.replace(self._part, self.path)

    def discard(self) -> None:
        """Leave nothing behind; harmless after `commit`."""
        if self._handle is not None:
            self._handle.close()
        self._part.unlink(missing_ok=True)


class Writer(Protocol):
    """Writes scored comments in the order given; `close` ends the format, not the file below."""

    def write(self, rows: Sequence[Scored]) -> None: ...

    def close(self) -> None: ...


class JsonLinesWriter:
    """One object a line, as `service.dumps.rows` says."""

    def __init__(self, handle: BinaryIO, layout: Layout) -> None:
        self._handle = handle

    def write(self, rows: Sequence[Scored]) -> None:
        self._handle.writelines((to_json(json_row(row)) + "\n").encode() for row in rows)

    def close(self) -> None:
        pass


class CsvWriter:
    """RFC 4180 in UTF-8. Cells are the data as they are: one that starts with `=` is not altered."""

    def __init__(self, handle: BinaryIO, layout: Layout) -> None:
        self._layout = layout
        self._text = io.TextIOWrapper(handle, encoding="utf-8", errors="backslashreplace", newline="")
        self._csv = csv.DictWriter(self._text, layout.columns)
        self._csv.writeheader()

    def write(self, rows: Sequence[Scored]) -> None:
        for row in rows:
            self._csv.writerow({name: plain(value) for name, value in table_row(row, self._layout).items()})

    def close(self) -> None:
        self._text.flush()
        self._text.detach()


class ParquetWriter:
    """Scores as 64-bit floats, lists as lists of structs, the input's own columns in the types they came in.

    JSON lines have no types: there the first rows say what a column of the input's own is, and a later value
    that is something else goes to the column `input.others`. All else is text.
    """

    def __init__(self, handle: BinaryIO, layout: Layout) -> None:
        self._pa = import_pyarrow()
        self._handle, self._layout = handle, layout
        self._kinds: dict[str, type] = {}
        self._schema: Any = None
        self._parquet: Any = None
        self._waiting: list[Any] = []
        self._rows = 0

    def write(self, rows: Sequence[Scored]) -> None:
        flat = [table_row(row, self._layout) for row in rows]
        if self._parquet is None:
            self._start(flat)
        for row in flat:
            self._move_misfits(row)
        table = {name: [self._value(name, row[name]) for row in flat] for name in self._layout.columns}
        self._waiting.append(self._pa.table(table, schema=self._schema))
        self._rows += len(rows)
        if self._rows >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        if self._parquet is not None:
            self._parquet.close()

    def _start(self, first: Sequence[dict[str, Any]]) -> None:
        if self._layout.others:
            own = (name for name in self._layout.inputs if name not in REPEATED)
            kinds = {name: _kind([row[name] for row in first]) for name in own}
            self._kinds = {name: kind for name, kind in kinds.items() if kind is not None}
        self._schema = self._pa.schema([(name, self._type(name)) for name in self._layout.columns])
        self._parquet = self._pa.parquet.ParquetWriter(self._handle, self._schema, compression="zstd")

    def _move_misfits(self, row: dict[str, Any]) -> None:
        """Values of another kind than their column's into the column for the others."""
        for name, kind in self._kinds.items():
            if row[name] is not None and _kind([row[name]]) not in _FITS[kind]:
                row[OTHERS] = {**(row[OTHERS] or {}), name: row[name]}
                row[name] = None

    def _flush(self) -> None:
        if self._waiting:
            self._parquet.write_table(self._pa.concat_tables(self._waiting))
        self._waiting, self._rows = [], 0

    def _type(self, name: str) -> Any:
        pa = self._pa
        if name == "created_at":
            return pa.timestamp("us", "UTC")
        if name in self._kinds:
            return {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}[self._kinds[name]]
        if name not in PREDICTED:
            return self._layout.types.get(name, pa.string())
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

    def _value(self, name: str, value: Any) -> Any:
        if value is None or (
            not isinstance(value, str) and self._schema.field(name).type != self._pa.string()
        ):
            return value
        return plain(value).encode(errors="backslashreplace").decode()


_FITS: dict[type, tuple[type | None, ...]] = {bool: (bool,), int: (int,), float: (float, int)}


def _kind(values: Sequence[Any]) -> type | None:
    """bool, int or float where all of `values` but None are that (and 64 bits hold them), else None."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        kinds = {float}
    fits = all(abs(value) < 2**63 for value in values if isinstance(value, int))
    kind = kinds.pop() if len(kinds) == 1 and fits else None
    return kind if kind in _FITS else None


WRITERS: dict[str, Callable[[BinaryIO, Layout], Writer]] = {
    "jsonl": JsonLinesWriter,
    "csv": CsvWriter,
    "parquet": ParquetWriter,
}
"""Every output format by its name."""
