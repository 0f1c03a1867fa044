"""Behind a proxy: who gets in without a key, whose address counts, which scheme and prefix links have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from parley.model import Classifier
from parley.service.errors import SettingsError
from parley.service.settings.schema import Access, Server, Settings, Storage
from parley.service.store import keys
from parley.service.store.database import Store
from parley.service.web import access
from parley.service.web.access import warn_of_exposure
from parley.service.web.app import create_app
from parley.service.web.proxy import Proxy, counted_as, is_direct
from tests.service.conftest import wait_until_ready

COMMENT = {"comments": [{"text": "a good plan"}]}
DISCOVERY = "/$discovery/rest?version=v1alpha1"
FORWARDED = (
    {"X-Forwarded-For": "198.51.100.7"},
    {"x-forwarded-proto": "https"},
    {"X-Forwarded-Anything": ""},
    {"Forwarded": "for=127.0.0.1"},
    {"Via": "1.1 proxy"},
    {"X-Real-IP": "127.0.0.1"},
    {"CF-Connecting-IP": "127.0.0.1"},
)


def app_of(tmp_path: Path, classifier: Classifier, **settings: Any) -> FastAPI:
    given = {"store": Storage(folder=tmp_path), **settings}
    return create_app(Settings(**given), load=lambda: classifier)


@pytest.fixture
def app(store_folder: Path, classifier: Classifier) -> Iterator[FastAPI]:
    """A service without a key, on loopback, once its model is loaded."""
    app = app_of(store_folder, classifier)
    with TestClient(app) as client:
        wait_until_ready(client)
        yield app


# Without a key


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_programs_on_this_machine_need_no_key(app: FastAPI, peer: str) -> None:
    assert TestClient(app, client=(peer, 5)).post("/v1/classify", json=COMMENT).status_code == 200


@pytest.mark.parametrize("headers", FORWARDED, ids=lambda headers: next(iter(headers)))
def test_what_a_proxy_forwards_is_refused(app: FastAPI, headers: dict[str, str]) -> None:
    client = TestClient(app, client=("127.0.0.1", 5), headers=headers)
    for answer in (
        client.post("/v1/classify", json=COMMENT),
        client.put("/v1/articles/a", json={"title": "A bridge"}),
        client.get("/metrics"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "missing_key")
        assert "parley keys create" in answer.json()["error"]["message"]
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize("peer", ["198.51.100.7", "10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1"])
def test_other_machines_are_refused_however_they_connect(app: FastAPI, peer: str) -> None:
    """For example through a port that a container forwards, although the service listens on loopback."""
    assert TestClient(app, client=(peer, 5)).post("/v1/classify", json=COMMENT).status_code == 401


def test_trusting_the_proxy_does_not_open_the_service(tmp_path: Path, classifier: Classifier) -> None:
    app = app_of(tmp_path, classifier, server=Server(trusted_proxies=["127.0.0.1"]))
    with TestClient(app, client=("127.0.0.1", 5)) as client:
        wait_until_ready(client)
        for told in ("127.0.0.1", "198.51.100.7"):
            sent = {"X-Forwarded-For": told}
            assert client.post("/v1/classify", json=COMMENT, headers=sent).status_code == 401
        assert client.post("/v1/classify", json=COMMENT).status_code == 200


def test_parts_of_a_batch_have_the_address_of_the_batch(app: FastAPI) -> None:
    part = (
        "--b\r\nContent-Type: application/http\r\n\r\n"
        "POST /v1alpha1/comments:analyze\r\nContent-Type: application/json\r\n\r\n"
        '{"comment": {"text": "a good plan"}, "requestedAttributes": {"TOXICITY": {}}}\r\n--b--'
    )
    sent = {"Content-Type": "multipart/mixed; boundary=b"}
    for forwarded, status in (({}, "200 OK"), (FORWARDED[0], "403 Forbidden")):
        client = TestClient(app, client=("127.0.0.1", 5))
        answer = client.post("/batch", content=part, headers=sent | forwarded)
        assert f"HTTP/1.1 {status}" in answer.text
    answer = TestClient(app, client=("10.0.0.1", 5)).post("/batch", content=part, headers=sent)
    assert "403 Forbidden" in answer.text


@pytest.mark.parametrize(("version", "client", "direct"), [
    ("1.1", ("127.0.0.1", 5), True),
    ("1.0", ("127.0.0.1", 5), False),  # nginx's `proxy_pass` with no other line
    ("1.1", None, False),
])  # fmt: skip
def test_a_caller_that_may_be_a_proxy_is_not_direct(version: str, client: Any, direct: bool) -> None:
    found = resolve({"http_version": version, "client": client})
    assert is_direct(found) is direct


def test_startup_warns_of_exposure(tmp_path: Path, store: Store) -> None:
    settings = Settings(store=Storage(folder=tmp_path))
    anybody = settings.model_copy(update={"access": Access(anonymous=True)})
    with capture_logs() as logged:
        warn_of_exposure(settings, store)
        warn_of_exposure(anybody, store)
        keys.create(store, "first")
        warn_of_exposure(settings, store)
    assert [(line["event"], line["log_level"]) for line in logged] == [
        ("no_api_key", "warning"),
        ("open_to_anyone", "warning"),
    ]


def test_with_a_first_key_the_service_answers_under_any_host_name(
    tmp_path: Path, classifier: Classifier, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if no request ever uses a name of this machine, as behind a proxy."""
    monkeypatch.setattr(access, "FRESH_S", 0.0)
    with TestClient(app_of(tmp_path, classifier), base_url="http://news.example") as client:
        assert client.get("/health").status_code == 403
        keys.create(store, "first")
        assert client.get("/health").status_code in (200, 503)
        assert client.post("/v1/classify", json=COMMENT).status_code == 401


