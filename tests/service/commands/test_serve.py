"""`parley serve` as a user runs it: its own process, a real socket, signals; and related commands."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from parley import __version__
from parley.service.commands import cli
from parley.service.commands.serve import serve

PARLEY = (sys.executable, "-m", "parley.service.commands.cli")
ROOT = Path(__file__).parents[3]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*PARLEY, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def server(tiny_artifact: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A ready server on a free port, and its address."""
    command = [*PARLEY, "serve", "--port", "0", "--model", str(tiny_artifact), "--threads", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        found = re.search(r"Parley serves .+ at (http://127\.0\.0\.1:\d+)$", ready.strip())
        assert found, ready + process.communicate(timeout=10)[1]
        assert f"{found[1]}/docs" in process.stdout.readline()
        yield process, found[1]
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_serves_until_it_is_interrupted(server: tuple[subprocess.Popen[str], str]) -> None:
    process, address = server
    with urllib.request.urlopen(f"{address}/health", timeout=10) as health:
        assert json.load(health)["status"] == "ok"
    probe = urllib.request.Request(f"{address}/health", method="HEAD")
    with urllib.request.urlopen(probe, timeout=10) as head:
        assert (head.status, head.read()) == (200, b"")
    text = "Quillfeather says that buses are fine."
    body = json.dumps({"comments": [{"id": "1", "text": text}]}).encode()
    request = urllib.request.Request(f"{address}/v1/classify", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        assert [r["id"] for r in json.load(response)["results"]] == ["1"]

    large = urllib.request.Request(f"{address}/v1/classify", b"x" * 12_000_000)
    with pytest.raises(urllib.error.HTTPError) as refused:  # an answer, not a reset connection
        urllib.request.urlopen(large, timeout=30)
    assert refused.value.code == 413
    refused.value.close()
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=30) as endless:
        endless.sendall(b"GET /health HTTP/1.1\r\nX-Long: " + b"x" * 200_000)
        assert endless.recv(12) == b"HTTP/1.1 400"
    # Java's client offers HTTP/2 in its first request, and then uses the same connection.
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAEAAEAAAAIAAAAB"}
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    for headers in (offer, {}, offer):
        connection.request("POST", "/v1/classify", body, {"Content-Type": "application/json"} | headers)
        with connection.getresponse() as response:
            assert [r["id"] for r in json.load(response)["results"]] == ["1"]
    connection.close()

    taken = run("serve", "--port", address.rpartition(":")[2])
    assert taken.returncode == 1

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "Quillfeather" not in err
    events = [json.loads(line)["event"] for line in err.splitlines() if line.startswith("{")]
    assert {"model_loaded", "request"} <= set(events)


def test_a_port_in_use_is_reported(tiny_artifact: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = run("serve", "--port", str(port), "--model", str(tiny_artifact))
    assert ended.returncode == 1
    told = f"Error: 127.0.0.1:{port} is taken by another program: stop it, or choose another with --port\n"
    assert ended.stderr.endswith(told)
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--model", "nowhere"], 1, "no model to serve: nowhere is not a folder"),
        (["--host", "192.0.2.1"], 1, "192.0.2.1"),
        (["--host", "no.such.host.invalid"], 1, "no.such.host.invalid is not an address"),
        (["--port", "many"], 2, "--port"),
        (["--port", "70000"], 2, "--port: "),
        (["--log-level", "loud"], 2, "--log-level: "),
        (["--policy", "nope"], 2, "nope"),
        (["--config", "nowhere.yaml"], 2, "nowhere.yaml can't be read"),
    ],
)
def test_what_prevents_a_start_is_reported_without_a_traceback(
    tiny_artifact: Path, arguments: list[str], status: int, message: str
) -> None:
    given = [] if "--model" in arguments else ["--model", str(tiny_artifact)]
    ended = run("serve", *given, *arguments)
    assert ended.returncode == status, ended.stderr
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_model_that_cannot_be_loaded_ends_the_server(tiny_artifact: Path, tmp_path: Path) -> None:
    for file in tiny_artifact.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "pairs.onnx").write_bytes(b"not a network")
    ended = run("serve", "--port", "0", "--model", str(tmp_path))
    assert ended.returncode == 1
    assert "Error: the model can't be loaded" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_version_and_help() -> None:
    assert run("--version").stdout == f"parley {__version__}\n"
    shown = run("--help")
    assert shown.returncode == 0
    assert "serve" in shown.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, parley.service.commands.cli as cli; cli.add_plugins(cli.app);"
        "print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    heavy = {"fastapi", "numpy", "onnxruntime", "pyarrow", "pydantic", "sqlalchemy", "torch", "uvicorn"}
    assert heavy & set(loaded) == set()


def test_commands_of_other_packages_are_found_and_a_broken_one_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    added = typer.Typer()

    @added.command()
    def shout() -> None:
        typer.echo("HERE")

    def fail() -> typer.Typer:
        raise ImportError("no such module")

    points = [
        SimpleNamespace(value="broken.cli:app", load=fail),
        SimpleNamespace(value="added.cli:app", load=lambda: added),
    ]
    monkeypatch.setattr(cli, "entry_points", lambda *, group: points if group == "parley.commands" else [])
    app = typer.Typer()
    app.command()(serve)
    cli.add_plugins(app)
    runner = CliRunner()
    assert runner.invoke(app, ["shout"]).output == "HERE\n"
    assert runner.invoke(app, ["serve", "--help"]).exit_code == 0
