"""Exports in several parts: a folder, an archive or several arguments are read as one dump."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from parley.service.dumps.formats.several import open_dump
from parley.service.dumps.reading.packing import natural
from parley.service.dumps.reading.record import Columns, RawRow, Record
from parley.service.errors import DumpError, NothingToScore
from tests.service.dumps import exports

SCORE = (sys.executable, "-m", "parley.service.commands.cli", "score")


def read(*given: Path, name: str | None = None, **options: Any) -> tuple[list[Record | RawRow], list[str]]:
    with open_dump(given, name=name, columns=Columns(), **options) as (reader, told):
        return list(reader), told.remarks


def wordpress_parts(folder: Path) -> list[Path]:
    """Three parts of one site's export; a reply comes one part before its parent."""
    comments = [
        exports._wp_comment(1, "First.") + exports._wp_comment(2, "An answer.", parent=3),
        exports._wp_comment(3, "Third."),
        exports._wp_comment(4, "Last.", parent=1),
    ]
    paths = [folder / f"town.wordpress.2024-06-04.00{i}.xml" for i in range(3)]
    for i, path in enumerate(paths):
        text = exports._WORDPRESS.format(v="1.2", comments=comments[i])
        path.write_text(text.replace("post_id>5<", f"post_id>{i + 50}<").replace("?p=5", f"?p={i + 50}"))
    return paths


def check_wordpress(rows: list[Record | RawRow]) -> None:
    assert all(isinstance(row, Record) for row in rows)
    records = [row for row in rows if isinstance(row, Record)]
    assert [(row.id, row.row) for row in records] == [("1", 1), ("2", 2), ("3", 3), ("4", 4)]
    assert [row.parent and row.parent.text for row in records] == [None, "Third.", None, "First."]
    assert [row.article and row.article.url for row in records] == [
        f"https://news.example/?p={i}" for i in (50, 50, 51, 52)
    ]


def test_a_folder_an_archive_and_arguments_are_one_dump(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    paths = wordpress_parts(folder)
    (folder / ".hidden").write_text("x")
    (folder / "README.md").write_text("How to import this.")
    rows, remarks = read(folder)
    check_wordpress(rows)
    assert remarks == ["files skipped as no wordpress: README.md"]
    check_wordpress(read(*paths)[0])
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in reversed(paths):
            archive.write(path, f"some folder/{path.name}")
        archive.writestr("__MACOSX/some folder/._x.xml", b"\0")
    check_wordpress(read(tmp_path / "a.zip")[0])
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.add(folder, "export")
    check_wordpress(read(tmp_path / "a.tar.gz")[0])
    whole = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: whole.index(b"PK\x01\x02")])
    check_wordpress(read(tmp_path / "cut.zip")[0])


def test_two_months_of_reddit(tmp_path: Path) -> None:
    first = [exports._reddit_comment("c1", "Close it.", "t3_s1")]
    second = [exports._reddit_comment("c2", "No.", "t1_c1"), exports._reddit_comment("c3", "Why?", "t3_s1")]
    (tmp_path / "RC_2024-05.jsonl").write_text(exports._lines(*first))
    (tmp_path / "RC_2024-06.jsonl").write_text(exports._lines(*second))
    (tmp_path / "RS_2024-05.jsonl").write_text(exports._lines({"id": "s1", "title": "Bridge", "url": "u"}))
    for given in ([tmp_path], [tmp_path / "RC_2024-05.jsonl", tmp_path / "RC_2024-06.jsonl"]):
        rows, _ = read(*given)
        records = [row for row in rows if isinstance(row, Record)]
        assert [row.id for row in records] == ["t1_c1", "t1_c2", "t1_c3"]
        assert records[1].parent is not None
        assert records[1].parent.text == "Close it."
        assert [row.article and row.article.title for row in records] == ["Bridge"] * 3


