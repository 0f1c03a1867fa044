"""Zip and tar archives: their names, and their files as streams, even if truncated.

Nothing is ever written to disk under a name from an archive.
"""

from __future__ import annotations

import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

_ZIP = b"PK\x03\x04"
_TAR = slice(257, 262)
_HEADER = struct.Struct("<4s2xHH4xLLLHH")
"""A zip's local file header: signature, flags, method, CRC, both sizes, lengths of name and extra."""
_STORED, _DEFLATED = 0, 8
_SIZES_FOLLOW, _UTF8 = 8, 0x800
_UNKNOWN = 0xFFFFFFFF
_CHUNK = 2**14
_TABLES = (".parquet", ".pq", ".arrow", ".feather")
"""Files that are read with seeks, not sequentially."""
HEAD = 262
"""Bytes needed to recognise an archive."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file in a zip: where its bytes begin, and how many there are; None if unknown before reading."""

    name: str
    start: int
    method: int
    size: int | None
    crc: int | None


def kind_of(head: bytes) -> str | None:
    """`zip` or `tar` if the file begins like one."""
    if head.startswith(_ZIP):
        return "zip"
    return "tar" if head[_TAR] == b"ustar" else None


def names_in(stream: Any, kind: str) -> list[str]:
    """The files in an archive, in order, without hidden ones. Raises the libraries' errors."""
    if kind == "tar":
        with tarfile.open(fileobj=_forwards(stream), mode="r|") as archive:
            names = list(_tar_names(archive))
    elif (whole := _whole_zip(stream)) is not None:
        names = [info.filename for info in whole.infolist() if not info.is_dir()]
    else:
        names = [entry.name for entry in _walk(stream) if not entry.name.endswith("/")]
    return [name for name in names if not _hidden(name)]


def open_member(stream: Any, kind: str, name: str) -> Any:
    """The file of this name as a stream with `read1`. Raises KeyError if there is none."""
    if kind == "tar":
        return _tar_member(stream, name)
    whole = _whole_zip(stream)
    if whole is None:
        entry = next((entry for entry in _walk(stream) if entry.name == name), None)
        if entry is None:
            raise KeyError(name)
        return _Member(stream, entry)
    info = whole.getinfo(name)
    if info.flag_bits & 1 or info.compress_type not in (_STORED, _DEFLATED) or name.lower().endswith(_TABLES):
        return whole.open(info)
    return _Member(stream, _entry_of(stream, info))


