"""Joins a dump's separate records: a reply with its parent's text, a comment with its article and author.

    rows = Joined(items, index, skipped=source.skipped, read_ahead=True)

The parent may be anywhere in the dump, so every text goes into `Index`, a temporary SQLite database on disk
(in TMPDIR), in constant memory. A reply whose parent hasn't come yet waits, with all rows after it, until the
parent comes or the dump ends, so the order is kept. A missing parent keeps its id without a text. A comment
that replies to itself has no parent; in a longer circle each keeps its parent.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any, Protocol

from parley.model.comment import Article, Parent
from parley.service.dumps.reading.record import RawRow, Record
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError

CACHE_KIB = 8 * 1024
WAITING = 1000
"""The most rows that wait in memory; more wait on disk."""
MAX_DEPTH = 10_000
"""How many levels are followed up to find a thread's article."""

NOBODY = "0"
"""A parent id that means none, unless a comment has this id."""

PLACEHOLDERS = {
    "[deleted]": "deleted",
    "[removed]": "removed",
    "[removed by reddit]": "removed",
    "[ removed by reddit ]": "removed",
}
"""Placeholders of deleted comments."""

_AT_ONCE = 1000
_CHARACTERS_AT_ONCE = 2**20
"""Comments, and their characters, per write to the index: one by one takes longer."""

# Comments are stored in the dump's order; a small table of hashes finds them. Ids are long and unordered: as
# the key of the large table they would slow it down as it grows.
_TABLES = """
CREATE TABLE places (hash INTEGER PRIMARY KEY, nr INTEGER);
CREATE TABLE comments (nr INTEGER PRIMARY KEY, id BLOB, text BLOB, parent BLOB, author BLOB);
CREATE TABLE articles (id BLOB PRIMARY KEY, url BLOB, title BLOB, text BLOB);
CREATE TABLE authors (id BLOB PRIMARY KEY, name BLOB);
CREATE TABLE waiting (nr INTEGER PRIMARY KEY, row BLOB);
"""


_Kept = tuple[str | None, str | None, str | None]
"""Text, parent and author of a comment."""


class Index:
    """What a dump's comments refer to, by id, on disk. If several have the same id, the first counts."""

    def __init__(self) -> None:
        # An empty name is a private file that SQLite removes however the process ends. One transaction, never
        # committed, is enough; what doesn't fit into the cache still goes to the file.
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._base.executescript(
            f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-{CACHE_KIB};"
            f"PRAGMA temp_store=FILE; {_TABLES} BEGIN;"
        )
        self._new: dict[str, _Kept] = {}
        self._new_size = self._count = 0
        self.article = lru_cache(maxsize=64)(self._article)
        self.author = lru_cache(maxsize=4096)(self._author)

    def close(self) -> None:
        """Close the database."""
        self._base.close()

    def add_comment(
        self, id: str, text: str | None, parent: str | None = None, author: Sequence[str] = ()
    ) -> None:
        """Add a comment, without text if it was deleted. `author` is its author's name."""
        self._new.setdefault(id, (text, parent, "\0".join(author) or None))
        self._new_size += len(text) if text else 0
        if len(self._new) >= _AT_ONCE or self._new_size >= _CHARACTERS_AT_ONCE:
            self._put_comments()

    def add_article(self, id: str, *, url: str | None, title: str | None, text: str | None) -> None:
        """Add an article."""
        self._put("articles", id, url, title, text)
        self.article.cache_clear()

    def add_author(self, id: str, name: str | None) -> None:
        """Add an author's name."""
        self._put("authors", id, name)
        self.author.cache_clear()

    def knows(self, id: str) -> bool:
        """Whether the comment or article is known, with or without its text."""
        return id in self._new or self._comment(id) is not None or self._get("articles", "1", id) is not None

    def text(self, id: str) -> str | None:
        """The text of a comment."""
        comment = self._comment(id)
        return None if comment is None else comment[0]

    def names(self, id: str) -> tuple[str, ...]:
        """The name of a comment's author."""
        comment = self._comment(id)
        return tuple(comment[2].split("\0")) if comment is not None and comment[2] else ()

    def root(self, id: str) -> str:
        """The comment or article at the top of the thread of `id`."""
        seen: set[str] = set()
        while id not in seen and len(seen) < MAX_DEPTH:
            seen.add(id)
            comment = self._comment(id)
            if comment is None or not comment[1]:
                break
            id = comment[1]
        return id

    def _comment(self, id: str) -> _Kept | None:
        """Text, parent and author of a comment, the first with this id."""
        query = "SELECT id, text, parent, author FROM places JOIN comments USING (nr) WHERE hash = ?"
        row = self._base.execute(query, (hash(id),)).fetchone()
        if row is None or row[0] != _bytes(id):
            return self._new.get(id)
        return _string(row[1]), _string(row[2]), _string(row[3])

    def _put_comments(self) -> None:
        numbered = list(enumerate(self._new.items(), start=self._count))
        comments = [(nr, _bytes(id), *map(_bytes, kept)) for nr, (id, kept) in numbered]
        places = sorted((hash(id), nr) for nr, (id, _) in numbered)
        with _full_disk():
            self._base.executemany("INSERT INTO comments VALUES (?, ?, ?, ?, ?)", comments)
            self._base.executemany("INSERT OR IGNORE INTO places VALUES (?, ?)", places)
        self._count += len(comments)
        self._new, self._new_size = {}, 0

    def _article(self, id: str) -> Article | None:
        row = self._get("articles", "url, title, text", id)
        if row is None:
            return None
        url, title, text = map(_string, row)
        return Article(id=id, url=url, title=title, text=text)

    def _author(self, id: str) -> str | None:
        row = self._get("authors", "name", id)
        return None if row is None else _string(row[0])

    def wait(self, nr: int, row: Record | RawRow) -> None:
        """Store a row that waits."""
        with _full_disk():
            self._base.execute("INSERT INTO waiting VALUES (?, ?)", (nr, pickle.dumps(row)))

    def waited(self, first: int) -> list[Record | RawRow]:
        """Take out the waiting rows from number `first` on, at most a thousand."""
        last = first + WAITING
        stored = self._base.execute(
            "SELECT row FROM waiting WHERE nr >= ? AND nr < ? ORDER BY nr", (first, last)
        )
        rows = [pickle.loads(row) for (row,) in stored]  # safe to unpickle: our own rows, written above
        self._base.execute("DELETE FROM waiting WHERE nr < ?", (last,))
        return rows

    def _put(self, table: str, *values: str | None) -> None:
        marks = ", ".join("?" * len(values))
        with _full_disk():
            self._base.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", [_bytes(v) for v in values])

    def _get(self, table: str, columns: str, id: str) -> tuple[bytes | None, ...] | None:
        row = self._base.execute(f"SELECT {columns} FROM {table} WHERE id = ?", (_bytes(id),)).fetchone()
        return None if row is None else tuple(row)


