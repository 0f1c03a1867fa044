"""A row's values become a record, from dotted names or nested objects."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from parley.model.comment import Article, Parent
from parley.service.dumps.reading.record import Columns, Record, RowProblem
from parley.service.dumps.reading.times import to_utc
from parley.service.errors import DumpError

NESTED = {
    "id": 7,
    "text": "Well said.",
    "article": {
        "id": "a",
        "url": "https://news.example/a",
        "title": "Bridge",
        "text": "Closed.",
        "section": "Town",
    },
    "parent": {"id": "6", "text": "Close it."},
    "author": {"id": "u1", "name": "Anna"},
    "created_at": "2024-06-04T18:02:00+02:00",
    "target": "the closing",
    "language": "en",
    "format": "html",
    "likes": 3,
}
FLAT = {
    "id": "7",
    "text": "Well said.",
    "article.id": "a",
    "article.url": "https://news.example/a",
    "article.title": "Bridge",
    "article.text": "Closed.",
    "article.section": "Town",
    "parent.id": "6",
    "parent.text": "Close it.",
    "author.id": "u1",
    "author.name": "Anna",
    "created_at": "2024-06-04 16:02:00",
    "target": "the closing",
    "language": "en",
    "format": "html",
    "likes": 3,
}


@pytest.mark.parametrize("values", [NESTED, FLAT], ids=["nested", "flat"])
def test_every_field_is_found(values: dict[str, Any]) -> None:
    assert Columns().record(values, row=1) == Record(
        text="Well said.",
        row=1,
        id="7",
        parent=Parent(id="6", text="Close it."),
        article=Article(id="a", url="https://news.example/a", title="Bridge", text="Closed."),
        author_id="u1",
        author_name="Anna",
        created_at=datetime(2024, 6, 4, 16, 2, tzinfo=UTC),
        format="html",
        target="the closing",
        language="en",
        extra={"article.section": "Town", "likes": 3},
    )


def test_what_is_asked_of_all_leaves_a_target_of_ones_own() -> None:
    record = Columns().record({**FLAT, "target": None}, row=1)
    assert record.asked(target="ours", ask=("reply",)) == replace(record, target="ours", ask=("reply",))
    assert Columns().record(FLAT, row=1).asked(target="ours").target == "the closing"
    assert record.asked() is record


def test_mapped_columns_and_paths() -> None:
    columns = Columns.parse(["text=data.body.raw", "article.title=headline", "id=nr"])
    record = columns.record({"nr": 3.0, "headline": "Pool", "data": {"body": {"raw": "Hm."}, "x": 1}}, row=1)
    assert (record.id, record.text, record.article) == ("3", "Hm.", Article(title="Pool"))
    assert record.extra == {"data.x": 1}
    assert columns.unseen == {}


def test_a_row_without_an_id_gets_its_number() -> None:
    assert Columns().record({"text": "Hm.", "id": ""}, row=12).id == "12"


@pytest.mark.parametrize("pair", ["text", "text=", "body=text", "=x"])
def test_an_invalid_mapping_is_refused(pair: str) -> None:
    with pytest.raises(DumpError, match="give FIELD=COLUMN, such as text=body"):
        Columns.parse([pair])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"body": "x"}, "no 'text' here; its columns are body.*--map text=body"),
        ({"text": None}, "the text is missing"),
        ({"text": float("nan")}, "the text is missing"),
        ({"text": 5}, "the text must be a string, not a number"),
        ({"text": ["x"]}, "the text must be a string, not a list"),
        ({"text": " \n"}, "the text is empty"),
        ({"text": "x", "id": True}, "'id' must be a string, not true or false"),
        ({"text": "x", "target": {}}, "'target' must be a string, not an object"),
        ({"text": "x", "article": {"title": ["T"]}}, "'article.title' must be a string, not a list"),
        ({"text": "x", "format": "rtf"}, "'format' must be one of plain, html, markdown, not 'rtf'"),
    ],
)
def test_rows_that_cannot_be_used_say_why(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowProblem, match=reason):
        Columns().record(values, row=1)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("2024-06-04T16:02:00Z", datetime(2024, 6, 4, 16, 2, tzinfo=UTC)),
        ("2024-06-04 16:02:00 UTC", datetime(2024, 6, 4, 16, 2, tzinfo=UTC)),
        ("2024-06-04", datetime(2024, 6, 4, tzinfo=UTC)),
        (1717516920, datetime(2024, 6, 4, 16, 2, tzinfo=UTC)),
        ("1717516920", datetime(2024, 6, 4, 16, 2, tzinfo=UTC)),
        (1717516920000, datetime(2024, 6, 4, 16, 2, tzinfo=UTC)),
        (datetime(2024, 6, 4, 16, 2), datetime(2024, 6, 4, 16, 2, tzinfo=UTC)),
        (date(2024, 6, 4), datetime(2024, 6, 4, tzinfo=UTC)),
        ("yesterday", None),
        ("nan", None),
        ("1e300", None),
        (10**400, None),
        ("0001-01-01T00:00:00+14:00", None),
        (True, None),
        (None, None),
    ],
)
def test_times_become_utc(sent: object, expected: datetime | None) -> None:
    assert to_utc(sent) == expected


def test_a_time_that_is_not_understood_is_kept_as_sent() -> None:
    record = Columns().record({"text": "Hm.", "created_at": "yesterday"}, row=1)
    assert record.created_at is None
    assert record.extra == {"created_at_as_sent": "yesterday"}
