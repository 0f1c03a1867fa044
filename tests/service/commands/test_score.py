"""`parley score` on the command line: exit status, messages, files on disk."""

from __future__ import annotations

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from parley.model.artifact import DEFAULT
from parley.service.commands.cli import app

Run = Callable[..., Result]
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "article-page.txt"


@pytest.fixture
def run(tiny_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call `parley score` with these arguments, on the tiny artifact, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, model: Path = tiny_artifact) -> Result:
        return CliRunner().invoke(app, ["score", *words, "--model", str(model)])

    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_page_becomes_a_table(run: Run, tmp_path: Path) -> None:
    result = run(str(EXAMPLE), "-o", "out.csv", "--target", "closing the old bridge")
    assert result.exit_code == 0, result.output
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [f"article-page-{i}" for i in range(1, 7)]
    assert rows[1]["parent.text"] == rows[0]["text"]
    for row in rows:
        assert 0 <= float(row["abuse.toxicity"]) <= 1
        assert 0 <= float(row["off_topic"]) <= 1
        assert row["stance.target"] == "closing the old bridge"
        assert row["decision.action"] in ("approve", "review")
    assert result.stdout == ""
    assert "Scored 6 comments in" in result.stderr
    assert "decisions: " in result.stderr
    assert "idiots" not in result.stderr


def test_bad_rows_are_reported_and_listed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('body,n\nfine,1\n"broken,2\nfine too,3\n')
    result = run("in.csv", "-o", "out.jsonl", "--map", "text=body", "--map", "target=body")
    assert result.exit_code == 0, result.output
    assert "1 rows could not be scored, listed in out.jsonl.errors.jsonl" in result.stderr
    assert "the first: line 3: a quotation mark" in result.stderr
    assert names(tmp_path) == ["in.csv", "out.jsonl", "out.jsonl.errors.jsonl"]
    assert json.loads((tmp_path / "out.jsonl.errors.jsonl").read_text())["raw"] == '"broken,2'


BAD_CALLS = {
    "no file": (("none.csv", "-o", "out.csv"), 2, "none.csv can't be opened: No such file"),
    "a folder": ((".", "-o", "out.csv"), 2, "out.csv is inside the input folder"),
    "output is a folder": (
        ("in.csv", "-o", "folder.csv"),
        2,
        "folder.csv is a folder; give the name of a file",
    ),
    "output format unknown": (
        ("in.csv", "-o", "out.xlsx"),
        2,
        "must end in one of .jsonl, .ndjson, .csv, .parquet",
    ),
    "output exists": (("in.csv", "-o", "old.csv"), 2, "old.csv exists; give another name, or --overwrite"),
    "output is input": (("in.csv", "-o", "in.csv", "--overwrite"), 2, "in.csv is the input"),
    "no such output folder": (
        ("in.csv", "-o", "none/out.csv"),
        2,
        "can't be written: No such file or directory",
    ),
    "missing column": (("other.csv", "-o", "out.csv"), 2, "its columns are id, body."),
    "bad mapping": (("in.csv", "-o", "out.csv", "--map", "x=y"), 2, "--map x=y: give FIELD=COLUMN"),
    "unknown format": (("in.csv", "-o", "out.csv", "--format", "xml"), 2, "--format xml: no such format"),
    "unknown policy": (("in.csv", "-o", "out.csv", "--policy", "none"), 2, "none: no such policy"),
    "unknown flag": (("in.csv", "-o", "out.csv", "--colour"), 2, "No such option"),
    "no output": (("in.csv",), 2, "give IN and -o OUT"),
    "cut short": (("cut.parquet", "-o", "out.csv"), 2, "damaged or was cut short"),
    "empty": (("empty.csv", "-o", "out.csv"), 1, "empty.csv is empty"),
    "header only": (("header.csv", "-o", "out.csv"), 1, "no row holds a comment"),
    "no comments": (("page.txt", "-o", "out.csv"), 1, "no comments found"),
}


