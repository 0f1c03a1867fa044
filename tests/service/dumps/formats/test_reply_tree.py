"""Parents, articles and authors are found wherever they are; order stays, and waiting rows go to disk."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.model.comment import Article, Parent
from parley.service.dumps.formats import reply_tree as threads
from parley.service.dumps.formats.reply_tree import Index, Joined
from parley.service.dumps.reading.record import RawRow, Record


def record(id: str, parent: str | None = None, *, text: str | None = None, row: int = 1) -> Record:
    return Record(id=id, text=text or f"text of {id}", row=row, parent=Parent(id=parent) if parent else None)


def joined(items: Iterable[Record | RawRow], *, read_ahead: bool = True, rooted: bool = False,
           skipped: Counter[str] | None = None) -> list[Record | RawRow]:  # fmt: skip
    with closing(Index()) as index:
        counter = Counter() if skipped is None else skipped
        return list(Joined(items, index, skipped=counter, read_ahead=read_ahead, rooted=rooted))


def parents(rows: Iterable[Record | RawRow]) -> list[str | None]:
    return [row.parent.text if isinstance(row, Record) and row.parent else None for row in rows]


def test_parents_before_after_missing_and_itself() -> None:
    rows = joined([record("b", "a"), record("a"), record("c", "a"), record("d", "none"), record("e", "e")])
    assert parents(rows) == ["text of a", None, "text of a", None, None]
    assert rows[3].parent == Parent(id="none")  # type: ignore[union-attr]
    assert rows[4].parent is None  # type: ignore[union-attr]


def test_without_reading_ahead_only_what_came_is_known() -> None:
    taken: list[str] = []

    def items() -> Iterator[Record]:
        for item in (record("b", "a"), record("a"), record("c", "a")):
            taken.append(str(item.id))
            yield item

    with closing(Index()) as index:
        rows = iter(Joined(items(), index, skipped=Counter(), read_ahead=False))
        assert parents([next(rows)]) == [None]
        assert taken == ["b"]  # it reads no more of a pipe than it needs
        assert parents(rows) == [None, "text of a"]


def test_reading_stops_once_the_parent_has_come() -> None:
    taken: list[str] = []

    def items() -> Iterator[Record]:
        for item in (record("b", "a"), record("x"), record("a"), record("z")):
            taken.append(str(item.id))
            yield item

    with closing(Index()) as index:
        rows = iter(Joined(items(), index, skipped=Counter(), read_ahead=True))
        assert parents([next(rows)]) == ["text of a"]
        assert taken == ["b", "x", "a"]


def test_deleted_comments_are_counted_and_still_known() -> None:
    skipped: Counter[str] = Counter()
    bad = RawRow(problem="x", row=2)
    rows = joined(
        [record("b", "a"), RawRow(skip="deleted", values={"id": "a"}), bad, record("c", "a")], skipped=skipped
    )
    assert skipped == {"deleted": 1}
    assert rows[1] is bad
    assert [row.parent for row in (rows[0], rows[2])] == [Parent(id="a")] * 2  # type: ignore[union-attr]


def test_reply_cycles_end() -> None:
    rows = joined([record("a", "c"), record("b", "a"), record("c", "b")], rooted=True)
    assert parents(rows) == ["text of c", "text of a", "text of b"]


def test_articles_and_authors_are_joined() -> None:
    with closing(Index()) as index:
        index.add_article("s", url="https://a.example", title="T", text=None)
        index.add_author("u", "Anna")
        given = Record(id="1", text="x", row=1, article=Article(id="s", text="as given"), author_id="u")
        (row,) = Joined([given], index, skipped=Counter(), read_ahead=True)
    assert isinstance(row, Record)
    assert row.article == Article(id="s", url="https://a.example", title="T", text="as given")
    assert row.author_name == "Anna"


IDS = st.sampled_from(["a", "b", "c", "d", "\ud800", "\0"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(IDS, st.none() | IDS), max_size=12), st.integers(1, 4), st.booleans())
def test_order_and_count_stay_and_every_existing_parent_is_found(
    pairs: list[tuple[str, str | None]], waiting: int, rooted: bool
) -> None:
    items = [record(id, parent, row=row) for row, (id, parent) in enumerate(pairs, start=1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "WAITING", waiting)  # so that most rows wait on disk
        rows = joined(items, rooted=rooted)
    assert [row.row for row in rows] == [item.row for item in items]
    there = {id for id, _ in pairs}
    for row, (id, parent) in zip(rows, pairs, strict=True):
        assert isinstance(row, Record)
        expected = None if parent in (None, id) or parent not in there else f"text of {parent}"
        assert (row.parent.text if row.parent else None) == expected


def test_memory_stays_the_same_whatever_the_size() -> None:
    def items(count: int) -> Iterator[Record]:
        chance = random.Random(1)
        yield record("first", "none")  # everything waits for it, to the end
        for i in range(count):
            yield record(str(i), str(chance.randrange(2 * count)), text=f"{i} " * 100)

    peaks = []
    for count in (2_000, 10_000):
        tracemalloc.start()
        with closing(Index()) as index:
            total = sum(1 for _ in Joined(items(count), index, skipped=Counter(), read_ahead=True))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert total == count + 1
    assert peaks[1] - peaks[0] < 2 * 2**20
