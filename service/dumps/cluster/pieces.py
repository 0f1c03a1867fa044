"""Cuts a dump into pieces that machines can fetch and score independently.

    store = Location.of("s3://bucket/comments.parquet")
    for piece in cut(store): ...

A piece is a range of bytes of a JSON lines file (cut at line ends), some rows of a Parquet row group, or a
whole compressed file, which can't be read from the middle. It is copied to a small local file first, and then
read like a whole dump.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from parley.service.dumps.formats.generic.json_lines import JsonLinesReader
from parley.service.dumps.formats.generic.tables import TableReader, import_pyarrow
from parley.service.dumps.formats.registry import Reader
from parley.service.dumps.reading.record import Columns
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError

PIECE_BYTES = 8 * 2**20
PIECE_ROWS = 20_000
"""Size of a piece: some minutes of work, which are repeated if a worker dies."""
_PIECES = 64
_LEAST_BYTES = PIECE_BYTES // 16
_LEAST_ROWS = PIECE_ROWS // 16
"""A small dump is cut into at least this many pieces, so that all workers are busy until the end, but not
into pieces that take longer to assign than to score."""
_CHUNK = 2**20
_LINES = (".jsonl", ".ndjson")
_PACKED = tuple(f"{suffix}{packing}" for suffix in _LINES for packing in (".gz", ".zst"))
_TABLES = (".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class Location:
    """A file or folder on any filesystem that pyarrow supports, by URI or local path. Can be pickled."""

    uri: str

    @classmethod
    def of(cls, place: str) -> Self:
        """The store at `place`; a local path is made absolute. Raises DumpError."""
        import_pyarrow()
        from pyarrow import ArrowException

        store = cls(place if "://" in place else str(Path(place).absolute()))
        try:
            store.open()
        except (ArrowException, OSError, ValueError) as error:
            raise DumpError(f"{place} can't be reached: {error}") from error
        return store

    def open(self) -> tuple[Any, str]:
        """pyarrow's filesystem, and the path in it."""
        from pyarrow.fs import FileSystem

        filesystem, path = FileSystem.from_uri(self.uri)
        return filesystem, path

    def put(self, name: str, content: Path | bytes) -> None:
        """Write the file `name` under this folder."""
        filesystem, path = self.open()
        target = f"{path}/{name}"
        filesystem.create_dir(target.rpartition("/")[0], recursive=True)
        with filesystem.open_output_stream(target) as out:
            if isinstance(content, bytes):
                out.write(content)
                return
            with content.open("rb") as handle:
                while chunk := handle.read(_CHUNK):
                    out.write(chunk)

    def get(self, name: str) -> bytes | None:
        """The content of the file `name` under this folder, or None."""
        filesystem, path = self.open()
        try:
            with filesystem.open_input_stream(f"{path}/{name}", compression=None) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        """The names of the files in `folder` under this one."""
        from pyarrow.fs import FileSelector

        filesystem, path = self.open()
        infos = filesystem.get_file_info(FileSelector(f"{path}/{folder}", allow_not_found=True))
        return sorted(info.base_name for info in infos if info.is_file)

    def clear(self) -> None:
        """Delete what is in this folder, if there is one."""
        filesystem, path = self.open()
        filesystem.delete_dir_contents(path, missing_dir_ok=True)

    def files(self) -> list[Any]:
        """pyarrow's FileInfo of this file, or of the dumps in this folder in the order of their paths.

        Raises DumpError.
        """
        from pyarrow.fs import FileSelector

        filesystem, path = self.open()
        info = filesystem.get_file_info(path)
        if info.is_file:
            infos = [info]
        else:
            below = filesystem.get_file_info(FileSelector(path, recursive=True, allow_not_found=True))
            infos = sorted((file for file in below if file.is_file), key=lambda file: file.path)
        known = [file for file in infos if file.path.lower().endswith((*_LINES, *_PACKED, *_TABLES))]
        if not known:
            endings = ", ".join((*_LINES, *_PACKED, *_TABLES))
            raise DumpError(f"{self.uri} has no file that the ray engine reads: their names end in {endings}")
        return known


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a dump: `start` and `end` in bytes of a file of lines, or in rows of the row group `group`.

    Without them it is the whole file. `rows_before` counts the dump's rows before the piece, `lines_before`
    the file's lines before it.
    """

    number: int
    path: str
    start: int = 0
    end: int | None = None
    group: int | None = None
    rows_before: int = 0
    lines_before: int = 0


def cut(store: Location) -> list[Piece]:
    """The pieces of all files, in order; those of tables have `rows_before`. Raises DumpError."""
    filesystem, _ = store.open()
    pieces: list[Piece] = []
    rows = 0
    files = store.files()
    # A dump is cut the same way on any cluster: a run may resume on another one.
    share = sum(file.size for file in files) / (_PIECES * PIECE_BYTES)
    some_bytes = min(PIECE_BYTES, max(_LEAST_BYTES, int(share * PIECE_BYTES)))
    some_rows = min(PIECE_ROWS, max(_LEAST_ROWS, int(share * PIECE_ROWS)))
    for file in files:
        if file.path.lower().endswith(_TABLES):
            for piece, count in _cut_table(filesystem, file.path, some_rows):
                pieces.append(replace(piece, number=len(pieces), rows_before=rows))
                rows += count
            continue
        step = file.size if file.path.lower().endswith(_PACKED) else some_bytes
        for start in range(0, file.size, step or 1):
            end = None if step == file.size else min(start + step, file.size)
            pieces.append(Piece(number=len(pieces), path=file.path, start=start, end=end))
    return pieces


def counted(pieces: Sequence[Piece], counts: Sequence[tuple[int, int]]) -> list[Piece]:
    """The pieces with the counts before each, from each one's (lines, rows)."""
    done: list[Piece] = []
    rows = lines = 0
    for i, (piece, (in_lines, in_rows)) in enumerate(zip(pieces, counts, strict=True)):
        lines = lines if i and pieces[i - 1].path == piece.path else 0
        done.append(replace(piece, rows_before=rows, lines_before=lines))
        lines, rows = lines + in_lines, rows + in_rows
    return done


