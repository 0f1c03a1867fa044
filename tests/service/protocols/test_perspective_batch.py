"""/batch: many calls of Perspective's protocol in one multipart request."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.model import Classifier
from parley.service.settings.schema import Settings, Storage
from parley.service.store import keys
from parley.service.store.database import Store
from parley.service.web.app import create_app
from tests.service.conftest import wait_until_ready

ANALYZE = "/v1alpha1/comments:analyze"
DECLARED = {"Content-Type": 'multipart/mixed; boundary="==b=="'}


def call(text: str, *, content_id: str, target: str = ANALYZE, end: str = "\r\n", key: str = "K") -> bytes:
    body = json.dumps({"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}})
    lines = [
        "Content-Type: application/http",
        "MIME-Version: 1.0",
        "Content-Transfer-Encoding: binary",
        f"Content-ID: <{content_id}>",
        "",
        f"POST {target}?key={key}&alt=json HTTP/1.1",
        "Content-Type: application/json",
        f"content-length: {len(body)}",
        "",
        body,
    ]
    return end.join(lines).encode()


def joined(parts: list[bytes]) -> bytes:
    return b"".join(b"--==b==\r\n%s\r\n" % part for part in parts) + b"--==b==--\r\n"


def post(client: TestClient, parts: list[bytes], **headers: str) -> list[tuple[str, int, dict[str, Any]]]:
    """Content-ID, status and JSON of each part of the answer, as a client reads them."""
    response = client.post("/batch", content=joined(parts), headers=DECLARED | headers)
    assert response.status_code == 200, response.text
    head = f"Content-Type: {response.headers['content-type']}\r\n\r\n".encode()
    found = []
    for part in BytesParser(policy=HTTP).parsebytes(head + response.content).iter_parts():
        assert part.get_content_type() == "application/http"
        payload: Any = part.get_payload(decode=True)
        status_line, _, rest = payload.partition(b"\r\n")
        found.append(
            (str(part["Content-ID"]), int(status_line.split()[1]), json.loads(rest.split(b"\r\n\r\n", 1)[1]))
        )
    return found


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_each_part_is_answered_in_order(client: TestClient, end: str) -> None:
    texts = ["One good plan.", "", "Twö lines\nand more \U0001f600."]
    parts = [call(text, content_id=f"9b81fd88 + {n}", end=end) for n, text in enumerate(texts, start=1)]
    answers = post(client, parts)
    assert [content_id for content_id, _, _ in answers] == [f"<response-9b81fd88 + {n}>" for n in (1, 2, 3)]
    assert [status for _, status, _ in answers] == [200, 400, 200]
    for text, (_, status, answer) in zip(texts, answers, strict=True):
        alone = client.post(
            ANALYZE, json={"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}}
        )
        assert (status, answer) == (alone.status_code, alone.json())


def test_a_hundred_parts_are_accepted_and_no_more(client: TestClient) -> None:
    parts = [call(f"Plan number {n}", content_id=str(n)) for n in range(100)]
    assert {status for _, status, _ in post(client, parts)} == {200}
    response = client.post("/batch", content=joined([*parts, parts[0]]), headers=DECLARED)
    assert (response.status_code, response.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert "more than 100 parts" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "target", ["/batch", "/v1/classify", "/health", "/v1alpha1/comments:nope", "//[", "/v1alpha1"]
)
def test_a_part_goes_to_this_protocol_only(client: TestClient, target: str) -> None:
    answers = post(client, [call("a", content_id="1", target=target), call("a", content_id="2")])
    assert [status for _, status, _ in answers] == [404, 200]
    assert answers[0][2]["error"]["status"] == "NOT_FOUND"


def test_a_part_may_name_the_whole_address(client: TestClient) -> None:
    target = f"https://commentanalyzer.googleapis.com{ANALYZE}"
    assert post(client, [call("a", content_id="1", target=target)])[0][1] == 200


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/mixed", b"--b--"),
        ("multipart/mixed; boundary=b", b""),
        ("multipart/mixed; boundary=b", b"--b\r\n\r\nhello\r\n--b--"),
        ("multipart/mixed; boundary=b", b"--b\r\nContent-Type: application/http\r\n\r\nGET\r\n--b--"),
        ("application/json", b"{}"),
        ("multipart/mixed; boundary=\xff", b"--b--"),
        ("", b""),
    ],
)
def test_an_invalid_batch_is_refused(client: TestClient, content_type: str, body: bytes) -> None:
    headers = [(b"content-type", content_type.encode("latin-1"))]
    response = client.post("/batch", content=body, headers=headers)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["message"].startswith("Failed to parse batch request")


@pytest.mark.parametrize("name", ["Content-ID", "Content-Type", "Content-Transfer-Encoding"])
@pytest.mark.parametrize("value", [b"a " * 200_000, b"multipart/mixed" + b";" * 200_000])
def test_long_headers_of_a_part_take_no_time(client: TestClient, name: str, value: bytes) -> None:
    part = call("a", content_id="1").replace(b"MIME-Version: 1.0", name.encode() + b": " + value)
    started = time.process_time()
    response = client.post("/batch", content=joined([part]), headers=DECLARED)
    assert time.process_time() - started < 10  # it took minutes
    assert (response.status_code, "of part 1 are longer" in response.text) == (400, True)


@pytest.mark.parametrize("length", ["9" * 5000, "99999999999", "1", "none"])
def test_a_parts_stated_length_is_ignored(client: TestClient, length: str) -> None:
    part = re.sub(rb"content-length: \d+", b"content-length: " + length.encode(), call("a", content_id="1"))
    assert [status for _, status, _ in post(client, [part])] == [200]


def test_a_part_may_be_encoded_and_the_end_may_be_missing(client: TestClient) -> None:
    head, _, carried = call("a", content_id="1").partition(b"\r\n\r\n")
    encoded = head.replace(b"binary", b"base64") + b"\r\n\r\n" + base64.encodebytes(carried)
    assert [status for _, status, _ in post(client, [encoded, call("b", content_id="2")])] == [200, 200]
    whole = b"A preamble.\r\n" + joined([call("a", content_id="1")])
    for body in (whole, whole.removesuffix(b"--==b==--\r\n"), whole + b"An epilogue\r\n--==b==\r\n"):
        response = client.post("/batch", content=body, headers=DECLARED)
        assert (response.status_code, response.text.count("HTTP/1.1 200 OK")) == (200, 1)


@pytest.fixture
def guarded(tmp_path: Path, store: Store, classifier: Classifier) -> Iterator[tuple[TestClient, str]]:
    """A service with a key for three requests a minute, and the key."""
    _, secret = keys.create(store, "test", rate="3/minute")
    settings = Settings(store=Storage(folder=tmp_path))
    with TestClient(create_app(settings, load=lambda: classifier)) as client:
        wait_until_ready(client)
        yield client, secret


def test_each_part_needs_its_key_and_counts(guarded: tuple[TestClient, str]) -> None:
    client, key = guarded
    parts = [call("a", content_id=str(n), key=key) for n in range(5)] + [call("a", content_id="x", key="bad")]
    statuses = [status for _, status, _ in post(client, parts)]
    assert sorted(statuses) == [200, 200, 200, 400, 429, 429]
    assert statuses[-1] == 400


def test_a_key_of_the_whole_batch_counts_for_its_parts(guarded: tuple[TestClient, str]) -> None:
    client, key = guarded
    part = call("a", content_id="1").replace(b"?key=K&alt=json", b"")
    assert [s for _, s, _ in post(client, [part])] == [403]
    assert [s for _, s, _ in post(client, [part], **{"x-goog-api-key": key})] == [200]
    own = call("a", content_id="2", key=key)
    for name, other in (("Authorization", "Bearer an-oauth-token"), ("x-api-key", "bad")):
        assert [s for _, s, _ in post(client, [own], **{name: other})] == [200]


@given(st.binary(max_size=200), st.text(st.characters(max_codepoint=0xFF), max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_answered(client: TestClient, body: bytes, content_id: str) -> None:
    head = f"Content-Type: application/http\r\nContent-ID: <{content_id}>\r\n\r\n".encode("latin-1")
    for content in (body, b"--==b==\r\n" + head + body + b"\r\n--==b==--"):
        assert client.post("/batch", content=content, headers=DECLARED).status_code in (200, 400)
