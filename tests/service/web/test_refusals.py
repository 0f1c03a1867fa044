"""Refusals come before anything is built for the request, and wait for nothing."""

from __future__ import annotations

import asyncio
import http.client
import json
import select
import socket
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from starlette.requests import ClientDisconnect

from parley.service.errors import BodyTooLarge, RequestTimedOut
from parley.service.settings.schema import Limits, Settings, Storage
from parley.service.store import keys
from parley.service.store.database import Store
from parley.service.web import connections, middleware
from parley.service.web.app import create_app
from parley.service.web.connections import BoundedProtocol
from parley.service.web.json_body import parse_json
from tests.service.conftest import wait_until_ready
from tests.service.web.live import ask, connect, serving
from tests.service.web.test_operation import Fake

JSON_TYPE = {"Content-Type": "application/json"}
BODIES = {
    "/v1/classify": b'{"comments":[%s]}',
    "/v1/feedback": b'{"decisions":[%s]}',
    "/v1/moderations": b'{"input":[%s]}',
    "/predict": b'{"inputs":[%s]}',
    "/coral/phase": b'{"comment":[%s]}',
    "/v1alpha1/comments:analyze": b'{"context":{"entries":[%s]}}',
    "/v1alpha1/comments:suggestscore": b'{"languages":[%s]}',
}
ITEMS = {"numbers": b"0", "objects": b"{}", "strings": b'""', "lists": b"[]", "pairs": b'{"a":0}'}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(create_app(Settings(), load=Fake), raise_server_exceptions=False) as client:
        wait_until_ready(client)
        yield client


