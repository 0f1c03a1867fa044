"""The tables as other tools read them, the JSON lines compared with the REST answer, and the page on both."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from parley.model import Classifier
from parley.service.dumps.formats.registry import open_reader
from parley.service.dumps.reading.names import PREDICTED, REPEATED
from parley.service.dumps.reading.source import Source
from parley.service.dumps.scoring.run import score_file
from parley.service.dumps.scoring.scorer import Scorer
from parley.service.dumps.scoring.selection import Selection
from parley.service.policy.decision import Policy
from parley.service.settings.schema import Settings
from parley.service.web.app import create_app
from tests.service.conftest import wait_until_ready

DOCUMENT = Path(__file__).parents[4] / "docs" / "output.md"
COMMENTS: list[dict[str, Any]] = [
    {
        "id": "1",
        "text": "This plan is trash, you idiot!",
        "article": {"title": "The council plan for the road"},
    },
    {"id": "2", "text": "Thank you. Ünï ☂", "article": {"title": "Park"}, "parent": {"text": "Go on."}},
    {"id": "3", "text": "<p>Vote &amp; see</p>", "format": "html", "target": "the new tax"},
]


def score(classifier: Classifier, folder: Path, name: str) -> Path:
    source, out = folder / "in.jsonl", folder / name
    source.write_text("\n".join(json.dumps({**row, "created_at": "2024-05-31"}) for row in COMMENTS))
    scorer = Scorer(classifier, Policy.load("default", thresholds=classifier.thresholds))
    with closing(Source(source)) as opened:
        score_file(Selection(open_reader(opened)), out, scorer, call={})
    return out


def test_parquet_is_what_other_tools_read(classifier: Classifier, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    pandas, polars, duckdb = (pytest.importorskip(name) for name in ("pandas", "polars", "duckdb"))
    file = score(classifier, tmp_path, "out.parquet")
    rows = pq.read_table(file).to_pylist()
    frame = pandas.read_parquet(file)
    assert frame["abuse.toxicity"].dtype == "float64"
    assert str(frame["created_at"].dt.tz) == "UTC"
    assert list(frame["text"]) == [row["text"] for row in rows]
    table = polars.read_parquet(file)
    assert table["spans"].to_list() == [row["spans"] for row in rows]
    assert table["created_at"].dtype == polars.Datetime("us", "UTC")
    found = duckdb.sql(
        f"""SELECT id, "abuse.toxicity", "stance.label", len(spans) FROM '{file}'"""
    ).fetchall()
    assert found == [(r["id"], r["abuse.toxicity"], r["stance.label"], len(r["spans"])) for r in rows]


def test_json_lines_equal_the_answer_of_the_service(
    classifier: Classifier, tiny_artifact: Path, tmp_path: Path
) -> None:
    lines = score(classifier, tmp_path, "out.jsonl").read_text(encoding="utf-8").splitlines()
    with TestClient(create_app(Settings(model=tiny_artifact))) as client:
        wait_until_ready(client)
        answer = client.post("/v1/classify", json={"comments": COMMENTS}).json()
    for line, result in zip(lines, answer["results"], strict=True):
        written = json.loads(line)
        assert {name: written[name] for name in result} == result


def test_the_document_has_every_column_and_its_type(classifier: Classifier, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    rows = [
        line.split(" | ")
        for line in DOCUMENT.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    types = {
        name.strip("`"): cells[2] for cells in rows if len(cells) > 3 for name in cells[0][2:].split(", ")
    }
    assert {*REPEATED, *PREDICTED} <= set(types)
    for field in pq.read_schema(score(classifier, tmp_path, "out.parquet")):
        found = str(field.type).replace("element: ", "").replace("tz=", "")
        assert types[field.name] in (found, found.replace("item: ", "")), field.name
