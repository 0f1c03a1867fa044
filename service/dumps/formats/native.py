"""Dumps of comment systems: their description (`Native`) and reader (`NativeReader`).

A format is a function from a `Source` to its comments (`RawRow`), with the REST request's names; ids are
joined afterwards (`parley.service.dumps.formats.reply_tree`). What the function puts into the `Index`
(articles, authors) is added to the comments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from pydantic_core import from_json

from parley.model.text.plain import plain_text
from parley.service.dumps.formats.reply_tree import Index, Joined, placeholder
from parley.service.dumps.reading.names import REPEATED
from parley.service.dumps.reading.record import Columns, RawRow, Record, RowProblem
from parley.service.dumps.reading.source import MAX_LINE, Source
from parley.service.errors import DumpError


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """A comment system's format. `extras` are its own columns with their Arrow types.

    `parents_first`: parents always come before their replies. `rooted`: a thread's root is its article.
    """

    read: Callable[[Source, Index], Iterator[RawRow]]
    extras: Mapping[str, str] = field(default_factory=dict)
    parents_first: bool = False
    rooted: bool = False


class NativeReader:
    """The comments of a `Native` dump, joined. Bad rows keep their original content."""

    def __init__(self, source: Source, columns: Columns, native: Native) -> None:
        columns.check_own(source.place)
        if columns.mapped:
            raise DumpError(f"{source.place} is in a format with fixed fields: it has no columns to --map")
        self._source, self._native = source, native
        self._joined: Joined | None = None
        self.columns = (*REPEATED, *native.extras)

    @property
    def fraction(self) -> float:
        """How much of the input has been read, in [0, 1]."""
        return self._source.fraction * (self._joined.share if self._joined else 1.0)

    @property
    def types(self) -> Mapping[str, str]:
        """The names of the Arrow types of the dump's own columns."""
        return self._native.extras

    def __iter__(self) -> Iterator[Record | RawRow]:
        native, source = self._native, self._source
        with closing(Index()) as index:
            self._joined = Joined(
                self.rows(index),
                index,
                skipped=source.skipped,
                read_ahead=not native.parents_first and source.ends,
                rooted=native.rooted,
            )
            yield from self._joined

    def rows(self, index: Index) -> Iterator[Record | RawRow]:
        """The unjoined rows, for an `Index` shared by several files."""
        columns, before = _NativeColumns(self._native.extras), self._source.rows_before
        for row, found in enumerate(self._native.read(self._source, index), start=before + 1):
            skip = found.skip or placeholder(found.values.get("text"))
            if skip is not None and found.problem is None:
                yield replace(found, row=row, skip=skip)
            else:
                yield columns.read(found, row=row)


class _NativeColumns(Columns):
    """Columns named as Parley's fields, and the dump's own with their types."""

    def __init__(self, types: Mapping[str, str]) -> None:
        super().__init__()
        self._types = types

    def record(self, values: Mapping[str, Any], *, row: int, line: int | None = None) -> Record:
        own = {name: _typed(values.get(name), kind) for name, kind in self._types.items()}
        return super().record({"text": None, **values, **own}, row=row, line=line)


def _typed(value: Any, kind: str) -> Any:
    """A value converted to its column's type; None if it isn't such a value."""
    if kind == "int64":
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        return whole if type(whole) is int and abs(whole) < 2**63 else None  # True is an int to isinstance
    return value if isinstance(value, str | None) else str(value)


def objects(source: Source) -> Iterator[RawRow]:
    """The objects of a JSON lines file, unchanged: `values` by the file's own names, for a format to rename.

    A line that isn't an object has a `problem`. Raises DumpError if the file ends inside an object.
    """
    for number, line in source.lines():
        if not line.strip():
            continue
        raw = line.rstrip("\r\n")
        try:
            yield RawRow(values=parse_object(line), line=number, raw=raw)
        except RowProblem as problem:
            if raw == line and _is_begun(line):
                raise DumpError(
                    f"{source.place} ends inside line {number:,}: copy or export it again"
                ) from problem
            yield RawRow(line=number, raw=raw, problem=str(problem))


def _is_begun(line: str) -> bool:
    """Whether a last line that isn't JSON is the beginning of an object."""
    if len(line) >= MAX_LINE or not line.lstrip().startswith("{"):
        return False
    try:
        from_json(line, allow_partial=True)  # also accepts an object with more text after it
    except ValueError:
        return False
    try:
        json.JSONDecoder(strict=False).raw_decode(line.lstrip())
    except (ValueError, RecursionError):
        return True
    return False


def objects_beside(beside: Source | None, source: Source) -> Iterator[Mapping[str, Any]]:
    """The objects of a file that belongs to `source`, as far as it can be read."""
    if beside is None:
        return
    try:
        with closing(beside):
            yield from (parsed.values for parsed in objects(beside) if not parsed.problem)
    except DumpError as error:
        source.remarks.append(str(error))


