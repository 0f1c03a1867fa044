"""How the server copes with a steady load, and with four times its capacity.

    python -m benchmarks.bench_serve --seconds 30        # or: make bench-serve
    python -m benchmarks.bench_serve --cores 1 2 4       # the capacity table: comments a second by cores

Each request has one comment, all of them different, under an article whose title and text the server knows.
They go to Coral's moderation phase (signed) and to Perspective's analyze, so toxicity, off-topic and stance
are all judged. Measured for each: p50 and p99 at 50 requests a second; the capacity, with callers that send
their next request as soon as they have an answer; and at four times that capacity, how many requests are
refused (429), how fast, and the p99 of those accepted.

Requests are sent at a constant rate, whether or not earlier ones were answered, so that a slow answer doesn't
reduce the load; the first two seconds are not counted. autocannon sends them (`npm ci --prefix
tests/clients`) from the same machine, and takes its share of the cores.

`--cores` starts one server per number of cores, pinned to that many cores (Linux), and measures them in turn,
so that other work on the machine slows all of them alike. The table has the median of the rounds and the CPU
time per comment, which a busy machine affects less.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.comments import made_comments, sentences
from benchmarks.server import free_port, served

HERE = Path(__file__).parent
MODULES = HERE.parent / "tests" / "clients" / "node_modules"
STEADY = 50
OVERLOAD = 4
CALLERS = 3
"""Few enough to be hardly ever refused: one is being served, two wait."""
TARGET_MS = 100
COMMENTS = 3000
STORIES = [f"https://news.example/story-{number}" for number in range(20)]
ARTICLE_WORDS = 300
SECRET = "empsec_" + "0" * 64


@dataclass(frozen=True, slots=True)
class Load:
    """How a URL answered; times are in milliseconds, None if there are none."""

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
        """Answers of any kind: accepted, refused and failed."""
        return self.accepted + self.refused + self.failed

    @property
    def carried(self) -> float:
        """Accepted requests a second."""
        return self.accepted / self.seconds

    @property
    def met(self) -> bool:
        """Whether the accepted requests met the target and none failed."""
        return self.p99 is not None and self.p99 < TARGET_MS and not self.failed

    def __str__(self) -> str:
        if self.p50 is None or self.p99 is None:
            return f"none of {self.answered} accepted"
        summary = f"p50 {self.p50:.1f} ms, p99 {self.p99:.1f} ms of {self.accepted} accepted"
        if self.refused_p99 is not None:
            summary += f"; {self.refused / self.answered:.1%} refused (429), p99 {self.refused_p99:.1f} ms"
        return f"{summary}; {self.failed} FAILED" if self.failed else summary


def requests() -> Mapping[str, list[dict[str, Any]]]:
    """The requests by path, each with a different comment."""
    coral, perspective = [], []
    attributes: dict[str, Any] = {"TOXICITY": {}, "OFF_TOPIC": {}, "STANCE_AGAINST": {}}
    for number, text in enumerate(made_comments(COMMENTS)):
        url = STORIES[number % len(STORIES)]
        comment = {"body": f"<div>{text}</div>", "parentID": None}
        story = {"id": f"story-{number % len(STORIES)}", "url": url}
        coral.append({"action": "NEW", "comment": comment, "author": {"id": str(number)}, "story": story})
        perspective.append(
            {
                "comment": {"text": text},
                "requestedAttributes": attributes,
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
    """Store the stories' articles on the server, so that off-topic and stance are judged."""
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
    """Send requests to `url` for `seconds`: `rate` a second, or as fast as `callers` get their answers."""
    command = ["node", str(HERE / "load.js"), url, str(file), str(rate), str(callers), str(seconds)]
    done = subprocess.run(
        command, env=os.environ | {"NODE_PATH": str(MODULES)}, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"autocannon failed: {done.stderr}")
    return Load(**json.loads(done.stdout))


