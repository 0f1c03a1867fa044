"""Which comments are scored, and under which names their authors appear."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from parley.model.comment import Article
from parley.service.dumps.reading.record import RawRow, Record
from parley.service.dumps.scoring.pseudonyms import Pseudonyms
from parley.service.dumps.scoring.selection import Filter, Selection
from parley.service.errors import DumpError, StoreError
from parley.service.privacy import KeyedHashes

ROWS: list[Record | RawRow] = [
    Record(
        text="One",
        row=1,
        author_id="ann",
        author_name="Ann",
        article=Article(url="https://news.example/sport/1"),
        created_at=datetime(2024, 5, 30, 23, 0, tzinfo=UTC),
        extra={"likes": 9, "email": "ann@mail.example", "pinned": True},
    ),
    RawRow(problem="not JSON", row=2, raw="ann wrote {"),
    Record(
        text="Two", row=3, author_id="bob", created_at=datetime(2024, 5, 31, tzinfo=UTC), extra={"likes": 10}
    ),
    Record(text="Three", row=4, extra={"likes": "11", "userIP": "192.0.2.7", "tip": "no"}),
]


class Rows:
    """A reader of ROWS."""

    fraction = 0.25

    def __init__(self, *columns: str) -> None:
        self.columns = columns

    def __iter__(self) -> Any:
        return iter(ROWS)


def chosen(*where: str, **options: Any) -> list[str]:
    selection = Selection(Rows(), where=[Filter.parse(given) for given in where], **options)
    return [row.text for row in selection if isinstance(row, Record)]


@pytest.mark.parametrize(
    ("where", "texts"),
    [
        ("author.id=ann", ["One"]),
        ("author.id != ann", ["Two", "Three"]),
        ("author.id=", ["Three"]),
        ("author.id!=", ["One", "Two"]),
        ("article.url~/SPORT/", ["One"]),
        ("article.url!~/sport/", ["Two", "Three"]),
        ("likes>=10", ["Two", "Three"]),
        ("likes < 9.5", ["One"]),
        ("likes=9", ["One"]),
        ("likes=9.0", ["One"]),
        ("pinned=true", ["One"]),
        ("text>One", ["Two", "Three"]),
        ("created_at>=2024-05-31", ["Two"]),
        ("created_at<=2024-05-31T01:00+02:00", ["One"]),
        ("created_at<2024-05-31T01:00+02:00", []),
        ("created_at=", ["Three"]),
        ("created_at~2024-05", ["One", "Two"]),
        ("format=plain", ["One", "Two", "Three"]),
    ],
)
def test_conditions(where: str, texts: list[str]) -> None:
    assert chosen(where) == texts


def test_all_conditions_must_hold_and_the_limit_counts_what_fits() -> None:
    assert chosen("likes>=9", "author.id!=ann") == ["Two", "Three"]
    selection = Selection(Rows(), where=[Filter.since("2024-05-31")], limit=1)
    assert [row.row for row in selection] == [2, 3]
    assert (selection.taken, selection.chosen, selection.left_out) == (3, 1, 1)
    assert selection.fraction == 1.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("likes", "give FIELD=VALUE"),
        ("=3", "give FIELD=VALUE"),
        ("text~(", "is not a regular expression"),
        ("created_at>=May", "give a date such as"),
    ],
)
def test_invalid_conditions(given: str, message: str) -> None:
    with pytest.raises(DumpError, match=message):
        Filter.parse(given)


def test_a_field_that_the_input_lacks() -> None:
    with pytest.raises(DumpError, match=r"names 'like', which the input lacks; it has text, likes"):
        Selection(Rows("text", "likes"), where=[Filter.parse("like>3")])
    selection = Selection(Rows(), where=[Filter.parse("like>3"), Filter.parse("likes>3")])
    list(selection)
    assert selection.unseen == {"like"}


def test_pseudonyms(tmp_path: Path) -> None:
    key = tmp_path / "folder" / "key"

    def renamed() -> list[Record | RawRow]:
        return list(Selection(Rows(), pseudonyms=Pseudonyms(KeyedHashes(key))))

    first = renamed()
    assert first == renamed()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    shown = json.dumps([str(row) for row in first])
    for secret in ("ann", "Ann", "bob", "mail.example", "192.0.2.7"):
        assert secret not in shown
    ann, bad, bob, three = first
    assert isinstance(ann, Record)
    assert isinstance(bob, Record)
    assert isinstance(three, Record)
    assert ann.author_id is not None
    assert len(ann.author_id) == 16
    assert ann.author_id != bob.author_id
    assert three.author_id is None
    assert ann.extra == {"likes": 9, "pinned": True}
    assert three.extra == {"likes": "11", "tip": "no"}
    assert bad == RawRow(problem="not JSON", row=2)
    key.unlink()
    other = renamed()[0]
    assert isinstance(other, Record)
    assert other.author_id != ann.author_id


def test_pseudonyms_in_tables(tmp_path: Path) -> None:
    pseudonyms = Pseudonyms(KeyedHashes(tmp_path / "key"))
    columns = (
        "id",
        "author.id",
        "author.name",
        "author.email",
        "input.author",
        "likes",
        "ip_address",
        "text",
    )
    assert Selection(Rows(*columns), pseudonyms=pseudonyms).columns == (
        "id",
        "author.id",
        "author.name",
        "likes",
        "text",
    )
    assert pseudonyms.dropped == {"author.email", "input.author", "ip_address"}


def test_conditions_see_the_original_names(tmp_path: Path) -> None:
    pseudonyms = Pseudonyms(KeyedHashes(tmp_path / "key"))
    assert chosen("author.id=ann", pseudonyms=pseudonyms) == ["One"]


def test_a_key_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("short")
    with pytest.raises(StoreError, match="must hold 32 bytes"):
        list(Selection(Rows(), pseudonyms=Pseudonyms(KeyedHashes(tmp_path / "key"))))
