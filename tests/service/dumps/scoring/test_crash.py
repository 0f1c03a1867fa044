"""Runs of `parley score` that are killed at random moments, and their memory.

`make crash-test` does the same with a dump of realistic size; here it is a small one, with the tiny artifact.
"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import WORDS

ROWS = int(os.environ.get("PARLEY_CRASH_ROWS", "500"))
KILLS = int(os.environ.get("PARLEY_CRASH_KILLS", "2"))
MODEL = os.environ.get("PARLEY_CRASH_ENGINE", "local") == "local"
FORMATS = [".jsonl", ".parquet"] if ROWS < 10_000 else [".jsonl", ".csv", ".parquet"]
"""Formats of the dump and of the output."""
PATIENCE = 3600
SCORE = (sys.executable, "-m", "parley.service.commands.cli", "score")
COLUMNS = ("id", "parent.id", "article.url", "article.title", "author.id", "text", "format", "likes")


def comments(rows: int) -> Iterator[dict[str, Any] | None]:
    """Comments of various lengths and formats, some duplicated; None for a row to be written broken."""
    chance = random.Random(11)
    for i in range(rows):
        text = " ".join(chance.choices(WORDS, k=min(200, 1 + int(chance.lognormvariate(2.5, 0.9)))))
        row = {"id": f"c{i}", "text": text, "author": {"id": f"a{chance.randrange(99)}"}, "likes": i % 7}
        if i % 2:
            row["article"] = {"url": f"https://news.example/{i % 40}", "title": f"The road, part {i % 40}"}
        if i % 3 == 2:
            row["parent"] = {"id": f"c{i - chance.randint(1, min(i, 500))}"}
        if i % 5 == 0:
            row |= {"text": f"<p>{text} &amp; so on</p>", "format": "html"}
        if i % 7 == 0:
            row |= {"text": f'**Well**, {text}\n\n"so"', "format": "markdown"}
        if i % 11 == 0:
            row["text"] = "first!"
        yield None if i % 97 == 96 else row


def write_dump(path: Path, rows: int) -> None:
    """Write a dump of these comments in the format that the suffix of `path` names."""
    if path.suffix == ".jsonl":
        with path.open("w") as file:
            file.writelines("{broken\n" if row is None else json.dumps(row) + "\n" for row in comments(rows))
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            for row in comments(rows):
                if row is None:
                    file.write("broken\r\n")
                else:
                    table.writerow(flat(row))
    else:
        pa = pytest.importorskip("pyarrow")
        pq = pytest.importorskip("pyarrow.parquet")
        types = [(name, pa.int64() if name == "likes" else pa.string()) for name in COLUMNS]
        found = [{} if row is None else flat(row) for row in comments(rows)]
        pq.write_table(pa.Table.from_pylist(found, schema=pa.schema(types)), path, row_group_size=10_000)


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row by column name."""
    opened: dict[str, Any] = {}
    for name, value in row.items():
        opened |= {f"{name}.{n}": v for n, v in value.items()} if isinstance(value, dict) else {name: value}
    return opened


def start(source: Path, out: Path, model: Path) -> subprocess.Popen[bytes]:
    engine = ["--model", str(model)] if MODEL else ["--null"]
    batch = str(max(8, min(1024, ROWS // 80)))
    words = [*SCORE, str(source), "-o", str(out), *engine, "-q"]
    return subprocess.Popen([*words, "--batch-size", batch], stderr=subprocess.PIPE)


def wait_for_a_part(process: subprocess.Popen[bytes], out: Path) -> float:
    """Wait until the run has begun to write a part, or has ended; returns the time."""

    def found() -> dict[str, int]:
        times = {}
        for path in parts.glob("part-*"):
            with suppress(FileNotFoundError):  # the run may be removing them
                times[path.name] = path.stat().st_mtime_ns
        return times

    parts = out.with_name(f"{out.name}.parts")
    before = found()
    while process.poll() is None and found().items() <= before.items():
        time.sleep(0.002)
    return time.monotonic()


def parts_of(out: Path) -> int:
    return len(list(out.with_name(f"{out.name}.parts").glob("part-*")))


def leftovers(out: Path) -> list[Path]:
    """What is left to finish or to remove; an empty folder is neither."""
    return list(out.with_name(f"{out.name}.parts").glob("*"))


def wait_for_success(process: subprocess.Popen[bytes]) -> None:
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("suffix", FORMATS)
def test_killed_runs_end_in_the_same_bytes(
    tiny_artifact: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / f"in{suffix}"
    write_dump(source, ROWS)
    whole, out = tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    process = start(source, whole, tiny_artifact)
    began = wait_for_a_part(process, whole)
    wait_for_success(process)
    seconds = time.monotonic() - began

    chance = random.Random(3)
    kills = resumed = 0
    while kills < KILLS or not out.exists() or leftovers(out):
        if out.exists() and not leftovers(out):
            out.unlink()  # it finished before the last kill: try again
        process = start(source, out, tiny_artifact)
        began = wait_for_a_part(process, out)
        if kills < KILLS:
            wait = chance.uniform(0, 4 * seconds / max(4, KILLS))
            while process.poll() is None and time.monotonic() - began < wait:
                time.sleep(0.001)
            if kills % 2:  # every other run is killed after a complete part, which there is then to resume
                while process.poll() is None and parts_of(out) < 2:
                    time.sleep(0.001)
            process.kill()
            process.communicate()
            kills += process.returncode < 0
            resumed += parts_of(out) > 1
        else:
            wait_for_success(process)
    assert resumed, "no run was killed after its first part"
    assert out.read_bytes() == whole.read_bytes()
    listed = [path.with_name(f"{path.name}.errors.jsonl").read_bytes() for path in (out, whole)]
    assert listed[0] == listed[1]
    assert listed[0].count(b"\n") == ROWS // 97
    assert not list(tmp_path.glob("*.parts/*"))
    if ROWS >= 10_000:
        engine, size = "tiny network" if MODEL else "null engine", len(out.read_bytes())
        told = f"{kills} kills, {resumed} after a whole part: the same {size:,} bytes"
        with capsys.disabled():
            print(f"\n{suffix}, {engine}, {ROWS:,} rows: {told} as the run of {seconds:.0f} s without")


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits")
@pytest.mark.parametrize(("suffix", "most"), [(".jsonl", 1_000_000), (".parquet", 100_000)])
def test_a_full_disk_is_reported_and_the_same_command_resumes(tmp_path: Path, suffix: str, most: int) -> None:
    import resource

    source, out = tmp_path / "in.jsonl", tmp_path / f"out{suffix}"
    write_dump(source, 6000)
    words = [*SCORE, str(source), "--null", "-q", "-o"]

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    full = subprocess.run([*words, str(out)], preexec_fn=small_files, capture_output=True, text=True)
    assert full.returncode == 2, full.stderr
    assert not out.exists()
    assert "free some space" in full.stderr
    assert "Traceback" not in full.stderr
    subprocess.run([*words, str(out)], check=True)
    subprocess.run([*words, str(tmp_path / f"whole{suffix}")], check=True)
    assert out.read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()


def test_memory_does_not_grow_with_the_dump(tmp_path: Path) -> None:
    peaks = []
    for rows in (1_000, 20_000):
        write_dump(tmp_path / f"{rows}.jsonl", rows)
        words = [str(tmp_path / f"{rows}.jsonl"), "-o", str(tmp_path / f"{rows}.csv")]
        process = subprocess.Popen([*SCORE, *words, "--null", "-q"])
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        peaks.append(usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2))
    assert peaks[1] - peaks[0] < 50, peaks
