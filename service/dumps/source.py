"""An input file, opened: bytes out of gzip, lines out of bytes, and how far the reading has come.

Lines are decoded as UTF-8 (with or without its mark) or UTF-16; a stretch that isn't UTF-8 is read as
Windows-1252, which is what such files nearly always are, and the lines where that happened are counted in
`repaired`.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from service.errors import DumpError, NothingToScore

HEAD_BYTES = 4096
MAX_LINE = 16 * 2**20
"""Characters of the longest line that is read whole; the rest of a longer one is dropped, and the row is
bad."""

_UNDECODED = re.compile("[\udc80-\udcff]+")


class Source:
    """One input file. Raises DumpError where it can't be opened, and later where it can't be read on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repaired = 0
        self._text: io.TextIOWrapper | None = None
        if path.is_dir():
            raise DumpError(
                f"{path} is a folder; give one file of comments (.jsonl, .csv, .parquet, or .txt)"
            )
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise DumpError(f"{path} can't be opened: {error.strerror or error}") from error
        self.size = os.fstat(self._file.fileno()).st_size
        try:
            packed = self._file.peek(2).startswith(b"\x1f\x8b")
            self.stream = gzip.GzipFile(fileobj=self._file) if packed else self._file
            self.head = self.stream.peek(HEAD_BYTES)[:HEAD_BYTES]
        except (OSError, EOFError, zlib.error) as error:
            self._file.close()
            raise DumpError(f"{path} can't be read: {error}; copy it again") from error
        if not self.head:
            self.close()
            raise NothingToScore(f"{path} is empty: there is nothing to score")

    def close(self) -> None:
        if self._text is not None:
            self._text.close()
        self.stream.close()
        self._file.close()

    @property
    def fraction(self) -> float:
        """How much of the file's bytes has been read, in [0, 1]."""
        return min(1.0, self._file.tell() / self.size) if self.size and not self._file.closed else 1.0

    @property
    def suffix(self) -> str:
        """The extension that says the format, lower case, without that of the packing."""
        return Path(self.path.name.lower().removesuffix(".gz")).suffix

    @property
    def encoding(self) -> str:
        """What the first bytes say of the encoding."""
        if self.head.startswith((b"\xff\xfe", b"\xfe\xff")):
            return "utf-16"
        sample = self.head[: len(self.head) // 2 * 2]
        if sample[1::2].count(0) > len(sample) // 3:
            return "utf-16-le"
        if sample[0::2].count(0) > len(sample) // 3:
            return "utf-16-be"
        return "utf-8-sig"

    @property
    def head_text(self) -> str:
        """The first characters, to recognise a format by."""
        return self.head.decode(self.encoding, errors="replace")

    def lines(self) -> Iterator[tuple[int, str]]:
        r"""Line number from 1 and the line with its end; `\n`, `\r\n` and `\r` end a line. Raises
        DumpError."""
        encoding = self.encoding
        errors = "surrogateescape" if encoding == "utf-8-sig" else "replace"
        text = self._text = io.TextIOWrapper(self.stream, encoding=encoding, errors=errors, newline="")
        number = 0
        try:
            while line := text.readline(MAX_LINE):
                number += 1
                rest = line
                while len(rest) == MAX_LINE and not rest.endswith(("\n", "\r")):
                    rest = text.readline(MAX_LINE)
                yield number, line if line.isascii() else self._repair(line)
        except (OSError, EOFError, zlib.error) as error:
            raise DumpError(
                f"{self.path} can't be read past line {number}: {error}; copy or export it again"
            ) from error

    def _repair(self, line: str) -> str:
        repaired, count = _UNDECODED.subn(_windows_1252, line)
        self.repaired += count > 0
        return repaired


def _windows_1252(undecoded: re.Match[str]) -> str:
    return undecoded.group().encode("ascii", "surrogateescape").decode("cp1252", "replace")
