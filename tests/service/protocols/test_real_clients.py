"""Requests as real clients send them, byte for byte where it matters: none is refused for its form."""

# ruff: noqa: E501 - requests in their original form

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from parley.model import Classifier
from parley.service.settings.schema import Access, Limits, Perspective, Settings, Storage
from parley.service.web.app import create_app
from tests.service.conftest import wait_until_ready

ANALYZE = "/v1alpha1/comments:analyze?key=K"
JSON_TYPE = {"Content-Type": "application/json; charset=UTF-8"}
PLAIN = {"comment": {"text": "a walk on the bridge"}, "requestedAttributes": {"TOXICITY": {}}}


def post(client: TestClient, body: bytes | str, path: str = ANALYZE, **headers: str) -> Any:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(path, content=body, headers=JSON_TYPE | sent)


@pytest.mark.parametrize(
    "body",
    [
        # Perspective's quickstart, Commento++'s Go, Unity's string building: keys without quotes.
        '{comment: {text: "a walk on the bridge"}, languages: ["en"], requestedAttributes: {TOXICITY:{}} }',
        # An Android app: single quotes.
        "{'comment':{'text':'a walk on the bridge'},'requestedAttributes':{'TOXICITY':{}}}",
        # A hand-written template leaves a trailing comma.
        '{"comment": {"text": "a walk on the bridge",}, "requestedAttributes": {"TOXICITY": {}},}',
        # peRspective for R unwraps lists of one.
        '{"comment":{"text":"a walk on the bridge"},"requestedAttributes":{"TOXICITY":{}},"spanAnnotations":false,'
        '"doNotStore":false,"languages":"en"}',
        # PHP's json_encode of empty arrays.
        '{"comment":{"text":"a walk on the bridge"},"context":[],"requestedAttributes":{"TOXICITY":[]}}',
    ],
)  # fmt: skip
def test_bodies_that_googles_servers_accepted(client: TestClient, body: str) -> None:
    response = post(client, body)
    assert response.status_code == 200, response.text
    expected = client.post(ANALYZE, json=PLAIN).json()["attributeScores"]
    assert response.json()["attributeScores"] == expected


@pytest.mark.parametrize(
    "body",
    ["{comment: }", "{'comment': {'text': NaN}}", "{a: Infinity}", "prose", "[" * 5000, "{a: [" * 50, "{'a': 1e999}", b"\xff"],
)  # fmt: skip
def test_what_is_not_json_at_all_stays_refused(client: TestClient, body: str | bytes) -> None:
    assert post(client, body).status_code == 400


def test_other_protocols_stay_strict(client: TestClient) -> None:
    assert post(client, "{comments: [{text: 'a'}]}", "/v1/classify").status_code == 400
    assert post(client, "{input: 'a'}", "/v1/moderations").status_code == 400


def test_googles_java_client_compresses_its_bodies(client: TestClient) -> None:
    """Headers and body as google-api-client 2.x writes them."""
    body = gzip.compress(json.dumps(PLAIN, separators=(",", ":")).encode())
    headers = {
        "Accept-Encoding": "gzip", "User-Agent": "Google-API-Java-Client/2.2.0 Google-HTTP-Java-Client/1.43.3 (gzip)",
        "x-goog-api-client": "gl-java/17.0.9 gdcl/2.2.0 linux/6.1", "Content-Type": "application/json; charset=UTF-8",
        "Content-Encoding": "gzip", "Connection": "keep-alive",
    }  # fmt: skip
    response = client.post(ANALYZE, content=body, headers=headers)
    assert response.status_code == 200
    assert response.json() == client.post(ANALYZE, json=PLAIN).json()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/classify", {"comments": [{"text": "a walk"}]}),
        ("/v1/moderations", {"input": "a walk"}),
        ("/predict", {"inputs": "a walk"}),
        ("/v1alpha1/comments:suggestscore", {"comment": {"text": "a"}, "attributeScores": {"SPAM": {"summaryScore": {"value": 0}}}}),
    ],
)  # fmt: skip
def test_every_route_accepts_gzip(client: TestClient, path: str, body: dict[str, Any]) -> None:
    response = post(client, gzip.compress(json.dumps(body).encode()), path, Content_Encoding="gzip")
    assert response.status_code == 200, response.text