class Joined:
    """The rows of `items` in their order, each with its parent's text, its article and its author's name.

    `skipped` counts what is skipped. With `read_ahead` off (a pipe that may never end, a dump with parents
    always first) a parent that hasn't come yet counts as missing. With `rooted` on, a reply without an
    article belongs to the root of its thread.
    """

    def __init__(
        self,
        items: Iterable[Record | RawRow],
        index: Index,
        *,
        skipped: Counter[str],
        read_ahead: bool,
        rooted: bool = False,
    ) -> None:
        self._items, self._index, self._skipped = items, index, skipped
        self._read_ahead, self._rooted = read_ahead, rooted
        self._first: deque[Record | RawRow] = deque()
        self._put, self._taken = 0, 0
        self._came, self._gone = 0, 0
        self._broken: DumpError | None = None

    def __iter__(self) -> Iterator[Record | RawRow]:
        for item in self._whole():
            if isinstance(item, RawRow) and item.skip is not None:
                self._skipped[item.skip] += 1
                if isinstance(id := item.values.get("id"), str | int):
                    self._index.add_comment(str(id), None)
            else:
                self._push(item)
            while self._first and self._ready(self._first[0]):
                yield self._join(self._pop())
        while self._first:
            yield self._join(self._pop())
        if self._broken is not None:
            raise self._broken

    def _whole(self) -> Iterator[Record | RawRow]:
        """The items up to where the dump breaks off: waiting rows are then returned before the error."""
        try:
            yield from self._items
        except DumpError as error:
            self._broken = error

    @property
    def share(self) -> float:
        """The share of the rows read that were yielded, in [0, 1]: the others wait for a parent."""
        return self._gone / self._came if self._came else 1.0

    def _push(self, row: Record | RawRow) -> None:
        self._came += 1
        if isinstance(row, Record) and row.id is not None:
            names = [name for name in (row.author_id, row.author_name) if name]
            self._index.add_comment(row.id, row.text, row.parent.id if row.parent else None, names)
        if self._put == self._taken and len(self._first) < WAITING:
            self._first.append(row)
        else:
            self._index.wait(self._put, row)
            self._put += 1

    def _pop(self) -> Record | RawRow:
        row = self._first.popleft()
        self._gone += 1
        if not self._first and self._taken < self._put:
            self._first.extend(self._index.waited(self._taken))
            self._taken = min(self._taken + WAITING, self._put)
        return row

    def _ready(self, row: Record | RawRow) -> bool:
        parent = row.parent if isinstance(row, Record) else None
        if not self._read_ahead or parent is None or parent.id is None or parent.text is not None:
            return True
        if parent.id == NOBODY:
            return True
        return self._index.knows(self._index.root(parent.id) if self._rooted else parent.id)

    def _join(self, row: Record | RawRow) -> Record | RawRow:
        if isinstance(row, RawRow):
            return row
        parent, article, name = self._parent(row), self._article(row), row.author_name
        if name is None and row.author_id is not None:
            name = self._index.author(row.author_id)
        named = self._index.names(parent.id) if parent is not None and parent.id is not None else ()
        if parent is row.parent and article is row.article and name == row.author_name and not named:
            return row
        return replace(row, parent=parent, article=article, author_name=name, parent_author=named)

    def _parent(self, row: Record) -> Parent | None:
        parent = row.parent
        if parent is None or parent.id is None:
            return parent
        if parent.id == NOBODY and not self._index.knows(NOBODY):
            return None
        if parent.id == row.id or (self._rooted and self._index.article(parent.id) is not None):
            return None
        if parent.text is not None or (text := self._index.text(parent.id)) is None:
            return parent
        return Parent(id=parent.id, text=text)

    def _article(self, row: Record) -> Article | None:
        given = row.article
        if given is None and self._rooted and row.parent is not None and row.parent.id is not None:
            root = self._index.root(row.parent.id)
            given = Article(id=root, url=root)
        if given is None or given.id is None or (known := self._index.article(given.id)) is None:
            return given
        return Article(
            id=given.id,
            url=known.url or given.url,
            title=known.title or given.title,
            text=known.text or given.text,
        )


