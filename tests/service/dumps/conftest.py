"""How the tests of dumps read a file: every row, as `parley score` would see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest

from parley.service.dumps.formats.registry import open_reader
from parley.service.dumps.reading.record import Columns, RawRow, Record
from parley.service.dumps.reading.source import Source

Rows = list[Record | RawRow]
Read = Callable[..., Rows]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write `content` under `name` and read it back: records and bad rows in order."""

    def read(name: str, content: bytes | str, *, format: str | None = None, map: Iterable[str] = ()) -> Rows:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with closing(Source(path)) as source:
            return list(open_reader(source, name=format, columns=Columns.parse(map)))

    return read


def texts(rows: Rows) -> list[str | None]:
    """Each row's text, None for a bad one."""
    return [row.text if isinstance(row, Record) else None for row in rows]
