"""Parquet and Arrow files: the columns are the fields of the REST request, with dots or as structs, or
mapped.

Needs the extra `tables` (pyarrow), which is imported only here and in the Parquet writer.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from parley.service.dumps.formats.generic.expansion import Unpacked
from parley.service.dumps.formats.generic.expansion import sizes as sizes_of
from parley.service.dumps.reading.names import REPEATED
from parley.service.dumps.reading.packing import MAX_RATIO, UNPACKED_FREELY
from parley.service.dumps.reading.record import Columns, RawRow, Record
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError

ROWS_AT_ONCE = 1000
BYTES_AT_ONCE = 32 * 2**20
"""Bytes of text expanded at a time from values that are in the file once."""
_BEFORE_STREAM = 8
BUFFER = 2**18
"""Bytes read at a time per column."""


def import_pyarrow() -> Any:
    """pyarrow with `parquet` and `ipc` loaded. Raises DumpError saying how to install it."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise DumpError(
            "Parquet and Arrow files need pyarrow: pip install 'parley-moderation[tables]'"
        ) from error
    return pyarrow


class TableReader:
    """Records of a Parquet file, or of an Arrow (Feather) file or stream. `types` are the Arrow
    types of the input's own columns that Parquet can hold; the others are written as text."""

    def __init__(self, source: Source, columns: Columns) -> None:
        self._columns = columns
        self._pa = import_pyarrow()
        self._place, self._before = source.place, source.rows_before
        self._row, self._rows = 0, 0
        self._bytes, self._size = 0, max(source.size, 1)
        try:
            self._batches = self._open(source)
        except (self._pa.ArrowException, OSError, ValueError) as error:
            raise self._broken(error) from error
        columns.check(self._found, place=source.place)
        self.columns = columns.names(self._found)
        self.types = {
            name: kind
            for column, kind in self._found.items()
            for name in columns.names([column])
            if name not in REPEATED and self._storable(kind)
        }

    def _open(self, source: Source) -> Iterator[Any]:
        if source.head.startswith(b"PAR1"):
            return self._open_parquet(source)
        if source.head.startswith(b"ARROW1"):
            source.stream.read(_BEFORE_STREAM)  # a file is a stream after a magic number, plus an index
        unpacked = io.BufferedReader(Unpacked(self._pa, source.stream, self._weigh))
        stream = self._pa.ipc.open_stream(unpacked)
        self._found = self._types(stream.schema)
        return iter(stream)

    def _open_parquet(self, source: Source) -> Iterator[Any]:
        # With read-ahead pyarrow would keep more in memory the longer the file is.
        options = {"pre_buffer": False, "buffer_size": BUFFER}
        plain = self._pa.parquet.ParquetFile(source.stream, **options)
        self._found = self._types(plain.schema_arrow)
        self._rows = plain.metadata.num_rows
        # A text in many rows may be in the file once. It is read in that form, and measured before it is
        # multiplied.
        columns = (plain.schema.column(n) for n in range(len(plain.schema)))
        texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
        source.stream.seek(0)
        table = self._pa.parquet.ParquetFile(source.stream, read_dictionary=texts, **options)
        for number in range(table.num_row_groups):
            group = table.metadata.row_group(number)
            self._weigh(max(group.total_byte_size, 0))
        return (
            batch
            for group in range(table.num_row_groups)
            for batch in table.iter_batches(ROWS_AT_ONCE, row_groups=[group], use_threads=False)
        )

    def _weigh(self, size: int) -> None:
        """Count unpacked bytes. Raises DumpError if they are too many for the file's size."""
        self._afford(size)
        self._bytes += size

    def _afford(self, size: int) -> None:
        """Raise DumpError if that many more bytes would be too many."""
        if self._bytes + size > max(UNPACKED_FREELY, MAX_RATIO * self._size):
            raise DumpError(
                f"{self._place} expands to more than {MAX_RATIO} times its size, unlike a dump of comments; "
                "if it is the right file, convert it to JSON lines"
            )

    @property
    def fraction(self) -> float:
        """How much of the input has been read, in [0, 1]."""
        return self._row / self._rows if self._rows else 0.0

    def __iter__(self) -> Iterator[Record | RawRow]:
        return self._columns.read_all(self._raw_rows(), before=self._before)

    def _raw_rows(self) -> Iterator[RawRow]:
        while (batch := self._next_batch()) is not None:
            self._afford(batch.num_rows)
            sizes = sum((self._sizes(column) for column in batch.columns), np.ones(batch.num_rows, np.int64))
            at_once = max(1, min(ROWS_AT_ONCE, BYTES_AT_ONCE // int(sizes.max(initial=1))))
            for start in range(0, batch.num_rows, at_once):
                self._weigh(int(sizes[start : start + at_once].sum()))
                for values in self._rows_of(batch.slice(start, at_once)):
                    self._row += 1
                    yield RawRow(values=values)

    def _sizes(self, column: Any) -> Any:
        try:
            return sizes_of(self._pa, column, self._afford)
        except (self._pa.ArrowException, IndexError, ValueError) as error:
            raise self._broken(error) from error

    def _types(self, fields: Any, prefix: str = "") -> dict[str, Any]:
        """The Arrow types by column, with structs of fields opened into dotted names."""
        types: dict[str, Any] = {}
        for column in fields:
            name = f"{prefix}{column.name}"
            if name in self._columns.groups and self._pa.types.is_struct(column.type):
                types.update(self._types(column.type.fields, f"{name}."))
            else:
                types[name] = column.type
        return types

    def _next_batch(self) -> Any:
        try:
            batch = next(self._batches, None)
            if batch is not None:
                batch.validate(full=True)  # a damaged file's offsets would crash the process
            return batch
        except (self._pa.ArrowException, OSError, ValueError) as error:
            raise self._broken(error) from error

    def _rows_of(self, batch: Any) -> list[dict[str, Any]]:
        """The rows as Python values. A time out of Python's range stays the file's number; nanoseconds are
            cut to
        microseconds."""
        try:
            return list(batch.to_pylist())
        except (ArithmeticError, LookupError, ValueError):
            columns = [[_value(scalar) for scalar in self._in_microseconds(c)] for c in batch.columns]
            return [dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _in_microseconds(self, column: Any) -> Any:
        kind = column.type
        if not (self._pa.types.is_timestamp(kind) and kind.unit == "ns"):
            return column
        return column.cast(self._pa.timestamp("us", kind.tz), safe=False)

    def _storable(self, kind: Any) -> bool:
        """Whether Parquet has the type; Arrow has more types."""
        schema = self._pa.schema([("column", kind)])
        try:
            self._pa.parquet.ParquetWriter(self._pa.BufferOutputStream(), schema).close()
        except self._pa.ArrowNotImplementedError:
            return False
        return True

    def _broken(self, error: Exception) -> DumpError:
        after = f" past row {self._row}" if self._row else ""
        first = str(error).strip().partition("\n")[0]
        return DumpError(
            f"{self._place} can't be read{after}: it is damaged or was cut short ({first}); "
            "copy or export it again"
        )


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ArithmeticError, LookupError, ValueError):
        return getattr(scalar, "value", None)