def test_the_limit_counts_the_unpacked_bytes(tmp_path: Path, classifier: Classifier) -> None:
    settings = Settings(store=Storage(folder=tmp_path), limits=Limits(body=5000))
    with TestClient(create_app(settings, load=lambda: classifier)) as client:
        wait_until_ready(client)
        bomb = gzip.compress(json.dumps({**PLAIN, "sessionId": "x" * 1_000_000}).encode())
        assert len(bomb) < 5000
        refused = post(client, bomb, Content_Encoding="gzip")  # in Google's shape this is a 400
        assert "longer than 5000 bytes" in refused.json()["error"]["message"]
        assert post(client, bomb, "/v1/classify", Content_Encoding="gzip").status_code == 413


@pytest.mark.parametrize("body", [b"{}", gzip.compress(b"{}" * 50)[:-9], b""])
def test_invalid_gzip_is_reported(client: TestClient, body: bytes) -> None:
    response = post(client, body, Content_Encoding="gzip")
    assert response.status_code == 400
    assert "gzip" in response.json()["error"]["message"]


def test_unsupported_attributes_are_dropped_where_the_client_asks(client: TestClient) -> None:
    asked: dict[str, Any] = {"TOXICITY": {}, "FLIRTATION": {}, "OFF_TOPIC": {}}
    body = {**PLAIN, "requestedAttributes": asked}
    assert client.post(ANALYZE, json=body).status_code == 400
    answer = client.post(ANALYZE, json={**body, "dropUnsupportedAttributes": True})
    assert answer.status_code == 200
    assert list(answer.json()["attributeScores"]) == ["TOXICITY"]


def test_an_unsupported_language_drops_all(client: TestClient) -> None:
    body = {**PLAIN, "comment": {"text": "un dia en el puente"}, "languages": ["es"]}
    assert client.post(ANALYZE, json=body).status_code == 400
    answer = client.post(ANALYZE, json={**body, "dropUnsupportedAttributes": True})
    assert answer.status_code == 200
    assert "attributeScores" not in answer.json()
    assert answer.json()["languages"] == ["es"]


@pytest.fixture
def site(tmp_path: Path, classifier: Classifier) -> Iterator[TestClient]:
    settings = Settings(
        store=Storage(folder=tmp_path),
        access=Access(origins=["https://lum.example"]),
        perspective=Perspective(attributes={"FLIRTATION": None, "SPAM": None}),
    )
    with TestClient(create_app(settings, load=lambda: classifier)) as client:
        wait_until_ready(client)
        yield client


def test_attributes_mapped_to_nothing_are_left_out(site: TestClient) -> None:
    asked: dict[str, Any] = {"TOXICITY": {}, "FLIRTATION": {}, "SPAM": {}}
    answer = site.post(ANALYZE, json={**PLAIN, "requestedAttributes": asked})
    assert list(answer.json()["attributeScores"]) == ["TOXICITY"]
    answer = site.post(ANALYZE, json={**PLAIN, "requestedAttributes": {"FLIRTATION": {}}})
    assert answer.status_code == 200
    assert "attributeScores" not in answer.json()


PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,x-api-key",
}


def test_pages_of_listed_origins_may_call(site: TestClient, client: TestClient) -> None:
    origin = {"Origin": "https://lum.example"}
    for path in (ANALYZE, "/v1/classify", "/v1/moderations", "/"):
        answer = site.options(path, headers=origin | PREFLIGHT)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "https://lum.example"
    answer = site.post(ANALYZE, json=PLAIN, headers=origin)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://lum.example"
    other = site.options(ANALYZE, headers={"Origin": "https://o.example"} | PREFLIGHT)
    assert "Access-Control-Allow-Origin" not in other.headers
    off = client.options(ANALYZE, headers=origin | PREFLIGHT)
    assert "Access-Control-Allow-Origin" not in off.headers


@pytest.mark.parametrize("origin", ["lum.example", "https://lum.example/", "https://*.example", "ftp://a"])
def test_an_invalid_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        Access(origins=[origin])


def test_teis_own_address_predicts(client: TestClient) -> None:
    body = {"inputs": "a walk on the bridge"}
    assert client.post("/", json=body).json() == client.post("/predict", json=body).json()
    assert set(client.post("/", json={}).json()) == {"error", "error_type"}


def test_openais_list_of_models(client: TestClient) -> None:
    listed = client.get("/v1/models").json()
    assert listed["object"] == "list"
    id = listed["data"][0]["id"]
    assert client.post("/v1/moderations", json={"input": "a"}).json()["model"] == id
    assert client.get(f"/v1/models/{id}").json() == listed["data"][0]
    missing = client.get("/v1/models/gpt-9")
    assert missing.status_code == 404
    assert missing.json()["error"]["type"] == "invalid_request_error"
