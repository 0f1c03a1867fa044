"""A short-lived cache of the store's answers: most comments are on few articles."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from threading import Lock
from typing import Generic, TypeVar

from cachetools import TTLCache

FRESH_S = 5.0
"""Seconds for which answers are cached; changes by other processes aren't seen until then."""
KEPT_NAMES = 1000

T = TypeVar("T")


class Known(Generic[T]):
    """Caches the store's answers by name (None: unknown). Safe to share between threads."""

    def __init__(self) -> None:
        self._kept: TTLCache[str, T | None] = TTLCache(KEPT_NAMES, FRESH_S, timer=lambda: time.monotonic())
        self._lock = Lock()
        self.cleared = 0
        """How often the cache was cleared."""

    def of(self, names: Iterable[str]) -> dict[str, T | None]:
        """The cached answers for these names."""
        known: dict[str, T | None] = {}
        with self._lock:
            for name in names:
                with suppress(KeyError):
                    known[name] = self._kept[name]
        return known

    def add(self, answers: Mapping[str, T | None]) -> None:
        """Cache new answers."""
        with self._lock:
            self._kept.update(answers)

    def clear(self) -> None:
        """Clear the cache after a change."""
        with self._lock:
            self._kept.clear()
            self.cleared += 1
