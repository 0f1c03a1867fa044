"""Scored output read back: the same rows in each format, compressed or in parts; files without scores."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from parley.service.errors import DumpError
from parley.service.report.rows import ScoredFile, ScoredRow
from tests.service.report.scored import scored, write

ROWS = [
    scored('Say "what",\nyou fool?', id="1", abuse={"toxicity": 0.9, "threat": 0.7}, spans=[(16, 20)]),
    scored("Grüße, 世界 👋", id="2", off_topic=None, stance=None, article=None, author=None, at=None),
    scored("<p>Fine</p>", id="3", format="html", notes=["no_article", "no_target"]),
]


def read(path: Path) -> list[ScoredRow]:
    return list(ScoredFile.open(path))


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    first, second, third = read(write(tmp_path / name, ROWS))
    assert first.text == 'Say "what",\nyou fool?'
    assert first.scores["abuse.toxicity"] == 0.9
    assert first.action == "review"
    assert [reason["code"] for reason in first.reasons] == ["toxic", "threat"]
    assert [(span["start"], span["end"]) for span in first.spans] == [(16, 20)]
    assert first.created_at == datetime(2024, 6, 3, 12, tzinfo=UTC)
    assert (first.article, first.author, first.stance) == ("Bridge to close", "Ada", "none")
    assert (second.article, second.author, second.created_at) == (None, None, None)
    assert (second.scores["off_topic"], second.stance, second.target) == (None, None, None)
    assert second.text == "Grüße, 世界 👋"
    assert (third.format, third.notes) == ("html", ["no_article", "no_target"])


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
def test_gzip(tmp_path: Path, name: str) -> None:
    plain = write(tmp_path / name, ROWS)
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read(packed) == read(plain)


def test_a_folder_of_parts(tmp_path: Path) -> None:
    parts = tmp_path / "out"
    parts.mkdir()
    for number, row in enumerate(ROWS):
        write(parts / f"part-{number}.jsonl", [row])
    (parts / "_SUCCESS").touch()
    (parts / "out.jsonl.errors.jsonl").write_text('{"reason": "no text"}\n')
    scored_file = ScoredFile.open(parts)
    assert [row.id for row in scored_file] == ["1", "2", "3"]
    assert scored_file.fraction == 1.0


def test_rows_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "out.jsonl", ROWS[:1])
    good = json.loads(path.read_text())
    bad = [
        "{broken",
        "[]",
        json.dumps({**good, "decision": {"action": "delete"}}),
        json.dumps({**good, "text": None}),
        json.dumps({**good, "spam": 7}),
        json.dumps({**good, "spam": "much"}),
        json.dumps({**good, "stance": {**good["stance"], "label": "maybe"}}),
    ]
    path.write_text(json.dumps(good) + "\n" + "\n".join(bad) + "\n" + json.dumps(good) + "\n")
    scored_file = ScoredFile.open(path)
    assert len(list(scored_file)) == 2
    assert scored_file.unreadable == len(bad)
    assert scored_file.first_problem.startswith("out.jsonl, row 2: ")


def test_odd_values_do_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path / "out.jsonl", ROWS[:1])
    good = json.loads(path.read_text())
    odd = {"created_at": "last Tuesday", "spans": [None, "x"], "notes": None, "id": 7, "author": "Ada"}
    path.write_text(json.dumps({**good, **odd}) + "\n")
    (row,) = read(path)
    assert (row.created_at, row.spans, row.notes, row.id, row.author) == (None, [], [], "7", None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("in.csv", "id,text\n1,fine\n", "it lacks abuse.toxicity, decision.action. `parley score` adds them"),
        ("in.jsonl", '{"text": "fine"}\n', "it lacks abuse.toxicity, decision.action"),
        ("in.jsonl", "{broken\n", "its first line is not JSON"),
        ("in.txt", "News\n\nCouncil votes\n", "is not a scored file"),
        ("in.parquet", "PAR1 and no more", "it is damaged or was cut short"),
        ("in.csv", "", "is empty"),
    ],
)
def test_files_that_have_no_scores(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DumpError, match=message) as raised:
        read(tmp_path / name)
    assert "fine" not in str(raised.value)


def test_places_without_scores(tmp_path: Path) -> None:
    with pytest.raises(DumpError, match="there is no such file"):
        ScoredFile.open(tmp_path / "none.jsonl")
    with pytest.raises(DumpError, match="contains no scored file"):
        ScoredFile.open(tmp_path)
    (tmp_path / "manifest.jsonl").write_text("{}\n")
    with pytest.raises(DumpError, match="is an unfinished run"):
        ScoredFile.open(tmp_path)


def test_an_article_without_a_title_goes_by_its_address(tmp_path: Path) -> None:
    row = scored()
    article = replace(row.record.article, id=None, title=None, url="https://gazette.example/7")  # type: ignore[type-var]
    path = write(tmp_path / "out.csv", [replace(row, record=replace(row.record, article=article))])
    (found,) = read(path)
    assert found.article == found.article_name == "https://gazette.example/7"
