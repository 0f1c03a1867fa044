"""The unfinished output of one run: `OUT.parts`, from which a killed run resumes.

    manifest.jsonl      the call (input, options, model); then a line for each complete part
    part-00000.jsonl    scores of some rows of the input, in the format of OUT
    errors-00000.jsonl  the bad rows among them
    seen.sqlite         scores by comment, so that duplicates are scored once

A part counts once its line is in the manifest, which is written after the part's files are on disk: a run
that dies loses only its current part. An incomplete line doesn't count. At the end the parts are joined and
moved to OUT in one step, and the folder is deleted, its manifest last. After any interruption the same call
resumes, and gives the same bytes as an uninterrupted one.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from parley.service.dumps.scoring.deduplication import Seen
from parley.service.dumps.scoring.writers import Join, concatenate
from parley.service.errors import DumpError

_MANIFEST = "manifest.jsonl"
_WHOLE = {"whole": True}
"""The manifest's last line after the input was read to its end."""
_PLACED = {"placed": True}
"""Its last line after OUT was moved into place: only the folder is left to delete."""
_JOINED = "joined"
_OWN = re.compile(
    r"manifest\.jsonl|part-\d{5,}\.\w+|errors-\d{5,}\.jsonl|seen\.sqlite(?:-journal|-wal|-shm)?|joined"
)
"""The names of Parley's files in the folder; any other file is someone else's."""
_CALL = b'{"call": '
_ERROR_KEYS = {"line", "row", "reason", "raw"}
MAX_FIRST = 64 * 2**20
"""Bytes of a file's first line that are read."""


class Parts:
    """The parts of the run that writes `out`; as a context manager it keeps other runs from writing it.

    `receipts` has what was passed to `commit` for each complete part, in order; `whole` says that no more
    parts will come. Raises DumpError if the folder has the parts of another call, or can't be written.
    """

    def __init__(self, out: Path, call: Mapping[str, Any], *, resume: bool = True) -> None:
        self.folder = parts_folder(out)
        self._out, self._suffix = out, out.suffix.lower()
        self._call = json.loads(json.dumps(call))
        self._resume = resume
        self.receipts: list[dict[str, Any]] = []
        self.whole = self._placed = False

    def __enter__(self) -> Self:
        _check_own(self.folder)
        self.folder.mkdir(exist_ok=True)
        self._manifest = (self.folder / _MANIFEST).open("a+b")
        try:
            _lock(self._manifest, self._out)
            self._read()
        except BaseException as error:
            if not isinstance(error, DumpError):  # from another run
                self._remove()
            self._manifest.close()
            raise
        self.seen = Seen(self.folder / "seen.sqlite")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._manifest:
            self.seen.close()
            if self._placed or not self.receipts:
                self._remove()

    def _read(self) -> None:
        """The receipts of the call's complete parts; truncates the manifest to complete lines."""
        self._manifest.seek(0)
        whole = [line for line in self._manifest if line.endswith(b"\n")]
        lines = [json.loads(line) for line in whole] if self._resume else []
        if _PLACED in lines and not self._out.exists():
            lines = []  # somebody has removed OUT since
        if not lines:
            self._clear()
            self._append({"call": self._call})
            return
        earlier = lines[0]["call"]
        if differing := [key for key in {**self._call, **earlier} if self._call.get(key) != earlier.get(key)]:
            raise DumpError(
                f"{self.folder} has an unfinished run of a different command (different "
                f"{', '.join(sorted(differing))}): repeat that command to finish it, or start over with "
                "--no-resume"
            )
        self._manifest.truncate(sum(map(len, whole)))
        self.whole, self._placed = _WHOLE in lines, _PLACED in lines
        self.receipts = [line for line in lines[1:] if line not in (_WHOLE, _PLACED)]
        if self._placed:
            return
        for number, receipt in enumerate(self.receipts):
            if [_size(path) for path in self._paths(number)] != receipt["bytes"]:
                raise DumpError(
                    f"{self._paths(number)[0]} was changed since it was written: start over with --no-resume"
                )

    @contextmanager
    def next_part(self) -> Iterator[tuple[BinaryIO, BinaryIO]]:
        """Handles for the scores and the bad rows of the next part."""
        table, errors = self._paths(len(self.receipts))
        with table.open("wb") as table_handle, errors.open("wb") as errors_handle:
            yield table_handle, errors_handle
            for handle in (table_handle, errors_handle):
                handle.flush()
                os.fsync(handle.fileno())

    def commit(self, receipt: Mapping[str, Any]) -> None:
        """Complete the part from `next_part`."""
        self.seen.commit()
        sizes = [_size(path) for path in self._paths(len(self.receipts))]
        self._append({**receipt, "bytes": sizes})
        self.receipts.append({**receipt, "bytes": sizes})

    def finish(self, join: Join, *, errors_out: Path) -> None:
        """Move the output and the list of bad rows into place, each only if there is any.

        The folder is deleted when this context is left.
        """
        if self._placed:
            return
        if not self.whole:
            self._append(_WHOLE)
            self.whole = True
        pairs = [self._paths(number) for number in range(len(self.receipts))]
        tables, errors = ([pair[i] for pair in pairs if _size(pair[i])] for i in (0, 1))
        if errors:
            self._put(errors, concatenate, errors_out)
        elif is_errors_list(errors_out):  # from an earlier run
            errors_out.unlink()
        if tables:
            self._put(tables, join, self._out)
        self._append(_PLACED)
        self._placed = True

    def _put(self, parts: Sequence[Path], join: Join, place: Path) -> None:
        joined = self.folder / _JOINED
        with joined.open("wb") as handle:
            join(parts, handle)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(joined, place)

    def _remove(self) -> None:
        """Delete the folder. Until then the manifest says that OUT is in place, or nothing."""
        if not self._placed:
            self._manifest.truncate(0)
        self._unlink()
        (self.folder / _MANIFEST).unlink(missing_ok=True)
        with suppress(OSError):  # someone else's file is in it
            self.folder.rmdir()

    def _clear(self) -> None:
        """Start over; the manifest's lines go first, since without them no part counts."""
        self._manifest.truncate(0)
        self._unlink()

    def _unlink(self) -> None:
        for path in self.folder.iterdir():
            if _OWN.fullmatch(path.name) and path.name != _MANIFEST:
                path.unlink()

    def _append(self, line: Mapping[str, Any]) -> None:
        self._manifest.write(json.dumps(line).encode() + b"\n")
        self._manifest.flush()
        os.fsync(self._manifest.fileno())

    def _paths(self, number: int) -> tuple[Path, Path]:
        return (
            self.folder / f"part-{number:05}{self._suffix}",
            self.folder / f"errors-{number:05}.jsonl",
        )


