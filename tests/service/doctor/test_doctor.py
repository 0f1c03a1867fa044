"""`parley doctor`: each fault is found and reported with what to do, and nothing is changed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from typer.testing import CliRunner

from parley.model.comment import Article
from parley.service.commands.cli import app as parley
from parley.service.doctor.examine import CHECKS, examine
from parley.service.privacy import KeyedHashes
from parley.service.settings.schema import Access, Coral, Fetch, Server, Settings, Storage
from parley.service.store import articles, keys
from parley.service.store.database import HEAD, Store
from parley.service.store.feedback import Feedback, Suggestion


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def kept(folder: Path) -> Iterator[Store]:
    """A store with a key, a decision and an article."""
    store = Store.open(f"sqlite:///{folder / 'parley.db'}")
    keys.create(store, "comment system")
    articles.put(store, Article(id="a", title="Bridge to close"))
    feedback = Feedback(store, KeyedHashes(folder / "author-secret"), comments=True)
    feedback.keep([Suggestion(attribute="spam", value=1.0, text="Buy!", author="reader-7", comment_id="c")])
    yield store
    store.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_of(folder: Path, tiny_artifact: Path, **given: Any) -> Settings:
    return Settings(**{"store": Storage(folder=folder), "model": tiny_artifact, "port": free_port(), **given})


def findings_on(settings: Settings, subject: str, file: Path | None = None) -> list[tuple[str, str]]:
    """The state and the text of every finding about `subject`."""
    return [(f.state, f.told) for f in examine(settings, file=file) if f.subject == subject]


def test_a_good_installation_has_nothing_wrong(folder: Path, kept: Store, tiny_artifact: Path) -> None:
    findings = list(examine(settings_of(folder, tiny_artifact)))
    assert {finding.state for finding in findings} == {"ok"}, findings
    assert {finding.subject for finding in findings} == {"settings", *CHECKS}


def test_a_new_machine_has_warnings_only_and_stays_untouched(folder: Path, tiny_artifact: Path) -> None:
    findings = list(examine(settings_of(folder, tiny_artifact)))
    assert {f.subject for f in findings if f.state != "ok"} == {"keys"}
    assert "problem" not in {f.state for f in findings}
    assert not folder.exists()


def test_a_model_that_cannot_be_loaded_is_a_problem(folder: Path, tmp_path: Path) -> None:
    ((state, told),) = findings_on(settings_of(folder, tmp_path / "none"), "model")
    assert (state, "none" in told) == ("problem", True)


@pytest.mark.parametrize(("schema", "state"), [("0001", "warning"), ("9999", "problem")])
def test_a_store_of_another_version_is_reported_and_not_migrated(
    folder: Path, kept: Store, tiny_artifact: Path, schema: str, state: str
) -> None:
    with kept.write() as connection:
        connection.execute(sa.text(f"UPDATE alembic_version SET version_num = '{schema}'"))
    ((found_state, told),) = findings_on(settings_of(folder, tiny_artifact), "store")
    assert (found_state, HEAD in told) == (state, True)
    assert kept.schema == schema


def test_a_store_that_is_not_a_database_is_a_problem(folder: Path, tiny_artifact: Path) -> None:
    folder.mkdir()
    (folder / "parley.db").write_bytes(b"not a database, " * 100)
    assert findings_on(settings_of(folder, tiny_artifact), "store")[0][0] == "problem"


def test_a_database_that_does_not_answer_is_a_problem(tiny_artifact: Path, folder: Path) -> None:
    storage = Storage(folder=folder, url=f"postgresql://parley:hidden@127.0.0.1:{free_port()}/parley")
    ((state, told),) = findings_on(settings_of(folder, tiny_artifact, store=storage), "store")
    assert (state, "hidden" in told) == ("problem", False)


def test_a_secret_that_is_missing_cut_or_open_is_a_problem(
    folder: Path, kept: Store, tiny_artifact: Path
) -> None:
    settings, secret = settings_of(folder, tiny_artifact), folder / "author-secret"
    secret.chmod(0o644)
    assert "chmod 600" in findings_on(settings, "secret")[0][1]
    secret.write_bytes(b"short")
    assert findings_on(settings, "secret")[0][0] == "problem"
    secret.unlink()
    ((state, told),) = findings_on(settings, "secret")
    assert (state, "2 rows" in told or "1 rows" in told) == ("problem", True)
    assert not secret.exists()


def test_keys_that_let_nobody_or_anybody_in_are_reported(
    folder: Path, kept: Store, tiny_artifact: Path
) -> None:
    keys.revoke(kept, keys.all_keys(kept)[0].id)
    assert findings_on(settings_of(folder, tiny_artifact), "keys")[0][0] == "problem"
    anybody = settings_of(folder, tiny_artifact, access=Access(anonymous=True))
    assert findings_on(anybody, "keys")[0][0] == "warning"
    elsewhere = settings_of(folder.parent / "new", tiny_artifact, host="0.0.0.0")
    assert findings_on(elsewhere, "keys")[0][0] == "problem"


@pytest.mark.parametrize(
    ("given", "state", "told"),
    [
        ({"server": Server(trusted_proxies=["0.0.0.0/0"])}, "problem", "any client"),
        ({"server": Server(trusted_proxies=["::/0"])}, "problem", "any client"),
        ({"public_url": "http://news.example"}, "warning", "unencrypted"),
        ({"public_url": "https://news.example", "server": Server(root_path="/p")}, "problem", "root_path"),
        ({"host": "0.0.0.0"}, "warning", "TLS"),
        ({"public_url": "https://news.example/p", "server": Server(root_path="/p")}, "ok", "none named"),
    ],
)
def test_the_proxy_settings_must_match_each_other(
    folder: Path, tiny_artifact: Path, given: dict[str, Any], state: str, told: str
) -> None:
    ((found_state, said),) = findings_on(settings_of(folder, tiny_artifact, **given), "proxy")
    assert (found_state, told in said) == (state, True), said


@pytest.mark.parametrize(
    ("body", "state"),
    [(b'{"status": "ok"}', "ok"), (b'{"status": "failed"}', "problem"), (b"<html>", "problem")],
)
def test_the_program_on_the_port_is_reported(
    folder: Path, tiny_artifact: Path, body: bytes, state: str
) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        settings = settings_of(folder, tiny_artifact, port=server.server_port)
        assert findings_on(settings, "port")[0][0] == state
        server.shutdown()


@pytest.mark.parametrize(("days", "state"), [(2, "problem"), (-100, "warning"), (-1, "ok")])
def test_a_clock_that_disagrees_with_the_store_is_reported(
    folder: Path, kept: Store, tiny_artifact: Path, days: int, state: str
) -> None:
    moment = (datetime.now(UTC) + timedelta(days=days)).replace(tzinfo=None).isoformat(" ")
    with kept.write() as connection:
        for table, column in (("articles", "updated"), ("suggestions", "created")):
            connection.execute(sa.text(f"UPDATE {table} SET {column} = '{moment}'"))
    assert findings_on(settings_of(folder, tiny_artifact), "clock")[0][0] == state


@pytest.mark.parametrize(("free", "state"), [(50, "problem"), (500, "warning"), (5000, "ok")])
def test_a_full_disk_is_reported(
    folder: Path, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free * 10**6}))
    assert findings_on(settings_of(folder, tiny_artifact), "disk")[0][0] == state


def test_missing_packages_that_the_settings_need_are_reported(
    folder: Path, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(folder, tiny_artifact, fetch=Fetch(hosts=["news.example"]))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ((state, told),) = findings_on(settings, "extras")
    assert (state, "parley-moderation[fetch]" in told) == ("problem", True)


def test_a_settings_file_with_secrets_must_be_private(
    folder: Path, tiny_artifact: Path, tmp_path: Path
) -> None:
    file = tmp_path / "service.yaml"
    file.write_text("")
    settings = settings_of(folder, tiny_artifact, coral=Coral(secrets=[SecretStr("empsec_" + "0" * 30)]))
    file.chmod(0o644)
    assert findings_on(settings, "settings", file)[0][0] == "warning"
    file.chmod(0o640)
    assert findings_on(settings, "settings", file)[0][0] == "ok"


def test_the_exit_status_follows_the_findings(
    folder: Path, kept: Store, tiny_artifact: Path, tmp_path: Path
) -> None:
    config = tmp_path / "service.yaml"
    lines = [f"store: {{folder: '{folder}'}}", f"model: '{tiny_artifact}'", f"port: {free_port()}"]
    config.write_text("\n".join(lines))
    result = CliRunner().invoke(parley, ["doctor", "--config", str(config)])
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == len(CHECKS) + 1
    (folder / "author-secret").unlink()
    result = CliRunner().invoke(parley, ["doctor", "--config", str(config)])
    assert result.exit_code == 1
    assert "PROBLEM secret:" in result.stdout
    config.write_text("prot: 1")
    assert CliRunner().invoke(parley, ["doctor", "--config", str(config)]).exit_code == 2
