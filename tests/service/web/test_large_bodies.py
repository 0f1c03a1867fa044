"""Bodies of megabytes: nobody waits for their parsing, and none of their memory is kept."""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from parley.model.comment import Comment, Prediction
from parley.model.text import language
from parley.service.errors import BodyTooLarge, MalformedBody
from parley.service.settings.schema import Settings
from parley.service.web import json_body
from parley.service.web.app import create_app
from tests.hostile import longest_pause
from tests.service.web.live import classify, serving
from tests.service.web.test_operation import Fake

PAUSE_S = 0.03
SMALL = json.dumps({"comments": [{"text": "Thank you."}]}).encode()
LARGE = json.dumps({"comments": [{"text": 'said "no" ' * 9_000}] * 50}).encode()


class Forgetful(Fake):
    """A predictor that keeps nothing of what it has seen."""

    def predict(self, comments: Sequence[Comment]) -> list[Prediction]:
        predictions = super().predict(comments)
        self.seen.clear()
        return predictions

    def beside(self) -> Forgetful:
        return self


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(create_app(Settings(), load=Forgetful)) as port:
        yield port


def test_nobody_waits_while_large_bodies_are_parsed_one_by_one(port: int) -> None:
    parsed = threading.Event()
    json_body._PARSER.submit(parsed.wait, 20)  # another large body, which takes a while
    with ThreadPoolExecutor(2) as callers:
        large = [callers.submit(classify, port, LARGE) for _ in range(2)]
        assert [classify(port, SMALL) for _ in range(20)] == [200] * 20
        assert not any(answer.done() for answer in large)
        parsed.set()
        assert [answer.result() for answer in large] == [200, 200]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (LARGE, 200),
        (b" " * len(LARGE), 400),
        (LARGE[:-1] + b"\xff", 400),
        (b'{"comments":[%s0]}' % (b"0," * (len(LARGE) // 2)), 413),
        (b'{"comments":[{"text":"%s"}]}' % (b"a" * len(LARGE)), 422),
    ],
    ids=["answered", "no JSON", "no UTF-8", "too many values", "too long a text"],
)
def test_nothing_of_a_body_is_kept_once_it_is_answered(port: int, body: bytes, status: int) -> None:
    assert classify(port, body) == status  # allocate what is only allocated once
    gc.collect()
    gc.disable()  # garbage in cycles would stay for long, because most of the heap is frozen at the start
    tracemalloc.start()
    try:
        for _ in range(3):
            assert classify(port, body) == status
        assert classify(port, SMALL) == 200
        assert tracemalloc.get_traced_memory()[0] < len(body) / 2
    finally:
        tracemalloc.stop()
        gc.enable()


RARE = "\U0001f600" + "word " * 60_000
LONG_VALUE: dict[str, Any] = {
    "comments": [{"text": RARE}, {"text": "-Infinity", "id": "a\\"}, {"text": "half a pair \ud83d" * 100}],
    "names": ["\U0001f600" * 80_000, '"' * 300_000, "é" * 300_000, "\\" * 99_999],
    "number": -1.5,
}


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b" \n"])
def test_a_long_body_has_the_values_that_json_gives(start: bytes) -> None:
    body = start + json.dumps(LONG_VALUE, indent=1).encode()
    assert len(body) > json_body.MAX_LENIENT
    assert json_body.parse_json(body) == LONG_VALUE


def test_one_rare_character_does_not_widen_a_whole_body() -> None:
    body = json.dumps({"comments": [RARE] * 10}, ensure_ascii=False).encode()
    tracemalloc.start()
    try:
        values = json_body.parse_json(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * sum(map(sys.getsizeof, values["comments"]))  # the text of the body is as large again


MEGABYTES = 10_000_000
TEXT = "a\\n" * 40_000


@pytest.mark.parametrize(
    "body",
    [
        b" " * MEGABYTES,
        b"\xef\xbb\xbf" + b"\n" * MEGABYTES,
        b"[]" + b" " * MEGABYTES,
        b"[1,%s2]" % (b"\t" * MEGABYTES),
        b'"' * MEGABYTES,
        b'["%s"]' % (b"," * MEGABYTES),
        b"[%s]" % b",".join([b'"%s"' % TEXT.encode()] * (MEGABYTES // len(TEXT))),
    ],
    ids=["blanks", "lines", "blanks after", "tabs inside", "quotes", "commas in text", "texts"],
)
def test_parsing_keeps_no_other_thread_waiting(body: bytes) -> None:
    def parse() -> None:
        with suppress(MalformedBody, BodyTooLarge):
            json_body.parse_json(body)

    parse()
    # Once is enough: a delay by another program is not the body's fault.
    assert any(longest_pause(parse) < PAUSE_S for _ in range(5))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b'"number"', b"number", "not JSON at byte"),
        (b"-1.5", b"-1.5}", "not JSON at byte"),
        (b"word", b"wo\\rd", None),
        (b"word", b"wo\\qrd", "not JSON at byte"),
        (b"word", b"wo\nrd", "not JSON at byte"),
        (b"word", b"wo\xffrd", "not UTF-8 at byte"),
        (b"-1.5", b"NaN", "holds NaN"),
        (b"-1.5", b"-Infinity", "holds -Infinity"),
        (b"-1.5", b"9" * 5000, "a number that can't be read"),
        (b'"names"', b'"%s" ' % (b"k" * 2000), "a key of more than 1,000 bytes"),
    ],
)
def test_an_error_in_a_long_body_says_where_it_is(old: bytes, new: bytes, problem: str | None) -> None:
    value = {**LONG_VALUE, "comments": LONG_VALUE["comments"][:1]}
    whole = json.dumps(value, ensure_ascii=False).encode()
    assert whole.count(old) >= 1
    body = whole.replace(old, new, 1)
    if problem is None:
        assert json_body.parse_json(body)["comments"][0]["text"] == RARE.replace("word", "wo\rd", 1)
        return
    with pytest.raises((MalformedBody, BodyTooLarge), match=problem) as raised:
        json_body.parse_json(body)
    if "at byte" in problem:
        (place,) = re.findall(r"at byte (\d+)", str(raised.value))
        assert abs(int(place) - body.index(new)) <= len(new)


def test_startup_loads_the_language_identifier(tiny_artifact: Path) -> None:
    language._identifier.cache_clear()
    with serving(create_app(Settings(model=tiny_artifact))):
        assert language._identifier.cache_info().currsize == 1


FREED = """
from parley.service.memory import return_large_buffers

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

return_large_buffers()
before = resident()
for _ in range(3):
    kept, large = [], []
    for size in range(2_000_000, 12_000_000, 1_000_000):
        large.append(b"x" * size)
        kept.append(b"x" * 10_000)
    large.clear()
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_freed_buffers_go_back_to_the_system() -> None:
    grown = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True).stdout
    assert int(grown) < 2_000_000
