"""`parley report` on the command line: exit status, messages, files on disk, its tables."""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from parley.service.commands.cli import app
from parley.service.report.counts import Counts
from parley.service.report.rows import ScoredFile
from parley.service.report.terminal import _counts
from tests.service.report.scored import scored, write

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call `parley report` with these arguments in a folder with a scored file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    rows = [
        scored("You fool", id="a", abuse={"toxicity": 0.9}, author="Bo [red]\x1b[31m"),
        scored("Fine by me", id="b", off_topic=None, stance=None, notes=["no_article"]),
    ]
    write(tmp_path / "out.jsonl", rows)
    write(tmp_path / "out.csv", rows)
    write(tmp_path / "out.parquet", rows)
    return lambda *words: CliRunner().invoke(app, ["report", *words])


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet"])
def test_a_page_is_written(run: Run, tmp_path: Path, name: str) -> None:
    pytest.importorskip("plotly")
    result = run(name, "-o", "page.html", "--title", "May <3", "--top", "1")
    assert result.exit_code == 0, result.output
    assert "Report on 2 comments: page.html (" in result.stderr
    assert result.stdout == ""
    assert "fool" not in result.stderr
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "<h1>May &lt;3</h1>" in page
    assert not list(tmp_path.glob(".*"))


def test_report_html_is_the_default_and_is_not_replaced(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    assert run("out.jsonl", "--quiet").stderr == ""
    before = (tmp_path / "report.html").read_bytes()
    assert b"<title>Comments in out.jsonl</title>" in before
    again = run("out.jsonl")
    assert again.exit_code == 2
    assert "report.html exists; give another name with -o, or --overwrite" in again.stderr
    assert run("out.jsonl", "--overwrite", "--title", "New").exit_code == 0
    assert b"<title>New</title>" in (tmp_path / "report.html").read_bytes()


def test_summary(run: Run, tmp_path: Path) -> None:
    result = run("out.csv", "--summary")
    assert result.exit_code == 0, result.output
    for title in (
        "Comments an hour (UTC)",
        "By article: 1 of 1",
        "By author: 2 of 2",
        "By target: 1 of 1",
        "Scores, policy default",
        "Decisions and their reasons",
        "Not judged",
        "Comments to look at first",
    ):
        assert title in result.stdout
    assert "Bo [red]" in result.stdout  # no rich markup
    assert "\x1b" not in result.stdout
    assert "You fool" in result.stdout
    assert "no_article" in result.stdout
    assert not (tmp_path / "report.html").exists()


def test_summary_fits_a_narrow_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = [line.rstrip() for line in run("out.csv", "--summary").stdout.splitlines()]
    (header,) = [line for line in lines if line.startswith(" author ")]
    assert header.endswith(" unsure")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.jsonl"], "none.jsonl can't be opened: there is no such file"),
        (["plain.csv"], "plain.csv is not a scored file: it lacks abuse.toxicity, decision.action"),
        (["broken.jsonl"], "no row could be read as a scored comment"),
        (["out.csv", "-o", "page.txt"], "give a name that ends in .html"),
        (
            ["out.csv", "-o", "no/such/page.html"],
            "can't be written: No such file or directory",
        ),
        (["out.csv", "-o", "folder.html"], "folder.html is a folder; give a file name"),
        (["out.csv", "--policy", "lenient"], "lenient: no such policy"),
        (["out.csv", "--model", "folder.html"], "is incomplete"),
        (["out.csv", "--top", "0"], "Invalid value for '--top'"),
    ],
)
def test_errors_are_reported(run: Run, tmp_path: Path, words: list[str], message: str) -> None:
    pytest.importorskip("plotly")
    (tmp_path / "plain.csv").write_text("text\nfine\n")
    (tmp_path / "broken.jsonl").write_text(
        '{"text": 1, "abuse": {"toxicity": 1}, "decision": {"action": "approve"}}\n'
    )
    (tmp_path / "folder.html").mkdir()
    before = sorted(tmp_path.iterdir())
    result = run(*words)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit), result.exception
    assert message in " ".join(result.stderr.split())
    assert sorted(tmp_path.iterdir()) == before


def test_rows_that_cannot_be_read_are_reported(run: Run, tmp_path: Path) -> None:
    with (tmp_path / "out.jsonl").open("a") as file:
        file.write('{"text": "secret')
    result = run("out.jsonl", "--summary")
    assert result.exit_code == 0
    assert "Warning: 1 rows could not be read (out.jsonl, row 3: " in result.stderr
    assert "secret" not in result.stderr


def test_another_policy_is_reported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "house.yaml").write_text("rules: [{code: spam, when: spam, at_least: 0.5, action: review}]")
    result = run("out.jsonl", "--summary", "--policy", "house.yaml")
    told = "Warning: the file was scored with another policy than house, which has no rule for toxic"
    assert told in result.stderr


def test_without_the_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("plotly", "plotly.graph_objects", "plotly.subplots"):
        monkeypatch.setitem(sys.modules, name, None)
    result = run("out.csv")
    assert result.exit_code == 2
    assert "pip install 'parley-moderation[report]'" in result.stderr
    assert run("out.csv", "--summary").exit_code == 0


def test_interrupted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: ScoredFile) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ScoredFile, "__iter__", interrupt)
    result = run("out.csv", "--summary")
    assert result.exit_code == 130
    assert "Interrupted: no report was written" in result.stderr


def test_numbers_are_never_cut_short() -> None:
    million = Counts(comments=1_234_567, review=123_456, reject=1_234_567, favor=123_456, none=1_234_567)
    told = StringIO()
    Console(file=told, width=80).print(
        _counts("By target", "target", [("The plan for the harbour", million)], width=80)
    )
    assert told.getvalue().count(" 1.23M") == 3
    assert told.getvalue().count(" 123,456") == 2
    assert " The plan" in told.getvalue()
