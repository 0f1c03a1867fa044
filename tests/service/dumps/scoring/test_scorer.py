"""From reader to scorer to writer: order, formats, bad rows, and files that appear complete or not at all."""

from __future__ import annotations

import csv
import gzip
import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from parley.model import Classifier
from parley.model.labels import REPLIES
from parley.service.dumps.formats.registry import open_reader
from parley.service.dumps.reading.names import PREDICTED
from parley.service.dumps.reading.record import Columns, Record
from parley.service.dumps.reading.source import Source
from parley.service.dumps.scoring.run import errors_file, score_file
from parley.service.dumps.scoring.scorer import Scorer, Summary
from parley.service.dumps.scoring.selection import Selection
from parley.service.errors import DumpError, NothingToScore
from parley.service.policy.decision import Policy
from parley.service.policy.result import to_result

COMMENTS: list[dict[str, Any]] = [
    {
        "id": str(i),
        "text": text,
        "article": {"title": "The council plan for the road", "section": "Town"} if i % 2 else None,
        "parent": {"id": "1", "text": "What a plan."} if i == 3 else None,
        "created_at": "2024-06-04T16:02:00Z",
        "spam": "mine",
        "likes": i,
    }
    for i, text in enumerate(
        [
            "You are all wrong.",
            "Good, at last!",
            'He said "no", twice.\nTwice!',
            "Ünï ☂ 👍",
            "=1+1",
            "no " * 300,
            "\ud800",
        ],
        1,
    )
]


@pytest.fixture
def scorer(classifier: Classifier) -> Scorer:
    return Scorer(classifier, Policy.load("default", thresholds=classifier.thresholds), target="the plan")


def write_input(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write the comments as a file in the format that the extension of `path` names."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path
    flat = [
        {
            **{k: v for k, v in row.items() if k not in ("article", "parent")},
            **{f"article.{k}": v for k, v in (row["article"] or {"title": None, "section": None}).items()},
            **{f"parent.{k}": v for k, v in (row["parent"] or {"id": None, "text": None}).items()},
        }
        for row in rows
    ]
    if path.suffix == ".parquet":
        pa = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pa.Table.from_pylist(flat), path)
        return path
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(flat[0]))
        writer.writeheader()
        writer.writerows(flat)
    return path


def read_output(path: Path) -> list[dict[str, Any]]:
    """The rows of an output, flat, with CSV's texts parsed into values."""
    if path.suffix == ".jsonl":
        return [flatten(json.loads(line)) for line in path.read_text().splitlines()]
    if path.suffix == ".parquet":
        rows = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
        stamp = "%Y-%m-%dT%H:%M:%SZ"
        for row in rows:
            if row.get("created_at"):
                row["created_at"] = row["created_at"].strftime(stamp)
    else:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [{k: value_of(k, v) for k, v in row.items()} for row in csv.DictReader(file)]
    return [{k: v for k, v in row.items() if v is not None} for row in rows]


def value_of(name: str, cell: str) -> Any:
    if cell == "":
        return None
    number = name.startswith("abuse.") or name in (
        "spam",
        "off_topic",
        "stance.favor",
        "stance.against",
        "stance.none",
        *("reply.agree", "reply.disagree", "reply.none"),
    )
    listed = name in ("spans", "notes", "decision.reasons")
    return json.loads(cell) if number or listed or name == "likes" else cell


def flatten(row: dict[str, Any]) -> dict[str, Any]:
    flat = {}
    for key, value in row.items():
        values = {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value}
        flat.update({k: v for k, v in values.items() if v is not None})
    return flat


def score(scorer: Scorer, source: Path, out: Path, **options: Any) -> Summary:
    with closing(Source(source)) as opened:
        return score_file(Selection(open_reader(opened)), out, scorer, call={}, **options)


