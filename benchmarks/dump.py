"""What a comment costs in dumps of three sizes, with and without the model, and how memory grows.

    make bench-dump                                              null engine at every size, model at 10,000
    make bench-dump ARGS="--engines null local --sizes 10000 100000 --rounds 3"
    make bench-dump ARGS="--engines local --sizes 1000000 --rounds 1"       one line of the table alone
    make bench-dump ARGS="--inputs jsonl csv parquet coral --engines null"  other input formats
    make bench-dump ARGS="--engines local ray --sizes 100000"
    make bench-dump ARGS="--table"                                          what was measured so far

Each round scores every dump with `parley score`, in a fresh process. The machine's speed drifts, so the sizes
take turns: every ten seconds the largest is paused and a smaller one runs for five; smaller ones start over
until the largest is done. Each run is appended at once to build/bench-dump.jsonl, and the table covers the
whole file, so long runs can be added later. With `--words`, for shorter comments than news sites have, the
table says so (`jsonl-8`): the model takes less time for them, reading and writing as much.

The dumps repeat the same 10,000 comments, each with a number appended: no two are alike, and a large dump
differs from a small one only in size. Ids are in random order, every third comment replies to an earlier one,
and an article has 200 comments. The engine `null` does everything but run the model: it reads, joins reply
trees, decides and writes. A cost is that of the whole command minus that of scoring one comment, which is the
start-up: wall-clock seconds, and CPU seconds over all cores, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import cycle, islice
from pathlib import Path
from statistics import fmean, mean, median
from typing import Any

from benchmarks.comments import MEDIAN_WORDS, made_comments
from parley.model.artifact import DEFAULT

SIZES = [10_000, 100_000, 1_000_000]
TEXTS = 10_000
SPREAD = 7_368_787
"""i * SPREAD modulo ten million is different for each i below ten million, and far apart for neighbours."""
ON_ONE_ARTICLE = 200
TURN_S = 10.0
"""Seconds for which the largest dump runs at a time; a smaller one runs half as long."""
FOLDER = Path("build/bench-dump")
RESULTS = Path("build/bench-dump.jsonl")
COLUMNS = ("id", "parent.id", "article.id", "article.title", "author.id", "created_at", "text")
_FIRST = datetime(2024, 1, 1, tzinfo=UTC)
OUTPUTS = {"jsonl": "jsonl", "csv": "csv", "parquet": "parquet", "coral": "jsonl"}
"""The output format for each input format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one command took: wall and CPU time in seconds, peak memory in MB (10^6 bytes)."""

    wall: float
    cpu: float
    memory: float


def rows_of(count: int, words: int) -> Iterator[dict[str, str | None]]:
    """`count` rows of comments, no two alike, in order of time."""
    texts = list(made_comments(TEXTS, words=words))
    for i in range(count):
        article = i // ON_ONE_ARTICLE
        first = article * ON_ONE_ARTICLE
        parent = _id(first + (i * 7) % (i - first)) if i % 3 == 2 and i > first else None
        yield {
            "id": _id(i),
            "parent.id": parent,
            "article.id": f"story-{article}",
            "article.title": f"Council plan {article % 1000:03} for the harbour",
            "author.id": f"reader-{i * i % 999:03}",
            "created_at": (_FIRST + timedelta(seconds=20 * i)).isoformat(),
            # Spread over all numbers, since small ones have fewer tokens.
            "text": f"{texts[i % TEXTS]} ({i * SPREAD % 10**7:07})",
        }


def write_dump(place: Path, kind: str, rows: int, words: int) -> None:
    """Write a dump of `rows` comments: a file, or a folder for Coral."""
    comments = rows_of(rows, words)
    if kind == "coral":
        place.mkdir(parents=True)
        stories = range((rows - 1) // ON_ONE_ARTICLE + 1)
        _lines(
            place / "stories.json",
            ({"id": f"story-{i}", "metadata": {"title": f"Council plan {i % 1000:03}"}} for i in stories),
        )
        _lines(place / "comments.json", map(_as_coral, comments))
    elif kind == "jsonl":
        _lines(place, ({name: v for name, v in row.items() if v is not None} for row in comments))
    elif kind == "csv":
        with place.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(comments)
    else:
        import pyarrow
        import pyarrow.parquet

        schema = pyarrow.schema([(name, pyarrow.string()) for name in COLUMNS])
        with pyarrow.parquet.ParquetWriter(place, schema) as out:
            while some := list(islice(comments, 20_000)):
                out.write_table(pyarrow.Table.from_pylist(some, schema=schema))


def _id(number: int) -> str:
    return blake2b(b"%d" % number, digest_size=12).hexdigest()


def _as_coral(row: dict[str, str | None]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "storyID": row["article.id"],
        "parentID": row["parent.id"],
        "authorID": row["author.id"],
        "status": "APPROVED",
        "createdAt": {"$date": row["created_at"]},
        "revisions": [{"id": "r", "body": f"<p>{row['text']}</p>"}],
    }


def _lines(path: Path, values: Iterator[Any]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for value in values:
            file.write(json.dumps(value) + "\n")


def dump(kind: str, rows: int, words: int) -> Path:
    """The dump of this kind and size, written if it doesn't exist yet."""
    place = FOLDER / f"{words}-words" / (f"{rows}-coral" if kind == "coral" else f"{rows}.{kind}")
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        half = place.with_name(f"half-{os.getpid()}-{place.name}")
        write_dump(half, kind, rows, words)
        half.rename(place)
    return place


