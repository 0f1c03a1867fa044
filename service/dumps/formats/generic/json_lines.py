"""JSON with the fields of the REST request, nested or dotted: one comment per line, or one document.

    {"id": "7", "text": "Well said.", "article": {"title": "Bridge"}, "parent": {"text": "Close it."}}

A document is a list of comments, a list under a key (`{"comments": [...]}`), or objects over several lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import from_json

from parley.service.dumps.formats.native import NO_OBJECT, objects, stream_items
from parley.service.dumps.reading.record import Columns, RawRow, Record, raw_json
from parley.service.dumps.reading.source import Source

_DEPTH = 3
"""The nesting depth down to which a document's list of comments is searched for."""


class JsonLinesReader:
    """Records of a JSON file. `columns` is empty: only the rows have them."""

    columns: tuple[str, ...] = ()

    def __init__(self, source: Source, columns: Columns) -> None:
        self._source, self._columns = source, columns
        self._path = document_path(source.head_text, columns.text_column)

    @property
    def fraction(self) -> float:
        """How much of the input has been read, in [0, 1]."""
        return self._source.fraction

    def __iter__(self) -> Iterator[Record | RawRow]:
        found = objects(self._source) if self._path is None else self._of_document(self._path)
        return self._columns.read_all(found, before=self._source.rows_before)

    def _of_document(self, path: str) -> Iterator[RawRow]:
        for values in stream_items(self._source, path, many=True):
            if isinstance(values, Mapping):
                yield RawRow(values=values)
            else:
                yield RawRow(raw=raw_json(values), problem=NO_OBJECT)


def document_path(head: str, text: str) -> str | None:
    """The comments' path in one JSON document, as in ijson; None for one comment per line.

    `text` is the key of a comment's text.
    """
    start = head.lstrip("\ufeff \t\r\n")
    if start.startswith("["):
        return "item"
    first, line_end, _ = start.partition("\n")
    begun = _first_object(start)
    if begun is None or text in begun:
        # An incomplete object means a document over several lines, unless the line is just long.
        return "" if begun is not None and line_end and not _is_whole(first) else None
    path = _list_in(begun, text, _DEPTH) or _list_in(begun, None, _DEPTH)
    if path is not None:
        return path
    return "" if line_end and not _is_whole(first) else None


def _first_object(start: str) -> dict[str, Any] | None:
    """The first object as far as it was read."""
    try:
        value = json.JSONDecoder(strict=False).raw_decode(start)[0]
    except (ValueError, RecursionError):
        try:
            value = from_json(start, allow_partial=True)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _list_in(value: Mapping[str, Any], text: str | None, depth: int) -> str | None:
    """The path of the first list of objects (with the key `text`, unless that is None)."""
    for key, inner in value.items():
        if "." in key:
            continue
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            if text is None or text in inner[0]:
                return f"{key}.item"
        elif isinstance(inner, dict) and depth > 1:
            path = _list_in(inner, text, depth - 1)
            if path is not None:
                return f"{key}.{path}"
    return None
