"""Decompresses inputs: gzip, bzip2, xz, zstandard, or a file in a zip or tar archive.

A few bytes can unpack to terabytes. Comments compress to between a fifth and a twentieth of their size, so a
stream that grows far beyond that is refused (`MAX_RATIO`).
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from parley.service.dumps.reading import archives
from parley.service.errors import DumpError

MAX_RATIO = 200
"""Largest ratio of unpacked to packed size."""
UNPACKED_FREELY = 64 * 2**20
"""Bytes that are allowed at any ratio: small files of one repeated line are harmless."""
MAX_WINDOW = 2**31
"""Reddit's dumps use zstandard's longest window; reading one may take 2 GiB of memory."""

MAIN_FILES = (
    *("comments.json", "comments.jsonl", "comments.ndjson", "comments.csv", "my_comments.csv"),
    *("user_archive.csv", "outbox.json", "gnm_comments.csv"),
)
"""Names of the comments' file in folders and archives with several."""

_BROKEN = (
    *(OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError),
    *(RuntimeError, NotImplementedError, ValueError, KeyError),  # an encrypted member, an unknown compression
)
PACKINGS = (".gz", ".zst", ".bz2", ".xz", ".tgz", ".tar", ".zip")
"""Extensions of compression, which say nothing about the format."""
_SUFFIXES = ("", ".gz", ".zst", ".bz2", ".xz")
_LAYERS = 4
"""Most nested layers that are unpacked: a gzipped tar has two."""
_ZSTANDARD_STEP = 1024
"""Bytes unpacked at a time: 4 bytes can become 128 KiB."""


class Unpacked(io.RawIOBase):
    """The stream that `inner` unpacks from `packed`. Raises OSError for damage and DumpError for a bomb."""

    def __init__(self, inner: Any, packed: BinaryIO, *, place: Path) -> None:
        self._inner, self._packed, self._place = inner, packed, place
        self._count = 0
        self._error: Exception | None = None

    def readable(self) -> bool:
        """True, as io.RawIOBase requires."""
        return True

    def seekable(self) -> bool:
        """Whether the decompressor can seek."""
        return bool(self._inner.seekable())

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek to an offset in the unpacked bytes."""
        return int(self._inner.seek(offset, whence))

    def tell(self) -> int:
        """The offset in the unpacked bytes."""
        return int(self._inner.tell())

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; data before damage is returned before the error is raised."""
        filled = 0
        if self._error is not None:
            raise OSError(str(self._error)) from self._error
        try:
            # read1 returns what is available; read would lose it if damage follows.
            while filled < len(buffer) and (got := self._inner.read1(len(buffer) - filled)):
                buffer[filled : filled + len(got)] = got
                filled += len(got)
        except _BROKEN as error:
            if not filled:
                raise OSError(str(error)) from error
            self._error = error  # the data before the damage is good
        self._count += filled
        if self._count > UNPACKED_FREELY and self._count > MAX_RATIO * max(self._packed.tell(), 1):
            raise DumpError(
                f"{self._place} unpacks to more than {MAX_RATIO} times its size, unlike a dump of comments; "
                "if it is the right file, unpack it and give the result"
            )
        return filled


def unpack(
    file: io.BufferedReader[Any], place: Path, *, member: str | None, buffer: int
) -> io.BufferedReader[Any]:
    """The unpacked stream of `file`, or `file` itself. Raises DumpError and OSError."""
    stream = file
    for _ in range(_LAYERS):
        inner = _inner(stream, place, member)
        if inner is None:
            break
        stream = io.BufferedReader(Unpacked(inner, file, place=place), buffer)
    return stream


def _inner(stream: io.BufferedReader[Any], place: Path, member: str | None) -> BinaryIO | None:
    kind = archives.kind_of(_head(stream))
    return _unpacked(stream) if kind is None else _member(stream, place, kind, member)


def _head(stream: io.BufferedReader[Any]) -> bytes:
    try:
        return stream.peek(archives.HEAD)[: archives.HEAD]
    except OSError:
        return b""