def count(store: Location, piece: Piece, folder: Path) -> tuple[int, int]:
    """The number of lines and rows of a piece, as readers count them."""
    if piece.group is not None:
        return 0, (piece.end or 0) - piece.start
    lines = rows = 0
    file = fetch(store, piece, folder)
    if file is not None:
        source = Source(file)
        try:
            for _, line in source.lines():
                lines += 1
                rows += bool(line.strip())
        finally:
            source.close()
    return lines, rows


def fetch(store: Location, piece: Piece, folder: Path) -> Path | None:
    """The piece as a file in `folder`; None if no line begins in it."""
    filesystem, _ = store.open()
    if piece.group is not None:
        return _fetch_rows(filesystem, piece, folder / "piece.arrow")
    file = folder / f"piece{''.join(Path(piece.path).suffixes[-2:]).lower()}"
    with filesystem.open_input_file(piece.path) as stream, file.open("wb") as out:
        stream.seek(max(piece.start - 1, 0))
        if piece.start:
            _copy_line(stream, None)
        while piece.end is None or stream.tell() < piece.end:
            wanted = _CHUNK if piece.end is None else min(_CHUNK, piece.end - stream.tell())
            if not (chunk := stream.read(wanted)):
                break
            out.write(chunk)
        if piece.end is not None and out.tell() and not chunk.endswith(b"\n"):
            _copy_line(stream, out)
        return file if out.tell() else None


def open_piece(file: Path, piece: Piece) -> Source:
    """A fetched piece; its rows and lines are numbered as in the whole dump. Raises DumpError."""
    return Source(file, rows_before=piece.rows_before, lines_before=piece.lines_before)


def read_piece(source: Source, piece: Piece, columns: Columns) -> Reader:
    """The rows of a piece. Replies aren't joined across pieces."""
    return (JsonLinesReader if piece.group is None else TableReader)(source, columns)


def _cut_table(filesystem: Any, path: str, most: int) -> Iterator[tuple[Piece, int]]:
    pa = import_pyarrow()
    try:
        metadata = pa.parquet.read_metadata(path, filesystem=filesystem)
    except (pa.ArrowException, OSError) as error:
        raise DumpError(f"{path} can't be read: {error}; copy or export it again") from error
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        for start in range(0, rows, most):
            end = min(start + most, rows)
            yield Piece(number=0, path=path, start=start, end=end, group=group), end - start


def _fetch_rows(filesystem: Any, piece: Piece, file: Path) -> Path:
    pa = import_pyarrow()
    with filesystem.open_input_file(piece.path) as stream:
        table = pa.parquet.ParquetFile(stream).read_row_group(piece.group)
    rows = table.slice(piece.start, (piece.end or 0) - piece.start)
    with pa.ipc.new_file(str(file), rows.schema) as out:
        out.write_table(rows)
    return file


def _copy_line(stream: Any, out: Any) -> None:
    """Read to the end of the line, into `out` if given, and stop right after it."""
    while chunk := stream.read(_CHUNK // 16):
        end = chunk.find(b"\n") + 1
        if out is not None:
            out.write(chunk[:end] if end else chunk)
        if end:
            stream.seek(stream.tell() - len(chunk) + end)
            return
