"""An open input file: unpacked bytes, lines, and the reading progress.

A folder or a zip archive stands for its file of comments; its other files (articles, authors) are found by
`beside`.

Lines are decoded as UTF-8 (with or without BOM) or UTF-16; a passage that isn't UTF-8 is read as
Windows-1252, which is nearly always right, and such lines are counted in `repaired`.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from parley.service.dumps.reading.packing import PACKINGS, main_file, members, named, unpack
from parley.service.errors import DumpError, NothingToScore

HEAD_BYTES = 2**16
CHUNK = 2**16
MAX_LINE = 16 * 2**20
"""The most characters in a line; the rest of a longer one is dropped, and the row is bad."""

_UNDECODED = re.compile("[\udc80-\udcff]+")


class Source:
    """One input file. Raises DumpError if it can't be opened or, later, read.

    `articles` and `base_url` complete a dump: the file of its articles, and the base of its relative
    addresses. `followers_only` includes posts for the author's followers. `rows_before` counts the dump's
    rows in earlier files, `lines_before` the lines before a piece of one.
    """

    def __init__(
        self,
        path: Path,
        *,
        member: str | None = None,
        articles: Path | None = None,
        base_url: str | None = None,
        followers_only: bool = False,
        rows_before: int = 0,
        lines_before: int = 0,
    ) -> None:
        self.path = _file_in(path) if path.is_dir() else path
        self.member = member
        self.articles, self.base_url, self.followers_only = articles, base_url, followers_only
        self.rows_before, self._lines_before = rows_before, lines_before
        self.repaired = 0
        self.remarks: list[str] = []
        """Remarks for the run's summary; readers add to it."""
        self.skipped: Counter[str] = Counter()
        """Skipped entries (deleted, private, not comments) by reason; counted by readers."""
        self._text: io.TextIOWrapper | None = None
        try:
            self._file = io.BufferedReader(self.path.open("rb", buffering=0), HEAD_BYTES)
        except OSError as error:
            raise DumpError(f"{self.place} can't be opened: {error.strerror or error}") from error
        self.size = os.fstat(self._file.fileno()).st_size
        try:
            self.stream = unpack(self._file, self.path, member=member, buffer=HEAD_BYTES)
            self.head = self.stream.peek(HEAD_BYTES)[:HEAD_BYTES]
        except OSError as error:
            self._file.close()
            raise DumpError(f"{self.place} can't be read: {error}; copy it again") from error
        except DumpError:
            self._file.close()
            raise
        if not self.head:
            self.close()
            raise NothingToScore(f"{self.place} is empty: there is nothing to score")

    def beside(self, *names: str) -> Source | None:
        """The first file of these names in the same folder or archive, opened, or None."""
        inside = members(self.path)
        around = inside or [entry.name for entry in self.path.parent.iterdir() if entry.is_file()]
        other = next((name for wanted in names if (name := named(around, wanted)) is not None), None)
        if other is None or self.name == other.rpartition("/")[2]:
            return None
        return Source(self.path, member=other) if inside else Source(self.path.with_name(other))

    def again(self) -> Source:
        """The same file, reopened at its beginning."""
        return Source(self.path, member=self.member)

    def close(self) -> None:
        """Close the file and everything opened from it."""
        if self._text is not None:
            self._text.close()
        self.stream.close()
        self._file.close()

    @property
    def fraction(self) -> float:
        """How much of the file's bytes has been read, in [0, 1]."""
        return min(1.0, self._file.tell() / self.size) if self.size and not self._file.closed else 1.0

    @property
    def ends(self) -> bool:
        """Whether this is a file, which ends and can be read again; a pipe may not."""
        return stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)

    @property
    def packed(self) -> bool:
        """Whether the file is compressed."""
        return self.stream is not self._file

    @property
    def suffix(self) -> str:
        """The format's extension, lower case, without that of the compression."""
        name = Path(self.name.lower())
        while name.suffix in PACKINGS:
            name = name.with_suffix("")
        return name.suffix

    @property
    def name(self) -> str:
        """The file's name, or its name in its archive."""
        return (self.member or self.path.name).rpartition("/")[2]

    @property
    def place(self) -> str:
        """The file's name in messages."""
        return f"{self.path}: {self.member}" if self.member else str(self.path)

    @property
    def encoding(self) -> str:
        """The encoding by the first bytes."""
        if self.head.startswith((b"\xff\xfe", b"\xfe\xff")):
            return "utf-16"
        sample = self.head[: len(self.head) // 2 * 2]
        if sample[1::2].count(0) > len(sample) // 3:
            return "utf-16-le"
        if sample[0::2].count(0) > len(sample) // 3:
            return "utf-16-be"
        return "utf-8-sig"

    @cached_property
    def head_text(self) -> str:
        """The first characters, for detecting the format."""
        return self.head.decode(self.encoding, errors="replace")

    def lines(self) -> Iterator[tuple[int, str]]:
        r"""Line number from 1 and the line with its end; `\n`, `\r\n` and `\r` end a line. Raises
        DumpError."""
        text = self._decoded()
        number = self._lines_before
        try:
            while line := text.readline(MAX_LINE):
                number += 1
                rest = line
                while len(rest) == MAX_LINE and not rest.endswith(("\n", "\r")):
                    rest = text.readline(MAX_LINE)
                yield number, line if line.isascii() else self._repair(line)
        except OSError as error:
            raise DumpError(
                f"{self.place} broke off after line {number:,}: {error}; copy or export it again"
            ) from error

    def chunks(self) -> Iterator[str]:
        """The text in chunks, regardless of lines. Raises DumpError."""
        decoder = codecs.getincrementaldecoder(self.encoding)(self._errors)
        data, line = b"more", 1
        while data:
            try:
                data = self.stream.read1(CHUNK)
            except OSError as error:
                raise DumpError(
                    f"{self.place} broke off at line {line:,}: {error}; copy or export it again"
                ) from error
            if chunk := decoder.decode(data, final=not data):
                yield chunk if chunk.isascii() else self._repair(chunk)
                line += chunk.count("\n")

    def _decoded(self) -> io.TextIOWrapper:
        self._text = io.TextIOWrapper(self.stream, encoding=self.encoding, errors=self._errors, newline="")
        return self._text

    @property
    def _errors(self) -> str:
        return "surrogateescape" if self.encoding == "utf-8-sig" else "replace"

    def _repair(self, line: str) -> str:
        repaired, count = _UNDECODED.subn(_windows_1252, line)
        self.repaired += count > 0
        return repaired


def _windows_1252(undecoded: re.Match[str]) -> str:
    return undecoded.group().encode("ascii", "surrogateescape").decode("cp1252", "replace")


def _file_in(folder: Path) -> Path:
    """The file of comments in an export that is a folder of files."""
    main = main_file([entry.name for entry in folder.iterdir() if entry.is_file()])
    if main is None:
        raise DumpError(f"{folder} is a folder; give one file of comments (.jsonl, .csv, .parquet, or .txt)")
    return folder / main