def _hidden(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")


def _whole_zip(stream: Any) -> zipfile.ZipFile | None:
    """The archive; None if its directory, at the end, is cut off."""
    try:
        return zipfile.ZipFile(stream)
    except zipfile.BadZipFile:
        return None


def _entry_of(stream: Any, info: zipfile.ZipInfo) -> _Entry:
    """The offset of a file's bytes, which only its own header states."""
    stream.seek(info.header_offset)
    fields = _HEADER.unpack(stream.read(_HEADER.size))
    start = info.header_offset + _HEADER.size + fields[-2] + fields[-1]
    return _Entry(info.filename, start, info.compress_type, info.compress_size, info.CRC)


def _walk(stream: Any) -> Iterator[_Entry]:
    """The files of a zip by their own headers, as far as readable."""
    at = 0
    while True:
        stream.seek(at)
        header = stream.read(_HEADER.size)
        if len(header) < _HEADER.size or not header.startswith(_ZIP):
            return
        _, flags, method, crc, size, _, name_length, extra = _HEADER.unpack(header)
        name = stream.read(name_length).decode("utf-8" if flags & _UTF8 else "cp437", "replace")
        start = at + _HEADER.size + name_length + extra
        told = not flags & _SIZES_FOLLOW and size != _UNKNOWN
        if method not in (_STORED, _DEFLATED) or flags & 1 or (method == _STORED and not told):
            return
        yield _Entry(name, start, method, size if told else None, crc if told else None)
        at = start + size if told else _next_header(stream, start)


def _next_header(stream: Any, start: int) -> int:
    """The next file's header, after a file whose size isn't in its header."""
    end = zlib.decompressobj(-zlib.MAX_WBITS)
    stream.seek(start)
    while not end.eof and (data := stream.read(_CHUNK)):
        while data and not end.eof:
            end.decompress(data, _CHUNK * 16)
            data = end.unconsumed_tail
    at = int(stream.tell() - len(end.unused_data))
    stream.seek(at)
    gap: int = stream.read(32).find(_ZIP)
    return at + max(gap, 0)


class _Member:
    """A file in a zip, unpacked as far as possible: data before damage is returned before the error."""

    def __init__(self, stream: Any, entry: _Entry) -> None:
        self._stream, self._entry, self._left = stream, entry, entry.size
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == _DEFLATED else None
        self._waiting, self._crc, self._error = b"", 0, ""
        stream.seek(entry.start)

    def read1(self, size: int) -> bytes:
        """Read up to `size` bytes; none at the end. Raises OSError."""
        if self._error:
            raise OSError(self._error)
        data = self._inflated(size) if self._inflate is not None else self._packed(size)
        self._crc = zlib.crc32(data, self._crc)
        if not data and not self._error and self._entry.crc not in (None, self._crc):
            self._error = "its checksum does not match: it was changed or damaged"
        if not data and self._error:
            raise OSError(self._error)
        return data

    def seekable(self) -> bool:
        return False

    def _packed(self, size: int) -> bytes:
        wanted = size if self._left is None else min(size, self._left)
        data = bytes(self._stream.read(wanted)) if wanted else b""
        if self._left is not None:
            self._left -= len(data)
        if wanted and not data:
            self._error = "the archive is cut short"
        return data

    def _inflated(self, size: int) -> bytes:
        inflate = self._inflate
        while inflate is not None and not inflate.eof and not self._error:
            packed = self._waiting or self._packed(_CHUNK)
            if not packed:  # read all that the header states, without reaching the end
                self._error = self._error or "its compressed data ends too early"
                break
            before = inflate.copy()
            try:
                data = inflate.decompress(packed, size)
            except zlib.error as error:
                self._error = str(error)
                return _before_damage(before, packed)
            self._waiting = inflate.unconsumed_tail
            if data:
                return data
        return b""


def _before_damage(inflate: Any, packed: bytes) -> bytes:
    """The output of these bytes up to the damaged one."""
    good = []
    try:
        for at in range(len(packed)):
            good.append(inflate.decompress(packed[at : at + 1]))
    except zlib.error:
        pass
    return b"".join(good)


def _tar_names(archive: tarfile.TarFile) -> Iterator[str]:
    try:
        for info in archive:
            if info.isfile():
                yield info.name
    except (tarfile.TarError, OSError):  # truncated: what comes before is readable
        return


def _tar_member(stream: Any, name: str) -> Any:
    archive = tarfile.open(fileobj=_forwards(stream), mode="r|")  # noqa: SIM115 - closed with its stream
    for info in archive:
        if info.name == name and (opened := archive.extractfile(info)) is not None:
            return _OfTar(opened)
    raise KeyError(name)


class _OfTar:
    """A file in a tar, read forwards only."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened

    def read1(self, size: int) -> bytes:
        try:
            return bytes(self._opened.read1(size))
        except tarfile.TarError as error:
            raise OSError(f"the archive is cut short: {error}") from error

    def seekable(self) -> bool:
        return False


def _forwards(stream: Any) -> Any:
    return _UntilBroken(stream)


class _UntilBroken:
    """A stream that ends where it breaks, so that tarfile returns what comes before."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream: Any = stream

    def read(self, size: int) -> bytes:
        parts, left = [], size
        try:
            while left and (data := self._stream.read1(left)):
                parts.append(data)
                left -= len(data)
        except OSError:
            pass
        return b"".join(parts)
