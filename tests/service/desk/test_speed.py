"""The queue page is quick however many comments wait: `make desk-test` takes 100,000, the suite fewer.

What counts is the processor time of the server, which a busy machine hardly changes: of this process, and of
PostgreSQL's. The time by the clock is printed beside it.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from parley.service.desk.arrivals import item_row
from parley.service.desk.pages import queue as queue_pages
from parley.service.store.desk.tables import ARRIVALS, queue_items
from tests.service.desk.comments import arrived
from tests.service.desk.conftest import Desk

WAITING = int(os.environ.get("PARLEY_DESK_WAITING", "10000"))
P95_S = 0.1
LABELS = ("toxicity", "insult", "threat", "spam", "off_topic")
ADDRESSES = (
    "/desk/queue",
    "/desk/queue?show=all",
    "/desk/queue?label=spam",
    "/desk/queue?story=Story+7",
    "/desk/queue?sort=newest",
    "/desk/queue?sort=oldest&show=all",
    "/desk/queue?state=approved&show=all",
)


@pytest.fixture(params=["sqlite", "postgres"])
def full_desk(request: pytest.FixtureRequest, make_desk: Callable[..., Desk]) -> Iterator[Desk]:
    """A desk with WAITING comments, a tenth of them marked, in SQLite and in PostgreSQL."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else None
    desk = make_desk(url=url)
    pick = random.Random(7)
    rows = []
    for n in range(WAITING):
        score = pick.random()
        one = arrived(
            f"Comment {n}: " + "so it is said of the new bridge, again and again, " * 6,
            label=pick.choice(LABELS),
            score=score,
            action="review" if score > 0.9 else "approve",
            title=f"Story {pick.randint(1, 300)}",
            language=pick.choice(["en", "en", "en", "de"]),
        )
        rows.append(item_row(one, model="tiny", policy="default@0", queue=ARRIVALS) | {"key": str(n)})
    store = desk.service.store
    with store.write() as connection:
        for start in range(0, len(rows), 5000):
            connection.execute(sa.insert(queue_items), rows[start : start + 5000])
    if url:
        with store.write() as connection:
            connection.execute(sa.text("ANALYZE"))
    yield desk
    if url:
        with store.write() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")


def cpu_of(desk: Desk) -> float:
    """Seconds of processor time that the server, and its PostgreSQL, have taken."""
    port = re.search(r":(\d+)/", desk.service.settings.store.database)
    return time.process_time() + (postgres_cpu(int(port[1])) if port else 0.0)


def postgres_cpu(port: int) -> float:
    """Of the PostgreSQL on this port; 0 where the system has no /proc. It counts in steps of 10 ms."""
    parents: dict[int, tuple[int, float]] = {}
    master = None
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(") ")[2].split()
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended
        ticks = int(stat[11]) + int(stat[12])
        parents[int(folder.name)] = int(stat[1]), ticks / os.sysconf("SC_CLK_TCK")
        if words[0].endswith(b"postgres") and str(port).encode() in words:
            master = int(folder.name)
    return sum(seconds for parent, seconds in parents.values() if parent == master)


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[int(share * len(times))]


def test_the_queue_page_is_quick(full_desk: Desk) -> None:
    cpu: list[float] = []
    wall: list[float] = []
    full_desk.get("/desk/queue")
    for turn in range(6):
        for address in ADDRESSES:
            if turn == 3:
                queue_pages._counts.clear()  # counts are kept for seconds: some requests count anew
            started, began = cpu_of(full_desk), time.perf_counter()
            assert full_desk.get(address).status_code == 200
            wall.append(time.perf_counter() - began)
            cpu.append(cpu_of(full_desk) - started)
    told = [
        f"{name}: median {percentile(times, 0.5) * 1000:.0f} ms, p95 {percentile(times, 0.95) * 1000:.0f} ms"
        for name, times in (("processor time", cpu), ("by the clock", wall))
    ]
    print(f"{WAITING:,} waiting; {'; '.join(told)}")
    assert percentile(cpu, 0.95) < P95_S, told


def test_the_next_comment_comes_quickly(full_desk: Desk) -> None:
    started = cpu_of(full_desk)
    for _ in range(10):
        assert full_desk.post("/desk/next").status_code == 200
    assert (cpu_of(full_desk) - started) / 10 < 3 * P95_S