NO_OBJECT = 'not a JSON object; a comment is {"text": "..."}'


def parse_object(line: str) -> dict[str, Any]:
    """The JSON object on a line. Raises RowProblem."""
    if len(line) >= MAX_LINE:
        raise RowProblem(f"the line is longer than {MAX_LINE:,} characters; only its start is kept here")
    try:
        values = _decode(line)
    except (ValueError, RecursionError):
        values = _decode_all(line)
    if not isinstance(values, dict):
        raise RowProblem(NO_OBJECT)
    return values


_FORBIDDEN = dict.fromkeys((*range(9), 11, 12, *range(14, 32)), " ")
_decode = msgspec.json.Decoder().decode


def _decode_all(line: str) -> Any:
    """Decode what the fast decoder refuses: `NaN`, huge numbers, lone surrogates. Raises RowProblem."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RowProblem(f"not JSON: {error}") from error


def stream_items(source: Source, path: str, *, many: bool = False) -> Iterator[Any]:
    """The values at `path` (`comments.item`) of one big JSON document, or of `many` one after another.

    Raises DumpError if the document is broken or truncated.
    """
    try:
        import ijson
    except ImportError as error:
        raise DumpError("this JSON is read with ijson: pip install 'parley-moderation[dumps]'") from error
    items = ijson.sendable_list()
    parser = ijson.items_coro(items, path, multiple_values=many, use_float=True)
    count, nesting = 0, _Nesting()
    for chunk in _chunks_of_json(source):
        if isinstance(chunk, DumpError):
            broken: Exception | None = chunk
        elif nesting.deepest(chunk) > MOST_NESTED:  # ijson keeps the path of each level: quadratic memory
            broken = DumpError(f"it nests more than {MOST_NESTED} levels deep")
        else:
            broken = _parse_on(parser, chunk, ijson.JSONError)
        for item in items:
            count += 1
            yield item
        del items[:]
        if broken is not None:
            why = broken.__cause__ or broken
            raise DumpError(
                f"{source.place} broke off after entry {count:,}: {why}; export it again"
            ) from broken


def stream_again(source: Source, path: str) -> Iterator[Any]:
    """The values at `path`, from a second pass over the file: none in a pipe, and as far as readable."""
    if source.ends:
        with (
            closing(source.again()) as again,
            suppress(DumpError),
        ):  # reading the comments reports where it broke off
            yield from stream_items(again, path)


class _Nesting:
    """Tracks the nesting depth over the chunks of a document."""

    def __init__(self) -> None:
        self._depth, self._in_text, self._rest = 0, False, b""

    def deepest(self, chunk: bytes) -> int:
        """The deepest level in the next chunk."""
        data, self._rest = self._rest + chunk, b""
        if (len(data) - len(data.rstrip(b"\\"))) % 2:  # the next chunk begins with the escaped character
            data, self._rest = data[:-1], data[-1:]
        deepest = self._depth
        for byte in _ESCAPED.sub(b"", data).translate(None, _NOT_STRUCTURE):
            if byte == _QUOTE:
                self._in_text = not self._in_text
            elif not self._in_text:
                self._depth += 1 if byte in b"[{" else -1
                deepest = max(deepest, self._depth)
        return deepest


_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_QUOTE = ord('"')
_NOT_STRUCTURE = bytes(byte for byte in range(256) if byte not in b'"[]{}')
MOST_NESTED = 200
"""Most levels of lists and objects in a document; reply trees have fewer."""


def _chunks_of_json(source: Source) -> Iterator[bytes | DumpError]:
    """The document in UTF-8 without characters that JSON forbids; ends with an empty chunk or DumpError."""
    try:
        for chunk in source.chunks():
            yield chunk.translate(_FORBIDDEN).encode("utf-8", "replace")
    except DumpError as error:
        yield error
        return
    yield b""


def _parse_on(parser: Any, chunk: bytes, json_error: type[Exception]) -> Exception | None:
    """Send a chunk to the parser; returns its problem, without quoting the text."""
    try:
        parser.send(chunk)
    except StopIteration:
        return None
    except (json_error, ValueError, RecursionError) as error:
        return DumpError(str(error).strip().partition("\n")[0][:100] or type(error).__name__)
    return None


def dig(value: Any, *path: str) -> Any:
    """The value at `path` in nested objects, or None."""
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def entries(value: Any) -> list[Any]:
    """A list unchanged; one value as a list; None as an empty list."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def words(value: Any) -> str | None:
    """A title or an article as plain text from HTML; None if it has no words."""
    if not isinstance(value, str):
        return None
    return plain_text(value, "html").text.strip() or None