def test_numbered_pages_are_read_in_numerical_order(tmp_path: Path) -> None:
    pytest.importorskip("ijson")
    for number in (1, 2, 10):
        (tmp_path / f"page-{number}.json").write_text(json.dumps(exports.youtube_page(number), indent=1))
    rows, _ = read(tmp_path)
    assert [row.id for row in rows if isinstance(row, Record)][::2] == ["y1", "y2", "y10"]
    assert sorted(["p10", "p9", "q", "p1b"], key=natural) == ["p1b", "p9", "p10", "q"]


def test_tables_with_other_columns(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("id,text\n1,One\nx\n")
    (tmp_path / "2.csv").write_text("text,likes\nTwo,5\n")
    (tmp_path / "users.csv").write_text("name,age\nAnna,5\n")
    with open_dump([tmp_path], name=None, columns=Columns()) as (reader, told):
        assert reader.columns == ("id", "text", "likes")
        rows = list(reader)
    assert [(row.row, getattr(row, "id", None)) for row in rows] == [(1, "1"), (2, None), (3, "3")]
    assert isinstance(rows[1], RawRow)
    assert rows[1].to_dict()["file"] == str(tmp_path / "1.csv")
    assert "users.csv" in told.remarks[0]


def test_a_file_that_breaks_off_does_not_end_the_others(tmp_path: Path) -> None:
    first, second, third = wordpress_parts(tmp_path)
    text = second.read_text()
    second.write_text(text[: text.index("</wp:comment>") + 20])
    (tmp_path / "town.wordpress.2024-06-04.003.xml").write_text("")
    rows, remarks = read(tmp_path)
    assert [getattr(row, "id", None) for row in rows] == ["1", "2", "3", None, "4"]
    assert isinstance(rows[3], RawRow)
    assert "broke off at line" in str(rows[3].problem)
    assert remarks[-1].startswith("a file could not be read to its end")
    assert first.exists()
    assert third.exists()


def test_numbered_files_follow_their_main_file(tmp_path: Path) -> None:
    for name in ("comments.csv", "comments(1).csv", "comments(2).csv", "subscriptions.csv"):
        (tmp_path / name).write_text(f"id,text\n{name},Well said.\n")
    assert [row.id for row in read(tmp_path)[0] if isinstance(row, Record)] == [
        "comments.csv", "comments(1).csv", "comments(2).csv"
    ]  # fmt: skip


def test_files_that_are_not_dumps(tmp_path: Path) -> None:
    with pytest.raises(NothingToScore, match="is an empty folder"):
        read(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).write_text("prose")
    with pytest.raises(DumpError, match=r"can't detect the format of .*: give --format"):
        read(tmp_path)


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_killed_and_resumed_the_parts_give_the_same_bytes(form: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for part in range(3):
        rows = [{"id": f"{part}-{i}", "text": f"Opinion {i} of {part}."} for i in range(1500)]
        (folder / f"part-{part}.jsonl").write_text(exports._lines(*rows))

    def command(out: Path) -> list[str]:
        options = ["--null", "--batch-size", "64", "-q"]
        return [
            *SCORE,
            str(folder),
            "-o",
            str(out),
            *options,
        ]

    subprocess.run(command(tmp_path / f"whole.{form}"), check=True)
    out = tmp_path / f"out.{form}"
    kills = 0
    while kills < 2:
        out.unlink(missing_ok=True)  # it finished before it could be killed: try again
        running = subprocess.Popen(command(out))
        manifest = tmp_path / f"out.{form}.parts" / "manifest.jsonl"
        had = manifest.read_bytes().count(b"\n") if manifest.exists() else 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and running.poll() is None:
            if manifest.exists() and manifest.read_bytes().count(b"\n") > had + 3:
                break
            time.sleep(0.01)
        running.kill()
        kills += running.wait() == -signal.SIGKILL
    subprocess.run(command(out), check=True)
    assert out.read_bytes() == (tmp_path / f"whole.{form}").read_bytes()


def test_an_output_within_the_input_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
    command = [
        *SCORE,
        str(tmp_path),
        "-o",
        str(tmp_path / "out.jsonl"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is inside the input folder" in done.stderr
