"""Debian programs that check the files in `deploy`, and a real server to put behind proxies."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PARLEY = (sys.executable, "-m", "parley.service.commands.cli")


def program(name: str, package: str) -> str:
    """The program's path; without it the test is skipped, but in CI it fails: .ci/run installs it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found:
        return found
    reason = f"{name} is not installed (Debian: {package})"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def run(*arguments: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with stdout and stderr in one."""
    return subprocess.run(
        list(map(str, arguments)),
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def free_port() -> int:
    """A port that nobody is listening on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    """Return once `url` answers anything but 502 and 503; fail if the process ends first."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in (502, 503):
                return
        except OSError:
            pass
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    pytest.fail(f"{url} doesn't answer")


Start = Callable[..., "Site"]


class Site:
    """A running `parley serve` in a folder of its own."""

    def __init__(self, folder: Path, model: Path, **settings: object) -> None:
        self.port, self.log = free_port(), folder / "log"
        self.config = folder / "service.yaml"
        kept = {"store": {"folder": str(folder / "kept")}, "model": str(model), "threads": 1}
        self.config.write_text(yaml.safe_dump({**kept, "port": self.port, **settings}), encoding="utf-8")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*PARLEY, "serve", "--config", str(self.config)], stdout=log, stderr=log, text=True
            )
        self.url = f"http://127.0.0.1:{self.port}"

    def key(self) -> str:
        """A new API key."""
        done = subprocess.run(
            [*PARLEY, "keys", "create", "test", "--config", str(self.config)],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()


@pytest.fixture
def serve(tmp_path: Path, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a server with these settings, on the tiny artifact or another; it ends with the test."""
    for name in [name for name in os.environ if name.startswith("PARLEY_")]:
        monkeypatch.delenv(name)
    sites: list[Site] = []

    def start(model: Path = tiny_artifact, **settings: object) -> Site:
        site = Site(tmp_path, model, **settings)
        sites.append(site)
        wait_for(f"{site.url}/health", site.process)
        return site

    yield start
    for site in sites:
        site.process.terminate()
        site.process.wait(20)


@pytest.fixture
def background() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a program that runs until the test ends."""
    started: list[subprocess.Popen[str]] = []

    def start(*command: str | Path, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            list(map(str, command)),
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=20)
