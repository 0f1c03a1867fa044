"""Hostile request bodies: how much they slow other callers, and how much memory they take.

    python -m benchmarks.hostile            # or: make bench-hostile (ARGS="--only numbers --megabytes 1")

Each kind of body is sent over and over, on two connections (unfinished bodies on 60), alongside polite
requests: 20 a second at a constant rate, whether or not earlier ones were answered. The first line is for
polite requests alone, for comparison. Each line says how the hostile and the polite requests were answered,
the p50 and p99 of the polite ones, the CPU time per hostile body, and the server's peak memory so far. A
polite request may be answered 429; anything other than that and 200 is FAILED.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from benchmarks.comments import made_comments
from benchmarks.server import free_port, served
from parley.service.web.server import SWITCH_S
from tests.hostile import UNITS, longest_pause, repeated, seconds, slope

RATE = 20
TARGET_MS, TARGET_MB = 200, 400
TEXT = 100_000
"""The most characters in a comment."""
PATIENCE = 10
"""Seconds that the sender of a hostile body waits for an answer."""
UNFINISHED, CALLERS = "unfinished bodies", 60
"""Bodies whose last byte never comes, and the number of connections that send one; two send other kinds."""
RARE = "".join(chr(0x20000 + i) for i in range(42_000)) + "".join(chr(0xF0000 + i) for i in range(58_000))


def _texts(text: str) -> Callable[[int], bytes]:
    """A body of as many comments of `text` as fit."""
    return lambda size: _comments([text] * max(1, size // len(_comments([text]))))


def _rare(size: int) -> bytes:
    return _comments([RARE[n:] + RARE[:n] for n in range(max(1, size // (4 * TEXT)))])


def _comments(texts: Sequence[str]) -> bytes:
    return json.dumps({"comments": [{"text": text} for text in texts]}, ensure_ascii=False).encode()


def _values(frame: bytes, item: bytes) -> Callable[[int], bytes]:
    return lambda size: frame % b",".join([item] * (size // (len(item) + 1)))


NOTHING = "nothing"
"""In place of a hostile body: polite requests alone, for comparison."""
CLASSIFY, PERSPECTIVE = "/v1/classify", "/v1alpha1/comments:analyze"
BODIES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    NOTHING: (CLASSIFY, lambda _: b""),
    "numbers": (CLASSIFY, _values(b'{"comments":[%s]}', b"0")),
    "objects": (CLASSIFY, _values(b'{"comments":[%s]}', b"{}")),
    "lists in lists": (CLASSIFY, lambda size: b"[" * size),
    "keys": (CLASSIFY, lambda size: b"{%s}" % b",".join(b'"%d":0' % n for n in range(size // 10))),
    "blanks": (CLASSIFY, lambda size: b" " * size),
    "decisions": ("/v1/feedback", _values(b'{"decisions":[%s]}', b"{}")),
    "inputs of TEI": ("/predict", _values(b'{"inputs":[%s]}', b"[]")),
    "inputs of OpenAI": ("/v1/moderations", _values(b'{"input":[%s]}', b'""')),
    "entries of Perspective": (PERSPECTIVE, _values(b'{"context":{"entries":[%s]}}', b"{}")),
    UNFINISHED: (CLASSIFY, lambda size: b"[" * size),
    "rare characters": (CLASSIFY, _rare),
    # Python keeps a text at four bytes a character if one of them needs as many.
    "one rare character": (CLASSIFY, _texts("\U0001f600" + repeated("word ", TEXT - 1))),
    **{
        name: (CLASSIFY, _texts(repeated(UNITS[name], TEXT)))
        for name in (
            *("one letter", "one word", "Cyrillic look-alikes", "links after links", "overrides"),
            *(
                "one letter per line",
                "letters with bars",
                "emoji",
                "unfinished tags",
                "empty links",
                "brackets",
            ),
        )
    },
}


class Polite:
    """Sends 20 requests a second until stopped."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._texts = list(made_comments(1000))
        self._stopping = threading.Event()
        self.times: list[float] = []
        self.statuses: Counter[int] = Counter()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Polite:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        start, sent = time.monotonic(), 0
        with ThreadPoolExecutor(100) as pool:
            while not self._stopping.wait(max(0.0, start + sent / RATE - time.monotonic())):
                pool.submit(self._ask, self._texts[sent % len(self._texts)])
                sent += 1

    def _ask(self, text: str) -> None:
        start = time.monotonic()
        status = post(self._port, CLASSIFY, _comments([text]), 60)
        self.times.append(1000 * (time.monotonic() - start))
        self.statuses[status] += 1


