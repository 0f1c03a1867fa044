"""Uploaded files of all kinds: columns guessed, rows scored into a queue, resumed after a stop."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from parley.service.desk.pages.uploads import guess
from parley.service.store.desk import listing, queues
from parley.service.store.desk.items import Item
from parley.service.store.desk.listing import Filter
from parley.service.store.desk.queues import Queue
from tests.service.desk.conftest import Desk

WXR = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:wp="http://wordpress.org/export/1.2/"
 xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel><title>News</title><wp:wxr_version>1.2</wp:wxr_version>
<item><title>The bridge</title><link>https://news.example/bridge</link><wp:post_id>1</wp:post_id>
<wp:comment><wp:comment_id>7</wp:comment_id><wp:comment_author>Ada</wp:comment_author>
<wp:comment_content>Keep it open</wp:comment_content><wp:comment_approved>1</wp:comment_approved>
<wp:comment_date_gmt>2026-11-01 10:00:00</wp:comment_date_gmt>
<wp:comment_parent>0</wp:comment_parent></wp:comment>
</item></channel></rss>"""


def upload(desk: Desk, name: str, content: str | bytes) -> Queue:
    """The queue of an uploaded file, its columns to be confirmed."""
    answer = desk.client.post("/desk/uploads", data={"csrf": desk.csrf}, files={"file": (name, content)})
    assert answer.status_code == 200, answer.text
    found = queues.get_queue(desk.service.store, int(answer.url.path.split("/")[-1]))
    assert found
    return found


def ready(desk: Desk, queue: Queue) -> Queue:
    """The queue once its scoring has ended."""
    deadline = time.monotonic() + 60
    while (found := queues.get_queue(desk.service.store, queue.id)) and found.state == "scoring":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert found
    return found


def items(desk: Desk, queue: Queue) -> list[Item]:
    return listing.page(desk.service.store, Filter(queue=queue.id, flagged=False), size=1000)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ("comment_text user post_title", {"text": 0, "author.id": 1, "article.title": 2}),
        ("Body Author_Name URL Date", {"text": 0, "author.id": 1, "article.url": 2, "created_at": 3}),
        ("text comment id", {"text": 0, "id": 2}),
        ("a b", {}),
    ],
)
def test_columns_are_guessed_by_their_names(columns: str, found: dict[str, int]) -> None:
    names = columns.split()
    assert guess(names) == {field: names[at] for field, at in found.items()}


def test_a_table_without_a_known_column_is_asked_about(desk: Desk) -> None:
    queue = upload(desk, "odd.csv", "a|b|c\nHello there|Ada|1\nGood bye|Grace|2\n")
    shown = desk.get(f"/desk/uploads/{queue.id}").text
    assert "Hello there" in shown
    desk.post(f"/desk/uploads/{queue.id}", {"text": "a", "author.id": "b"})
    assert ready(desk, queue).state == "ready"
    assert sorted(item.text for item in items(desk, queue)) == ["Good bye", "Hello there"]
    assert {item.author for item in items(desk, queue)} == {desk.hashes.author(n) for n in ("Ada", "Grace")}


def test_a_table_needs_the_column_of_the_comment(desk: Desk) -> None:
    queue = upload(desk, "odd.csv", "a,b\n1,2\n")
    answer = desk.post(f"/desk/uploads/{queue.id}", {"author.id": "b"})
    assert answer.status_code == 422
    assert str(desk.service.settings.store.path) not in answer.text


def test_nested_json_lines_and_bad_rows(desk: Desk) -> None:
    rows = [{"data": {"body": f"Comment {n}"}, "who": n} for n in range(5)]
    content = "\n".join([*map(json.dumps, rows), "{broken", json.dumps({"data": {"body": " "}})])
    queue = upload(desk, "odd.jsonl", content)
    assert "data.body" in desk.get(f"/desk/uploads/{queue.id}").text
    desk.post(f"/desk/uploads/{queue.id}", {"text": "data.body", "author.id": "who"})
    found = ready(desk, queue)
    assert (found.state, found.rows, found.bad) == ("ready", 7, 2)
    assert len(items(desk, queue)) == 5


def test_an_export_needs_no_choice_of_columns(desk: Desk) -> None:
    queue = upload(desk, "wordpress.xml", WXR)
    assert "wordpress" in desk.get(f"/desk/uploads/{queue.id}").text
    desk.post(f"/desk/uploads/{queue.id}", {"target": "the bridge"})
    assert ready(desk, queue).state == "ready"
    (item,) = items(desk, queue)
    assert (item.text, item.article_title, item.found["stance"]["target"]) == (
        "Keep it open",
        "The bridge",
        "the bridge",
    )
    assert not list((desk.service.settings.store.path / "uploads").iterdir()), (
        "the file is deleted once it is scored"
    )


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", b"", "is empty"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(300), "can&#39;t"),
    ],
)
def test_what_is_not_a_table_is_reported_and_not_kept(
    desk: Desk, name: str, content: bytes, says: str
) -> None:
    answer = desk.client.post("/desk/uploads", data={"csrf": desk.csrf}, files={"file": (name, content)})
    assert answer.status_code == 422
    assert says in answer.text
    folder = desk.service.settings.store.path / "uploads"
    assert not folder.exists() or not list(folder.iterdir())


def test_a_file_that_is_too_large_is_refused(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(desk={"upload": 2000})
    files = {"file": ("large.csv", b"text\n" + b"word " * 1000)}
    assert desk.client.post("/desk/uploads", data={"csrf": desk.csrf}, files=files).status_code == 413


def test_a_missing_file_is_reported(desk: Desk) -> None:
    assert desk.post("/desk/uploads").status_code == 422


def test_an_upload_is_removed_with_its_comments(desk: Desk) -> None:
    queue = upload(desk, "a.csv", "text\nHello\n")
    desk.post(f"/desk/uploads/{queue.id}", {"text": "text"})
    ready(desk, queue)
    assert "removed" in desk.post(f"/desk/uploads/{queue.id}/remove").text
    assert queues.get_queue(desk.service.store, queue.id) is None
    assert items(desk, queue) == []


def test_scoring_resumes_after_a_stop(make_desk: Callable[..., Desk], tmp_path: Path) -> None:
    desk = make_desk()
    content = "text\n" + "".join(f"Comment number {n} on the bridge\n" for n in range(400))
    queue = upload(desk, "a.csv", content)
    desk.post(f"/desk/uploads/{queue.id}", {"text": "text"})
    deadline = time.monotonic() + 60
    while not (found := queues.get_queue(desk.service.store, queue.id)) or not found.rows:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    desk.stop()  # half-way
    desk = make_desk()
    assert ready(desk, queue).state == "ready"
    texts = [item.text for item in items(desk, queue)]
    assert len(texts) == 400
    assert len(set(texts)) == 400
