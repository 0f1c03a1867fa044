"""Comments that were scored already: exact duplicates are scored once, however far apart they stand.

The predictions lie in a SQLite file beside the parts of the run, so memory stays as it is, and a run that was
killed finds them again. Two comments are duplicates where everything that the model is given is the same:
text and its format, article, parent, target, language.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from model.comment import Comment, Prediction, Span, Stance
from model.labels import ABUSE

_STANCE = ("target", "favor", "against", "none", "label")
_AT_ONCE = 500
"""Keys of one query; SQLite takes at least 999."""


class Seen:
    """Predictions by comment, kept in `path`. Changes last once `commit` was called."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path)
        # A lost cache costs time and nothing else: a crash of the machine may lose it, one of Parley doesn't.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA cache_size = -8000")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS seen (key BLOB PRIMARY KEY, prediction TEXT) WITHOUT ROWID"
        )

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Prediction]:
        """The predictions known under these keys, without the comments' ids."""
        found: dict[bytes, Prediction] = {}
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, prediction FROM seen WHERE key IN ({marks})"
            found.update((key, _unpack(text)) for key, text in self._database.execute(query, some))
        return found

    def keep(self, predictions: Mapping[bytes, Prediction]) -> None:
        """Remember these."""
        rows = [(key, _pack(prediction)) for key, prediction in predictions.items()]
        self._database.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", rows)

    def commit(self) -> None:
        """Make what was kept last."""
        self._database.commit()

    def close(self) -> None:
        self._database.close()


def key_of(comment: Comment) -> bytes:
    """16 bytes that are the same for comments that the model can't tell apart."""
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
    ):
        data = b"" if text is None else text.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % (-1 if text is None else len(data)) + data)
    return digest.digest()


def with_id(prediction: Prediction, comment: Comment) -> Prediction:
    """The prediction of another comment as that of this one."""
    return prediction if prediction.id == comment.id else replace(prediction, id=comment.id)


def _pack(said: Prediction) -> str:
    abuse = [said.abuse[label] for label in ABUSE]
    stance = said.stance and [getattr(said.stance, name) for name in _STANCE]
    spans = [(span.start, span.end, span.label, span.score) for span in said.spans]
    return json.dumps([abuse, said.spam, said.off_topic, stance, spans, said.language, said.notes])


def _unpack(text: str) -> Prediction:
    abuse, spam, off_topic, stance, spans, language, notes = json.loads(text)
    return Prediction(
        id=None,
        abuse=dict(zip(ABUSE, abuse, strict=True)),
        spam=spam,
        off_topic=off_topic,
        stance=stance and Stance(**dict(zip(_STANCE, stance, strict=True))),
        spans=tuple(Span(start=s, end=e, label=name, score=score) for s, e, name, score in spans),
        language=language,
        notes=tuple(notes),
    )
