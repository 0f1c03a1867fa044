"""`parley score` and privacy: private posts are not scored, names are not written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from parley.model.comment import Article, Parent
from parley.service.dumps.formats.registry import open_reader
from parley.service.dumps.reading.record import Record
from parley.service.dumps.reading.source import Source
from parley.service.dumps.scoring.pseudonyms import Pseudonyms
from parley.service.dumps.scoring.run import Run
from parley.service.dumps.scoring.scorer import Scorer
from parley.service.dumps.scoring.selection import Selection
from parley.service.dumps.scoring.writers import WRITERS
from parley.service.privacy import KeyedHashes
from tests.service.dumps import exports

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
LIKE_A_NAME = "Quillon"


def note(id: str, text: str, **addressed: object) -> dict[str, object]:
    me = "https://pub.example/users/mira"
    held = {"id": f"{me}/statuses/{id}", "type": "Note", "content": text, "attributedTo": me, **addressed}
    return {"id": f"{me}/statuses/{id}/activity", "type": "Create", "actor": me, "object": held}


def outbox(folder: Path, *notes: object) -> Path:
    path = folder / "outbox.json"
    path.write_text(json.dumps({"type": "OrderedCollection", "orderedItems": notes}))
    return path


def audiences(folder: Path) -> Path:
    followers = "https://pub.example/users/mira/followers"
    return outbox(
        folder,
        note("1", "To all.", to=[PUBLIC], cc=[followers]),
        note("2", "To all, quietly.", to=followers, cc=["as:Public"]),
        note("3", "To followers.", to=[followers], cc=["https://o.example/users/jon"]),
        note("4", "To Jon.", to=["https://o.example/users/jon"], cc=[]),
        note("5", "To nobody.", to=[], cc=[]),
        note("6", "Who knows?"),
        {**note("7", "To Jon, says the activity."), "to": ["https://o.example/users/jon"]},
        note("8", "An answer to what I told Jon.", to=[PUBLIC], inReplyTo="https://pub.example/users/mira/statuses/4"),
    )  # fmt: skip


def read(path: Path, **options: Any) -> tuple[list[Record], dict[str, int]]:
    with closing(Source(path, **options)) as source:
        rows = [row for row in open_reader(source) if isinstance(row, Record)]
        return rows, dict(source.skipped)


def test_to_and_cc_say_who_may_read_a_note(tmp_path: Path) -> None:
    pytest.importorskip("ijson")
    rows, skipped = read(audiences(tmp_path))
    assert [(row.text, row.extra["visibility"]) for row in rows] == [
        ("To all.", "public"),
        ("To all, quietly.", "unlisted"),
        ("Who knows?", None),
        ("An answer to what I told Jon.", "public"),
    ]
    assert skipped == {"for followers only": 1, "a private message": 3}
    assert rows[-1].parent == Parent(id="https://pub.example/users/mira/statuses/4")


def test_notes_for_followers_when_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("ijson")
    rows, skipped = read(audiences(tmp_path), followers_only=True)
    assert ("To followers.", "followers") in [(row.text, row.extra["visibility"]) for row in rows]
    assert skipped == {"a private message": 3}


def pseudonymized(path: Path, pseudonyms: Pseudonyms, form: str = "jsonl") -> bytes:
    """The output without the texts, which are not searched for names."""
    out = BytesIO()
    with closing(Source(path)) as source:
        run = Run(
            Selection(open_reader(source), pseudonyms=pseudonyms), Scorer.load(null=True), WRITERS[form]
        )
        run.write(run.batches(), out, None)
    return out.getvalue()


def without_texts(line: bytes) -> str:
    row = json.loads(line)
    row.pop("text")
    row.get("parent", {}).pop("text", None)
    row.get("article", {}).pop("title", None)
    row.pop("stance")
    return json.dumps(row, ensure_ascii=False)


@pytest.fixture
def pseudonyms(tmp_path_factory: pytest.TempPathFactory) -> Pseudonyms:
    return Pseudonyms(KeyedHashes(tmp_path_factory.mktemp("key") / "key"))


@pytest.mark.parametrize("name", exports.NAMES)
def test_no_export_keeps_its_authors_names(name: str, tmp_path: Path, pseudonyms: Pseudonyms) -> None:
    path = exports.write(tmp_path, name)
    with closing(Source(path)) as source:
        rows = [row for row in open_reader(source) if isinstance(row, Record)]
    called = {n.lower() for row in rows for n in (row.author_id, row.author_name) if n and len(n) > 2}
    lines = pseudonymized(path, pseudonyms).splitlines()
    assert len(lines) == len(rows)
    for line in lines:
        assert [name for name in called if name in without_texts(line).lower()] == []


@pytest.mark.parametrize("name", exports.NAMES)
def test_a_name_in_every_field_of_every_format(name: str, tmp_path: Path, pseudonyms: Pseudonyms) -> None:
    with closing(Source(exports.write(tmp_path, name))) as source:
        reader = open_reader(source)
        columns = reader.columns
        rows = [row for row in reader if isinstance(row, Record)]
    for row in rows:
        for filled in (with_names(row, columns, holds) for holds in (True, False)):
            hidden = pseudonyms(filled)
            shown = repr(replace(hidden, text="", parent=hidden.parent and replace(hidden.parent, text=None)))
            assert LIKE_A_NAME.lower() not in shown.lower()


def with_names(row: Record, columns: tuple[str, ...], address: bool) -> Record:
    """The row with a name in every field that can have one, in an address or beside other words."""
    value = f"https://x.example/users/{LIKE_A_NAME.lower()}/3" if address else f"by-{LIKE_A_NAME}_3"
    extra: Mapping[str, Any] = {**dict.fromkeys(columns), **row.extra}
    return replace(
        row,
        id=value,
        parent=Parent(id=value),
        parent_author=(LIKE_A_NAME,),
        article=Article(id=value, url=value),
        author_id=f"https://x.example/@{LIKE_A_NAME}",
        author_name=LIKE_A_NAME,
        extra={key: [value, {"more": value, "user": LIKE_A_NAME}] if number % 2 else value
               for number, key in enumerate(extra)},
    )  # fmt: skip


COLUMNS_OF_PERSONS = {
    "speaker": LIKE_A_NAME, "channel": f"UC-{LIKE_A_NAME}", "posted_by": LIKE_A_NAME, "from": LIKE_A_NAME,
    "account": {"acct": f"{LIKE_A_NAME}@x.example"}, "handle": f"@{LIKE_A_NAME}", "ua": "Browser/5.0",
    "userId": LIKE_A_NAME, "screenname": LIKE_A_NAME, "sender": LIKE_A_NAME, "from_id": f"user{LIKE_A_NAME}",
}  # fmt: skip


def test_own_columns_that_name_a_person(tmp_path: Path, pseudonyms: Pseudonyms) -> None:
    row = {
        "id": f"{LIKE_A_NAME}-1",
        "text": "Mend it.",
        "likes": 3,
        "link": f"https://x.example/{LIKE_A_NAME}/1",
    }
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps({**row, **COLUMNS_OF_PERSONS}))
    out = json.loads(pseudonymized(path, pseudonyms))
    assert LIKE_A_NAME not in json.dumps(out)
    assert "Browser" not in json.dumps(out)
    assert out["likes"] == 3
    assert pseudonyms.dropped == set(COLUMNS_OF_PERSONS)


def test_replies_find_their_parents_under_their_new_ids(tmp_path: Path, pseudonyms: Pseudonyms) -> None:
    rows = [
        {"id": "mira-1", "text": "Close it.", "author": {"name": "Mira"}},
        {"id": "17", "text": "No.", "author": {"name": "Jon", "id": "17"}, "parent": {"id": "mira-1"}},
        {"id": "https://x.example/@mira/3", "text": "Yes.", "author": {"name": "Mira"}},
        {"id": "4", "text": "Why?", "author": {"name": "Jon"}, "parent": {"id": "https://x.example/@mira/3"}},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = [json.loads(line) for line in pseudonymized(path, pseudonyms).splitlines()]
    assert out[1]["parent"]["id"] == out[0]["id"] != "mira-1"
    assert out[3]["parent"]["id"] == out[2]["id"]
    assert out[2]["id"].startswith("https://x.example/@")
    assert out[1]["id"] == "17"  # a number doesn't identify anybody
    assert b"mira" not in b"".join(pseudonymized(path, pseudonyms).splitlines()).lower()
