"""/v1/articles, and how every protocol completes articles from the store."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from parley.model.comment import Article, Comment
from parley.service.articles.known import FRESH_S
from parley.service.articles.lookup import Articles
from parley.service.errors import StoreError
from parley.service.store import articles
from parley.service.store.database import Store

URL = "https://news.example/bridge"
PATH = f"/v1/articles/{quote(URL, safe='')}"
ARTICLE = {"title": "Council votes to close the old bridge", "text": "It needs work."}


@pytest.fixture(autouse=True)
def forgotten(client: TestClient) -> None:
    client.delete(PATH)


def test_article_is_put_shown_replaced_and_deleted(client: TestClient) -> None:
    made = client.put(PATH, json=ARTICLE)
    assert made.status_code == 201
    assert made.json() == ARTICLE | {
        "id": URL,
        "url": URL,
        "updated": made.json()["updated"],
        "closed": False,
    }
    assert client.get(f"{PATH}%3Futm_source%3Dx").json() == made.json()
    assert client.put(f"/v1/articles/{URL}/", json={"title": "New"}).status_code == 200
    assert client.get(PATH).json()["text"] is None
    assert client.delete(PATH).status_code == 204
    for gone in (client.get(PATH), client.delete(PATH)):
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        (PATH, {"title": "  "}, "title"),
        (PATH, {}, "title"),
        (PATH, {"title": "x", "url": "story-7"}, "url"),
        (PATH, {"title": "x", "body": "y"}, "body"),
        (PATH, {"title": "x" * 10_001}, "title"),
        ("/v1/articles/%20", ARTICLE, "article_id"),
        ("/v1/articles/" + "x" * 501, ARTICLE, "article_id"),
        ("/v1/articles/https://news.example/?p=7", ARTICLE, "article_id"),
        ("/v1/articles/https://news.example/story?id=7&key=K", ARTICLE, "article_id"),
    ],
)
def test_bad_article_is_refused_with_the_place(
    client: TestClient, path: str, body: dict[str, str], place: str
) -> None:
    refused = client.put(path, json=body)
    assert refused.status_code == 422
    assert refused.json()["error"]["details"][0]["place"] == place


def test_an_api_key_in_the_query_is_not_part_of_the_article_id(client: TestClient) -> None:
    assert client.put(f"{PATH}?key=K", json=ARTICLE).status_code == 201
    assert client.get(f"{PATH}?key=K").json()["id"] == URL


def test_names_of_any_length_are_looked_up(client: TestClient) -> None:
    for story in ({"id": "x" * 3_000_000}, {"url": "https://" + "é" * 3_000_000}):
        sent = {"comment": {"body": "Well argued."}, "story": story}
        started = time.process_time()
        assert client.post("/coral/phase", json=sent).status_code == 204
        assert time.process_time() - started < 10  # well under a second; it was minutes


def test_comment_that_names_a_stored_article_gets_off_topic_and_stance(client: TestClient) -> None:
    comments = [
        {"text": "close the bridge", "article": {"url": f"{URL}?fbclid=1#top"}},
        {"text": "close the bridge", "article": {"id": URL}},
        {"text": "close the bridge", "article": ARTICLE},
    ]
    before = client.post("/v1/classify", json={"comments": comments}).json()["results"]
    assert [result["off_topic"] is None for result in before] == [True, True, False]
    client.put(PATH, json=ARTICLE)
    after = client.post("/v1/classify", json={"comments": comments}).json()["results"]
    assert after[0]["off_topic"] == after[1]["off_topic"] == after[2]["off_topic"] is not None
    assert after[0]["stance"]["target"] == ARTICLE["title"]


@pytest.mark.anyio
async def test_fill_keeps_order_and_what_was_sent(store: Store) -> None:
    articles.put(store, Article(id="a", title="kept"))
    own = Article(id="a", title="sent")
    comments = [
        Comment(text="1", article=own),
        Comment(text="2"),
        Comment(text="3", article=Article(id="a")),
        Comment(text="4", article=Article(id="b", url="https://news.example/b")),
    ]
    filled = await Articles(store, None).fill(comments)
    titles = [comment.article.title if comment.article else None for comment in filled]
    assert titles == ["sent", None, "kept", None]
    assert [comment.text for comment in filled] == ["1", "2", "3", "4"]


@pytest.mark.anyio
async def test_a_known_article_is_not_read_again_until_it_changes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    find = articles.find

    def watched(store: Store, names: Iterable[str]) -> Any:
        asked.append(sorted(names))
        return find(store, names)

    monkeypatch.setattr(articles, "find", watched)
    known, comment = Articles(store, None), Comment(text="1", article=Article(id="a", url=URL))

    async def title() -> str | None:
        (filled,) = await known.fill([comment])
        return filled.article.title if filled.article else None

    assert [await title(), await title()] == [None, None]
    await known.put(Article(id=URL, title="by its URL"))
    assert [await title(), await title()] == ["by its URL"] * 2
    await known.put(Article(id="a", title="by its id"))
    assert await title() == "by its id"
    await known.delete("a")
    assert await title() == "by its URL"
    assert asked.count(["a", URL]) == 4


@pytest.mark.anyio
async def test_what_another_process_put_is_seen_in_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, comment = Articles(store, None), Comment(text="1", article=Article(id="a"))
    assert await known.fill([comment]) == [comment]
    articles.put(store, Article(id="a", title="from elsewhere"))
    assert await known.fill([comment]) == [comment]
    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + FRESH_S)
    assert (await known.fill([comment]))[0].article == Article(id="a", title="from elsewhere")


@pytest.mark.anyio
async def test_what_was_read_before_a_change_is_not_cached(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, comment = Articles(store, None), Comment(text="1", article=Article(id="a"))
    reading, change = threading.Event(), threading.Event()
    find = articles.find

    def slow(*arguments: Any) -> Any:
        found = find(*arguments)
        reading.set()
        assert change.wait(10)
        return found

    monkeypatch.setattr(articles, "find", slow)
    early = asyncio.create_task(known.fill([comment]))
    while not reading.is_set():
        await asyncio.sleep(0.001)
    await known.put(Article(id="a", title="new"))
    change.set()
    assert (await early)[0] == comment
    assert (await known.fill([comment]))[0].article == Article(id="a", title="new")


@pytest.mark.anyio
async def test_without_the_store_comments_are_judged_as_they_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("gone")

    monkeypatch.setattr(articles, "find", fail)
    comments = [Comment(text="1", article=Article(id="a"))]
    assert await Articles(store, None).fill(comments) == comments


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
