"""Parquet and Arrow, made by pyarrow at test time."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from model.comment import Article
from service.dumps.record import BadRow, Record
from service.errors import DumpError
from tests.dumps.conftest import Read, texts

pa = pytest.importorskip("pyarrow")
from pyarrow import ipc  # noqa: E402
from pyarrow import parquet as pq  # noqa: E402

ROWS = {
    "id": pa.array([1, 2, 3]),
    "text": pa.array(["one", None, "three"], pa.large_string()),
    "article": pa.array([{"title": "Bridge", "section": "Town"}, None, {"title": None, "section": None}]),
    "created_at": pa.array([datetime(2024, 6, 4, tzinfo=UTC), None, None], pa.timestamp("ms", "UTC")),
    "likes": pa.array([5, None, 6]),
}


def parquet(table: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def arrow(table: Any, new: Any) -> bytes:
    out = io.BytesIO()
    with new(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


CONTENTS = {
    "a.parquet": lambda table: parquet(table, row_group_size=2),
    "a.arrow": lambda table: arrow(table, ipc.new_file),
    "stream": lambda table: arrow(table, ipc.new_stream),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_columns_structs_and_missing_texts(read: Read, name: str) -> None:
    rows = read(name, CONTENTS[name](pa.table(ROWS)))
    assert texts(rows) == ["one", None, "three"]
    first, bad, last = rows
    assert isinstance(first, Record)
    assert first.article == Article(title="Bridge")
    assert first.created_at == datetime(2024, 6, 4, tzinfo=UTC)
    assert first.extra == {"article.section": "Town", "likes": 5}
    assert isinstance(bad, BadRow)
    assert (bad.row, bad.line) == (2, None)
    assert '"id": 2' in bad.raw
    assert isinstance(last, Record)
    assert (last.id, last.article) == ("3", None)


def test_mapped_column(read: Read) -> None:
    content = parquet(pa.table({"body": ["one"], "text": [5]}))
    (row,) = read("a.parquet", content, map=["text=body"])
    assert isinstance(row, Record)
    assert (row.text, row.extra) == ("one", {"text": 5})


def test_missing_column(read: Read) -> None:
    with pytest.raises(
        DumpError, match=r"no column 'text'; its columns are comment_text.*--map text=comment_text"
    ):
        read("a.parquet", parquet(pa.table({"comment_text": ["one"]})))


@pytest.mark.parametrize("kept", [4, 100, -8])
def test_cut_short(read: Read, kept: int) -> None:
    with pytest.raises(DumpError, match=r"damaged or was cut short .*; copy or export it again"):
        read("a.parquet", parquet(pa.table(ROWS))[:kept])


def test_damaged_in_the_middle_gives_what_comes_before(read: Read, tmp_path: Any) -> None:
    table = pa.table({"text": [f"comment {i}" for i in range(4000)]})
    content = bytearray(parquet(table, row_group_size=1000, compression="gzip", use_dictionary=False))
    content[len(content) * 3 // 4 : len(content) * 3 // 4 + 50] = bytes(50)
    with pytest.raises(DumpError, match=r"can't be read past row [123]000"):
        read("a.parquet", bytes(content))


def test_without_pyarrow_the_extra_is_named(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DumpError, match=r"pip install 'parley\[tables\]'"):
        read("a.parquet", b"PAR1....PAR1")
