"""What a comment costs in dumps of three sizes, with the model and without; and how memory grows.

    make bench-dump          (or: python -m benchmarks.dump --scored 10000 100000 1000000 --ray)

Makes dumps of 10,000, 100,000 and 1,000,000 comments (JSON lines, an article's title with each, all
different) and scores them by `parley score`: all of them with `--engine null`, which reads and writes as ever
but asks no model, and those in `--scored` with the model as well. Times are those of the whole command less
those of one comment alone, which is what it takes to start. `--ray` scores the first of them on a local Ray
cluster too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.comments import made_comments
from model.artifact import DEFAULT

ARTICLES = 500


@dataclass(frozen=True, slots=True)
class Cost:
    """What one command took: seconds by the clock, seconds of all cores, and the most memory, in MB."""

    wall: float
    cpu: float
    memory: float


def write_dump(path: Path, rows: int) -> None:
    """`rows` comments, no two of them alike."""
    with path.open("w", encoding="utf-8") as file:
        for i, text in enumerate(made_comments(rows)):
            article = {"url": f"https://news.example/{i % ARTICLES}", "title": f"Council plan {i % ARTICLES}"}
            row = {"id": str(i), "text": f"{text} ({i})", "article": article, "author": {"id": f"a{i % 999}"}}
            file.write(json.dumps(row) + "\n")


def score(source: Path, out: Path, words: Sequence[str]) -> Cost:
    """Run `parley score`. Raises RuntimeError where it fails."""
    command = [sys.executable, "-m", "service.cli", "score", str(source), "-o", str(out), "--overwrite", "-q"]
    start = time.monotonic()
    process = subprocess.Popen([*command, *words])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join([*command, *words])} ended with status {process.returncode}")
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return Cost(time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


def starting(dump: Path, out: Path, words: Sequence[str]) -> Cost:
    """What it takes to start: the quickest of three runs on one comment."""
    return min((score(dump, out, words) for _ in range(3)), key=lambda cost: cost.wall)


def tell(name: str, rows: int, cost: Cost, start: Cost) -> float:
    """Print a line; returns milliseconds a comment."""
    each = (cost.wall - start.wall) / rows * 1e3
    rate = 1e3 / each
    cpu = (cost.cpu - start.cpu) / rows * 1e3
    print(
        f"{name:<6} {rows:>9,} comments  {rate:>8,.0f}/s  {each:7.3f} ms each "
        f"({cpu:.3f} ms of CPU)  {cost.memory:5.0f} MB",
        flush=True,
    )
    return each


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--scored", type=int, nargs="*", default=[10_000], help="sizes to run the model on")
    parser.add_argument("--model", type=Path, default=DEFAULT, help="folder of the artifact")
    parser.add_argument("--output", choices=("jsonl", "csv", "parquet"), default="jsonl")
    parser.add_argument("--ray", action="store_true", help="the first scored size under Ray as well")
    options = parser.parse_args()
    model = ["--model", str(options.model)]
    null = ["--engine", "null"]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, {options.output}")

    with tempfile.TemporaryDirectory() as folder:
        sizes = sorted({1, *options.sizes, *options.scored})
        dumps = {rows: Path(folder) / f"{rows}.jsonl" for rows in sizes}
        for rows, path in dumps.items():
            write_dump(path, rows)
        out = Path(folder) / f"out.{options.output}"
        start = starting(dumps[1], out, null)
        costs = {rows: score(dumps[rows], out, null) for rows in options.sizes}
        each = {rows: tell("null", rows, cost, start) for rows, cost in costs.items()}
        first, last = options.sizes[0], options.sizes[-1]
        grown = costs[last].memory - costs[first].memory
        print(f"memory at {last:,} less that at {first:,}: {grown:+.0f} MB")

        start = starting(dumps[1], out, model) if options.scored else start
        scored: dict[int, float] = {}
        for rows in options.scored:
            scored[rows] = tell("model", rows, score(dumps[rows], out, model), start)
            if rows in each:
                print(f"reading and writing: {each[rows] / scored[rows]:.1%} of the time")
        if len(scored) > 1:
            spread = max(scored.values()) / min(scored.values()) - 1
            print(f"cost a comment, dearest against cheapest: {spread:+.1%}")
        if options.ray and options.scored:
            rows, there = options.scored[0], Path(folder) / f"ray.{options.output}"
            words = [*model, "--engine", "ray"]
            start = starting(dumps[1], there, words)
            on_ray = tell("ray", rows, score(dumps[rows], there, words), start)
            print(f"Ray against the local engine on the same cores: {on_ray / scored[rows] - 1:+.1%}")


if __name__ == "__main__":
    main()
