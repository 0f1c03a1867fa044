"""The server is killed in the middle of the work: no decision that it answered is lost."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx2 as httpx

from parley.service.privacy import KeyedHashes
from parley.service.store.database import Store
from parley.service.store.desk import decisions
from tests.service.desk.comments import arrived, fill

BEFORE = 12
"""Decisions before the kill."""


def test_no_acknowledged_decision_is_lost(tiny_artifact: Path, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'parley.db'}")
    fill(store, KeyedHashes(tmp_path / "author-secret"), [arrived(str(n)) for n in range(40)])
    config = tmp_path / "service.yaml"
    config.write_text(f"store: {{folder: {tmp_path}, queue: true}}\nmodel: {tiny_artifact}\nport: 0\n")
    command = [sys.executable, "-m", "parley.service.commands.cli", "serve", "--config", str(config)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout
    acknowledged: list[int] = []
    try:
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found
        with httpx.Client(base_url=found[0], follow_redirects=True, timeout=60) as client:
            token = re.search(r'name="csrf" value="([^"]+)"', client.get("/desk/queue").text)
            assert token
            page = client.post("/desk/next", data={"csrf": token[1]})
            while len(acknowledged) < BEFORE:
                item = int(page.url.path.split("/")[-1])
                page = client.post(f"/desk/comments/{item}", data={"csrf": token[1], "action": "approve"})
                assert page.status_code == 200
                acknowledged.append(item)
    finally:
        server.kill()
        server.wait(30)
        server.stdout.close()
    assert [row["item_id"] for row in decisions.log(store)] == acknowledged
    store.close()
