"""The server is killed while moderators work: no acknowledged decision is lost."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress
from multiprocessing.pool import ThreadPool
from pathlib import Path

import httpx2 as httpx
import pytest
import sqlalchemy as sa

from parley.service.privacy import KeyedHashes
from parley.service.store.database import Store
from parley.service.store.desk import decisions
from parley.service.store.desk.tables import queue_items
from tests.service.desk.comments import arrived, fill

BEFORE = 12
"""Decisions before the kill."""
COMMENTS = 60


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_no_acknowledged_decision_is_lost(
    tiny_artifact: Path, tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    """Two moderators work; meanwhile the server is killed and restarted."""
    of_postgres = database == "postgres"
    url = request.getfixturevalue("postgres_url") if of_postgres else f"sqlite:///{tmp_path / 'parley.db'}"
    store = Store.open(url)
    try:
        fill(store, KeyedHashes(tmp_path / "author-secret"), [arrived(str(n)) for n in range(COMMENTS)])
        config = tmp_path / "service.yaml"
        kept = f"store: {{folder: {tmp_path}, url: '{url}', queue: true}}"
        config.write_text(f"{kept}\nmodel: {tiny_artifact}\nport: 0\n")
        first = work(config, stop_after=BEFORE)
        logged = [row["item_id"] for row in decisions.log(store)]
        assert BEFORE <= len(first) < COMMENTS
        assert set(first) <= set(logged), "acknowledged and lost"
        assert len(logged) <= len(first) + 2, "each moderator may have had one decision in flight"
        with store.write() as connection:
            connection.execute(sa.update(queue_items).values(lease_until=None, lease_by=None))
        second = work(config)
        logged = [row["item_id"] for row in decisions.log(store)]
        assert len(logged) == len(set(logged)) == COMMENTS, "each is decided once"
        assert {*first, *second} <= set(logged)
    finally:
        if of_postgres:
            with store.write() as connection:
                connection.exec_driver_sql("DROP SCHEMA public CASCADE")
                connection.exec_driver_sql("CREATE SCHEMA public")
        store.close()


def work(config: Path, *, stop_after: int | None = None) -> list[int]:
    """The acknowledged decisions of two moderators, until nothing is left or the server is killed."""
    command = [sys.executable, "-m", "parley.service.commands.cli", "serve", "--config", str(config)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout
    acknowledged: list[int] = []

    def decide(address: str) -> None:
        with (
            suppress(httpx.TransportError),
            httpx.Client(base_url=address, follow_redirects=True, timeout=60) as client,
        ):
            token = re.search(r'name="csrf" value="([^"]+)"', client.get("/desk/queue").text)
            assert token
            form = {"csrf": token[1], "action": "approve"}
            page = client.post("/desk/next", data=form)
            while "/desk/comments/" in page.url.path:
                item = int(page.url.path.split("/")[-1])
                answer = client.post(f"/desk/comments/{item}", data=form, follow_redirects=False)
                assert answer.status_code == 303
                acknowledged.append(item)
                if stop_after is not None and len(acknowledged) >= stop_after:
                    server.kill()
                page = client.get(answer.headers["location"])

    try:
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found
        with ThreadPool(2) as pool:
            pool.map(decide, [found[0]] * 2)
    finally:
        server.kill()
        server.wait(30)
        server.stdout.close()
    return acknowledged