def post(port: int, path: str, body: bytes, timeout: float) -> int:
    """The status of the answer; 0 if there is none or the connection is closed before the body was sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def hold(port: int, path: str, body: bytes, ends: float) -> int:
    """The status with which the server refuses `body` without its last byte; 0 if it waits for that."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        unsent = memoryview(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-1])
        while unsent and time.monotonic() < ends:
            with suppress(TimeoutError):
                unsent = unsent[connection.send(unsent) :]
        time.sleep(max(0.0, ends - time.monotonic()))
        return int(connection.recv(12)[9:] or 0)
    return 0


def percentile(times: Sequence[float], share: float) -> float:
    """The time that `share` of the requests don't exceed."""
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def peak_mb(pid: int) -> float:
    """The process's peak memory in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1000


def cpu_seconds(pid: int) -> float:
    """The user and system time that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def attack(port: int, pid: int, name: str, *, size: int, seconds: float) -> bool:
    """Print how one kind of body affects polite callers. Returns whether the targets are met."""
    path, make = BODIES[name]
    body = make(size)
    answered: Counter[int] = Counter()
    ends, before = time.monotonic() + seconds, cpu_seconds(pid)

    def send() -> None:
        while time.monotonic() < ends:
            if name == NOTHING:
                time.sleep(0.1)
            elif name == UNFINISHED:
                answered[hold(port, path, body, ends)] += 1
            else:
                answered[post(port, path, body, PATIENCE)] += 1

    with Polite(port) as polite:
        senders = [threading.Thread(target=send) for _ in range(CALLERS if name == UNFINISHED else 2)]
        for thread in senders:
            thread.start()
        for thread in senders:
            thread.join()
    used, peak = cpu_seconds(pid) - before, peak_mb(pid)
    p99 = percentile(polite.times, 0.99)
    failed = not polite.statuses.keys() <= {200, 429}
    met = p99 <= TARGET_MS and peak < TARGET_MB and not failed
    print(
        f"{name:24} {_shown(answered):16} polite {_shown(polite.statuses):16}"
        f" p50 {percentile(polite.times, 0.5):6.0f}  p99 {p99:6.0f} ms"
        f"  {used / max(1, sum(answered.values())):6.2f} CPU s/body  {peak:4.0f} MB"
        f"{'' if met else '  MISSED'}{'  FAILED' if failed else ''}",
        flush=True,
    )
    return met


def _shown(statuses: Counter[int]) -> str:
    return " ".join(f"{count}×{status or 'cut'}" for status, count in sorted(statuses.items()))


def print_texts() -> None:
    """For each component that reads text, print its steepest slope and longest pause, and on which text.

    Only texts that take FLOOR_S or longer can be steep or make others wait, so only those are measured; or
    the slowest, if there is none.
    """
    from tests.test_hostile import COMPONENTS, FLOOR_S, LARGEST, SLOPE

    sys.setswitchinterval(SWITCH_S)
    print(f"{LARGEST:,} characters against half of them")
    for name, work in COMPONENTS.items():
        work("é.")  # warm up: some components build tables on first use
        taken = {unit: seconds(partial(work, repeated(of, LARGEST))) for unit, of in UNITS.items()}
        slowest = max(taken, key=taken.__getitem__)
        slow = [unit for unit in UNITS if taken[unit] >= FLOOR_S] or [slowest]
        slopes = {unit: slope(work, UNITS[unit], LARGEST, floor=FLOOR_S, good=SLOPE) for unit in slow}
        pauses = {unit: longest_pause(partial(work, repeated(UNITS[unit], LARGEST))) for unit in slow}
        steepest, longest = max(slopes, key=slopes.__getitem__), max(pauses, key=pauses.__getitem__)
        print(
            f"{name:18} time {taken[slowest]:5.2f} s ({slowest})  slope {slopes[steepest]:3.1f} ({steepest})"
            f"  pause {1000 * pauses[longest]:3.0f} ms ({longest})",
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=10, help="size of a body (10)")
    parser.add_argument("--seconds", type=float, default=10, help="how long each kind is sent (10)")
    parser.add_argument("--only", action="append", choices=BODIES, metavar="KIND", help=", ".join(BODIES))
    parser.add_argument("--texts", action="store_true", help="measure each component that reads text instead")
    options = parser.parse_args(arguments)
    if options.texts:
        print_texts()
        return
    port = free_port()
    size = int(options.megabytes * 1_000_000) - 100
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "service.yaml"
        config.write_text(json.dumps({"port": port, "store": {"folder": folder}}), encoding="utf-8")
        command = [sys.executable, "-m", "parley.service.commands.cli", "serve", "--config", str(config)]
        with served(command, port, cwd=Path(folder), patience=600) as server:
            print(f"before: {peak_mb(server.pid):.0f} MB, load {os.getloadavg()[0]:.1f}")
            for name in options.only or BODIES:
                attack(port, server.pid, name, size=size, seconds=options.seconds)


if __name__ == "__main__":
    main()
