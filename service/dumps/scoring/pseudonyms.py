"""Authors under names that only the holder of a key can trace: what `--pseudonymize` does to a record.

    pseudonyms = Pseudonyms(KeyedHashes(Path("~/.local/share/parley/pseudonym-key").expanduser()))
    pseudonyms(record).author_id         # "5f2c09b1a4e7d380", the same for the same author in every dump

Id and name of the author become keyed hashes (HMAC-SHA256, 64 of its bits). Columns of the input's own whose
names say that they are about a person (`email`, `ip_address`, `username`, ...) are left out, and so is the
content of rows that can't be scored. The comments themselves are not searched for names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from parley.service.dumps.reading.record import BadRow, Record
from parley.service.privacy import KeyedHashes

DIGITS = 16
_PERSONAL = re.compile(
    "address|addr|author|avatar|commenter|email|ip|ipaddress|login|mail|name|nick|nickname|phone|uid|user|"
    "username|voters|website",
    re.IGNORECASE,
)
_RENAMED = ("author.id", "author.name")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


class Pseudonyms:
    """Renames authors with one key. `dropped` collects the columns that were left out."""

    def __init__(self, hashes: KeyedHashes) -> None:
        self._hashes = hashes
        self.dropped: set[str] = set()

    @property
    def fingerprint(self) -> str:
        """Tells one key from another, and nothing else of it."""
        return self._name("parley: the key's fingerprint")

    def __call__(self, record: Record) -> Record:
        """The record without what names its author. Raises StoreError where the key can't be used."""
        return replace(
            record,
            author_id=record.author_id and self._name(record.author_id),
            author_name=record.author_name and self._name(record.author_name),
            extra={name: value for name, value in record.extra.items() if not self._is_personal(name)},
        )

    def columns(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those columns that stay."""
        return tuple(name for name in names if name in _RENAMED or not self._is_personal(name))

    @staticmethod
    def bad_row(row: BadRow) -> BadRow:
        """The row by its place and problem alone."""
        return replace(row, raw="")

    def _name(self, value: str) -> str:
        return self._hashes.author(value)[:DIGITS]

    def _is_personal(self, name: str) -> bool:
        if not any(map(_PERSONAL.fullmatch, _WORD.findall(name))):
            return False
        self.dropped.add(name)
        return True
