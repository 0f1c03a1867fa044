"""What is read from the responses and exports of platforms, format by format."""

# ruff: noqa: E501 - one format per line

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from parley.model.comment import Article
from parley.service.dumps.formats.registry import detect, open_reader
from parley.service.dumps.reading.record import Record
from parley.service.dumps.reading.source import Source
from tests.service.dumps import exports

pytest.importorskip("ijson")
NOON = datetime(2024, 6, 4, 16, 2, tzinfo=UTC)
BRIDGE = exports.BRIDGE
OLD = Article(title="Bridge to close")


def read(path: Path, **options: Any) -> tuple[str, list[Record], dict[str, int]]:
    with closing(Source(path, **options)) as source:
        rows = [row for row in open_reader(source) if isinstance(row, Record)]
        return detect(source), rows, dict(source.skipped)


def outline(row: Record) -> tuple[Any, ...]:
    return row.id, row.text, row.parent and row.parent.text, row.author_id, row.author_name


EXPECTED: dict[str, tuple[list[tuple[Any, ...]], Article | None]] = {
    "yt-dlp": ([("1.r", "No.", "Close it.", "UC1", "@anna"), ("1", "Close it.", None, "UC1", "@anna")],
               Article(id="vid", url="https://www.youtube.com/watch?v=vid", title="Bridge to close")),
    "reddit-listing": ([("t1_c1", "Close it.", None, "t2_a", "anna"), ("t1_c2", "No.", "Close it.", "t2_a", "anna")],
                       Article(id="t3_s1", url=BRIDGE, title="Bridge to close", text="It is old.")),
    "discourse-topic": ([("123/1", "<p>Close it.</p>", None, "5", "anna"), ("123/2", "<p>No.</p>", "<p>Close it.</p>", "5", "anna")],
                        Article(id="123", url="https://n.example/t/old-bridge/123", title="Bridge & tunnel")),
    "mastodon": ([("2", "<p>No.</p>", "<p>Close it.</p>", "anna@s.example", "Anna"), ("1", "<p>Close it.</p>", None, "anna@s.example", "Anna")],
                 Article(id="1", url="1")),
    "hacker-news": ([("9", "No.", "Close it.", "anna", "anna"), ("8", "Close it.", None, "anna", "anna")],
                    Article(id="7", url=BRIDGE, title="Bridge to close")),
    "telegram": ([("1", "Close it.", None, "user17", "Anna"), ("2", "No.", "Close it.", "user17", "Anna")],
                 Article(id="1234", title="Town talk")),
    "disqus-api": ([("2", "<p>No.</p>", "<p>Close it.</p>", "anna", "Anna"), ("1", "<p>Close it.</p>", None, "anna", "Anna")],
                   Article(id="100", url=BRIDGE, title="Bridge to close")),
    "github": ([("c1", "<p>Close it.</p>", None, "anna", "anna"), ("c2", "<p>No.</p>", "<p>Close it.</p>", "anna", "anna")],
               Article(id=BRIDGE, url=BRIDGE)),
    "valine": ([("c2", "No.", "Close it.", None, "Anna"), ("c1", "Close it.", None, None, "Anna")],
               Article(id="https://n.example/bridge", url="https://n.example/bridge")),
    "artalk": ([("2", "No.", "Close it.", None, "Anna"), ("1", "Close it.", None, None, "Anna")],
               Article(id="https://n.example/bridge", url="https://n.example/bridge", title="Bridge to close")),
    "coral-talk": ([("2", "No.", "Close it.", "u1", "anna"), ("1", "Close it.", None, "u1", "anna")],
                   Article(id="as1", url=BRIDGE, title="Bridge to close")),
    "blogger": ([("tag:blogger.com,1999:blog-1.post-7", "No.", "Close it.", None, "Anna"),
                 ("tag:blogger.com,1999:blog-1.post-6", "Close it.", None, None, "Anna")],
                Article(id="tag:blogger.com,1999:blog-1.post-5", url=BRIDGE, title="Bridge to close", text="It is old.")),
    "stack-exchange": ([("1", "Close *it*.", None, "5", None), ("2", "No.", None, "5", None)],
                       Article(id="9", title="Old bridge", text="It is old.")),
    "youtube-takeout": ([("Ug1", "Close it.\nNow.", None, "UC1", None)], Article(id="vid", url="https://www.youtube.com/watch?v=vid")),
    "reddit-own": ([("t1_c2", "No, *mend* it.", None, None, None)],
                   Article(id="t3_s1", url="https://www.reddit.com/r/town/comments/s1/x/")),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_each_format_is_read(name: str, tmp_path: Path) -> None:
    rows, article = EXPECTED[name]
    told, found, _ = read(exports.write(tmp_path, name), base_url="https://n.example")
    assert told == name
    assert [outline(row) for row in found] == rows
    assert found[0].article == article
    assert found[0].created_at is not None
    assert found[0].created_at.replace(microsecond=0) == NOON


def test_private_and_deleted_posts_are_skipped(tmp_path: Path) -> None:
    assert read(exports.write(tmp_path, "mastodon"))[2] == {"a private message": 1}
    assert read(exports.write(tmp_path, "discourse-topic"))[2] == {"an action": 1}
    two = exports.TELEGRAM[0].replace("public_supergroup", "personal_chat")
    (tmp_path / "p.json").write_text(two + json.dumps(exports.message(1, "Hello")) + "]}")
    assert read(tmp_path / "p.json")[1:] == ([], {"a private message": 1})


def write(folder: Path, name: str, *values: Any) -> Path:
    path = folder / name
    path.write_text("\n".join(json.dumps(value) for value in values))
    return path


def test_other_shapes_of_the_same(tmp_path: Path) -> None:
    """The same system's other responses and exports."""
    comment = exports._reddit_comment("c1", "Close it.", "t3_s1")
    told, rows, _ = read(write(tmp_path, "arctic.json", {"data": [comment]}))
    assert (told, [row.id for row in rows]) == ("reddit-listing", ["t1_c1"])

    tree = {"id": 7, "author": "anna", "title": "Bridge", "url": BRIDGE, "type": "story", "story_id": 7, "text": None, "created_at": "2024-06-04T16:02:00Z",
            "children": [{"id": 8, "author": "anna", "text": "Close it.", "type": "comment", "parent_id": 7, "story_id": 7,
                          "children": [{"id": 9, "author": None, "text": None, "type": "comment", "parent_id": 8, "story_id": 7, "children": []}]}]}  # fmt: skip
    told, rows, skipped = read(write(tmp_path, "tree.json", tree))
    assert (told, [outline(row)[:2] for row in rows], skipped) == (
        "hacker-news",
        [("8", "Close it.")],
        {"deleted": 1},
    )
    assert rows[0].article == Article(id="7", url=BRIDGE, title="Bridge")
    item = {"by": "anna", "id": 8, "parent": 7, "text": "Close it.", "time": 1717516920, "type": "comment"}
    told, rows, _ = read(write(tmp_path, "items.jsonl", item, {**item, "id": 9, "parent": 8}))
    assert (told, [row.parent and row.parent.text for row in rows]) == ("hacker-news", [None, "Close it."])

    context = {"ancestors": [exports.status("1", "A")], "descendants": [exports.status("2", "B", "1")]}
    told, rows, _ = read(write(tmp_path, "context.json", context))
    assert (told, [row.text for row in rows]) == ("mastodon", ["A", "B"])

    nodes = [{"id": "c1", "author": {"login": "anna"}, "body": "Close it.", "createdAt": "2024-06-04T16:02:00Z",
              "replies": {"nodes": [{"id": "c2", "author": None, "body": "No.", "createdAt": "2024-06-04T16:02:00Z"}]}}]  # fmt: skip
    graph = {
        "data": {
            "repository": {"discussion": {"title": "Bridge", "url": BRIDGE, "comments": {"nodes": nodes}}}
        }
    }
    told, rows, _ = read(write(tmp_path, "graphql.json", graph))
    assert (told, [outline(row)[:3] for row in rows]) == (
        "github",
        [("c1", "Close it.", None), ("c2", "No.", "Close it.")],
    )
    issue = {
        "url": "u",
        "issue_url": "https://api.github.com/repos/o/r/issues/3",
        "id": 5,
        "user": {"login": "anna"},
        "body": "Close it.",
        "created_at": "2024-06-04T16:02:00Z",
    }
    told, rows, _ = read(write(tmp_path, "issues.json", [issue]))
    assert (told, rows[0].article) == (
        "github",
        Article(id="https://github.com/o/r/issues/3", url="https://github.com/o/r/issues/3"),
    )

    valine = {
        "objectId": "v1",
        "comment": "<p>A</p>",
        "nick": "Anna",
        "url": "/b",
        "insertedAt": {"__type": "Date", "iso": "2024-06-04T16:02:00Z"},
    }
    twikoo = {
        "_id": "t1",
        "comment": "<p>A</p>",
        "nick": "Anna",
        "url": "/b",
        "created": 1717516920000,
        "isSpam": True,
    }
    for name, document in (
        ("results.json", [{"results": [valine]}]),
        ("lines.json", [valine, valine]),
        ("list.json", [[twikoo]]),
    ):
        told, rows, _ = read(write(tmp_path, name, *document))
        assert (told, rows[0].text, rows[0].created_at) == ("valine", "<p>A</p>", NOON)
    assert rows[0].extra["status"] == "spam"
    (tmp_path / "leancloud.json").write_text(
        '#filetype:JSON-streaming {"type":"Class","class":"Comment"}\n' + json.dumps(valine) + "\n"
    )
    assert read(tmp_path / "leancloud.json")[1][0].id == "v1"


def test_a_mastodon_archive_as_downloaded(tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(tmp_path / "archive.tar.gz", "w:gz") as archive:
        for name, content in (("actor.json", "{}"), ("outbox.json", exports._OUTBOX), ("avatar.png", "\0")):
            (tmp_path / name).write_text(content)
            archive.add(tmp_path / name, name)
    told, rows, _ = read(tmp_path / "archive.tar.gz")
    assert told == "activitystreams"
    assert len(rows) == 5
