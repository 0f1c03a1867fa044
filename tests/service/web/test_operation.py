"""What an operator sees: /health, /metrics, logs, unexpected errors, the OpenAPI document."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from parley.model.classifier import Classifier
from parley.model.comment import Comment, Prediction
from parley.model.labels import ABUSE
from parley.service import logs
from parley.service.batcher import Batcher
from parley.service.errors import Busy
from parley.service.metrics import Metrics
from parley.service.protocols import tei
from parley.service.settings.schema import Queue, Settings
from parley.service.web.app import WIRES, create_app
from tests.service.conftest import wait_until_ready

GOLDEN = Path(__file__).parents[1] / "openapi.json"
SECRET = "Marmaduke Quillfeather is a nincompoop"


class Fake(Classifier):
    """A predictor under the test's control."""

    def __init__(self) -> None:
        self.info = {"name": "fake", "version": "1"}
        self.thresholds: dict[str, float] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.seen: list[str] = []

    def predict(self, comments: Sequence[Comment]) -> list[Prediction]:
        if not self.gate.is_set():
            self.entered.set()
        assert self.gate.wait(60)
        self.seen += [comment.text for comment in comments]
        for comment in comments:
            if comment.text.startswith("raise"):
                raise ValueError(f"can't read {comment.text}")
            if comment.text.startswith("exit"):
                raise SystemExit
        zero = dict.fromkeys(ABUSE, 0.0)
        return [Prediction(id=c.id, abuse=zero, spam=0.0, off_topic=None, stance=None) for c in comments]

    def beside(self) -> Fake:
        return self


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def client(fake: Fake) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(), load=lambda: fake), raise_server_exceptions=False) as client:
        wait_until_ready(client)
        yield client
        fake.gate.set()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What `parley serve` would write to standard error at its most verbose."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("debug")
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(log: io.StringIO, event: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == event]


def post(client: TestClient, text: str, **headers: str) -> Any:
    return client.post("/v1/classify", json={"comments": [{"text": text}]}, headers=headers)


def test_health_is_503_until_the_model_is_loaded(fake: Fake) -> None:
    loaded = threading.Event()

    def load() -> Fake:
        assert loaded.wait(60)
        return fake

    with TestClient(create_app(Settings(), load=load)) as client:
        health, answer = client.get("/health"), post(client, "early")
        assert (health.status_code, health.json()["status"]) == (503, "loading")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
        assert int(answer.headers["Retry-After"]) >= 1
        loaded.set()
        wait_until_ready(client)
        assert client.get("/health").json() == {
            "status": "ok",
            "model": {"name": "fake", "version": "1"},
            "waiting": 0,
            "store": "ok",
        }


def test_health_is_503_when_the_thread_is_dead(client: TestClient) -> None:
    assert post(client, "exit").status_code == 503
    health = client.get("/health")
    assert (health.status_code, health.json()["status"]) == (503, "failed")
    assert post(client, "late").status_code == 503
    assert "parley_model_up 0.0" in client.get("/metrics").text


