"""The Python API: returns the kind it was given, in order; the error for a wrong call names the right one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parley
from parley.model.artifact import DEFAULT
from parley.model.errors import CommentError

DOCS = Path(__file__).parents[2] / "docs"
TEXTS = ["You stupid idiot", "The council did what people wanted.", ""]
TITLE = "Council votes to close the road"


@pytest.fixture(scope="module")
def model(tiny_artifact: Path) -> parley.Model:
    return parley.load(tiny_artifact)


def test_one_text_is_one_prediction(model: parley.Model) -> None:
    one = model.predict(TEXTS[0], article=TITLE, target="closing the road")
    assert isinstance(one, parley.Prediction)
    assert one.stance is not None
    assert one.stance.target == "closing the road"
    assert model.predict([TEXTS[0]], article=TITLE, target="closing the road") == [one]


def test_texts_dictionaries_and_comments_score_alike(model: parley.Model) -> None:
    given: list[Any] = [
        TEXTS[0],
        {"text": TEXTS[0], "article": TITLE},
        parley.Comment(text=TEXTS[0], article=parley.Article(title=TITLE)),
        {"text": TEXTS[0], "article": {"title": TITLE}, "parent": "Why?"},
    ]
    alone, *others = model.predict(given)
    assert alone.off_topic is None
    assert all(p.off_topic == others[0].off_topic is not None for p in others)
    assert model.predict([]) == []


def pandas_frame(columns: dict[str, list[Any]]) -> Any:
    return pytest.importorskip("pandas").DataFrame(columns)


def polars_frame(columns: dict[str, list[Any]]) -> Any:
    return pytest.importorskip("polars").DataFrame(columns)


def arrow_table(columns: dict[str, list[Any]]) -> Any:
    return pytest.importorskip("pyarrow").table(columns)


def dataset(columns: dict[str, list[Any]]) -> Any:
    return pytest.importorskip("datasets").Dataset.from_dict(columns)


@pytest.mark.parametrize("make", [pandas_frame, polars_frame, arrow_table, dataset])
def test_a_table_of_a_thousand_rows_comes_back_as_a_table(
    model: parley.Model, make: Callable[[dict[str, list[Any]]], Any]
) -> None:
    texts = [TEXTS[i % 3] for i in range(1000)]
    table = make(
        {"body": texts, "article.title": [TITLE] * 1000, "number": list(range(1000)), "spam": [1] * 1000}
    )
    scored = model.predict(table, text="body")
    assert type(scored) is type(table)
    names = list(scored.column_names if hasattr(scored, "column_names") else scored.columns)
    assert names[:4] == ["body", "article.title", "number", "input.spam"]
    expected = model.predict(TEXTS, article=TITLE)
    toxicity = [float(str(value)) for value in scored["abuse.toxicity"]]
    assert toxicity[:3] == pytest.approx([p.abuse["toxicity"] for p in expected])
    assert [int(str(value)) for value in scored["number"]] == list(range(1000))
    assert {"stance.label", "spans", "language", "notes", "off_topic"} <= set(names)


def test_an_empty_table_gets_the_columns(model: parley.Model) -> None:
    scored = model.predict(polars_frame({"text": []}))
    assert "abuse.toxicity" in scored.columns
    assert len(scored) == 0


def test_columns_are_those_that_the_docs_list(model: parley.Model) -> None:
    page = (DOCS / "output.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([a-z_.]+)`", page))
    added = set(model.predict(pandas_frame({"text": ["a"]})).columns) - {"text"}
    assert added <= documented


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda m: m.predict(3), TypeError, "a list of these"),
        (lambda m: m.predict(["a", 3]), CommentError, "comment 1: a comment is a text"),
        (lambda m: m.predict({"txt": "a"}), CommentError, "its keys are text"),
        (lambda m: m.predict({"id": "a"}), CommentError, "under the key 'text'"),
        (lambda m: m.predict(pandas_frame({"body": ["a"]})), CommentError, "with text="),
        (lambda m: m.predict("a", article=3), TypeError, "article is a title"),
        (lambda m: parley.predict("a"), AttributeError, r"parley.load\(\).predict"),
    ],
)
def test_a_wrong_call_names_the_right_one(
    model: parley.Model, call: Callable[[Any], Any], kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says):
        call(model)


def notebook_cells() -> list[str]:
    cells = json.loads((DOCS / "python.ipynb").read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def page_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("blocks", [notebook_cells, page_blocks])
def test_the_notebook_and_the_page_run(blocks: Callable[[], list[str]]) -> None:
    if not DEFAULT.is_dir():
        pytest.skip("no trained artifact in this checkout")
    namespace: dict[str, Any] = {}
    for block in blocks():
        exec(compile(block, "<docs>", "exec"), namespace)
    assert namespace["model"].name


def test_replies_when_asked(model: parley.Model) -> None:
    comment = {"text": "No, it is not.", "parent": "The road is good."}
    asked, own, alone = (
        model.predict(comment, reply=True),
        model.predict({**comment, "ask": ["reply"]}),
        model.predict(comment),
    )
    assert asked == own
    assert asked.reply is not None
    assert alone.reply is None
    frame = polars_frame({"text": [comment["text"]], "parent.text": [comment["parent"]]})
    assert list(model.predict(frame, reply=True)["reply.label"]) == [asked.reply.label]
    assert list(model.predict(frame)["reply.label"]) == [None]
