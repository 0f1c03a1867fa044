"""No text stops Parley: reading one takes time in proportion to its length, and lets other threads run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import cache, partial
from io import BytesIO
from pathlib import Path

import pytest

from parley.model.artifact import DEFAULT, Artifact
from parley.model.spans import join_tokens
from parley.model.text.blanks import rejoin
from parley.model.text.disguise import in_disguise, undisguise
from parley.model.text.emoji import spell_out
from parley.model.text.language import detect_language
from parley.model.text.plain import plain_text
from parley.model.text.tokenization import Tokenizer
from parley.service.dumps.formats.generic.page import looks_like_page, read_article
from parley.service.dumps.formats.registry import INPUTS, open_reader
from parley.service.dumps.reading.source import Source
from parley.service.dumps.scoring.run import Run
from parley.service.dumps.scoring.scorer import Scorer
from parley.service.dumps.scoring.selection import Selection
from parley.service.dumps.scoring.writers import WRITERS
from parley.service.errors import DumpError
from parley.service.policy.surface import Surface, WordList, fold
from parley.service.protocols.perspective.spans import sentences
from parley.service.report.words import one_line
from parley.service.settings.schema import Limits
from parley.service.urls import normalise
from parley.service.web.server import SWITCH_S
from tests.hostile import UNITS, longest_pause, repeated, seconds, steep
from tests.service.dumps import exports

LARGEST = Limits().text
SLOPE = 3.0
"""How many times as long twice the text may take; 2 is linear, and a busy machine needs some slack."""
PAUSE_S = 0.1
FLOOR_S = 0.1
"""Processor time below which a text of the largest size is never slow, and no other thread waits too long."""

TOKENIZER = Tokenizer(Artifact.open(DEFAULT).tokenizer_file, max_tokens=256, stride=32)
WORDS = WordList(["bad word", "three bad words", "word"])
COMPONENTS: dict[str, Callable[[str], object]] = {
    "plain": plain_text,
    "html": lambda text: plain_text(text, "html"),
    "markdown": lambda text: plain_text(text, "markdown"),
    "tokens": lambda text: TOKENIZER.comments([text]),
    "disguises": lambda text: undisguise(text, lambda word: 0.5 if len(word) % 2 else 2),
    "hints of disguises": in_disguise,
    "spaces in words": lambda text: rejoin(text, lambda word: 0.5 if len(word) % 2 else 2),
    "emoji": spell_out,
    "language": detect_language,
    "span": lambda text: join_tokens(text, {(0, 1): 0.9, (len(text) // 2, len(text) // 2 + 1): 0.9}),
    "capitals": lambda text: Surface(text).capitals(min_letters=5),
    "links": lambda text: Surface(text, source=text).links(ignore_hosts=["example.com"]),
    "repeats": lambda text: (Surface(text).repeated_words, Surface(text).repeated_characters),
    "word list": lambda text: Surface(text).matches(WORDS),
    "folded": fold,
    "sentences": sentences,
    "url": lambda text: normalise(f"https://{text}"),
    "page": lambda text: looks_like_page(f"by:a{text}b"),
    "article": lambda text: read_article(text.splitlines()),
    "report": lambda text: one_line(text, length=60),
}


@pytest.fixture(autouse=True)
def as_served() -> Iterator[None]:
    """Switch threads as often as a server does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    yield
    sys.setswitchinterval(before)


@cache
def slow_units(name: str) -> tuple[str, ...]:
    """The units on which a component takes longest: no other can be steep, or keep threads waiting."""
    work = COMPONENTS[name]
    work("é.")  # allocate what is only allocated once
    taken = {unit: seconds(partial(work, repeated(UNITS[unit], LARGEST))) for unit in UNITS}
    return tuple(unit for unit in UNITS if taken[unit] >= FLOOR_S)


@pytest.mark.parametrize("name", COMPONENTS)
def test_text_takes_time_in_proportion_to_its_length(name: str) -> None:
    assert steep(COMPONENTS[name], slow_units(name), LARGEST, floor=FLOOR_S, good=SLOPE) == {}


@pytest.mark.parametrize("name", COMPONENTS)
def test_text_keeps_no_other_thread_waiting(name: str) -> None:
    slow = {}
    for unit in slow_units(name):
        text = repeated(UNITS[unit], LARGEST)
        # Once is enough: a delay by another program is not the text's fault.
        pauses = [longest_pause(partial(COMPONENTS[name], text))]
        while pauses[-1] >= PAUSE_S and len(pauses) < 5:
            pauses.append(longest_pause(partial(COMPONENTS[name], text)))
        if min(pauses) >= PAUSE_S:
            slow[unit] = pauses
    assert slow == {}


SCORER = Scorer.load(null=True)
LONG = 50_000
"""Length in characters of a hostile file, or of a value in a good one."""

IN_DUMPS = (
    *("one letter", "spaces", "lines", "combining marks out of order", "quotes", "commas", "backslashes"),
    *(
        "brackets",
        "objects",
        "lists",
        "angle brackets",
        "comments",
        "scripts of JSON-LD",
        "attributes",
        "ampersands",
    ),
    *("slashes", "bylines", "one letter per line", "schemes with hosts", "overrides", "equals", "numbers"),
)
"""What file readers search for, and line endings."""


def read_all(path: Path, name: str) -> None:
    with suppress(DumpError), closing(Source(path, base_url="https://news.example")) as source:
        run = Run(Selection(open_reader(source, name=name)), SCORER, WRITERS["jsonl"])
        run.write(run.batches(), BytesIO(), BytesIO())


@pytest.mark.parametrize("name", [name for name in INPUTS if name not in ("parquet", "arrow", "isso")])
@pytest.mark.parametrize("where", ["alone", "in the middle"])
def test_dumps_take_time_in_proportion_to_their_length(name: str, where: str, tmp_path: Path) -> None:
    given = exports.write(tmp_path, name) if name in exports.NAMES else tmp_path / "any"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    path = given if given.is_file() or not files else max(files, key=lambda path: path.stat().st_size)
    whole = b"" if where == "alone" or not path.exists() else path.read_bytes()
    if whole.startswith((b"PK", b"\x1f\x8b", b"\x28\xb5")):
        pytest.skip("compressed: its contents are read by the formats above")
    middle = whole.find(b"agree") if b"agree" in whole else len(whole) // 2

    def work(text: str) -> None:
        path.write_bytes(whole[:middle] + text.encode() + whole[middle:])
        read_all(given if given.exists() else path, name)

    assert steep(work, IN_DUMPS, LONG, floor=0.1, good=SLOPE) == {}
