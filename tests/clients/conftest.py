"""A real server, over HTTP and over TLS as commentanalyzer.googleapis.com, and clients in Node."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvicorn
from fastapi import FastAPI

from parley.service.settings.schema import Settings, Storage
from parley.service.store import keys
from parley.service.store.database import Store
from parley.service.web.app import create_app

HERE = Path(__file__).parent
HOST = "commentanalyzer.googleapis.com"


@dataclass(frozen=True)
class Server:
    """A running server with a key of its own."""

    url: str
    key: str
    app: FastAPI
    port: int


@contextmanager
def serving(app: FastAPI, **options: Any) -> Iterator[int]:
    """Serve `app` in a thread until the block ends; yields its free port when the model is loaded."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not server.started or app.state.service.batcher.state != "ready":
            assert time.monotonic() < deadline
            assert thread.is_alive()
            time.sleep(0.02)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


@pytest.fixture(scope="session")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a store, and its only key."""
    folder = tmp_path_factory.mktemp("clients")
    store = Store.open(f"sqlite:///{folder / 'parley.db'}")
    _, key = keys.create(store, "clients")
    store.close()
    return folder, key


@pytest.fixture(scope="session")
def server(tiny_artifact: Path, store_folder: tuple[Path, str]) -> Iterator[Server]:
    """Parley over HTTP; callers need the key."""
    folder, key = store_folder
    app = create_app(Settings(model=tiny_artifact, store=Storage(folder=folder)))
    with serving(app) as port:
        yield Server(url=f"http://127.0.0.1:{port}", key=key, app=app, port=port)


@dataclass(frozen=True)
class TlsServer:
    """A server with a certificate for HOST, issued by the authority in `ca`."""

    port: int
    key: str
    ca: Path


@pytest.fixture(scope="session")
def tls_server(
    tiny_artifact: Path, store_folder: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TlsServer]:
    """Parley as clients with a fixed address see it: at HOST, with a private authority."""
    folder, key = store_folder
    authority = trustme.CA()
    files = tmp_path_factory.mktemp("tls")
    certificate = authority.issue_cert(HOST)
    authority.cert_pem.write_to_path(str(files / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(files / "key.pem"))
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(str(files / "cert.pem"), append=True)
    app = create_app(Settings(model=tiny_artifact, store=Storage(folder=folder)))
    tls = {"ssl_certfile": str(files / "cert.pem"), "ssl_keyfile": str(files / "key.pem")}
    with serving(app, **tls) as port:
        yield TlsServer(port=port, key=key, ca=files / "ca.pem")


def run_node(*arguments: str, **environment: str) -> Any:
    """What a script in this folder prints, parsed as JSON."""
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules" / "googleapis-common").is_dir():
        pytest.skip("the Node clients are not installed: npm ci --prefix tests/clients")
    done = subprocess.run(
        [node, *arguments],
        cwd=HERE,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