@pytest.mark.parametrize(("words", "status", "message"), BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_bad_calls(run: Run, tmp_path: Path, words: tuple[str, ...], status: int, message: str) -> None:
    pytest.importorskip("pyarrow")
    contents = {
        "in.csv": "text\nfine\n",
        "old.csv": "",
        "other.csv": "id,body\n1,x\n",
        "cut.parquet": "PAR1 and no more",
        "empty.csv": "",
        "header.csv": "id,text\n",
        "page.txt": "Pool opens late\n\nThe pool opened on Friday, two weeks late.\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "folder.csv").mkdir()
    before = names(tmp_path)
    result = run(*words)
    assert result.exit_code == status
    assert isinstance(result.exception, SystemExit), result.exception
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
    assert names(tmp_path) == before


def test_a_folder_that_is_not_an_artifact(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text\nfine\n")
    result = run("in.csv", "-o", "out.csv", model=tmp_path)
    assert result.exit_code == 2
    assert "is incomplete" in result.stderr


def test_overwrite(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text\nfine\n")
    (tmp_path / "out.csv").write_text("old")
    assert run("in.csv", "-o", "out.csv", "--overwrite", "--quiet").exit_code == 0
    assert (tmp_path / "out.csv").read_text().startswith("id,text,")


@pytest.mark.parametrize("out", ["out.jsonl", "-"])
def test_bad_rows_never_overwrite_someone_elses_file(run: Run, tmp_path: Path, out: str) -> None:
    good = '{"text": "fine"}\n'
    (tmp_path / "in.jsonl").write_text(good)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "list.json").write_text('{"line": 1}')
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "new.jsonl")
    (tmp_path / "folder").mkdir()
    before = names(tmp_path)
    for file in ("in.jsonl", "notes.txt", "list.json", "link.jsonl", "folder"):
        result = run("in.jsonl", "-o", out, "--errors", file, "--overwrite")
        assert result.exit_code == 2, file
        assert "another" in result.stderr
    assert names(tmp_path) == before
    assert (tmp_path / "in.jsonl").read_text() == good
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_earlier_runs_list_of_bad_rows_is_replaced(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "fine"}\n{"text": ""}\n')
    listed = tmp_path / "bad.jsonl"
    for rows in (1, 1):
        assert run("in.jsonl", "-o", "out.jsonl", "--errors", "bad.jsonl", "--overwrite").exit_code == 0
        assert len(listed.read_text().splitlines()) == rows
    (tmp_path / "in.jsonl").write_text('{"text": "fine"}\n')
    assert run("in.jsonl", "-o", "out.jsonl", "--errors", "bad.jsonl", "--overwrite").exit_code == 0
    assert not listed.exists()


def test_someone_elses_folder_of_parts_is_left_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "fine"}\n')
    parts = tmp_path / "out.jsonl.parts"
    parts.mkdir()
    for name in ("part-of-a-book.txt", "errors-I-made.txt", "manifest.jsonl"):
        (parts / name).write_text("mine")
    result = run("in.jsonl", "-o", "out.jsonl")
    assert (result.exit_code, "has files that Parley did not create" in result.stderr) == (2, True)
    assert sorted(path.name for path in parts.iterdir()) == [
        "errors-I-made.txt",
        "manifest.jsonl",
        "part-of-a-book.txt",
    ]


def test_links_among_the_parts_are_not_followed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "fine"}\n')
    victim = tmp_path / "victim"
    victim.write_text("mine")
    parts = tmp_path / "out.jsonl.parts"
    parts.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert run("in.jsonl", "-o", "out.jsonl").exit_code == 2
    parts.unlink()
    for name in ("manifest.jsonl", "part-00000.jsonl", "joined"):
        for link in (Path.symlink_to, Path.hardlink_to):
            parts.mkdir()
            (parts / "manifest.jsonl").write_text("")
            (parts / name).unlink(missing_ok=True)
            link(parts / name, victim)
            result = run("in.jsonl", "-o", "out.jsonl")
            assert (result.exit_code, "is a link" in result.stderr) == (2, True), name
            for path in parts.iterdir():
                path.unlink()
            parts.rmdir()
    assert victim.read_text() == "mine"


def test_a_dump_cut_short_is_reported_whatever_the_options(run: Run, tmp_path: Path) -> None:
    whole = b"".join(b'{"text": "number %d"}\n' % n for n in range(2000))
    packed = gzip.compress(whole)
    (tmp_path / "in.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "in.jsonl").write_bytes(whole[:-9])
    (tmp_path / "in.json").write_bytes(b"[" + whole[:-9].replace(b"\n", b","))
    for name, quiet in product(("in.jsonl.gz", "in.jsonl", "in.json"), ([], ["-q"])):
        result = run(name, "-o", "out.jsonl", "--overwrite", *quiet)
        assert result.exit_code == 3, name
        assert "The input could not be read to its end" in result.stderr


@pytest.mark.parametrize("last", ["not JSON", '{"text": "a"} and more', "[1, 2"])
def test_a_last_line_that_cannot_begin_an_object_is_a_bad_row(run: Run, tmp_path: Path, last: str) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "fine"}\n' + last)
    result = run("in.jsonl", "-o", "out.jsonl")
    assert result.exit_code == 0
    assert "the first: line 2: not" in result.stderr


