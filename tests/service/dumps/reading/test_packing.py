"""Compressed files and bombs, folders, and companion files."""

from __future__ import annotations

import gzip
import io
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from parley.service.dumps.formats.registry import open_reader
from parley.service.dumps.reading import packing
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError, NothingToScore
from tests.service.dumps import exports
from tests.service.dumps.conftest import texts

LINE = b'{"text": "Close it."}\n'


def read_texts(path: Path) -> list[str | None]:
    with closing(Source(path)) as source:
        return texts(list(open_reader(source)))


@pytest.mark.parametrize("name", ["a.jsonl.zst", "a"])
def test_zstandard(tmp_path: Path, name: str) -> None:
    zstandard = pytest.importorskip("zstandard")
    # Two frames in a row, as written by tools that append.
    (tmp_path / name).write_bytes(zstandard.compress(LINE) + zstandard.compress(LINE))
    assert read_texts(tmp_path / name) == ["Close it."] * 2


def test_zstandard_cut_short_gives_what_is_left(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    whole = zstandard.compress(b"".join(b'{"text": "comment %d"}\n' % (i * i) for i in range(20_000)))
    (tmp_path / "a.zst").write_bytes(whole[: len(whole) // 2])
    with closing(Source(tmp_path / "a.zst")) as source:
        assert next(iter(open_reader(source))).row == 1


@pytest.mark.parametrize("kind", ["gz", "zst", "zip"])
def test_bombs(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "UNPACKED_FREELY", 2**20)
    bomb = LINE + b" " * 2**23
    path = tmp_path / f"a.jsonl.{kind}"
    if kind == "gz":
        path.write_bytes(gzip.compress(bomb))
    elif kind == "zst":
        path.write_bytes(pytest.importorskip("zstandard").compress(bomb))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.jsonl", bomb)
    with closing(Source(path)) as source:
        reader = open_reader(source, name="jsonl")
        with pytest.raises(
            DumpError, match=r"unpacks to more than 200 times its size.*unpack it and give the result"
        ):
            list(reader)


def test_well_compressed_comments_are_not_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "UNPACKED_FREELY", 2**16)
    lines = b"".join(
        b'{"text": "Close it, said number %d.", "likes": %d}\n' % (i, i % 7) for i in range(20_000)
    )
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    assert len(read_texts(tmp_path / "a.jsonl.gz")) == 20_000


def test_a_zip_with_one_file_in_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.mkdir("folder")
        archive.writestr("folder/any.jsonl", LINE)
    assert read_texts(tmp_path / "a.zip") == ["Close it."]


def test_a_zip_that_does_not_say_which_file_to_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.jsonl", LINE)
        archive.writestr("b.jsonl", LINE)
    with pytest.raises(DumpError, match=r"is an archive of 2 files"):
        Source(tmp_path / "a.zip")


def test_an_empty_file_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.jsonl", b"")
    with pytest.raises(NothingToScore, match="is empty"):
        Source(tmp_path / "a.zip")


def test_companion_files_of_an_export_are_found_in_its_zip(tmp_path: Path) -> None:
    folder = exports.write(tmp_path, "coral")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, f"export/{file.name}")
    with closing(Source(tmp_path / "a.zip")) as source:
        rows = list(open_reader(source))
    assert [row.article.title for row in rows] == ["Bridge & tunnel"] * 3  # type: ignore[union-attr]


def test_compressed_companion_files(tmp_path: Path) -> None:
    folder = exports.write(tmp_path, "coral")
    for file in list(folder.iterdir()):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    with closing(Source(folder)) as source:
        rows = list(open_reader(source))
    assert [row.article.title for row in rows] == ["Bridge & tunnel"] * 3  # type: ignore[union-attr]


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "ijson", None)
    (tmp_path / "a.zst").write_bytes(b"\x28\xb5\x2f\xfd" + b"\0" * 20)
    with pytest.raises(DumpError, match=r"pip install 'parley-moderation\[dumps\]'"):
        Source(tmp_path / "a.zst")
    path = exports.write(tmp_path, "youtube")
    with (
        closing(Source(path)) as source,
        pytest.raises(DumpError, match=r"pip install 'parley-moderation\[dumps\]'"),
    ):
        list(open_reader(source))


def test_unpacked_fills_its_buffer(tmp_path: Path) -> None:
    class Drops(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 3))

    stream = packing.Unpacked(Drops(b"0123456789"), io.BytesIO(b"12"), place=tmp_path)
    assert stream.read(8) == b"01234567"
    assert stream.read(8) == b"89"
