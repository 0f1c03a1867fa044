"""Files that are not what they should be."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from parley.service.dumps.formats.registry import detect, open_reader
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DumpError, match="is a folder; give one file"):
        Source(tmp_path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DumpError, match="can't be opened: No such file"):
        Source(tmp_path / "none.csv")


def test_a_gzip_file_cut_short_gives_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    whole = gzip.compress("".join(f'{{"text": "comment {i * i}"}}\n' for i in range(5000)).encode())
    path.write_bytes(whole[: len(whole) // 2])
    source = Source(path)
    rows = iter(open_reader(source))
    assert next(rows).row == 1
    with pytest.raises(DumpError, match="broke off after line"):
        list(rows)
    source.close()


def test_not_gzip_although_it_begins_like_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(b"\x1f\x8bnot really packed")
    with pytest.raises(DumpError, match="can't be read"):
        Source(path)


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("a.csv", b"text,x\n", "csv"),
        ("a.TSV", b"text\tx\n", "csv"),
        ("a.ndjson", b"{}", "jsonl"),
        ("a", b" {}", "jsonl"),
        ("a", b"id;text\n", "csv"),
        ("a.dat", b"by: Anna from: Town\nHello.\n", "page"),
        ("a.csv", b"PAR1....", "parquet"),
        ("a", b"ARROW1\0\0", "arrow"),
    ],
)
def test_detection(tmp_path: Path, name: str, content: bytes, format: str) -> None:
    (tmp_path / name).write_bytes(content)
    source = Source(tmp_path / name)
    assert detect(source) == format
    source.close()


def test_what_fits_no_format(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"prose")
    source = Source(tmp_path / "a")
    with pytest.raises(DumpError, match="can't detect its format; give --format"):
        open_reader(source)
    with pytest.raises(DumpError, match="--format xml: no such format; the formats are jsonl"):
        open_reader(source, name="xml")
    source.close()
