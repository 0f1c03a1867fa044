"""Parquet and Arrow, made by pyarrow at test time."""

from __future__ import annotations

import io
import json
import sys
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parley.model.comment import Article
from parley.service.dumps.formats.registry import open_reader
from parley.service.dumps.reading.record import RawRow, Record
from parley.service.dumps.reading.source import Source
from parley.service.dumps.scoring.run import Run
from parley.service.dumps.scoring.scorer import Scorer
from parley.service.dumps.scoring.selection import Selection
from parley.service.dumps.scoring.writers import WRITERS
from parley.service.errors import DumpError
from tests.service.dumps.conftest import Read, texts

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
    assert isinstance(bad, RawRow)
    assert (bad.row, bad.line) == (2, None)
    assert '"id": 2' in str(bad.raw)
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
    with pytest.raises(DumpError, match=r"pip install 'parley-moderation\[tables\]'"):
        read("a.parquet", b"PAR1....PAR1")


AWKWARD = {
    "numbers for ids": {"id": pa.array([7]), "parent.id": pa.array([6]), "author.id": pa.array([1.0])},
    "a day": {"created_at": pa.array([date(2024, 6, 4)])},
    "times beyond Python's range": {
        "created_at": pa.array([2**62], pa.timestamp("us")),
        "own": pa.array([2**62], pa.timestamp("us", "UTC")),
        "nanoseconds": pa.array([1_717_516_920_000_000_001], pa.timestamp("ns", "UTC")),
        "days": pa.array([2**30], pa.date32()),
    },
    "types that Parquet lacks": {
        "own": pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
        "empty": pa.array([{}], pa.struct([])),
    },
    "types that Python lacks": {
        "own": pa.array(["a"]).dictionary_encode(),
        "half": pa.array(np.array([1.5], np.float16)),
        "bytes": pa.array([b"\xff\0"]),
        "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        "null": pa.nulls(1),
    },
    "names of ours": {
        "abuse.toxicity": pa.array([0.5]),
        "article": pa.array(["x"]),
        "language": pa.array([1]),
    },
}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("columns", AWKWARD.values(), ids=AWKWARD)
def test_awkward_columns_come_out_in_every_format(columns: dict[str, Any], form: str, tmp_path: Path) -> None:
    file = tmp_path / "a.arrow"
    file.write_bytes(arrow(pa.table({"text": ["Close it."], **columns}), ipc.new_file))
    out = io.BytesIO()
    with closing(Source(file)) as source:
        run = Run(Selection(open_reader(source)), Scorer.load(null=True), WRITERS[form])
        run.write(run.batches(), out, None)
    assert run.summary.scored == 1
    if form == "parquet":
        (row,) = pq.read_table(io.BytesIO(out.getvalue())).select(["id", "text"]).to_pylist()
        assert row == {"id": "7" if "id" in columns else "1", "text": "Close it."}


@pytest.mark.parametrize("batch", [1, 100])
def test_numbers_that_their_column_cannot_hold_are_kept_beside_it(batch: int, tmp_path: Path) -> None:
    numbers = [1.5, 2, 2**60, 10**30, True]
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps({"text": "Close it.", "n": n}) + "\n" for n in numbers))
    out = io.BytesIO()
    with closing(Source(file)) as source:
        run = Run(Selection(open_reader(source)), Scorer.load(null=True), WRITERS["parquet"], batch=batch)
        run.write(run.batches(), out, None)
    rows = pq.read_table(io.BytesIO(out.getvalue())).to_pylist()
    others = [json.loads(row["input.others"] or "{}").get("n") for row in rows]
    kept = [row["n"] if other is None else other for row, other in zip(rows, others, strict=True)]
    # If the first rows already have several types, the column is text.
    assert kept == (numbers if batch == 1 else list(map(str, numbers)))


def test_times_that_python_cannot_hold_are_kept_as_numbers(read: Read) -> None:
    columns = {"text": ["a"], **AWKWARD["times beyond Python's range"]}
    (row,) = read("a.arrow", arrow(pa.table(columns), ipc.new_file))
    assert isinstance(row, Record)
    assert row.created_at is None
    assert row.extra["created_at_as_sent"] == row.extra["own"] == 2**62
    assert row.extra["nanoseconds"] == datetime(2024, 6, 4, 16, 2, tzinfo=UTC)


