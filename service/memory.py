"""Has glibc give back memory that was freed and that it would keep; other C libraries have no such calls."""

from __future__ import annotations

import ctypes
from contextlib import suppress

LARGE_BUFFER = 300_000
"""Buffers of this many bytes or more, such as long bodies, are returned to the system when they are freed.

It is more than asyncio reads at once (256 KiB), because mapping and unmapping each of those would be slow."""
M_MMAP_THRESHOLD = -3
"""The number of this option in glibc's mallopt."""


def return_large_buffers() -> None:
    """Make glibc return freed buffers of LARGE_BUFFER bytes; by default it soon keeps those up to 32 MB."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BUFFER)


def return_freed_memory() -> None:
    """Have glibc return what earlier bodies left in pieces, tens of megabytes; takes some milliseconds."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
