"""Webhooks to receivers that fail, hang or redirect: each decision arrives, with its key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from parley.service.desk import webhooks
from parley.service.desk.webhooks import Deliverer
from parley.service.privacy import KeyedHashes
from parley.service.settings.schema import Webhook
from parley.service.store.database import Store
from parley.service.store.desk import decisions, deliveries
from parley.service.store.desk.decisions import By, Choice
from tests.service.desk.comments import arrived, fill
from tests.service.desk.conftest import Desk

SECRET = "a secret of enough letters"
ADA = By(who="Ada", session="a")


class Receiver:
    """Answers as the test says, and records what it got."""

    def __init__(self) -> None:
        self.answers: list[int | str] = []
        self.closed = threading.Event()
        self.got: list[tuple[dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = outer.answers.pop(0) if outer.answers else 204
                outer.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                if answer == "hang":
                    outer.closed.wait(60)
                    return
                if answer == "garbage":
                    self.wfile.write(b"no HTTP at all\r\n\r\n")
                    return
                if answer == "twice":
                    self.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n" * 2)
                    return
                self.send_response(int(answer))
                if answer == 302:
                    self.send_header("Location", f"{outer.url}/elsewhere")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.closed.set()
    made.server.shutdown()
    made.server.server_close()


def work(store: Store, deliverer: Deliverer, rounds: int) -> None:
    for _ in range(rounds):
        for delivery in deliveries.due(store):
            deliverer.deliver(delivery)


def test_every_decision_arrives_with_its_key_whatever_the_receiver_does(
    any_store: Store, hashes: KeyedHashes, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "DELAYS", (0,) * 20)
    monkeypatch.setattr(webhooks, "TIMEOUT_S", 1.0)
    items = fill(any_store, hashes, [arrived(str(n), id=f"c{n}") for n in range(4)])
    for item in items:
        decisions.decide(any_store, item.id, Choice(action="approve"), ADA, urls=[receiver.url])
    decisions.undo(any_store, ADA, urls=[receiver.url])
    receiver.answers = [500, "hang", 302, "garbage", 404, "twice"]
    work(any_store, Deliverer(any_store, [Webhook(url=receiver.url, secret=SecretStr(SECRET))]), 3)
    assert deliveries.owed(any_store)[:2] == (0, 0)
    keys = {row["key"]: row for row in decisions.log(any_store)}
    assert {headers["webhook-id"] for headers, _ in receiver.got} == set(keys)
    assert len(receiver.got) == 5 + 5
    for headers, body in receiver.got:
        sent = json.loads(body)["decision"]
        assert sent["key"] == headers["webhook-id"]
        assert sent["comment_id"] == keys[sent["key"]]["comment_id"]
        assert "session" not in sent
        message = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = base64.b64encode(hmac.new(SECRET.encode(), message, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{digest}"
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60


def test_a_delivery_is_given_up_after_the_last_try_and_reported(
    store: Store, hashes: KeyedHashes, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "DELAYS", (0, 0))
    (item,) = fill(store, hashes, [arrived("one")])
    decisions.decide(store, item.id, Choice(action="approve"), ADA, urls=[receiver.url])
    receiver.answers = [500, 500, 503]
    work(store, Deliverer(store, [Webhook(url=receiver.url, secret=SecretStr(SECRET))]), 5)
    assert len(receiver.got) == 3
    assert deliveries.owed(store) == (0, 1, "the receiver answered 503")


def test_the_next_try_waits_longer_each_time(store: Store, hashes: KeyedHashes) -> None:
    (item,) = fill(store, hashes, [arrived("one")])
    nowhere = "http://127.0.0.1:9/"
    decisions.decide(store, item.id, Choice(action="approve"), ADA, urls=[nowhere])
    work(store, Deliverer(store, [Webhook(url=nowhere, secret=SecretStr(SECRET))]), 3)
    waiting, lost, problem = deliveries.owed(store)
    assert (waiting, lost) == (1, 0)
    assert "can't be reached" in (problem or "")
    assert list(webhooks.DELAYS) == sorted(webhooks.DELAYS)
    assert 2.5 * 86400 < sum(webhooks.DELAYS) < 4 * 86400


def test_a_webhook_removed_from_the_settings_is_not_called(
    store: Store, hashes: KeyedHashes, receiver: Receiver
) -> None:
    (item,) = fill(store, hashes, [arrived("one")])
    decisions.decide(store, item.id, Choice(action="approve"), ADA, urls=[receiver.url])
    work(store, Deliverer(store, []), 1)
    assert receiver.got == []
    assert deliveries.owed(store)[1] == 1


def test_a_running_desk_delivers_decisions_but_not_notes(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(desk={"webhooks": [{"url": receiver.url, "secret": SECRET}]})
    (item,) = fill(desk.service.store, desk.hashes, [arrived("one")])
    desk.post(f"/desk/comments/{item.id}", {"action": "note", "note": "only ours"})
    desk.post(f"/desk/comments/{item.id}", {"action": "reject", "reason": "SPAM"})
    deadline = time.monotonic() + 60
    while not receiver.got and time.monotonic() < deadline:
        time.sleep(0.02)
    ((_, body),) = receiver.got
    assert json.loads(body)["decision"]["action"] == "reject"