def test_a_full_queue_answers_429_with_retry_after(fake: Fake) -> None:
    settings = Settings(queue=Queue(comments=2, wait=60))
    with TestClient(create_app(settings, load=lambda: fake)) as client:
        wait_until_ready(client)
        fake.gate.clear()
        callers = [threading.Thread(target=post, args=(client, text)) for text in ("running", "b", "c")]
        try:
            for waiting, caller in enumerate(callers):
                caller.start()
                deadline = time.monotonic() + 60
                while client.get("/health").json()["waiting"] != waiting:
                    assert time.monotonic() < deadline
                    time.sleep(0.002)
            response = post(client, "one too many")
        finally:
            fake.gate.set()
            for caller in callers:
                caller.join(60)
        assert (response.status_code, response.json()["error"]["code"]) == (429, "busy")
        assert int(response.headers["Retry-After"]) >= 1
        assert post(client, "later").status_code == 200


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/classify", lambda answer: answer["error"]["code"] == "busy"),
        ("/coral/phase", lambda answer: answer["error"]["code"] == "busy"),
        ("/v1alpha1/comments:analyze", lambda answer: answer["error"]["status"] == "RESOURCE_EXHAUSTED"),
        ("/v1/moderations", lambda answer: answer["error"]["type"] == "rate_limit_error"),
        ("/predict", lambda answer: answer["error_type"] == "overloaded"),
        ("/tei/spam/predict", lambda answer: answer["error_type"] == "overloaded"),
    ],
)
def test_while_the_queue_is_full_nothing_of_a_request_is_read(
    client: TestClient, log: io.StringIO, monkeypatch: pytest.MonkeyPatch, path: str, told: Any
) -> None:
    def full(self: Any, comments: int) -> None:
        raise Busy("the wait would be long", retry_after=3)

    monkeypatch.setattr(Batcher, "_admit", full)
    for _ in range(3):
        response = client.post(path, content=b"no JSON at all", headers={"X-Request-ID": "abc-1"})
        assert (response.status_code, response.headers["Retry-After"]) == (429, "3")
        assert response.headers["X-Request-ID"] == "abc-1"
        assert told(response.json()), response.text
    assert client.get(path).status_code in (404, 405)
    assert client.get("/health").status_code == 200
    assert (
        f'parley_requests_total{{method="POST",route="{path}",status="429"}} 3.0'
        in client.get("/metrics").text
    )
    assert [line["level"] for line in lines(log, "request") if line["status"] == 429] == ["debug"] * 3
    assert len(lines(log, "requests_refused")) == 1


def test_every_path_that_asks_the_model_is_refused_early() -> None:
    """A route that uses the model but isn't in its wire's `predicting` would read its bodies in vain."""
    posts = [path for path, route in create_app(Settings()).openapi()["paths"].items() if "post" in route]
    heads = {path.replace("{head}", head) for path in posts for head in tei.LABELS}
    named = {path for wire in WIRES for path in wire.predicting}
    others = {"/v1/feedback", "/v1/decisions", "/v1alpha1/comments:suggestscore", "/batch"}
    assert named == heads - others


def test_a_failing_model_is_a_500_that_reveals_nothing(client: TestClient, log: io.StringIO) -> None:
    response = post(client, f"raise {SECRET}")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "prediction_failed")
    assert SECRET not in response.text
    assert post(client, "next").status_code == 200
    (line,) = lines(log, "batch_failed")
    assert line["error"] == ["builtins.ValueError"]
    assert any("predict" in place for place in line["where"])


def test_an_unforeseen_error_is_a_500_in_our_shape(
    client: TestClient, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("parley.service.protocols.classify.check_limits", fail)
    response = post(client, SECRET, **{"X-Request-ID": "abc-1"})
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
    assert response.headers["X-Request-ID"] == "abc-1"
    (line,) = lines(log, "request_failed")
    assert (line["request_id"], line["error"]) == ("abc-1", ["builtins.RuntimeError"])
    assert SECRET not in log.getvalue() + response.text


def test_a_request_leaves_one_line_without_its_text(client: TestClient, log: io.StringIO) -> None:
    comment = {
        "id": SECRET,
        "text": SECRET,
        "article": {"title": SECRET, "text": SECRET, "url": SECRET},
        "parent": {"text": SECRET},
        "target": SECRET,
    }
    client.post(
        f"/v1/classify?key={SECRET}", json={"comments": [comment, comment]}, headers={"X-Key": SECRET}
    )
    client.post("/v1/classify", json={"comments": [{**comment, SECRET: SECRET}]})
    client.post("/v1/classify", content=f'{{"{SECRET}":', headers={"Content-Type": "application/json"})
    client.get(f"/{SECRET}?{SECRET}")
    ours = lines(log, "request")
    assert [(line["route"], line["status"], line.get("comments")) for line in ours] == [
        ("/v1/classify", 200, 2),
        ("/v1/classify", 422, None),
        ("/v1/classify", 400, None),
        ("unmatched", 404, None),
    ]
    assert all({"request_id", "method", "seconds", "level", "time"} <= set(line) for line in ours)
    lines_of_the_server = [line for line in log.getvalue().splitlines() if "httpx" not in line]
    assert "Marmaduke" not in "".join(lines_of_the_server)


@pytest.mark.parametrize(("sent", "echoed"), [("order-66_a.b", True), ("a b", False), ("x" * 65, False)])
def test_a_request_id_is_echoed_when_it_is_harmless(client: TestClient, sent: str, echoed: bool) -> None:
    got = client.get("/health", headers={"X-Request-ID": sent}).headers["X-Request-ID"]
    assert (got == sent) is echoed
    assert got


def test_metrics_count_requests_comments_and_batches(client: TestClient) -> None:
    client.post("/v1/classify", json={"comments": [{"text": "a"}, {"text": "b"}]})
    client.post("/v1/classify", json={})
    text = client.get("/metrics").text
    for line in (
        'parley_requests_total{method="POST",route="/v1/classify",status="200"} 1.0',
        'parley_requests_total{method="POST",route="/v1/classify",status="422"} 1.0',
        'parley_request_seconds_count{route="/v1/classify"} 2.0',
        "parley_comments_total 2.0",
        "parley_queue_comments 0.0",
        "parley_model_up 1.0",
        'parley_model_info{name="fake",version="1"} 1.0',
    ):
        assert line in text


def test_metrics_can_have_a_port_of_their_own() -> None:
    metrics = Metrics()
    metrics.comments.inc(3)
    address, close = metrics.serve("127.0.0.1", 0)
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert b"parley_comments_total 3.0" in answer.read()
    with pytest.raises(OSError, match="in use"):
        Metrics().serve("127.0.0.1", int(address.rpartition(":")[2].removesuffix("/metrics")))
    close()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=10)