def _unpacked(stream: io.BufferedReader[Any]) -> Any:
    """The decompressor of one file; None if it isn't compressed."""
    head = stream.peek(6)[:6]
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=stream)
    if head.startswith(b"BZh") and head[3:4].isdigit():
        return bz2.BZ2File(stream)
    if head == b"\xfd7zXZ\0":
        return lzma.LZMAFile(stream)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return _Zstandard(stream)
    return None


class _Zstandard:
    """A zstandard stream, whose errors are OSErrors; one that ends within a frame is one."""

    def __init__(self, stream: io.BufferedReader[Any]) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise DumpError(
                "files packed with zstandard need an extra: pip install 'parley-moderation[dumps]'"
            ) from error
        self._stream, self._broken = stream, zstandard.ZstdError
        self._begin = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj
        self._frame: Any = None
        self._packed, self._ready = b"", b""

    def read1(self, size: int) -> bytes:
        """Read up to `size` bytes; none at the end. Raises OSError."""
        while not self._ready:
            self._packed = self._packed or self._stream.read(_ZSTANDARD_STEP)
            if not self._packed:
                if self._frame is not None:
                    raise OSError("the file is cut short: its last frame has no end")
                return b""
            self._frame = self._frame or self._begin()
            try:
                self._ready = self._frame.decompress(self._packed)
            except self._broken as error:
                raise OSError(str(error)) from error
            self._packed = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
        given, self._ready = self._ready[:size], self._ready[size:]
        return given

    def seekable(self) -> bool:
        return False


def _member(stream: io.BufferedReader[Any], place: Path, kind: str, member: str | None) -> BinaryIO:
    try:
        if member is None:
            names = members(place)
            member = main_file(names) or (names[0] if len(names) == 1 else None)
        if member is None and (not names or "[Content_Types].xml" in names):
            raise DumpError(f"{place} is not text; save a spreadsheet as CSV")
        if member is None:
            raise DumpError(f"{place} is an archive of {len(names)} files: give the one with the comments")
        return archives.open_member(stream, kind, member)  # type: ignore[no-any-return]
    except _BROKEN as error:
        raise DumpError(
            f"{place} can't be unpacked ({error}): save a spreadsheet as CSV, or unpack the archive and give "
            "its file of comments"
        ) from error


def main_file(names: Sequence[str]) -> str | None:
    """Which of `names` (paths in a folder or an archive) has the comments; None if unclear."""
    return next((name for wanted in MAIN_FILES if (name := named(names, wanted)) is not None), None)


def continued(main: str, names: Sequence[str]) -> list[str]:
    """The main file and its continuations in `names`: `comments(1).csv` after `comments.csv`."""
    stem, dot, ending = main.partition(".")
    numbered = re.compile(rf"{re.escape(stem)}[ _-]?\(?\d+\)?{re.escape(dot + ending)}")
    return [main, *sorted(filter(numbered.fullmatch, names), key=natural)]


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key for natural sorting: `page-10` after `page-9`."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name) if part
    ]


def named(names: Sequence[str], wanted: str) -> str | None:
    """The one of `names` whose file name is `wanted`, compressed or not."""
    accepted = {wanted + suffix for suffix in _SUFFIXES}
    return next((name for name in sorted(names) if name.rpartition("/")[2] in accepted), None)


def members(path: Path) -> list[str]:
    """The names in the archive at `path`, compressed or not; none if it isn't an archive."""
    try:
        status = path.stat()
    except OSError:
        return []
    return list(_members(path, status.st_mtime_ns, status.st_size)) if path.is_file() else []


@lru_cache(maxsize=32)
def _members(path: Path, changed: int, size: int) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            stream: io.BufferedReader[Any] = file
            for _ in range(_LAYERS):
                if (kind := archives.kind_of(_head(stream))) is not None:
                    return tuple(archives.names_in(stream, kind))
                if (inner := _unpacked(stream)) is None:
                    break
                stream = io.BufferedReader(Unpacked(inner, file, place=path))
    except (*_BROKEN, DumpError):
        pass
    return ()
