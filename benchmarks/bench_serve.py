"""How the server stands a steady load, and four times what it can carry.

    python -m benchmarks.bench_serve --seconds 20        # or: make bench-serve

Single comments, all different, go to Coral's phase and to Perspective's analyze at 50 requests a second: p50
and p99 of the answers. Then, for each, what it carries when 16 callers ask as fast as they get answers, and
four times that: how many requests are refused (429) at once, and the p99 of those that are accepted. The load
comes from autocannon (`npm ci --prefix tests/clients`), from the same machine and its cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.comments import made_comments
from benchmarks.server import free_port, served

HERE = Path(__file__).parent
MODULES = HERE.parent / "tests" / "clients" / "node_modules"
STEADY = 50
TARGET_MS = 100
COMMENTS = 500
STORY = {"id": "story-1", "url": "https://news.example/bus-lanes"}
ARTICLE = "Council votes for bus lanes on Harbour Road"


@dataclass(frozen=True, slots=True)
class Load:
    """How an address answered; times in milliseconds, of accepted requests; None without any."""

    accepted: int
    refused: int
    failed: int
    p50: float | None
    p99: float | None
    seconds: float

    @property
    def carried(self) -> float:
        """Accepted requests a second."""
        return self.accepted / self.seconds


def bodies() -> Mapping[str, list[dict[str, Any]]]:
    """Path to its request bodies, a different comment each."""
    texts = list(made_comments(COMMENTS))
    context = {"entries": [{"text": ARTICLE}]}
    asked: dict[str, Any] = {"TOXICITY": {}, "OFF_TOPIC": {}}
    return {
        "/coral/phase": [
            {"action": "NEW", "comment": {"body": f"<div>{text}</div>", "parentID": None}, "story": STORY}
            for text in texts
        ],
        "/v1alpha1/comments:analyze": [
            {"comment": {"text": text}, "requestedAttributes": asked, "context": context, "languages": ["en"]}
            for text in texts
        ],
    }


def put_article(port: int) -> None:
    """Keep the story's article, so that off-topic is judged in Coral's phase as well."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/articles/{STORY['id']}",
        data=json.dumps({"title": ARTICLE}).encode(),
        headers={"Content-Type": "application/json"},
        method="PUT",
    )
    urllib.request.urlopen(request, timeout=30).close()


def put_load(url: str, file: Path, *, rate: int, connections: int, seconds: int) -> Load:
    """Ask `url` for `seconds` at `rate` requests a second (0: as fast as `connections` get answers)."""
    command = ["node", str(HERE / "load.js"), url, str(file), str(rate), str(connections), str(seconds)]
    done = subprocess.run(
        command, env=os.environ | {"NODE_PATH": str(MODULES)}, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"autocannon failed: {done.stderr}")
    return Load(**json.loads(done.stdout))


def measure(url: str, file: Path, *, seconds: int) -> None:
    """Print what `url` does under the three loads."""
    put_load(url, file, rate=STEADY, connections=4, seconds=2)  # warm up
    steady = put_load(url, file, rate=STEADY, connections=20, seconds=seconds)
    met = steady.p99 is not None and steady.p99 < TARGET_MS and not steady.refused
    verdict = "met" if met else "MISSED"
    print(f"  {STEADY}/s: {_say(steady)}; target p99 < {TARGET_MS} ms {verdict}")
    most = put_load(url, file, rate=0, connections=16, seconds=seconds)
    print(f"  16 callers at once: {most.carried:.0f}/s carried, {_say(most)}")
    rate = round(4 * most.carried)
    over = put_load(url, file, rate=rate, connections=400, seconds=seconds)
    print(f"  {rate}/s, four times that: {over.carried:.0f}/s carried, {_say(over)}")


def _say(load: Load) -> str:
    total = load.accepted + load.refused + load.failed
    if load.p50 is None or load.p99 is None:
        return f"none of {total} accepted"
    failed = f", {load.failed} FAILED" if load.failed else ""
    refused = f"{load.refused / total:.0%} refused (429)"
    return f"p50 {load.p50:.1f} ms, p99 {load.p99:.1f} ms of {load.accepted} accepted, {refused}{failed}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=20, help="length of each load (20)")
    parser.add_argument("--model", type=Path, help="folder of the artifact; the one that comes with Parley")
    options = parser.parse_args()
    if shutil.which("node") is None or not (MODULES / "autocannon").is_dir():
        sys.exit(
            "autocannon is not installed: install Node.js and npm, then run npm ci --prefix tests/clients"
        )
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "service.yaml"
        config.write_text(json.dumps({"port": port, "store": {"folder": folder}}), encoding="utf-8")
        command = [sys.executable, "-m", "service.cli", "serve", "--config", str(config)]
        command += ["--model", str(options.model)] if options.model else []
        with served(command, port, cwd=HERE.parent, patience=120):
            put_article(port)
            for path, sent in bodies().items():
                file = Path(folder) / "bodies.json"
                file.write_text(json.dumps(sent), encoding="utf-8")
                print(path, flush=True)
                measure(f"http://127.0.0.1:{port}{path}", file, seconds=options.seconds)


if __name__ == "__main__":
    main()