def test_errors_for_unknown_addresses_and_wrong_methods_have_our_shape(client: TestClient) -> None:
    assert client.get("/nope").json()["error"]["code"] == "not_found"
    response = client.get("/v1/classify")
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert response.json()["error"]["code"] == "method_not_allowed"


def test_the_docs_need_no_other_host(client: TestClient) -> None:
    page = client.get("/").text
    assert "swagger" in page
    assert "https://" not in page
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert client.get(f"/static-offline-docs/{asset}").status_code == 200


def test_every_route_belongs_to_a_wire(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    prefixes = tuple(p for wire in WIRES for p in wire.paths)
    exactly = [p for wire in WIRES for p in wire.exactly]
    assert [path for path in paths if path not in exactly and not path.startswith(prefixes)] == []


def test_the_openapi_document_equals_its_golden_file(tmp_path: Path) -> None:
    document = create_app(Settings()).openapi()
    del document["info"]["version"]
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if text != (GOLDEN.read_text(encoding="utf-8") if GOLDEN.exists() else ""):
        new = tmp_path / GOLDEN.name
        new.write_text(text, encoding="utf-8")
        pytest.fail(
            f"the OpenAPI document changed; look at it, and if that is intended:\n  mv '{new}' {GOLDEN}"
        )


def test_a_caller_that_hangs_up_is_not_served(fake: Fake, log: io.StringIO) -> None:
    """At the ASGI interface: a caller that is gone before its turn never reaches the model."""
    app = create_app(Settings(), load=lambda: fake)
    body = json.dumps({"comments": [{"text": "abandoned"}]}).encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/classify",
        "client": ("127.0.0.1", 5),
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    sent: list[Any] = []

    async def call() -> None:
        messages: list[dict[str, Any]] = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]

        async def receive() -> dict[str, Any]:
            if len(messages) == 1:
                while batcher.waiting == 0:
                    await asyncio.sleep(0.001)
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)

    with TestClient(app) as client:
        wait_until_ready(client)
        batcher = app.state.service.batcher
        fake.gate.clear()
        running = threading.Thread(target=post, args=(client, "running"))
        running.start()
        assert fake.entered.wait(60)
        asyncio.run(asyncio.wait_for(call(), 10))
        fake.gate.set()
        running.join(60)
        assert post(client, "next").status_code == 200
    assert sent == []
    assert "abandoned" not in fake.seen
    assert [line["status"] for line in lines(log, "request")].count(499) == 1