# Whose address counts


def resolve(scope: dict[str, Any], *, trusted: tuple[str, ...] = (), **headers: str) -> dict[str, Any]:
    """What an application behind `Proxy` finds in its scope."""
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    given = {"type": "http", "path": "/", "scheme": "http", "client": ("10.0.0.1", 5), "headers": sent}
    found = Proxy(None, trusted=trusted)._resolve({**given, **scope})  # type: ignore[arg-type]
    return dict(found)


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", "198.51.100.7"),  # the first is what the client itself sent
        ("198.51.100.7, 10.0.0.2, 10.9.9.9", "198.51.100.7"),
        ("198.51.100.7:4711", "198.51.100.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, unknown", "10.0.0.1"),
        ("198.51.100.7, unknown, 10.0.0.2", "10.0.0.2"),
        ("", "10.0.0.1"),
        (", ,", "10.0.0.1"),
        ("10.0.0.5, 10.0.0.6", "10.0.0.5"),
        ("x" * 5000, "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_is_not_a_trusted_proxy(chain: str, client: str) -> None:
    found = resolve({}, trusted=("10.0.0.0/8",), x_forwarded_for=chain, x_forwarded_proto="https")
    assert (found["client"][0], found["scheme"]) == (client, "https")


def test_several_headers_are_one_chain() -> None:
    sent = [(b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-for", b"198.51.100.7")]
    assert resolve({"headers": sent}, trusted=("10.0.0.1",))["client"][0] == "198.51.100.7"


@pytest.mark.parametrize("trusted", [(), ("10.0.0.2",), ("127.0.0.1", "::1")])
def test_headers_of_others_are_ignored(trusted: tuple[str, ...]) -> None:
    found = resolve({}, trusted=trusted, x_forwarded_for="198.51.100.7", x_forwarded_proto="https")
    assert (found["client"][0], found["scheme"]) == ("10.0.0.1", "http")


@pytest.mark.parametrize("proto", ["javascript", "", "https,ftp", "ht tps"])
def test_a_scheme_is_http_or_https(proto: str) -> None:
    assert resolve({}, trusted=("10.0.0.1",), x_forwarded_proto=proto)["scheme"] == "http"


@pytest.mark.parametrize("trusted", [[], ["127.0.0.1"]])
def test_made_up_headers_do_not_evade_the_rate(
    tmp_path: Path, classifier: Classifier, trusted: list[str]
) -> None:
    """Each request claims to be a different client; the proxy, if there is one, appends the real address."""
    access = Access(anonymous=True, rate="3/minute")
    app = app_of(tmp_path, classifier, access=access, server=Server(trusted_proxies=trusted))
    with TestClient(app, client=("127.0.0.1", 5)) as client:
        answers = [
            client.get(
                "/metrics",
                headers={
                    "X-Forwarded-For": f"203.0.113.{n}" + (", 198.51.100.7" if trusted else ""),
                    "Forwarded": f"for=203.0.113.{n}",
                    "X-Real-IP": f"203.0.113.{n}",
                },
            ).status_code
            for n in range(5)
        ]
    assert answers == [200, 200, 200, 429, 429]


def test_clients_behind_one_proxy_have_a_rate_each(tmp_path: Path, classifier: Classifier) -> None:
    access = Access(anonymous=True, rate="1/minute")
    app = app_of(tmp_path, classifier, access=access, server=Server(trusted_proxies=["127.0.0.0/8"]))
    with TestClient(app, client=("127.0.0.1", 5)) as client:
        told = ("198.51.100.7", "198.51.100.8", "198.51.100.7")
        answers = [client.get("/metrics", headers={"X-Forwarded-For": t}).status_code for t in told]
    assert answers == [200, 200, 429]


def test_an_ipv6_network_is_one_client() -> None:
    assert (
        counted_as("2001:db8:0:1::7") == counted_as("2001:db8:0:1:ffff::8") != counted_as("2001:db8:0:2::7")
    )
    assert counted_as("::ffff:198.51.100.7") == counted_as("198.51.100.7") == "198.51.100.7"
    assert counted_as("testclient") == "testclient"


# Under a prefix


@pytest.fixture
def prefixed(tmp_path: Path, store: Store, classifier: Classifier) -> Iterator[TestClient]:
    """A service under /parley behind a trusted proxy, and a client that sends its key."""
    _, secret = keys.create(store, "test")
    server = Server(trusted_proxies=["127.0.0.1"], root_path="/parley")
    app = app_of(tmp_path, classifier, server=server)
    sent = {"X-API-KEY": secret, "X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
    with TestClient(
        app, client=("127.0.0.1", 5), headers=sent, base_url="http://news.example", follow_redirects=False
    ) as client:
        wait_until_ready(client)
        yield client


@pytest.mark.parametrize("prefix", ["", "/parley"])  # removed by the proxy, or left
def test_everything_answers_under_the_prefix(prefixed: TestClient, prefix: str) -> None:
    assert prefixed.post(f"{prefix}/v1/classify", json=COMMENT).status_code == 200
    assert prefixed.put(f"{prefix}/v1/articles/a%2Fb", json={"title": "A"}).json()["id"] == "a/b"
    assert prefixed.get(f"{prefix}/nowhere").json()["error"]["code"] == "not_found"
    page = prefixed.get(f"{prefix}/docs").text
    for asset in ("/openapi.json", "/static-offline-docs/swagger-ui-bundle.js"):
        assert f"/parley{asset}" in page
        assert prefixed.get(f"{prefix}{asset}").status_code == 200
    assert prefixed.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": "/parley"}]
    assert prefixed.get(f"{prefix}/").headers["location"] == "docs"
    error = prefixed.post(f"{prefix}/v1alpha1/comments:analyze", content=b"{").json()["error"]
    assert error["status"] == "INVALID_ARGUMENT", "the protocol's own shape"


def test_links_have_the_clients_scheme_and_the_prefix(prefixed: TestClient) -> None:
    assert prefixed.get(DISCOVERY).json()["rootUrl"] == "https://news.example/parley/"


@pytest.mark.parametrize("prefix", ["", "/parley"])
def test_keys_and_limits_apply_under_the_prefix(prefixed: TestClient, prefix: str) -> None:
    del prefixed.headers["X-API-KEY"]
    assert prefixed.post(f"{prefix}/v1/classify", json=COMMENT).status_code == 401
    assert prefixed.get(f"{prefix}/health").status_code == 200
    assert prefixed.get("/parley/../v1/articles/a").status_code in (401, 404)
    assert prefixed.get(f"{prefix}/docs/../v1/articles/a").status_code == 401


def test_metrics_and_logs_name_the_route_without_the_prefix(prefixed: TestClient) -> None:
    prefixed.post("/parley/v1/classify", json=COMMENT)
    assert 'route="/v1/classify",status="200"' in prefixed.get("/parley/metrics").text


def test_a_batch_under_the_prefix_reaches_its_routes(prefixed: TestClient) -> None:
    body = json.dumps({"comment": {"text": "a plan"}, "requestedAttributes": {"TOXICITY": {}}})
    part = (
        "--b\r\nContent-Type: application/http\r\n\r\nPOST /parley/v1alpha1/comments:analyze\r\n"
        f"Content-Type: application/json\r\n\r\n{body}\r\n--b--"
    )
    sent = {"Content-Type": "multipart/mixed; boundary=b"}
    assert "200 OK" in prefixed.post("/parley/batch", content=part, headers=sent).text


def test_the_docs_let_a_key_be_entered(app: FastAPI) -> None:
    document = TestClient(app).get("/openapi.json").json()
    schemes = document["components"]["securitySchemes"]
    assert {(s["type"], s.get("scheme") or s["name"]) for s in schemes.values()} == {
        ("http", "bearer"),
        ("apiKey", "X-API-KEY"),
    }
    assert {name for needed in document["security"] for name in needed} == set(schemes)
    assert document["paths"]["/health"]["get"]["security"] == []


def test_proxy_works_around_any_application() -> None:
    async def tell(request: Request) -> JSONResponse:
        return JSONResponse([request.client.host if request.client else None, str(request.url)])

    inner = Starlette(routes=[Route("/x", tell)])
    proxied = Proxy(inner, trusted=["127.0.0.1"])
    client = TestClient(proxied, client=("127.0.0.1", 5), base_url="http://news.example")
    sent = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
    assert client.get("/x", headers=sent).json() == ["198.51.100.7", "https://news.example/x"]


# Settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server: {trusted_proxies: ['*']}", "not an address or a network"),
        ("server: {trusted_proxies: [proxy.example]}", "not an address or a network"),
        ("server: {root_path: parley}", "must start, not end, with /"),
        ("server: {root_path: /parley/}", "must start, not end, with /"),
        ("server: {root_path: '/par ley'}", "must start, not end, with /"),
        ("server: {root_path: '/..'}", "must start, not end, with /"),
        ("metrics: {port: 70000}", "65535"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "service.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        Settings.load(file=file)
