"""A comment of maximum length, of characters that the model has never seen, beside polite callers."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

from parley.service.settings.schema import Settings
from parley.service.web.app import create_app
from tests.service.web.live import classify, serving

RARE = "".join(chr(0x20000 + i) for i in range(42_000)) + "".join(chr(0xF0000 + i) for i in range(58_000))


LONG, POLITE = (
    json.dumps({"comments": [{"text": text}]}).encode()
    for text in (RARE, "Thanks, the bridge was a good idea.")
)


def test_polite_callers_are_answered_beside_a_comment_of_rare_characters(tiny_artifact: Path) -> None:
    with serving(create_app(Settings(model=tiny_artifact))) as port:
        # A busy machine may leave polite callers no time; but a blocked batcher answers at most one of them,
        # however often this is tried.
        assert any(answered_beside(port) > 1 for _ in range(5))


def answered_beside(port: int) -> int:
    """How many polite callers are answered before the long comment is."""
    long: list[int] = []
    hostile = threading.Thread(target=lambda: long.append(classify(port, LONG)))
    hostile.start()
    polite: list[int] = []
    beside = 0
    while hostile.is_alive():
        polite.append(classify(port, POLITE))
        beside += hostile.is_alive()
        time.sleep(0.01)
    hostile.join()
    assert long == [200]
    assert set(polite) <= {200, 429}
    assert polite.count(200) * 2 >= len(polite)
    return beside
