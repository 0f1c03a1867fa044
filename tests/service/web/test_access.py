"""Who may call: keys, rates, and when the service refuses to listen."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from parley.model import Classifier
from parley.service import logs
from parley.service.commands.cli import app as parley
from parley.service.errors import InvalidKey, MissingKey, StartError
from parley.service.settings.schema import Access, Settings, Storage
from parley.service.store import keys
from parley.service.store.database import Store
from parley.service.web import access
from parley.service.web.access import Gate, check_exposure, is_loopback
from parley.service.web.app import create_app
from tests.service.conftest import wait_until_ready

COMMENT = {"comments": [{"text": "a good plan"}]}


def settings_of(tmp_path: Path, **access: object) -> Settings:
    return Settings(store=Storage(folder=tmp_path), access=Access.model_validate(access))


@pytest.fixture
def guarded(tmp_path: Path, store: Store, classifier: Classifier) -> Iterator[tuple[TestClient, str]]:
    """A service with one key of three requests a minute, and the key."""
    _, secret = keys.create(store, "test", rate="3/minute")
    with TestClient(create_app(settings_of(tmp_path), load=lambda: classifier)) as client:
        wait_until_ready(client)
        yield client, secret


def test_open_on_loopback_until_there_is_a_key(store: Store) -> None:
    gate = Gate(store, anonymous=False, loopback=True, rate="1/minute")
    assert gate.identify(None, "127.0.0.1").identity is None
    assert gate.identify("whatever a client sends", "127.0.0.1").identity is None
    keys.create(store, "first")
    gate.refresh()
    with pytest.raises(MissingKey):
        gate.identify(None, "127.0.0.1")


def test_revoking_the_last_key_does_not_open_loopback_again(store: Store) -> None:
    key, secret = keys.create(store, "leaked")
    keys.revoke(store, key.id)
    gate = Gate(store, anonymous=False, loopback=True, rate=None)
    with pytest.raises(MissingKey):
        gate.identify(None, "127.0.0.1")
    with pytest.raises(InvalidKey):
        gate.identify(secret, "127.0.0.1")


def test_closed_elsewhere_even_when_the_last_key_is_revoked(store: Store) -> None:
    key, secret = keys.create(store, "only")
    gate = Gate(store, anonymous=False, loopback=False, rate=None)
    assert gate.identify(secret, "198.51.100.7").key_id == key.id
    keys.revoke(store, key.id)
    gate.refresh()
    with pytest.raises(InvalidKey):
        gate.identify(secret, "198.51.100.7")


def test_anonymous_callers_share_a_rate_by_address(store: Store) -> None:
    gate = Gate(store, anonymous=True, loopback=False, rate="2/minute")
    used = [gate.count(gate.identify(None, address)) for address in ("a", "a", "b", "a")]
    assert [usage.exceeded for usage in used if usage] == [False, False, False, True]


@pytest.mark.parametrize(
    "sent",
    [
        {"headers": {"Authorization": "Bearer KEY"}},
        {"headers": {"authorization": "bearer KEY"}},
        {"headers": {"X-API-KEY": "KEY"}},
        {"headers": {"x-goog-api-key": "KEY"}},
        {"params": {"key": "KEY", "alt": "json"}},
        {"params": {"key": "KEY"}, "headers": {"Authorization": "Bearer an-oauth-token"}},
        {"headers": {"X-API-KEY": "KEY", "Authorization": "Bearer a-proxy-login"}},
    ],
)
def test_key_is_taken_from_every_place_that_clients_use(
    guarded: tuple[TestClient, str], sent: dict[str, Any]
) -> None:
    client, secret = guarded
    filled: dict[str, Any] = {
        place: {k: v.replace("KEY", secret) for k, v in values.items()} for place, values in sent.items()
    }
    assert client.post("/v1/classify", json=COMMENT, **filled).status_code == 200
    refused = client.post("/v1/classify", json=COMMENT, **sent)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_key")


def test_without_a_key_nothing_but_probes_and_documents_answer(guarded: tuple[TestClient, str]) -> None:
    client, _ = guarded
    for path in ("/health", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 200
    for path in ("/metrics", "/v1/articles/a", "/nowhere"):
        refused = client.get(path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "missing_key")
        assert refused.headers["WWW-Authenticate"] == "Bearer"


def test_rate_is_reported_and_enforced(guarded: tuple[TestClient, str]) -> None:
    client, secret = guarded
    answers = [client.get("/metrics", headers={"X-API-KEY": secret}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"3"}
    assert 0 < int(answers[3].headers["Retry-After"]) <= 60
    assert answers[3].headers["RateLimit-Reset"] == answers[3].headers["Retry-After"]
    assert answers[3].json()["error"]["code"] == "rate_limited"


def test_running_service_notices_new_keys(
    guarded: tuple[TestClient, str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, secret = guarded
    monkeypatch.setattr(access, "FRESH_S", 0.0)
    _, second = keys.create(store, "second")
    assert client.get("/metrics", headers={"X-API-KEY": second}).status_code == 200
    keys.revoke(store, keys.all_keys(store)[0].id)
    assert client.get("/metrics", headers={"X-API-KEY": secret}).status_code == 401


def test_no_key_is_ever_logged_or_echoed(
    guarded: tuple[TestClient, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, secret = guarded
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("debug")
    try:
        wrong = "parley_not-a-key-of-ours"
        told = [client.get(f"/metrics?key={key}").text for key in (secret, wrong)]
        told.append(client.post("/v1/classify", content=b"{", headers={"X-API-KEY": secret}).text)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    # The test client logs its requests too; a real client has its own log.
    logged = "\n".join(line for line in stream.getvalue().splitlines() if '"logger": "httpx' not in line)
    assert '"route": "/metrics"' in logged
    assert '"key_id": "' in logged
    for text in (logged, *told[1:]):
        assert secret not in text
        assert wrong not in text


# Where it listens


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("", False),
        ("192.0.2.1", False),
    ],
)
def test_loopback_is_recognised(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_another_address_needs_a_key_or_permission(store: Store, tmp_path: Path) -> None:
    public = settings_of(tmp_path).model_copy(update={"host": "0.0.0.0"})
    with pytest.raises(StartError, match="parley keys create"):
        check_exposure(public, store)
    check_exposure(public.model_copy(update={"host": "127.0.0.1"}), store)
    check_exposure(public.model_copy(update={"access": Access(anonymous=True)}), store)
    keys.create(store, "first")
    check_exposure(public, store)


# The commands


def call(tmp_path: Path, *arguments: str) -> tuple[int, str, str]:
    config = tmp_path / "service.yaml"
    config.write_text(f"store: {{folder: '{tmp_path}'}}\n", encoding="utf-8")
    result = CliRunner().invoke(parley, [*arguments, "--config", str(config)])
    return result.exit_code, result.stdout, result.stderr


def test_keys_are_created_listed_and_revoked(tmp_path: Path, store: Store) -> None:
    status, secret, told = call(tmp_path, "keys", "create", "comment system", "--rate", "60/minute")
    assert status == 0
    (key,) = keys.active(store).values()
    assert keys.hash_of(secret.strip()) in keys.active(store)
    assert key.id in told
    status, table, _ = call(tmp_path, "keys", "list")
    assert key.id in table
    assert "60/minute" in table
    assert secret.strip() not in table
    assert call(tmp_path, "keys", "revoke", key.id)[0] == 0
    assert not keys.active(store)


def test_key_commands_refuse_invalid_arguments(tmp_path: Path) -> None:
    for rate in ("often", "10/second;100/minute", "0/minute"):
        assert call(tmp_path, "keys", "create", "x", "--rate", rate)[0] == 2
    status, _, told = call(tmp_path, "keys", "revoke", "nothing")
    assert (status, "no active key has the id nothing" in told) == (2, True)
    assert "parley keys create" in call(tmp_path, "keys", "list")[2]