class Scoring:
    """A run of `parley score` that is paused except during `advance`."""

    def __init__(self, source: Path, out: Path, words: Sequence[str]) -> None:
        command = [sys.executable, "-m", "parley.service.commands.cli", "score", str(source), "-o", str(out)]
        self._wall = 0.0
        self._begun = time.monotonic()
        self._process = subprocess.Popen([*command, "-q", *words, "--overwrite", "--no-resume"])

    def advance(self, seconds: float | None = None) -> Cost | None:
        """Run for `seconds` (None: to the end). Returns the cost once it has ended. Raises RuntimeError."""
        if self._wall:
            self._begun = time.monotonic()
            self._process.send_signal(signal.SIGCONT)
        while True:
            ended, status, usage = os.wait4(self._process.pid, os.WNOHANG if seconds else 0)
            passed = time.monotonic() - self._begun
            if ended:
                break
            if seconds and passed > seconds:
                self._process.send_signal(signal.SIGSTOP)
                self._wall += passed
                return None
            time.sleep(0.01)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode:
            raise RuntimeError(f"{self._process.args!r} ended with status {self._process.returncode}")
        unit = 1e6 if sys.platform == "darwin" else 1e6 / 1024
        cpu = usage.ru_utime + usage.ru_stime
        return Cost(wall=self._wall + passed, cpu=cpu, memory=usage.ru_maxrss / unit)

    def stop(self) -> None:
        """Kill the process if it is still there: paused, it would stay forever."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()


def measure(kind: str, words: int, engine: str, sizes: Sequence[int], model: Path) -> None:
    """Score a dump of each size, in turns, until each is done; append every run to the results."""
    dumps = {rows: dump(kind, rows, words) for rows in (1, *sizes)}
    asked = ["--null"] if engine == "null" else ["--engine", engine, "--model", str(model)]

    def begin(rows: int) -> Scoring:
        return Scoring(dumps[rows], FOLDER / f"out-{engine}-{rows}.{OUTPUTS[kind]}", asked)

    starts = [cost for _ in range(3) if (cost := begin(1).advance())]
    start = min(starts, key=lambda cost: cost.wall)

    def ended(scoring: Scoring, rows: int, seconds: float | None) -> bool:
        if (cost := scoring.advance(seconds)) is None:
            return False
        name = kind if words == MEDIAN_WORDS else f"{kind}-{words}"
        run = {"input": name, "engine": engine, "rows": rows, **asdict(cost), "start": asdict(start)}
        with RESULTS.open("a") as file:
            file.write(json.dumps(run) + "\n")
        print(_line([run]), flush=True)
        return True

    *smaller, largest = sorted(sizes)
    turn = TURN_S if smaller and engine != "ray" else None  # a cluster's workers would not be paused
    running: dict[int, Scoring] = {}
    turns, long = cycle(smaller), begin(largest)
    try:
        while not ended(long, largest, turn):
            rows = next(turns)
            if rows not in running:
                running[rows] = begin(rows)
            if ended(running[rows], rows, TURN_S / 2):
                del running[rows]
        for rows in smaller:
            ended(running.get(rows) or begin(rows), rows, None)
    finally:
        for scoring in (long, *running.values()):
            scoring.stop()


def machine() -> str:
    """The machine measured, in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}"


def each(runs: Sequence[dict[str, Any]], what: str) -> float:
    """Seconds a comment, `wall` or `cpu`: the mean over runs, as a long run averages over its duration."""
    return fmean((run[what] - run["start"][what]) / run["rows"] for run in runs)