def refused_without_expanding(path: Path) -> None:
    before = pa.total_allocated_bytes()
    with (
        closing(Source(path)) as source,
        pytest.raises(DumpError, match="expands to more than 200 times its size"),
    ):
        list(open_reader(source))
    assert pa.total_allocated_bytes() - before < 50_000_000


@pytest.mark.parametrize("where", ["text", "article"])
def test_a_small_file_of_long_texts_is_refused_before_it_expands(tmp_path: Path, where: str) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    long = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["a" * 3_000_000]))
    nested = pa.StructArray.from_arrays([long], ["text"])
    short = pa.array(["x"] * 1000)
    columns = {"text": long} if where == "text" else {"text": short, "article": nested}
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table(columns), path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 1000
    refused_without_expanding(path)


def _nulls() -> Any:
    offsets = pa.py_buffer(np.array([0, 2**31 - 1], dtype=np.int32))
    return pa.Array.from_buffers(pa.list_(pa.null()), 1, [None, offsets], children=[pa.nulls(2**31 - 1)])


def _views() -> Any:
    """A thousand texts that share one buffer."""
    view = np.array([3_000_000, int.from_bytes(b"aaaa", "little"), 0, 0], dtype=np.int32)
    buffers = [None, pa.py_buffer(np.tile(view, 1000)), pa.py_buffer(LONG.encode())]
    return pa.Array.from_buffers(pa.string_view(), 1000, buffers)


LONG = "a" * 3_000_000
EXPANDING = {
    "text compressed": lambda: {"text": pa.array(["a" * 100_000_000])},
    "dictionary compressed": lambda: {"text": pa.array(["a" * 100_000_000]).dictionary_encode()},
    "one text for all": lambda: {"text": pa.array([LONG]).dictionary_encode().take(pa.array([0] * 1000))},
    "views of one text": lambda: {"text": _views()},
    "a run of one text": lambda: {
        "text": pa.RunEndEncodedArray.from_arrays(pa.array([1000], pa.int32()), pa.array([LONG]))
    },
    "a list of nulls": lambda: {"text": pa.array(["a"]), "own": _nulls()},
    "rows of nothing": lambda: {"text": pa.nulls(2**31 - 1)},
}


@pytest.mark.parametrize("name", EXPANDING)
@pytest.mark.parametrize("new", [ipc.new_file, ipc.new_stream])
@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_arrow_that_expands_is_refused_before_it_does(
    tmp_path: Path, name: str, new: Any, compression: str
) -> None:
    path = tmp_path / "bomb.arrow"
    batch = pa.record_batch(EXPANDING[name]())
    with new(path, batch.schema, options=ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_batch(batch)
    del batch
    assert path.stat().st_size < 450_000
    refused_without_expanding(path)


@pytest.mark.parametrize("compression", ["zstd", "lz4", None])
@pytest.mark.parametrize("new", [ipc.new_file, ipc.new_stream])
def test_usual_arrow_files_are_read(tmp_path: Path, new: Any, compression: str | None) -> None:
    texts = [f"Comment {i}." for i in range(2500)]
    columns = {
        "text": pa.array(texts, pa.string_view()),
        "site": pa.array(["one", "two"] * 1250).dictionary_encode(),
        "tags": pa.array([["a", None], None] * 1250),
        "counts": pa.array([[("a", 1)], []] * 1250, pa.map_(pa.string(), pa.int64())),
    }
    batch = pa.record_batch(columns)
    path = tmp_path / "a.arrow"
    with new(path, batch.schema, options=ipc.IpcWriteOptions(compression=compression)) as writer:
        for start in (0, 1200):
            writer.write_batch(batch.slice(start, 1300 if start else 1200))
    with closing(Source(path)) as source:
        rows = list(open_reader(source))
    assert [row.text for row in rows] == texts  # type: ignore[union-attr]
    assert rows[2].extra["tags"] == ["a", None]  # type: ignore[union-attr]


def test_a_column_of_several_types_is_refused(tmp_path: Path) -> None:
    types, offsets = pa.array([0, 0], pa.int8()), pa.array([0, 0], pa.int32())
    union = pa.UnionArray.from_dense(types, offsets, [pa.array(["a"])])
    path = tmp_path / "a.arrow"
    path.write_bytes(arrow(pa.table({"text": ["a", "b"], "own": union}), ipc.new_file))
    with closing(Source(path)) as source, pytest.raises(DumpError, match="union of types"):
        list(open_reader(source))