@pytest.mark.parametrize(
    ("path", "items", "size"),
    [
        *((path, items, 100_000) for path in BODIES for items in ITEMS),
        *((path, "objects", 5_000_000) for path in BODIES),
        *(("/v1/classify", items, 5_000_000) for items in ITEMS if items != "objects"),
    ],
)
def test_a_body_of_too_many_values_is_refused_in_little_memory(
    client: TestClient, path: str, items: str, size: int
) -> None:
    item = ITEMS[items]
    body = BODIES[path] % b",".join([item] * (size // (len(item) + 1)))
    tracemalloc.start()
    try:
        response = client.post(path, content=body, headers=JSON_TYPE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert response.status_code in ((400, 413, 422) if size < 1_000_000 else (400, 413)), response.text
    assert len(response.content) < 2000
    assert peak < 4 * size + 20_000_000


def test_an_object_of_too_many_keys_is_refused() -> None:
    with pytest.raises(BodyTooLarge, match="an object of 201 keys; the limit is 200"):
        parse_json(json.dumps({str(n): 0 for n in range(201)}).encode())


def test_a_text_may_contain_any_number_of_json_characters(client: TestClient) -> None:
    text = ',{["' * 25_000
    response = client.post("/v1/classify", json={"comments": [{"text": text}] * 20})
    assert response.status_code == 200, response.text


def test_only_the_first_wrong_item_is_reported(client: TestClient) -> None:
    response = client.post("/v1/classify", json={"comments": [{"text": "a"}, {"txt": 1}, {"text": 2}]})
    places = [detail["place"] for detail in response.json()["error"]["details"]]
    assert places == ["comments[1].text", "comments[1].txt"]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(create_app(Settings(), load=Fake)) as port:
        yield port


HEAD = (
    b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n"
)


def test_a_body_that_is_too_long_is_refused_before_it_arrives(port: int) -> None:
    with connect(port) as caller:
        caller.sendall(HEAD % (b"/v1/classify", 50_000_000, b"") + b"x" * 100)
        assert (
            caller.recv(12) == b"HTTP/1.1 413"
        )  # the rest never comes: a server that waited for it would answer 408


def test_a_missing_key_is_reported_before_the_body_arrives(tmp_path: Path) -> None:
    settings = Settings(store=Storage(folder=tmp_path))
    store = Store.open(settings.store.database)
    keys.create(store, "site")
    store.close()
    with serving(create_app(settings, load=Fake)) as port:
        for path, sent in ((b"/v1/classify", 100), (b"/batch", 40_000)):
            with connect(port) as caller:
                caller.sendall(HEAD % (path, 1_000_000, b"") + b"x" * sent)
                assert caller.recv(12) in (b"HTTP/1.1 401", b"HTTP/1.1 403"), path


def test_an_unfinished_body_is_given_up() -> None:
    app = middleware.BodyLimit(_read_all, limit=1000, wires=(), seconds=0.1)

    async def never() -> dict[str, object]:
        await asyncio.sleep(30)
        return {}

    async def send(message: object) -> None:
        raise AssertionError("nothing to send")

    scope = {"type": "http", "path": "/", "headers": []}
    with pytest.raises(RequestTimedOut, match=r"within 0\.1 seconds"):
        asyncio.run(app(scope, never, send))


def test_a_body_counts_until_the_models_turn_ends_if_its_sender_hangs_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(middleware, "TURN_S", 0.2)

    async def hang_up(scope: object, receive: Callable[[], Awaitable[object]], send: object) -> None:
        await receive()
        raise ClientDisconnect

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"x" * 100_000}

    async def send(message: object) -> None:
        raise AssertionError("nothing to send")

    async def held() -> list[int]:
        scope = {"type": "http", "path": "/", "headers": []}
        request = asyncio.create_task(app(scope, receive, send))
        await asyncio.sleep(0.05)
        during = app.held
        with pytest.raises(ClientDisconnect):
            await request
        return [during, app.held]

    app = middleware.BodyLimit(hang_up, limit=200_000, wires=())
    assert asyncio.run(held()) == [100_000 - middleware.FREE_BYTES, 0]


async def _read_all(scope: object, receive: object, send: object) -> None:
    while (await receive()).get("more_body"):  # type: ignore[operator]
        pass


def test_bodies_share_a_limit_and_small_ones_always_pass() -> None:
    with serving(create_app(Settings(limits=Limits(body=200_000)), load=Fake)) as port:
        slow = [connect(port) for _ in range(8)]
        try:
            for caller in slow:
                caller.sendall(HEAD % (b"/v1/classify", 200_000, b"") + b'"' + b"x" * 190_000)
            refused = _answered(slow, 5)
            for caller in refused:
                assert caller.recv(12) == b"HTTP/1.1 429"
            body = json.dumps({"comments": [{"text": "Thank you."}]}).encode()
            request = HEAD % (b"/v1/classify", len(body), b"")
            with connect(port) as polite:
                polite.sendall(request + body)
                assert polite.recv(12) == b"HTTP/1.1 200"
            # Three use 125,000 bytes each beyond what is free; 400,000 are allowed.
            assert len(_answered(slow, 5)) == 5
        finally:
            for caller in slow:
                caller.close()


def _answered(callers: list[socket.socket], least: int) -> list[socket.socket]:
    """The connections that have an answer, once at least `least` of them have."""
    deadline = time.monotonic() + 60
    while len(found := select.select(callers, [], [], 0.05)[0]) < least:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_idle_connections_give_way(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "most", 20)
    idle = [connect(port) for _ in range(60)]
    try:
        assert ask(port, b"GET /health HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert BoundedProtocol.open <= 21
    finally:
        for caller in idle:
            caller.close()


def test_a_request_head_that_does_not_end_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.2)
    for sent in (b"", b"GET /health HTTP/1.1\r\nX-"):
        with connect(port) as caller:
            caller.sendall(sent)
            assert caller.recv(100) == b""


def test_a_connection_serves_many_requests(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """For longer than a head may take; tried again if the machine itself stalls for as long."""
    monkeypatch.setattr(connections, "HEAD_S", 0.5)
    for tries in range(5):
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as caller:
            ends = time.monotonic() + 0.8
            try:
                while time.monotonic() < ends:
                    caller.request("GET", "/health")
                    with caller.getresponse() as response:
                        assert (response.status, response.read()[:12]) == (200, b'{"status":"o')
                    time.sleep(0.1)
                return
            except OSError:
                assert tries < 4
