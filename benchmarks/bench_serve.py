"""How the server stands a steady load, and four times what it can carry.

    python -m benchmarks.bench_serve --seconds 30        # or: make bench-serve

Single comments, all different, under articles that the server knows, with title and text, go to Coral's phase
(signed) and to Perspective's analyze: toxicity, off-topic and stance are judged. At 50 requests a second: p50
and p99 of the answers. Then, for each, what it carries when callers ask as fast as they get answers, and four
times that: how many requests are refused (429) and how soon, and the p99 of those that are accepted.

Requests leave at even distances, whether or not earlier ones are answered, so that a slow answer doesn't hold
the load back; those of the first two seconds are not counted. They come from autocannon (`npm ci --prefix
tests/clients`) on the same machine, which takes its share of the cores.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.comments import made_comments, sentences
from benchmarks.server import free_port, served

HERE = Path(__file__).parent
MODULES = HERE.parent / "tests" / "clients" / "node_modules"
STEADY = 50
OVERLOAD = 4
CALLERS = 3
"""So few are hardly ever refused: one has its turn, two wait for theirs."""
TARGET_MS = 100
COMMENTS = 3000
STORIES = [f"https://news.example/story-{number}" for number in range(20)]
ARTICLE_WORDS = 300
SECRET = "empsec_" + "0" * 64


@dataclass(frozen=True, slots=True)
class Load:
    """How an address answered; times in milliseconds, None without any."""

    accepted: int
    refused: int
    failed: int
    p50: float | None
    p99: float | None
    """Of accepted requests."""
    refused_p99: float | None
    seconds: float

    @property
    def answered(self) -> int:
        """Accepted or not."""
        return self.accepted + self.refused + self.failed

    @property
    def carried(self) -> float:
        """Accepted requests a second."""
        return self.accepted / self.seconds

    @property
    def met(self) -> bool:
        """Whether those accepted were answered in time, and nothing failed."""
        return self.p99 is not None and self.p99 < TARGET_MS and not self.failed

    def __str__(self) -> str:
        if self.p50 is None or self.p99 is None:
            return f"none of {self.answered} accepted"
        told = f"p50 {self.p50:.1f} ms, p99 {self.p99:.1f} ms of {self.accepted} accepted"
        if self.refused_p99 is not None:
            told += f"; {self.refused / self.answered:.1%} refused (429), p99 {self.refused_p99:.1f} ms"
        return f"{told}; {self.failed} FAILED" if self.failed else told


def requests() -> Mapping[str, list[dict[str, Any]]]:
    """Path to its requests, a different comment each."""
    coral, perspective = [], []
    asked: dict[str, Any] = {"TOXICITY": {}, "OFF_TOPIC": {}, "STANCE_AGAINST": {}}
    for number, text in enumerate(made_comments(COMMENTS)):
        url = STORIES[number % len(STORIES)]
        comment = {"body": f"<div>{text}</div>", "parentID": None}
        story = {"id": f"story-{number % len(STORIES)}", "url": url}
        coral.append({"action": "NEW", "comment": comment, "author": {"id": str(number)}, "story": story})
        perspective.append(
            {
                "comment": {"text": text},
                "requestedAttributes": asked,
                "context": {"entries": [{"text": url}]},
                "languages": ["en"],
            }
        )
    return {
        "/coral/phase": [_request(body, sign=True) for body in coral],
        "/v1alpha1/comments:analyze": [_request(body, sign=False) for body in perspective],
    }


def _request(body: dict[str, Any], *, sign: bool) -> dict[str, Any]:
    raw = json.dumps(body, indent=2)
    headers = {"Content-Type": "application/json"}
    if sign:
        signature = hmac.new(SECRET.encode(), raw.encode(), hashlib.sha256).hexdigest()
        headers["X-Coral-Signature"] = f"sha256={signature}"
    return {"headers": headers, "body": raw}


def put_articles(port: int) -> None:
    """Keep the stories' articles, so that off-topic and stance are judged."""
    chance = random.Random(2)
    for url in STORIES:
        title = " ".join(sentences(chance, 9))
        text = " ".join(sentences(chance, ARTICLE_WORDS))
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/articles/{url}",
            data=json.dumps({"title": title, "text": text}).encode(),
            headers={"Content-Type": "application/json"},
            method="PUT",
        )
        urllib.request.urlopen(request, timeout=30).close()


def put_load(url: str, file: Path, *, rate: int = 0, callers: int = 0, seconds: int) -> Load:
    """Ask `url` for `seconds` at `rate` requests a second, or as fast as `callers` get answers."""
    command = ["node", str(HERE / "load.js"), url, str(file), str(rate), str(callers), str(seconds)]
    done = subprocess.run(
        command, env=os.environ | {"NODE_PATH": str(MODULES)}, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"autocannon failed: {done.stderr}")
    return Load(**json.loads(done.stdout))


def measure(url: str, file: Path, *, seconds: int) -> list[Load]:
    """Print what `url` does under the three loads, and give those that have a target."""
    put_load(url, file, rate=STEADY, seconds=4)  # warm up
    steady = put_load(url, file, rate=STEADY, seconds=seconds)
    print(f"  {STEADY}/s: {steady}; {_verdict(steady.met and not steady.refused)}", flush=True)
    most = put_load(url, file, callers=CALLERS, seconds=max(2, seconds // 2))
    print(f"  {CALLERS} callers at once: {most.carried:.0f}/s carried, {most}", flush=True)
    rate = round(OVERLOAD * most.carried)
    over = put_load(url, file, rate=rate, seconds=seconds)
    print(f"  {rate}/s, {OVERLOAD} times that: {over.carried:.0f}/s carried, {over}; {_verdict(over.met)}")
    if over.answered < 0.95 * rate * seconds:
        print(f"  (only {over.answered / seconds:.0f}/s could be sent: answers took more than a second)")
    return [steady, over]


def _verdict(met: bool) -> str:
    return f"target p99 < {TARGET_MS} ms {'met' if met else 'MISSED'}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=30, help="length of each load (30)")
    parser.add_argument("--model", type=Path, help="folder of the artifact; the one that comes with Parley")
    options = parser.parse_args(arguments)
    if shutil.which("node") is None or not (MODULES / "autocannon").is_dir():
        sys.exit(
            "autocannon is not installed: install Node.js and npm, then run npm ci --prefix tests/clients"
        )
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "service.yaml"
        settings = {"port": port, "store": {"folder": folder}, "coral": {"secrets": [SECRET]}}
        config.write_text(json.dumps(settings), encoding="utf-8")
        command = [sys.executable, "-m", "parley.service.commands.cli", "serve", "--config", str(config)]
        command += ["--model", str(options.model)] if options.model else []
        with served(command, port, cwd=HERE.parent, patience=120):
            put_articles(port)
            for path, sent in requests().items():
                file = Path(folder) / "requests.json"
                file.write_text(json.dumps(sent), encoding="utf-8")
                print(path, flush=True)
                measure(f"http://127.0.0.1:{port}{path}", file, seconds=options.seconds)


if __name__ == "__main__":
    main()
