"""What a page in a browser on the same machine can do to a Parley without keys: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from parley.service.settings.schema import Settings, Storage
from parley.service.store import keys
from parley.service.store.database import Store
from parley.service.web.app import WIRES, create_app
from tests.service.conftest import wait_until_ready
from tests.service.web.test_operation import Fake

BODY = {"comments": [{"text": "Thank you."}]}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings(store=Storage(folder=tmp_path_factory.mktemp("store")))
    with TestClient(create_app(settings, load=Fake)) as client:
        wait_until_ready(client)
        yield client


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8000"},
        {"Host": "localhost.evil.example"},
        {"Host": "192.0.2.7"},
        {"Host": "[::ffff:192.0.2.7]"},
        {"Host": "["},
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_pages_of_other_sites_are_refused_on_every_path(client: TestClient, headers: dict[str, str]) -> None:
    for path, route in client.app.openapi()["paths"].items():  # type: ignore[attr-defined]
        path = path.replace("{article_id}", "a").replace("{head}", "abuse")
        for method in route:
            if method == "get" and "Sec-Fetch-Mode" in headers:
                continue
            response = client.request(method, path, json=BODY if method != "get" else None, headers=headers)
            assert response.status_code == 403, (method, path)
    assert client.get("/health", headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost:8000"},
        {"Host": "127.0.0.1:8000"},
        {"Host": "[::1]:8000"},
        {"Host": "parley.localhost"},
        {"Host": "localhost:8000", "Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_programs_on_this_machine_and_our_own_pages_are_answered(
    client: TestClient, headers: dict[str, str]
) -> None:
    assert client.post("/v1/classify", json=BODY, headers=headers).status_code == 200
    assert client.get("/docs", headers=headers).status_code == 200


def test_a_link_from_elsewhere_opens_the_documents(client: TestClient) -> None:
    navigates = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/docs", headers=navigates).status_code == 200


@pytest.mark.parametrize("path", sorted(path for wire in WIRES for path in wire.predicting))
def test_plain_text_is_not_accepted_as_json(client: TestClient, path: str) -> None:
    response = client.post(path, content=b"{}", headers={"Content-Type": "text/plain;charset=UTF-8"})
    assert response.status_code in (400, 415)
    assert "application/json" in response.text


def test_with_a_key_any_host_is_accepted(tmp_path: Path) -> None:
    settings = Settings(store=Storage(folder=tmp_path))
    store = Store.open(settings.store.database)
    _, secret = keys.create(store, "site")
    store.close()
    with TestClient(create_app(settings, load=Fake)) as client:
        wait_until_ready(client)
        asked = {"Host": "parley.news.example", "Origin": "https://news.example", "X-API-KEY": secret}
        assert client.post("/v1/classify", json=BODY, headers=asked).status_code == 200


def test_no_caller_replaces_the_decision_of_another(tmp_path: Path) -> None:
    settings = Settings(store=Storage(folder=tmp_path))
    store = Store.open(settings.store.database)
    secrets = {name: keys.create(store, name)[1] for name in ("site", "other", "site again")}
    store.close()

    def suggested(value: float) -> dict[str, Any]:
        return {
            "comment": {"text": "Thank you."},
            "attributeScores": {"TOXICITY": {"summaryScore": {"value": value}}},
            "clientToken": "comment:c-1",
        }

    with TestClient(create_app(settings, load=Fake)) as client:
        wait_until_ready(client)
        feedback = client.app.state.service.feedback  # type: ignore[attr-defined]

        def send(name: str, value: float) -> list[float]:
            sent = client.post(
                "/v1alpha1/comments:suggestscore",
                json=suggested(value),
                headers={"X-API-KEY": secrets[name]},
            )
            assert sent.status_code == 200
            return sorted(row["value"] for row in feedback.rows())

        assert send("site", 0.1) == [0.1]
        assert send("other", 0.9) == [0.1, 0.9]
        assert send("site", 0.2) == [0.2, 0.9]
        decision = {"comment_id": "c-1", "label": "toxicity", "value": 0.5}
        headers = {"X-API-KEY": secrets["other"]}
        client.post("/v1/feedback", json={"decisions": [decision]}, headers=headers)
        assert sorted(row["value"] for row in feedback.rows()) == [0.2, 0.5]
