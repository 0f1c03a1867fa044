"""Starts a Parley server as a user would, sends it requests and stops it; shared by the measurements.

Needs only the standard library, so that it runs before anything is installed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REQUEST = {
    "comments": [
        {
            "text": "You are a complete idiot and nobody should listen to you.",
            "article": {"title": "Council votes to extend the tram line to the harbour"},
        }
    ]
}


def free_port() -> int:
    """A TCP port on 127.0.0.1 that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def ask(port: int, body: dict[str, Any] = REQUEST) -> dict[str, Any]:
    """POST to /v1/classify on 127.0.0.1 and return the answer. Raises OSError."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/classify",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        result: dict[str, Any] = json.load(answer)
    return result


@contextmanager
def served(
    command: Sequence[str], port: int, *, cwd: Path, patience: float
) -> Iterator[subprocess.Popen[bytes]]:
    """Start `command` in the folder `cwd`, wait until it answers a comment on `port`, and stop it at the end.

    Raises RuntimeError if the command exits or doesn't answer within `patience` seconds.
    """
    quiet = os.environ | {"PARLEY_LOG_LEVEL": "warning"}  # it gets many requests before it is ready
    process = subprocess.Popen(command, cwd=cwd, env=quiet, start_new_session=True)
    try:
        wait_for_answer(process, port, patience=patience)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def wait_for_answer(process: subprocess.Popen[bytes], port: int, *, patience: float) -> None:
    """Send a comment every 20 ms until one is answered."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server exited with status {process.returncode} before it answered")
        try:
            ask(port)
            return
        except urllib.error.HTTPError as error:
            if error.code != 503:  # 503: up, but the model is still loading
                raise RuntimeError(f"the server answered {error.code}: {error.read().decode()}") from error
        except OSError:
            pass
        time.sleep(0.02)
    raise RuntimeError(f"no answer within {patience:.0f} s")
