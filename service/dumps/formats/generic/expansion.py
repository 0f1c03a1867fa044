"""Determines how large a column of an Arrow or Parquet file is when expanded, before expanding it.

A few bytes can stand for any number: a compressed buffer, a text that many rows point to, a list of a billion
nulls. `Unpacked` reports the sizes that an Arrow message states, before pyarrow unpacks it; `sizes` says how
much a batch's rows take as Python values beyond their bytes in the file.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.service.errors import DumpError

_BATCH_OF_DICTIONARY = 1
_HEADER, _BUFFERS, _COMPRESSION = 2, 2, 3
_NOT_COMPRESSED = -1


class Unpacked(io.RawIOBase):
    """An Arrow stream, passed through; `weigh` gets each message's unpacked size first."""

    def __init__(self, pa: Any, stream: Any, weigh: Callable[[int], None]) -> None:
        self._messages = pa.ipc.MessageReader.open_stream(stream)
        self._weigh = weigh
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """True, as io.RawIOBase requires."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; 0 at the end."""
        if not self._left:
            message = next(self._messages, None)
            if message is None:
                return 0
            self._weigh(_unpacked_size(message))
            self._left = memoryview(message.serialize()).cast("B")
        taken = self._left[: len(buffer)]
        buffer[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)


def _unpacked_size(message: Any) -> int:
    """Bytes of the buffers of a record batch or a dictionary (Arrow's Message.fbs)."""
    if message.type not in ("record batch", "dictionary"):
        return 0
    metadata = bytes(message.metadata)
    try:
        (root,) = struct.unpack_from("<I", metadata)
        batch = _pointed(metadata, root, _HEADER)
        if message.type == "dictionary":
            batch = _pointed(metadata, batch, _BATCH_OF_DICTIONARY)
        buffers = _pointed(metadata, batch, _BUFFERS)
        is_compressed = _field(metadata, batch, _COMPRESSION) is not None
        (count,) = struct.unpack_from("<I", metadata, buffers)
        places = struct.iter_unpack("<qq", metadata[buffers + 4 : buffers + 4 + 16 * count])
        return sum(_size(message.body, offset, length, is_compressed) for offset, length in places)
    except (struct.error, TypeError, ValueError):
        return 0  # pyarrow reports the problem


def _size(body: Any, offset: int, length: int, is_compressed: bool) -> int:
    if not is_compressed or length < 8:
        return max(length, 0)
    (size,) = struct.unpack("<q", bytes(body[offset : offset + 8]))
    return length if size == _NOT_COMPRESSED else max(size, 0)


def _field(flat: bytes, table: int, number: int) -> int | None:
    """The offset of a field of a flatbuffer's table, if present."""
    (back,) = struct.unpack_from("<i", flat, table)
    start = table - back
    (size,) = struct.unpack_from("<H", flat, start)
    entry = 4 + 2 * number
    offset = struct.unpack_from("<H", flat, start + entry)[0] if entry < size else 0
    return table + offset if offset else None


def _pointed(flat: bytes, table: int, number: int) -> int:
    """The offset of the table or vector that a field points to."""
    at = _field(flat, table, number)
    if at is None:
        raise ValueError("the field is missing")
    return int(at + struct.unpack_from("<I", flat, at)[0])


def sizes(pa: Any, column: Any, afford: Callable[[int], None]) -> NDArray[np.int64]:
    """Bytes that each row takes beyond its bytes in the file. Raises DumpError for unions.

    `afford` is called with a number of elements before they are created.
    """
    types, kind = pa.types, column.type
    nothing = np.zeros(len(column), dtype=np.int64)
    if types.is_union(kind):
        raise DumpError("a column is a union of types, which is not supported: write it as text")
    if isinstance(kind, pa.BaseExtensionType):
        return sizes(pa, column.storage, afford)
    if types.is_struct(kind):
        fields = (sizes(pa, column.field(number), afford) for number in range(kind.num_fields))
        return sum(fields, nothing)
    if types.is_dictionary(kind):
        places = column.indices.fill_null(0).to_numpy(zero_copy_only=False)
        return _lengths(pa, column.dictionary, afford)[places] if len(column.dictionary) else nothing
    if types.is_run_end_encoded(kind):
        ends = column.run_ends.to_numpy(zero_copy_only=False)
        rows = np.arange(column.offset, column.offset + len(column))
        return _lengths(pa, column.values, afford)[np.searchsorted(ends, rows, side="right")]
    if _is_view(types, kind):
        return _lengths(pa, column, afford)
    if types.is_map(kind) or types.is_nested(kind):
        return _of_lists(pa, column, afford)
    return nothing


def _lengths(pa: Any, values: Any, afford: Callable[[int], None]) -> NDArray[np.int64]:
    """Bytes of each value; several rows may share one."""
    kind = values.type
    if _is_view(pa.types, kind):
        views = np.frombuffer(values.buffers()[1] or b"", dtype=np.int32)
        lengths = views[4 * values.offset :: 4][: len(values)]
        return np.where(values.is_valid().to_numpy(zero_copy_only=False), lengths, 0).astype(np.int64)
    if any(map(str(kind).startswith, ("string", "large_string", "binary", "large_binary"))):
        return np.asarray(
            pa.compute.binary_length(values).fill_null(0).to_numpy(zero_copy_only=False), np.int64
        )
    return sizes(pa, values, afford)


def _is_view(types: Any, kind: Any) -> bool:
    return bool(types.is_string_view(kind) or types.is_binary_view(kind))


def _of_lists(pa: Any, column: Any, afford: Callable[[int], None]) -> NDArray[np.int64]:
    """One byte for each element, plus the elements' sizes."""
    if pa.types.is_map(column.type):
        offsets = column.offsets.to_numpy(zero_copy_only=False)
        counts = np.diff(offsets)
        children = [part[offsets[0] : offsets[-1]] for part in (column.keys, column.items)]
    else:
        counts = pa.compute.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
        afford(int(counts.sum(dtype=np.int64)))
        children = [column.flatten()]
    ends = np.cumsum(counts, dtype=np.int64)
    of_rows: NDArray[np.int64] = counts.astype(np.int64)
    for child in _not_empty(children):
        before = np.concatenate([[0], np.cumsum(sizes(pa, child, afford))])
        of_rows += before[ends] - before[ends - counts]
    return of_rows


def _not_empty(columns: list[Any]) -> Iterator[Any]:
    return (column for column in columns if len(column))