def test_no_control_character_of_a_dump_reaches_the_terminal(run: Run, tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\u202e\x9b31m"
    rows = [{f"text{evil}": "fine"}, {"text": "fine"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = run("in.jsonl", "-o", "out.jsonl")
    assert "the first: line 1" in result.stderr
    (tmp_path / "in.csv").write_text(f"id,a{evil[:6]}\n1,x\n", encoding="utf-8")
    refused = run("in.csv", "-o", "out.csv", "--format", "csv")
    mapped = run("in.jsonl", "-o", "b.jsonl", "--map", f"target={evil}", "--where", f"{evil}=1")
    for shown in (result.stderr, refused.stderr, mapped.stderr):
        assert not set(shown) & set("\x1b\x07\u202e\x9b"), shown


def test_oddities_that_are_not_errors_are_reported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes('{"text": "café"}\n'.encode("cp1252"))
    result = run("in.jsonl", "-o", "out.csv", "--map", "article.title=headline")
    assert "no row has the column 'headline', which --map reads article.title from" in result.stderr
    assert "1 lines are not UTF-8 and were read as Windows-1252" in result.stderr
    assert "café" in (tmp_path / "out.csv").read_text(encoding="utf-8")


def test_progress_on_a_terminal_only(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.csv").write_text("text\nfine\n")
    assert "Scoring" not in run("in.csv", "-o", "a.csv").stderr
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes stderr for a terminal
    assert "Scoring" in run("in.csv", "-o", "b.csv").stderr
    assert run("in.csv", "-o", "c.csv", "--quiet").stderr == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_ctrl_c(tiny_artifact: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "in.jsonl"
    os.mkfifo(pipe)
    words = [
        sys.executable,
        "-m",
        "parley.service.commands.cli",
        "score",
        "in.jsonl",
        "-o",
        "out.csv",
        "--batch-size",
        "1",
    ]
    process = subprocess.Popen(
        [*words, "--model", str(tiny_artifact)], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    # Opened for reading and writing, so that this doesn't wait for a reader that may never come.
    with os.fdopen(os.open(pipe, os.O_RDWR), "w") as held_open:
        held_open.write('{"text": "one"}\n{"text": "two"}\n')
        held_open.flush()
        while not list(tmp_path.glob("out.csv.parts/part-*")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert said.strip().endswith("Interrupted: out.csv was not written")
    assert "Traceback" not in said
    assert names(tmp_path) == ["in.jsonl"]


def test_the_trained_artifact_on_the_example(run: Run, tmp_path: Path) -> None:
    if not DEFAULT.is_dir():
        pytest.skip("no trained artifact in this checkout")
    result = run(str(EXAMPLE), "-o", "out.csv", "--target", "closing the old bridge", model=DEFAULT)
    assert result.exit_code == 0
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    toxicity = [float(row["abuse.toxicity"]) for row in rows]
    assert min(toxicity[0], toxicity[3]) > 0.5 > max(toxicity[i] for i in (1, 2, 4, 5))
    spam = [float(row["spam"]) for row in rows]
    assert max(spam) == spam[5] > 0.5


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_late_time_that_nobody_can_read_is_kept(run: Run, tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    rows = ["2026-01-01T10:00:00Z,fine"] * 20 + ["last Tuesday,late"]
    (tmp_path / "in.csv").write_text("\n".join(["created_at,text", *rows]))
    assert run("in.csv", "-o", f"out{suffix}", "--batch-size", "8").exit_code == 0
    if suffix == ".csv":
        with (tmp_path / "out.csv").open(newline="") as file:
            found = [row["created_at_as_sent"] for row in csv.DictReader(file)]
    else:
        import pyarrow.parquet as pq

        found = pq.read_table(tmp_path / "out.parquet")["created_at_as_sent"].to_pylist()
    assert [value or None for value in found] == [None] * 20 + ["last Tuesday"]


def test_the_null_engine_is_for_benchmarks_and_no_user_sees_it(run: Run, tmp_path: Path) -> None:
    assert "null" not in run("--help").stdout
    (tmp_path / "in.jsonl").write_text('{"text": "A road"}\n')
    result = run("in.jsonl", "-o", "out.jsonl", "--null")
    assert result.exit_code == 0, result.output
    (row,) = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert row["notes"] == ["null_engine"]