def table(runs: Sequence[dict[str, Any]]) -> None:
    """Print a line for each input, engine and size, and the comparisons between them."""
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["input"], run["engine"], run["rows"]), []).append(run)
    for key in sorted(groups):
        print(_line(groups[key]))
    for kind in sorted({kind for kind, _, _ in groups}):
        of_kind = {(engine, rows): group for (of, engine, rows), group in groups.items() if of == kind}
        for engine in sorted({engine for engine, _ in of_kind} - {"ray"}):  # its workers are other processes
            sizes = sorted(rows for of, rows in of_kind if of == engine)
            if len(sizes) > 1:
                _compare(kind, engine, {rows: of_kind[engine, rows] for rows in sizes})
        if scored := [rows for engine, rows in of_kind if engine == "local"]:
            _tell_hours(kind, 1 / each(of_kind["local", max(scored)], "wall"))
        for (engine, rows), group in sorted(of_kind.items()):
            if engine == "local" and (null := of_kind.get(("null", rows))):
                shares = [
                    f"{each(null, what) / each(group, what):.1%} {name}" for what, name in _NAMES.items()
                ]
                print(f"{kind}, {rows:,}: reading and writing take {', '.join(shares)} time")
            if engine == "ray" and (local := of_kind.get(("local", rows))):
                more = each(group, "wall") / each(local, "wall") - 1
                print(f"{kind}, {rows:,}: Ray takes {more:+.1%} time against the local engine on equal cores")


def _tell_hours(kind: str, rate: float) -> None:
    """Print how long large dumps take at `rate` comments a second."""
    alone, many = (f"{count / rate / 3600:,.1f} h" for count in (10_000_000, 1_000_000_000 / 64))
    print(f"{kind}, {rate:,.0f}/s: 10 million comments take {alone}; 1 billion on 64 such machines {many}")


_NAMES = {"wall": "wall-clock", "cpu": "CPU"}


def _compare(kind: str, engine: str, by_size: dict[int, list[dict[str, Any]]]) -> None:
    first, last = min(by_size), max(by_size)
    grown = max(run["memory"] for run in by_size[last]) - min(run["memory"] for run in by_size[first])
    spread = {w: [each(runs, w) for runs in by_size.values()] for w in _NAMES}
    costs = ", ".join(f"{max(values) / min(values) - 1:.1%} {_NAMES[w]}" for w, values in spread.items())
    print(
        f"{kind}, {engine}, {first:,} to {last:,}: the cost per comment differs by {costs} time; "
        f"memory {grown:+.0f} MB"
    )


def _line(runs: Sequence[dict[str, Any]]) -> str:
    run, wall = runs[0], each(runs, "wall")
    cpu = f"({each(runs, 'cpu') * 1e3:.3f} ms of CPU)  {mean(r['memory'] for r in runs):5.0f} MB"
    return (
        f"{run['input']:<8} {run['engine']:<6} {run['rows']:>9,} comments  {1 / wall:>8,.0f}/s  "
        f"{wall * 1e3:7.3f} ms each {cpu if run['engine'] != 'ray' else '':<32} {len(runs)} runs"
    )


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", help="comments in a dump (default: all three sizes)")
    parser.add_argument(
        "--engines",
        nargs="+",
        choices=("null", "local", "ray"),
        help="default: null, and local at the first size",
    )
    parser.add_argument("--inputs", nargs="+", choices=tuple(OUTPUTS), default=["jsonl"])
    parser.add_argument(
        "--words",
        type=int,
        default=MEDIAN_WORDS,
        help=f"median length of the comments ({MEDIAN_WORDS})",
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (3)")
    parser.add_argument("--model", type=Path, default=DEFAULT, help="artifact folder")
    parser.add_argument("--table", action="store_true", help="only print what was measured so far")
    parser.add_argument("--clear", action="store_true", help="delete what was measured so far")
    options = parser.parse_args()
    if options.clear:
        RESULTS.unlink(missing_ok=True)
    lengths = [len(text) for text in made_comments(TEXTS, words=options.words)]
    print(
        f"{machine()}; comments have {mean(lengths):.0f} characters in the mean, {median(lengths):.0f} in "
        "the median"
    )
    if not options.table:
        sizes = options.sizes or SIZES
        plan = {"null": sizes, "local": sizes[:1]}
        if options.engines:
            plan = dict.fromkeys(options.engines, sizes)
        for _ in range(options.rounds):
            for kind in options.inputs:
                for engine, chosen in plan.items():
                    measure(kind, options.words, engine, chosen, options.model)
    if RESULTS.exists():
        print()
        table([json.loads(line) for line in RESULTS.read_text().splitlines()])


if __name__ == "__main__":
    main()
