"""The bytes of an input, unpacked: gzip, zstandard, or the member of a zip archive that holds the comments.

A few bytes can unpack to terabytes. Comments pack to a fifth or a twentieth of their size, so a stream that
has grown far beyond that is refused (`MAX_RATIO`); nothing is ever written to disk under a name from inside
an archive.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from parley.service.errors import DumpError

MAX_RATIO = 200
"""How many times its packed size a file may become."""
UNPACKED_FREELY = 64 * 2**20
"""Bytes that may come out whatever the ratio: small files of one repeated line are no danger."""
MAX_WINDOW = 2**31
"""Reddit's dumps are packed with the longest window that zstandard has; reading one may take 2 GiB of
memory."""

MAIN_FILES = (
    *("comments.json", "comments.jsonl", "comments.ndjson", "comments.csv", "my_comments.csv"),
    *("user_archive.csv", "outbox.json", "gnm_comments.csv"),
)
"""The file that holds the comments, in folders and archives with several; the others stand beside it."""

_BROKEN = (
    *(OSError, EOFError, zlib.error, zipfile.BadZipFile),
    *(RuntimeError, NotImplementedError, ValueError, KeyError),  # an encrypted member, an unknown packing
)
_SUFFIXES = ("", ".gz", ".zst")


class Unpacked(io.RawIOBase):
    """What `inner` unpacks from `packed`. Raises OSError for damage and DumpError for a bomb."""

    def __init__(self, inner: Any, packed: BinaryIO, *, place: Path) -> None:
        self._inner, self._packed, self._place = inner, packed, place
        self._count = 0
        self._error: Exception | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._inner.seekable())

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._inner.seek(offset, whence))

    def tell(self) -> int:
        return int(self._inner.tell())

    def readinto(self, buffer: Any) -> int:
        filled = 0
        if self._error is not None:
            raise OSError(str(self._error)) from self._error
        try:
            # read1 stops at what is there; read would lose that where damage follows it.
            while filled < len(buffer) and (got := self._inner.read1(len(buffer) - filled)):
                buffer[filled : filled + len(got)] = got
                filled += len(got)
        except _BROKEN as error:
            if not filled:
                raise OSError(str(error)) from error
            self._error = error  # what came before the damage is good
        self._count += filled
        if self._count > UNPACKED_FREELY and self._count > MAX_RATIO * max(self._packed.tell(), 1):
            raise DumpError(
                f"{self._place} unpacks to more than {MAX_RATIO} times its size, as no comments do; if it is "
                "what you mean to score, unpack it and give the file"
            )
        return filled


def unpack(
    file: io.BufferedReader[Any], place: Path, *, member: str | None, buffer: int
) -> io.BufferedReader[Any]:
    """The stream to read from `file`: itself where it isn't packed. Raises DumpError and OSError."""
    inner = _inner(file, place, member)
    if inner is None:
        return file
    return io.BufferedReader(Unpacked(inner, file, place=place), buffer)


def _inner(file: io.BufferedReader[Any], place: Path, member: str | None) -> BinaryIO | None:
    head = file.peek(4)[:4]
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    if head == b"\x28\xb5\x2f\xfd":
        return _zstandard(file)
    if head == b"PK\x03\x04":
        return _zip_member(file, place, member)
    return None


def _zstandard(file: io.BufferedReader[Any]) -> BinaryIO:
    try:
        import zstandard
    except ImportError as error:
        raise DumpError(
            "files packed with zstandard need an extra: pip install 'parley-moderation[dumps]'"
        ) from error
    reader = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(
        file, read_across_frames=True, closefd=False
    )
    return _ZstandardReader(reader, zstandard.ZstdError)  # type: ignore[return-value]


class _ZstandardReader:
    """A zstandard stream whose errors are OSErrors, so that only this module knows the library."""

    def __init__(self, reader: Any, error: type[Exception]) -> None:
        self._reader, self._error = reader, error

    def read1(self, size: int) -> bytes:
        try:
            return bytes(self._reader.read1(size))
        except self._error as error:
            raise OSError(str(error)) from error

    def seekable(self) -> bool:
        return False


def _zip_member(file: io.BufferedReader[Any], place: Path, member: str | None) -> BinaryIO:
    no_text = DumpError(
        f"{place} is no text; save a spreadsheet as CSV, or unpack the archive and give its file of comments"
    )
    try:
        archive = zipfile.ZipFile(file)
        files = [name for name in archive.namelist() if not name.endswith("/")]
        name = member or main_file(files) or (files[0] if len(files) == 1 else None)
        if name is None:
            raise no_text
        return archive.open(name)  # type: ignore[return-value]
    except _BROKEN as error:
        raise no_text from error


def main_file(names: Sequence[str]) -> str | None:
    """Which of `names` (paths in a folder or an archive) holds the comments; None where nothing says so."""
    return next((name for wanted in MAIN_FILES if (name := named(names, wanted)) is not None), None)


def named(names: Sequence[str], wanted: str) -> str | None:
    """The one of `names` whose file name is `wanted`, packed or not."""
    accepted = {wanted + suffix for suffix in _SUFFIXES}
    return next((name for name in sorted(names) if name.rpartition("/")[2] in accepted), None)


def members(path: Path) -> list[str]:
    """The names in the zip archive at `path`; none where it isn't one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except _BROKEN:
        return []
