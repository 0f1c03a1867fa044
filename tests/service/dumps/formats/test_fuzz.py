"""Readers and writers on damaged exports: a clear error or bad rows, soon, in little memory, nothing else.

`make fuzz` tries each format many more times; PARLEY_FUZZ_SEED changes the damage.
"""

from __future__ import annotations

import os
import random
import resource
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, suppress
from io import BytesIO
from pathlib import Path

import pytest

from parley.service.dumps.formats.registry import INPUTS, open_reader
from parley.service.dumps.reading.source import Source
from parley.service.dumps.scoring.run import Batch, Run
from parley.service.dumps.scoring.scorer import Scorer
from parley.service.dumps.scoring.selection import Selection
from parley.service.dumps.scoring.writers import WRITERS
from parley.service.errors import DumpError
from tests.service.dumps import exports

ROUNDS = int(os.environ.get("PARLEY_FUZZ_ROUNDS", "60"))
"""How often each format is tried: a count, not a duration, so that every machine does the same."""
SEED = os.environ.get("PARLEY_FUZZ_SEED", "")
SLOWEST = 5.0
"""Most seconds of processor time for a file that normally takes hundredths of a second."""
MEMORY = 200 * 2**20
SCORER = Scorer.load(null=True)
_TOKENS = [
    *(
        b"<",
        b">",
        b"&",
        b'"',
        b"'",
        b"\0",
        b"\xff",
        b"\n",
        b",",
        b"{",
        b"[",
        b"]]>",
        b"<![CDATA[",
        b"&nbsp;",
        b"&#0;",
    ),
    *(
        b"<!DOCTYPE x [",
        b'<!ENTITY a "aa">',
        b"\\ud800",
        b"1e999",
        b"-1",
        b"null",
        b"9" * 400,
        b"true",
        b'{"a": [1.5]}',
        b"[" * 300,
        b"<a>" * 300,
    ),
]


def damage(data: bytes, chance: random.Random) -> bytes:
    """The data with a few bytes or spans changed, lost, doubled or moved."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(out) + 1)
        end = min(len(out), at + chance.choice([1, 1, 4, 40, 400]))
        kind = chance.randrange(5)
        if kind == 0 and at < len(out):
            out[at] = chance.randrange(256)
        elif kind == 1:
            del out[at:end]
        elif kind == 2:
            out[at:at] = out[at:end] * chance.randint(1, 3)
        elif kind == 3:
            out[at:at] = chance.choice(_TOKENS)
        else:
            del out[at:]
    return bytes(out)


def score_all(path: Path, name: str | None, form: str) -> None:
    """Read a dump to its end and write its rows, as `parley score` does; a DumpError is allowed."""
    with suppress(DumpError), closing(Source(path, base_url="https://news.example")) as source:
        run = Run(Selection(open_reader(source, name=name)), SCORER, WRITERS[form])
        run.write(numbered(run.batches()), BytesIO(), BytesIO())


def numbered(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, with each row's place in the dump."""
    for batch in batches:
        assert all(record.row > 0 for record in batch.good)
        assert all(row.row > 0 for row in batch.bad)
        yield batch


def peak() -> int:
    """The peak memory of this process, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@pytest.mark.parametrize("name", exports.NAMES)
def test_damaged_exports(name: str, tmp_path: Path) -> None:
    chance = random.Random(name + SEED)
    given = exports.write(tmp_path, name)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    whole = {path: path.read_bytes() for path in files}
    before = peak()
    for rounds in range(ROUNDS):
        for path in files:
            path.write_bytes(whole[path])
        path = chance.choice(files)
        path.write_bytes(damage(whole[path], chance))
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            score_all(given, chance.choice([name, None]), chance.choice([*WRITERS]))
        assert time.process_time() - start < SLOWEST, f"round {rounds} took too long"
    assert peak() - before < MEMORY


@pytest.mark.parametrize("name", [name for name in INPUTS if name not in ("parquet", "arrow")])
def test_bytes_of_any_kind(name: str, tmp_path: Path) -> None:
    if name in ("youtube", "isso-json", "commento", "activitystreams"):
        pytest.importorskip("ijson")
    chance = random.Random(name + SEED)
    for number in range(ROUNDS // 7):
        path = tmp_path / "any"
        noise = (
            chance.randbytes(chance.randint(1, 5000))
            if number % 2
            else b"".join(chance.choices(_TOKENS, k=200))
        )
        path.write_bytes(noise)
        score_all(path, name, chance.choice([*WRITERS]))
