"""A damaged file is scored as far as it can be read: every cell of `tests.service.dumps.faults`' table."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from parley.service.dumps.formats.registry import INPUTS, open_reader
from parley.service.dumps.reading.record import Record
from parley.service.dumps.reading.source import Source
from parley.service.dumps.scoring.run import score_file
from parley.service.dumps.scoring.scorer import Scorer
from parley.service.dumps.scoring.selection import Selection
from parley.service.errors import DumpError
from tests.service.dumps import exports
from tests.service.dumps.faults import AT, FAULTS, LONG, damaged, read, text, try_out

pytest.importorskip("ijson")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", LONG)
def test_rows_before_the_damage_are_read(name: str, fault: str, tmp_path: Path) -> None:
    outcome = try_out(name, fault, tmp_path)
    assert outcome.rows == outcome.expected > 0
    if fault == "cut archive":
        assert "broke off" in outcome.said
    if fault == "cut in the middle" and name != "page":
        assert "line" in outcome.said or "after entry" in outcome.said


def test_every_format_is_in_the_table() -> None:
    assert set(INPUTS) - set(LONG) == {"parquet", "arrow", "isso"}


def test_a_run_says_where_the_dump_broke(tmp_path: Path) -> None:
    name, data, expected = damaged(LONG["disqus"], "cut in the middle")
    (tmp_path / name).write_bytes(data)
    with closing(Source(tmp_path / name)) as source:
        summary = score_file(
            Selection(open_reader(source)), tmp_path / "out.jsonl", Scorer.load(null=True), call={}
        )
    assert summary.scored == expected == AT
    line = (LONG["disqus"].before + "".join(map(LONG["disqus"].comment, range(AT)))).count("\n") + 1
    assert f"broke off at line {line}" in summary.cut_short


def test_a_bad_character_costs_only_itself(tmp_path: Path) -> None:
    spots = [
        "&#8;",
        "&#x1F;",
        "&#xFFFF;",
        "&#99999999;",
        "a & b",
        "a&b;c & d",
        "1 < 2",
        "\x08",
        "&nbsp;",
        "&amp;",
        "&#65;",
    ]
    posts = "".join(f'<post dsq:id="{i}"><author><name>{s}</name></author><message>x</message></post>'
                    for i, s in enumerate(spots))  # fmt: skip
    (tmp_path / "a.xml").write_text(f'<disqus xmlns:dsq="d">{posts}</disqus>')
    with closing(Source(tmp_path / "a.xml")) as source:
        names = [row.author_name for row in open_reader(source) if isinstance(row, Record)]
    # A number that is too large is no character reference at all.
    assert names == [None, None, None, None, "a & b", "a&b;c & d", "1 < 2", None, None, "&", "A"]


def test_references_in_cdata_stay_as_they_are(tmp_path: Path) -> None:
    said = "1 < 2 & 3 &#8; &nope; ]] > <b"
    (tmp_path / "a.xml").write_text(
        f'<disqus xmlns:dsq="d"><post><message><![CDATA[{said}]]></message></post></disqus>'
    )
    with closing(Source(tmp_path / "a.xml")) as source:
        assert [row.text for row in open_reader(source) if isinstance(row, Record)] == [said]


@pytest.mark.parametrize("seed", range(20))
def test_where_a_chunk_ends_changes_nothing(seed: int) -> None:
    from parley.service.dumps.formats.xml_stream import repaired

    chance = random.Random(seed)
    words = [
        "<a>",
        "&#8;",
        "&",
        "&amp;",
        " ",
        "x" * 90,
        "<![CDATA[",
        "]]>",
        "<",
        "]]",
        "&#x41;",
        "&name;",
        "\n",
    ]
    whole = "".join(chance.choices(words, k=200))
    cuts = sorted(chance.sample(range(len(whole)), 40))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert "".join(repaired(iter(pieces))) == "".join(repaired(iter([whole])))


ROWS = b"".join(json.dumps({"id": str(i), "text": text(i)}).encode() + b"\n" for i in range(2000))


def zipped(kind: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        archive.writestr("a.jsonl", ROWS)
    return out.getvalue()


def tarred(mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        info = tarfile.TarInfo("folder/a.jsonl")
        info.size = len(ROWS)
        archive.addfile(info, io.BytesIO(ROWS))
    return out.getvalue()


def zstandard() -> bytes:
    module = pytest.importorskip("zstandard")
    packer = module.ZstdCompressor(level=1).compressobj()
    blocks = [
        packer.compress(ROWS[at : at + 1000]) + packer.flush(module.COMPRESSOBJ_FLUSH_BLOCK)
        for at in range(0, len(ROWS), 1000)
    ]
    return b"".join(blocks) + bytes(packer.flush())


PACKED: dict[str, Callable[[], bytes]] = {
    "bzip2": lambda: bz2.compress(ROWS, 1),
    "xz": lambda: lzma.compress(ROWS),
    "zstandard": zstandard,
    "zip": lambda: zipped(zipfile.ZIP_DEFLATED),
    "stored zip": lambda: zipped(zipfile.ZIP_STORED),
    "tar": lambda: tarred("w"),
    "tar.gz": lambda: tarred("w:gz"),
    "tar.xz": lambda: tarred("w:xz"),
}


@pytest.mark.parametrize("name", PACKED)
def test_every_compression_whole_and_cut(name: str, tmp_path: Path) -> None:
    packed, path = PACKED[name](), tmp_path / "a"
    path.write_bytes(packed)
    assert read(path, "jsonl", 2000).rows == 2000
    path.write_bytes(packed[: len(packed) * 3 // 4])
    outcome = read(path, "jsonl", 0)
    assert 100 < outcome.rows < 1700
    assert "broke off after line" in outcome.said


def test_a_changed_byte_in_a_zip(tmp_path: Path) -> None:
    packed = bytearray(zipped(zipfile.ZIP_DEFLATED))
    packed[len(packed) // 2] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(packed)
    outcome = read(tmp_path / "a.zip", "jsonl", 0)
    assert outcome.rows > 800
    assert "broke off after line" in outcome.said


def test_a_zstandard_file_cut_between_two_lines_is_cut(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    packer = zstandard.ZstdCompressor().compressobj()
    half = packer.compress(ROWS) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    (tmp_path / "a.zst").write_bytes(half)
    outcome = read(tmp_path / "a.zst", "jsonl", 2000)
    assert outcome.rows == 2000
    assert "broke off after line 2,000: the file is cut short" in outcome.said


def test_an_arrow_file_cut_short(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / "a.arrow"
    table = pyarrow.Table.from_pylist([{"text": text(i)} for i in range(2000)])
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_file(file, table.schema) as out:
        out.write_table(table, max_chunksize=100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    outcome = read(path, "arrow", 0)
    assert outcome.rows >= 800
    assert outcome.rows % 100 == 0
    assert f"can't be read past row {outcome.rows}" in outcome.said


def test_a_database_with_a_damaged_page(tmp_path: Path) -> None:
    path = exports.write(tmp_path, "isso")
    with closing(sqlite3.connect(path)) as base, base:
        for i in range(5, 2000):
            held = (i, text(i))
            base.execute(
                "INSERT INTO comments VALUES (1,?,NULL,1.0,NULL,1,'',?,'A',NULL,NULL,0,0,x'00',0)", held
            )
    whole = read(path, "isso", 0).rows
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    outcome = read(path, "isso", 0)
    assert 100 < outcome.rows < whole
    assert "can't be read as a database of Isso past its comment" in outcome.said


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("coral", "stories.json"),
        ("coral", "users.json"),
        ("socc", "gnm_articles.csv"),
        ("coral-csv", "stories.csv"),
    ],
)
def test_damage_outside_the_comments_costs_only_what_is_there(name: str, beside: str, tmp_path: Path) -> None:
    given = exports.write(tmp_path, name)
    with closing(Source(given)) as source:
        whole = len(list(open_reader(source)))
        path = source.path.with_name(beside)
    packed = gzip.compress(path.read_bytes() * 50)
    path.unlink()
    path.with_name(f"{beside}.gz").write_bytes(packed[: len(packed) // 2])
    with closing(Source(given)) as source:
        assert len(list(open_reader(source))) == whole
        assert "broke off" in source.remarks[0]


def test_archived_comments_are_read_although_the_others_break_off(tmp_path: Path) -> None:
    folder = exports.write(tmp_path, "coral")
    path = folder / "comments.json"
    packed = gzip.compress(path.read_bytes())
    path.unlink()
    path.with_name("comments.json.gz").write_bytes(packed[:-4])
    assert read(folder, "coral", 0).rows == 3


def test_errors_do_not_quote_the_words_at_a_fault(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(
        '{"version": 1, "comments": [{"commentHex": "a", "markdown": "secret" x}]}'
    )
    with closing(Source(tmp_path / "c.json")) as source, pytest.raises(DumpError) as error:
        list(open_reader(source, name="commento"))
    assert "secret" not in str(error.value)