class _Table(Protocol):
    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def fraction(self) -> float: ...

    def __iter__(self) -> Iterator[Record | RawRow]: ...


class JoinedTable:
    """The rows of a table or of JSON lines; a missing parent's text is found by its id."""

    def __init__(self, reader: _Table, source: Source) -> None:
        self._reader, self._source = reader, source
        self.columns = reader.columns
        self._rows_joined: Joined | None = None
        self._joined = not self.columns or {"id", "parent.id"} <= set(self.columns)
        if self.columns and self._joined and "parent.text" not in self.columns:
            self.columns = (*self.columns, "parent.text")

    @property
    def fraction(self) -> float:
        """How much of the input has been read, in [0, 1]."""
        return self._reader.fraction * (self._rows_joined.share if self._rows_joined else 1.0)

    @property
    def types(self) -> Mapping[str, Any]:
        """The Arrow types of the columns, if the file has them."""
        types: Mapping[str, Any] = getattr(self._reader, "types", {})
        return types

    def __iter__(self) -> Iterator[Record | RawRow]:
        skipped = self._source.skipped
        if not self._joined:
            for row in self._rows():
                if isinstance(row, RawRow) and row.skip is not None:
                    skipped[row.skip] += 1
                else:
                    yield row
            return
        with closing(Index()) as index:
            joined = Joined(self._rows(), index, skipped=skipped, read_ahead=self._source.ends)
            self._rows_joined = joined
            yield from joined

    def rows(self, index: Index) -> Iterator[Record | RawRow]:
        """The unjoined rows, for an `Index` shared by several files."""
        return self._rows()

    def _rows(self) -> Iterator[Record | RawRow]:
        for row in self._reader:
            gone = placeholder(row.text) if isinstance(row, Record) else None
            yield row if gone is None or isinstance(row, RawRow) else RawRow(skip=gone, values={"id": row.id})


def placeholder(text: object) -> str | None:
    """The reason if this text is only a placeholder of a deleted comment, else None."""
    if not isinstance(text, str) or len(text) > 30:
        return None
    return PLACEHOLDERS.get(text.strip().lower())


@contextmanager
def _full_disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise DumpError(
            f"the folder for temporary files is full or can't be written ({error}): set TMPDIR to one "
            "with as much free space as the dump's size"
        ) from error


def _bytes(value: str | None) -> bytes | None:
    """UTF-8 with lone surrogates, which JSON allows but SQLite's text doesn't."""
    return None if value is None else value.encode("utf-8", "surrogatepass")


def _string(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "surrogatepass")
