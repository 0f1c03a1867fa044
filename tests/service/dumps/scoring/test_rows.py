"""Names with dots, names that clash, values that no encoding can represent."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.service.dumps.reading.names import PREDICTED, nest, own_name
from parley.service.dumps.scoring.rows import plain, to_json


def test_only_our_own_groups_are_nested() -> None:
    flat = {
        "article.title": "T",
        "article.a.b": 1,
        "parent.id": "6",
        "x.y": 2,
        "x": 3,
        "input.spam": 4,
        "author.": 5,
    }
    assert nest(flat) == {
        "article": {"title": "T", "a.b": 1},
        "parent": {"id": "6"},
        "x.y": 2,
        "x": 3,
        "input": {"spam": 4},
        "author.": 5,
    }


@given(
    st.lists(
        st.sampled_from(["spam", "input.spam", "input", "input.input.spam", "likes", "article"]), unique=True
    )
)
def test_distinct_columns_stay_distinct(names: list[str]) -> None:
    assert len({own_name(name) for name in names}) == len(names)


@pytest.mark.parametrize("name", [*PREDICTED, "abuse", "article", "input", "input.x", "text", "id"])
def test_columns_with_our_names_are_renamed(name: str) -> None:
    assert own_name(name) == f"input.{name}"


@pytest.mark.parametrize("name", ["likes", "abuse.score", "article.section"])
def test_other_columns_keep_their_names(name: str) -> None:
    assert own_name(name) == name


def test_names_are_valid_utf_8() -> None:
    assert (own_name("Größe"), own_name("\ud800k")) == ("Größe", "\\ud800k")


_TEXT = st.text(st.characters(exclude_categories=[]), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_json_is_one_encodable_line_that_reads_back(value: object) -> None:
    line = to_json(value).decode()
    assert "\n" not in line
    assert json.loads(line.encode().decode()) == value


def test_values_that_json_cannot_express() -> None:
    assert to_json({"a": float("nan"), "b": [float("inf")], "c": datetime(2024, 6, 4, tzinfo=UTC)}) == (
        b'{"a":null,"b":[null],"c":"2024-06-04T00:00:00Z"}'
    )
    assert to_json(["\ud800", float("nan"), datetime(2024, 6, 4, tzinfo=UTC)]) == (
        rb'["\ud800",null,"2024-06-04T00:00:00Z"]'
    )
    assert to_json([np.float64(0.25), np.str_("a"), {np.str_("b"): True}]) == b'[0.25,"a",{"b":true}]'


@pytest.mark.parametrize(
    ("value", "cell"), [(None, ""), (1.5, "1.5"), ([1], "[1]"), ({"a": "é"}, '{"a":"é"}'), ("=1+1", "=1+1")]
)
def test_cells(value: object, cell: str) -> None:
    assert plain(value) == cell
