"""The desk over HTTP: a running application with the tiny model, and a browser-like client."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from parley.service.privacy import KeyedHashes
from parley.service.settings.schema import Settings, Storage
from parley.service.web.app import create_app
from parley.service.web.context import Service
from tests.service.conftest import wait_until_ready

LOCAL: dict[str, Any] = {
    "base_url": "http://127.0.0.1:8000",
    "client": ("127.0.0.1", 50000),
    "follow_redirects": True,
}


class Desk:
    """A client with the token of its session."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.service: Service = client.app.state.service  # type: ignore[attr-defined]
        self.hashes = KeyedHashes(self.service.settings.store.author_secret)
        self._stopped = False

    def stop(self) -> None:
        """Stop the server, once."""
        if not self._stopped:
            self._stopped = True
            self.client.__exit__(None, None, None)

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.client.get("/desk/uploads").text)
        assert found
        return found[1]

    def get(self, path: str, **named: Any) -> Any:
        return self.client.get(path, **named)

    def post(self, path: str, data: dict[str, Any] | None = None, **named: Any) -> Any:
        return self.client.post(path, data={"csrf": self.csrf, **(data or {})}, **named)


@pytest.fixture
def hashes(tmp_path: Path) -> KeyedHashes:
    return KeyedHashes(tmp_path / "author-secret")


def start_desk(settings: Settings) -> Desk:
    """A desk with these settings, once its model is loaded."""
    client = TestClient(create_app(settings), **LOCAL)
    client.__enter__()
    desk = Desk(client)
    try:
        wait_until_ready(client)
    except BaseException:
        desk.stop()
        raise
    return desk


@pytest.fixture
def make_desk(
    tiny_artifact: Path, empty_store: Path, tmp_path: Path, store_url: str | None
) -> Iterator[Callable[..., Desk]]:
    """Makes desks with settings of their own, on one store: of SQLite, then of PostgreSQL."""
    open_desks: list[Desk] = []

    def make(*, queue: bool = True, **settings: Any) -> Desk:
        store = Storage(folder=tmp_path, queue=queue, url=store_url)
        if store_url is None and not (tmp_path / empty_store.name).exists():
            shutil.copy(empty_store, tmp_path)
        open_desks.append(start_desk(Settings(model=tiny_artifact, store=store, **settings)))
        return open_desks[-1]

    yield make
    for made in open_desks:
        made.stop()


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    """A desk that stores incoming comments."""
    return make_desk()