@pytest.mark.parametrize("read_as", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("write_as", [".jsonl", ".csv", ".parquet"])
def test_every_format_has_the_same_content(
    scorer: Scorer, tmp_path: Path, read_as: str, write_as: str
) -> None:
    rows = COMMENTS[:-1]  # all but the lone surrogate, which only JSON can represent
    out = tmp_path / f"out{write_as}"
    summary = score(scorer, write_input(tmp_path / f"in{read_as}", rows), out)
    assert (summary.scored, summary.bad) == (6, 0)
    plain = score_as_jsonl(scorer, tmp_path, rows)
    # CSV has only text: a number becomes its digits, a missing value an empty text.
    known = [{name: value for name, value in row.items() if value != ""} for row in read_output(out)]
    assert [{**row, "likes": int(row["likes"])} for row in known] == plain
    assert plain[2]["parent.text"] == "What a plan."
    assert plain[0]["article.section"] == "Town"
    assert plain[0]["input.spam"] == "mine"
    assert plain[0]["stance.target"] == "the plan"
    assert "off_topic" in plain[0]
    assert "off_topic" not in plain[1]
    assert not errors_file(out).exists()


def score_as_jsonl(scorer: Scorer, folder: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    score(scorer, write_input(folder / "plain.jsonl", rows), folder / "plain-out.jsonl")
    return read_output(folder / "plain-out.jsonl")


def test_json_lines_equal_the_rest_answer(scorer: Scorer, classifier: Classifier, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.jsonl", COMMENTS)
    score(scorer, source, tmp_path / "out.jsonl")
    with closing(Source(source)) as opened:
        comments = [row.asked(target="the plan") for row in open_reader(opened) if isinstance(row, Record)]
    policy = Policy.load("default", thresholds=classifier.thresholds)
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    for line, comment, prediction in zip(lines, comments, classifier.predict(comments), strict=True):
        result = to_result(prediction, policy.decide(comment, prediction))
        written = json.loads(line)
        assert {name: written[name] for name in result} == json.loads(json.dumps(result))
        assert written["text"] == comment.text


@pytest.mark.parametrize("write_as", [".jsonl", ".csv", ".parquet"])
def test_a_lone_surrogate_can_be_written(scorer: Scorer, tmp_path: Path, write_as: str) -> None:
    out = tmp_path / f"out{write_as}"
    score(scorer, write_input(tmp_path / "in.jsonl", COMMENTS), out)
    assert read_output(out)[-1]["text"] == ("\ud800" if write_as == ".jsonl" else "\\ud800")


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_order_and_bad_rows_in_any_batch(scorer: Scorer, tmp_path: Path, batch: int) -> None:
    lines = [json.dumps({"id": str(i), "text": "one of many"}) if i % 3 else "broken" for i in range(20)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    out = tmp_path / "out.jsonl"
    seen: list[int] = []
    summary = score(
        scorer, tmp_path / "in.jsonl", out, batch=batch, on_batch=lambda s: seen.append(s.scored + s.bad)
    )
    assert [row["id"] for row in read_output(out)] == [str(i) for i in range(20) if i % 3]
    errors = [json.loads(line) for line in errors_file(out).read_text().splitlines()]
    places = [(error["line"], error["row"], error["raw"]) for error in errors]
    assert places == [(i, i, "broken") for i in range(1, 21, 3)]
    assert (summary.scored, summary.bad) == (13, 7)
    assert summary.first_problem.startswith("line 1: not JSON")
    assert seen == [min(n, 20) for n in range(batch, 20 + batch, batch)]


def test_columns_of_later_rows_are_kept(scorer: Scorer, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "one", "a": 1}\n{"text": "two", "b": {"c": 2}}\n')
    score(scorer, tmp_path / "in.jsonl", tmp_path / "out.csv", batch=1)
    first, second = read_output(tmp_path / "out.csv")
    assert first["a"] == "1"
    assert json.loads(second["input.others"]) == {"b": {"c": 2}}


def test_a_table_has_every_column_even_where_empty(scorer: Scorer, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,parent.text,mine\none,,\n")
    score(scorer, tmp_path / "in.csv", tmp_path / "out.csv")
    header = (tmp_path / "out.csv").read_text().partition("\n")[0].strip().split(",")
    assert header == ["id", "parent.text", "text", "mine", *PREDICTED]


def test_types_of_the_inputs_own_columns_stay(scorer: Scorer, tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    own = {
        "n": pa.array([1]),
        "tags": pa.array([["a"]]),
        "spam": pa.array([True]),
        "f": pa.array([float("nan")]),
    }
    pq.write_table(pa.table({"text": ["one"], **own}), tmp_path / "in.parquet")
    score(scorer, tmp_path / "in.parquet", tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.schema.field("n").type == pa.int64()
    assert table.schema.field("f").type == pa.float64()
    assert table.column("tags").to_pylist() == [["a"]]
    assert table.column("input.spam").to_pylist() == [True]


def test_types_of_json_values_stay_and_what_does_not_fit_is_kept(scorer: Scorer, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    rows: list[dict[str, Any]] = [
        {"n": 1, "yes": True, "x": 1, "mixed": 1, "list": [1], "big": 2**70},
        {"n": 2, "x": 1.5, "mixed": "one"},
        {"n": "three", "yes": 0, "x": 2, "late": 1},
        {"n": 2**70},
    ]
    lines = [json.dumps({"text": "one", **row}) for row in rows]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    score(scorer, tmp_path / "in.jsonl", tmp_path / "out.parquet", batch=2)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column("n").to_pylist() == [1, 2, None, None]
    assert table.column("yes").to_pylist() == [True, None, None, None]
    assert table.column("x").to_pylist() == [1.0, 1.5, 2.0, None]
    assert table.column("mixed").to_pylist() == ["1", "one", None, None]
    assert table.column("list").to_pylist() == ["[1]", None, None, None]
    assert table.column("big").to_pylist() == [str(2**70), None, None, None]
    others = [cell and json.loads(cell) for cell in table.column("input.others").to_pylist()]
    assert others == [None, None, {"late": 1, "n": "three", "yes": 0}, {"n": 2**70}]


@pytest.mark.parametrize("write_as", [".csv", ".jsonl", ".parquet"])
def test_columns_that_a_mapping_shadows_are_kept(scorer: Scorer, tmp_path: Path, write_as: str) -> None:
    (tmp_path / "in.csv").write_text("body,text,target,article.text\none,,,\ntwo,2,mine,long\n")
    out = tmp_path / f"out{write_as}"
    with closing(Source(tmp_path / "in.csv")) as source:
        columns = Columns.parse(["text=body", "target=body", "article.text=body"])
        score_file(Selection(open_reader(source, columns=columns)), out, scorer, call={}, batch=1)
    last = read_output(out)[-1]
    assert last["text"] == "two"
    assert (last["input.text"], last["input.target"], last["input.article.text"]) == ("2", "mine", "long")


def test_nothing_to_score_lists_why(scorer: Scorer, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"body": "one"}\n')
    out = tmp_path / "out.csv"
    with pytest.raises(NothingToScore, match=r"1 bad; the first, line 1: no 'text' here; .* --map text=body"):
        score(scorer, tmp_path / "in.jsonl", out)
    assert not out.exists()
    assert len(errors_file(out).read_text().splitlines()) == 1


def test_an_input_cut_short_gives_what_is_left(scorer: Scorer, tmp_path: Path) -> None:
    whole = gzip.compress("".join(f'{{"text": "{os.urandom(20).hex()}"}}\n' for _ in range(1000)).encode())
    (tmp_path / "in.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "out.jsonl"
    summary = score(scorer, tmp_path / "in.jsonl.gz", out)
    assert 0 < summary.scored < 1000
    assert summary.cut_short
    assert len(read_output(out)) == summary.scored
    assert "the rest of the input is not read" in errors_file(out).read_text()


def test_an_earlier_runs_errors_file_is_deleted(scorer: Scorer, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    errors_file(out).write_text('{"line": 1, "row": 1, "reason": "old", "raw": ""}\n')
    score(scorer, write_input(tmp_path / "in.jsonl", COMMENTS), out)
    assert not errors_file(out).exists()


@pytest.mark.parametrize("write_as", [".jsonl", ".csv", ".parquet"])
def test_an_interruption_leaves_nothing_behind(scorer: Scorer, tmp_path: Path, write_as: str) -> None:
    def interrupt(summary: Summary) -> None:
        raise KeyboardInterrupt

    source = write_input(tmp_path / "in.jsonl", COMMENTS)
    out = tmp_path / f"out{write_as}"
    out.write_text("an earlier run's")
    with pytest.raises(KeyboardInterrupt):
        score(scorer, source, out, batch=2, on_batch=interrupt)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", out.name]
    assert out.read_text() == "an earlier run's"


def test_a_full_disk_is_reported_and_leaves_nothing_behind(
    scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_input(tmp_path / "in.jsonl", COMMENTS)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DumpError, match=r"out.csv can't be written: No space left on device"):
        score(scorer, source, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_place_that_cannot_be_written(scorer: Scorer, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.jsonl", COMMENTS)
    with pytest.raises(DumpError, match="can't be written: No such file or directory"):
        score(scorer, source, tmp_path / "none" / "out.csv")


@pytest.mark.parametrize("write_as", [".jsonl", ".csv", ".parquet"])
def test_replies_are_written_when_asked(tiny_artifact: Path, tmp_path: Path, write_as: str) -> None:
    asking = Scorer.load(model=tiny_artifact, threads=1, reply=True)
    out = tmp_path / f"out{write_as}"
    score(asking, write_input(tmp_path / "in.jsonl", COMMENTS[:-1]), out)
    rows = read_output(out)
    with_parent = [row for row in rows if "parent.text" in row]
    assert with_parent
    for row in rows:
        assert ("reply.label" in row) == (row in with_parent)
        assert ("no_parent" in row["notes"]) == (row not in with_parent and "empty_text" not in row["notes"])
        if row in with_parent:
            scores = {name: row[f"reply.{name}"] for name in REPLIES}
            assert row["reply.label"] == max(scores, key=scores.__getitem__)


@pytest.mark.parametrize("threshold", [0.0, 1.1])
def test_the_summary_counts_what_is_over_a_threshold(
    scorer: Scorer, tmp_path: Path, threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        scorer,
        "thresholds",
        dict.fromkeys(scorer.thresholds, 1.1) | dict.fromkeys(("insult", "off_topic"), threshold),
    )
    summary = score(scorer, write_input(tmp_path / "in.jsonl", COMMENTS), tmp_path / "out.csv")
    assert summary.flagged == ({"insult": 7, "off_topic": 3} if threshold == 0.0 else {})
    assert summary.stances.total() == 6
    assert summary.actions.total() == 7
    assert summary.rate > 0