def parts_folder(out: Path) -> Path:
    """The folder of parts of the run that writes `out`."""
    return out.with_name(f"{out.name}.parts")


def is_errors_list(path: Path) -> bool:
    """Whether this is Parley's list of bad rows or an empty file, which may be replaced."""
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            first = file.readline(MAX_FIRST)
        return not first or set(json.loads(first)) == _ERROR_KEYS
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def _check_own(folder: Path) -> None:
    """Refuse a folder that Parley did not create, or that contains links."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise DumpError(f"{folder} is not a Parley folder: move it away, or give OUT another name")
    files = list(folder.iterdir()) if folder.exists() else []
    for path in files:
        if _OWN.fullmatch(path.name) and not _is_plain(path):
            raise DumpError(f"{path} is a link or a folder that Parley did not create: move it away")
    manifest = folder / _MANIFEST
    if files and not (manifest in files and _is_manifest(manifest)):
        raise DumpError(
            f"{folder} has files that Parley did not create: move it away, or give OUT another name"
        )


def _is_plain(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _is_manifest(path: Path) -> bool:
    """Whether this is the manifest of a run; a run killed at once leaves nothing, or half a line."""
    with path.open("rb") as file:
        first = file.readline(len(_CALL))
    return _CALL.startswith(first)


def is_finishing(out: Path) -> bool:
    """Whether a run was stopped after reading all its input: then an existing `out` is its own."""
    try:
        lines = (parts_folder(out) / _MANIFEST).read_bytes()
    except OSError:
        return False
    return lines.endswith(tuple(json.dumps(mark).encode() + b"\n" for mark in (_WHOLE, _PLACED)))


def _lock(handle: BinaryIO, out: Path) -> None:
    """Lock the file while it is open. Raises DumpError if another process has locked it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise DumpError(f"{out} is being written by another process: let it finish, or stop it") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1