def measure(url: str, file: Path, *, seconds: int) -> list[Load]:
    """Print how `url` copes with the three loads, and return the two that have a target."""
    put_load(url, file, rate=STEADY, seconds=4)  # warm up
    steady = put_load(url, file, rate=STEADY, seconds=seconds)
    print(f"  {STEADY}/s: {steady}; {_verdict(steady.met and not steady.refused)}", flush=True)
    most = put_load(url, file, callers=CALLERS, seconds=max(2, seconds // 2))
    print(f"  {CALLERS} callers at once: capacity {most.carried:.0f}/s, {most}", flush=True)
    rate = round(OVERLOAD * most.carried)
    over = put_load(url, file, rate=rate, seconds=seconds)
    print(f"  {rate}/s, {OVERLOAD} times that: {over.carried:.0f}/s accepted, {over}; {_verdict(over.met)}")
    if over.answered < 0.95 * rate * seconds:
        print(f"  (only {over.answered / seconds:.0f}/s could be sent: answers took more than a second)")
    return [steady, over]


def _verdict(met: bool) -> str:
    return f"target p99 < {TARGET_MS} ms {'met' if met else 'MISSED'}"


@contextmanager
def server(folder: Path, model: Path | None, *, cores: int | None = None) -> Iterator[int]:
    """A running server that knows the stories' articles, on `cores` cores (default: all); yields its port."""
    port = free_port()
    config = folder / f"service-{port}.yaml"
    settings = {"port": port, "store": {"folder": str(folder / str(port))}, "coral": {"secrets": [SECRET]}}
    config.write_text(json.dumps(settings), encoding="utf-8")
    command = [] if cores is None else ["taskset", "--cpu-list", _first(cores)]
    command += [sys.executable, "-m", "parley.service.commands.cli", "serve", "--config", str(config)]
    command += ["--model", str(model)] if model else []
    with served(command, port, cwd=HERE.parent, patience=120):
        put_articles(port)
        yield port


def _first(cores: int) -> str:
    """The first `cores` processors that this process may use, as taskset's list."""
    return ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))


def show_capacity(folder: Path, options: argparse.Namespace, files: Mapping[str, Path]) -> None:
    """Print the capacity of a server by its number of cores."""
    carried: dict[tuple[int, str], list[float]] = {}
    cost: dict[tuple[int, str], list[float]] = {}
    with ExitStack() as running:
        servers = {n: running.enter_context(server(folder, options.model, cores=n)) for n in options.cores}
        for number in range(-1, options.rounds):  # round -1 warms up
            for path, file in files.items():
                for cores, port in servers.items():
                    before = spent(port)
                    load = put_load(
                        f"http://127.0.0.1:{port}{path}",
                        file,
                        callers=CALLERS * cores,
                        seconds=options.seconds,
                    )
                    if number >= 0:
                        carried.setdefault((cores, path), []).append(load.carried)
                        seconds, comments = (b - a for a, b in zip(before, spent(port), strict=True))
                        cost.setdefault((cores, path), []).append(1000 * seconds / comments)
    print("| path | cores | comments a second | times the first | CPU ms a comment |")
    print("|---|---|---|---|---|")
    for (cores, path), rates in carried.items():
        first = median(carried[options.cores[0], path])
        shown = f"{median(rates):.0f} ({min(rates):.0f} to {max(rates):.0f})"
        print(
            f"| {path} | {cores} | {shown} | {median(rates) / first:.2f} | {median(cost[cores, path]):.1f} |"
        )


def spent(port: int) -> tuple[float, float]:
    """From the server's own metrics: the CPU seconds it used, and the comments it received."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        figures = dict(re.findall(r"^(\w+) (\S+)$", answer.read().decode(), re.MULTILINE))
    return float(figures["process_cpu_seconds_total"]), float(figures["parley_comments_total"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=30, help="length of each load (30)")
    parser.add_argument("--model", type=Path, help="artifact folder (default: Parley's own)")
    parser.add_argument(
        "--cores", type=int, nargs="+", metavar="N", help="print the capacity table for these core counts"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the capacity table (5)")
    options = parser.parse_args(arguments)
    if options.cores and max(options.cores) > len(os.sched_getaffinity(0)):
        sys.exit(f"--cores: this process may use only {len(os.sched_getaffinity(0))} cores")
    if shutil.which("node") is None or not (MODULES / "autocannon").is_dir():
        sys.exit(
            "autocannon is not installed: install Node.js and npm, then run npm ci --prefix tests/clients"
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {path: folder / f"requests-{number}.json" for number, path in enumerate(requests())}
        for path, sent in requests().items():
            files[path].write_text(json.dumps(sent), encoding="utf-8")
        if options.cores:
            show_capacity(folder, options, files)
            return
        with server(folder, options.model) as port:
            for path, file in files.items():
                print(path, flush=True)
                measure(f"http://127.0.0.1:{port}{path}", file, seconds=options.seconds)


if __name__ == "__main__":
    main()
