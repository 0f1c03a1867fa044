"""What the store said of names lately: most comments come under few articles."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from threading import Lock
from typing import Generic, TypeVar

from cachetools import TTLCache

FRESH_S = 5.0
"""Seconds for which the store's word is believed: so long what another process has changed isn't seen."""
KEPT_NAMES = 1000

T = TypeVar("T")


class Known(Generic[T]):
    """The store's answers by name (None: it knew nothing), for a moment. Safe to share between threads."""

    def __init__(self) -> None:
        self._kept: TTLCache[str, T | None] = TTLCache(KEPT_NAMES, FRESH_S, timer=lambda: time.monotonic())
        self._lock = Lock()
        self.cleared = 0
        """How often."""

    def of(self, names: Iterable[str]) -> dict[str, T | None]:
        """Those of the names that are known, and freshly so."""
        known: dict[str, T | None] = {}
        with self._lock:
            for name in names:
                with suppress(KeyError):
                    known[name] = self._kept[name]
        return known

    def add(self, found: Mapping[str, T | None]) -> None:
        """Keep what the store has just said."""
        with self._lock:
            self._kept.update(found)

    def clear(self) -> None:
        """Forget everything: something has changed."""
        with self._lock:
            self._kept.clear()
            self.cleared += 1
