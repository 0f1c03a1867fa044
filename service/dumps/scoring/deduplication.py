"""Deduplication: exact duplicates are scored once, however far apart they are.

The predictions are in an SQLite file next to the run's parts, so memory stays constant, and a resumed run can
use them. Two comments are duplicates if the model's whole input is the same: text and its format, article,
parent, target, language, and requested labels.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from struct import Struct

import msgspec

from parley.model.comment import Comment, Prediction
from parley.service.dumps.scoring.rows import to_json
from parley.service.errors import DumpError

_AT_ONCE = 500
"""Keys per query; SQLite allows at least 999."""
_CACHE_KIB = 2 * 1024
_PLACES_KIB = 16 * 1024
_HALVES = Struct("qq")
"""A key as two SQLite integers."""


class Seen:
    """Predictions by comment, stored in `path`. `commit` makes changes durable.

    The file only grows at its end. A temporary table, rebuilt when a run resumes, maps keys to rows: keys are
    unordered, and an index in the file would change many of its pages.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.awaited: set[bytes] = set()
        """Keys of comments being scored, until `keep` gets their predictions."""
        self._database = sqlite3.connect(path)
        try:
            with self._told():
                self._open()
        except DumpError:
            self._database.close()
            raise

    def _open(self) -> None:
        # Losing this cache only costs time: a crash of the machine may lose it, a crash of Parley doesn't.
        self._database.executescript(
            "PRAGMA synchronous = OFF; PRAGMA temp_store = FILE; PRAGMA temp.journal_mode = OFF;"
            f"PRAGMA main.cache_size = -{_CACHE_KIB}; PRAGMA temp.cache_size = -{_PLACES_KIB};"
            "CREATE TABLE IF NOT EXISTS predictions"
            " (nr INTEGER PRIMARY KEY, hash INTEGER, rest INTEGER, prediction BLOB);"
            "CREATE TEMP TABLE places (hash INTEGER PRIMARY KEY, nr INTEGER);"
            "INSERT OR IGNORE INTO places SELECT hash, nr FROM predictions ORDER BY hash;"
        )

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Prediction]:
        """The stored predictions of these keys, with the id of the first comment that has the key."""
        predictions: dict[bytes, Prediction] = {}
        halves = [_HALVES.unpack(key) for key in keys]
        for start in range(0, len(keys), _AT_ONCE):
            some = [first for first, _ in halves[start : start + _AT_ONCE]]
            query = (
                "SELECT p.hash, p.rest, p.prediction FROM places JOIN predictions AS p USING (nr) "
                f"WHERE places.hash IN ({','.join('?' * len(some))})"
            )
            with self._told():
                for first, rest, prediction in self._database.execute(query, some):
                    predictions[_HALVES.pack(first, rest)] = _read(prediction)
        return predictions

    def keep(self, predictions: Mapping[bytes, Prediction]) -> None:
        """Store predictions. Raises DumpError if the disk is full."""
        with self._told():
            (last,) = self._database.execute("SELECT coalesce(max(nr), 0) FROM predictions").fetchone()
            rows = [
                (nr, *_HALVES.unpack(key), to_json(prediction))
                for nr, (key, prediction) in enumerate(predictions.items(), start=last + 1)
            ]
            self._database.executemany("INSERT INTO predictions VALUES (?, ?, ?, ?)", rows)
            places = sorted((first, nr) for nr, first, _, _ in rows)
            self._database.executemany("INSERT OR IGNORE INTO places VALUES (?, ?)", places)
        self.awaited.difference_update(predictions)

    def commit(self) -> None:
        """Make stored predictions durable. Raises DumpError if the disk is full."""
        with self._told():
            self._database.commit()

    def close(self) -> None:
        """Close the database without committing."""
        self._database.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise DumpError(
                f"{self._path} can't be written ({error}): free space there and in the folder for temporary "
                "files, then give the same command again to resume"
            ) from error
        except sqlite3.DatabaseError as error:
            raise DumpError(f"{self._path} is damaged ({error}): start over with --no-resume") from error


def key_of(comment: Comment) -> bytes:
    """16 bytes that are equal for comments with the same model input."""
    article, parent = comment.article, comment.parent
    digest = blake2b(digest_size=16)
    for text in (
        comment.text,
        comment.format,
        comment.target,
        comment.language,
        parent.text if parent else None,
        article.title if article else None,
        article.text if article else None,
        ",".join(comment.ask),
    ):
        data = b"" if text is None else text.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % (-1 if text is None else len(data)) + data)
    return digest.digest()


def _read(data: bytes) -> Prediction:
    try:
        return _decode(data)
    except ValueError:  # a lone surrogate, which only the standard library accepts
        return msgspec.convert(json.loads(data), Prediction)


_decode = msgspec.json.Decoder(Prediction).decode
