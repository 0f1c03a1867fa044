"""`parley feedback from-dump`: a dump's decisions as rows to train and calibrate on."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from parley.service.commands.cli import app
from parley.service.dumps.formats.several import open_dump
from parley.service.dumps.reading.record import Columns, Record
from tests.service.dumps import exports


def from_dump(folder: Path, *words: str) -> tuple[int, str, list[dict[str, str]]]:
    out = folder / "decisions.csv"
    result = CliRunner().invoke(app, ["feedback", "from-dump", *words, "-o", str(out)])
    content = out.read_bytes().decode() if out.exists() else ""
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    return result.exit_code, result.output, rows


def decided(rows: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [(row["text"], row["toxicity"], row["spam"]) for row in rows]


def test_disqus(tmp_path: Path) -> None:
    status, said, rows = from_dump(tmp_path, str(exports.write(tmp_path, "disqus")))
    assert status == 0, said
    assert decided(rows) == [
        ("I agree, it & the tunnel.", "0", "0"),
        ("Close it.", "0", "0"),
        ("Buy pills", "", "1"),
        ("Why was that removed?", "0", "0"),
    ]
    assert rows[0]["article.title"] == "Bridge & tunnel to close"
    assert "Wrote 4 comments with decisions (spam=0 3, spam=1 1, toxicity=0 3)" in said


def test_wordpress(tmp_path: Path) -> None:
    status, _, rows = from_dump(
        tmp_path, str(exports.write(tmp_path, "wordpress")), "--rejected-as", "insult"
    )
    assert status == 0
    assert decided(rows) == [("First line.\nSecond  line.", "0", "0"), ("Never.", "", "")]
    assert rows[1]["insult"] == "1"
    assert rows[0]["article.text"].startswith("The pool opens on Friday.")


def test_ratings_of_a_corpus_and_a_custom_column(tmp_path: Path) -> None:
    _, _, rows = from_dump(tmp_path, str(exports.write(tmp_path, "civil-comments")))
    assert decided(rows) == [("Well said.", "0", "0"), ("Close it.", "1", "")]
    (tmp_path / "decisions.csv").unlink()
    lines = [{"body": "A", "verdict": "Rejected"}, {"body": "B", "verdict": "pending"}, {"body": "C"}]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    own = str(tmp_path / "own.jsonl")
    status, said, rows = from_dump(tmp_path, own, "--map", "text=body", "--status", "verdict")
    assert decided(rows) == [("A", "1", "")]
    assert "pending 1" in said
    (tmp_path / "decisions.csv").unlink()
    status, said, rows = from_dump(tmp_path, own, "--map", "text=body")
    assert (status, rows) == (1, [])
    assert "no decisions" in said


def test_bad_calls(tmp_path: Path) -> None:
    own = str(exports.write(tmp_path, "disqus"))
    assert from_dump(tmp_path, own, "--rejected-as", "rude")[0] == 2
    assert from_dump(tmp_path, str(tmp_path / "none.xml"))[0] == 2
    (tmp_path / "decisions.csv").write_text("mine")
    assert from_dump(tmp_path, own)[0] == 2
    assert (tmp_path / "decisions.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("disqus", "status", {"approved", "spam"}),
        ("wordpress", "status", {"approved", "pending", "trash"}),
        ("coral", "status", {"REJECTED", "NONE", "APPROVED"}),
        ("coral-csv", "status", {"APPROVED", "REJECTED"}),
        ("youtube", "status", {None, "heldForReview"}),
        ("isso", "status", {"approved", "pending"}),
        ("commento", "status", {"approved", "flagged"}),
        ("civil-comments", "rating", {"approved", "rejected"}),
        ("socc", "status", {"approved"}),
    ],
)
def test_the_moderation_status_in_a_dump_is_exported(
    name: str, column: str, expected: set[str | None], tmp_path: Path
) -> None:
    if name in ("youtube", "commento"):
        pytest.importorskip("ijson")
    with open_dump([exports.write(tmp_path, name)], name=None, columns=Columns()) as (reader, _):
        assert column in reader.columns
        assert {row.extra.get(column) for row in reader if isinstance(row, Record)} == expected
