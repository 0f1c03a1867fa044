"""Limits on connections: Uvicorn's protocol with a maximum of open sockets and of the wait for a request.

Uvicorn waits for a request's first byte, and for the end of its headers, without a limit. Each waiting
connection holds a file descriptor, and a thousand idle ones would leave none for requests.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
"""Seconds from opening a connection to the end of the first request's headers; later requests have as long
from their first byte, with Uvicorn's keep-alive limit before it."""
SPARE_FILES = 200
"""File descriptors reserved for the store, the model and logs."""
MOST_CONNECTIONS = 4000
READ_BYTES = 65_536
"""The most bytes read from a connection at a time; asyncio's 256 KB make everyone wait for others' bodies."""


class BoundedProtocol(H11Protocol):
    """One connection. If there are too many, the one that has been idle for longest is closed."""

    idle: ClassVar[dict[BoundedProtocol, None]] = {}
    """Idle connections, the longest idle first."""
    open: ClassVar[int] = 0
    most: ClassVar[int] = MOST_CONNECTIONS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and abort the longest idle one if there are too many."""
        super().connection_made(transport)
        transport.max_size = READ_BYTES  # type: ignore[attr-defined]
        BoundedProtocol.open += 1
        self.idle[self] = None
        self._wait_for_head()
        if BoundedProtocol.open > self.most:
            oldest = next(iter(self.idle))
            del self.idle[oldest]
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection."""
        BoundedProtocol.open -= 1
        self.idle.pop(self, None)
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Start the timer of a request's headers; stop it once they are complete."""
        between = self.cycle is None or self.cycle.response_complete
        before = self.cycle
        if between and self._head_timer is None:
            self._wait_for_head()
        super().data_received(data)
        if self.cycle is not before:
            self.idle.pop(self, None)
            self._head_arrived()

    def on_response_complete(self) -> None:
        """Count the connection as idle, unless its next request has arrived."""
        before = self.cycle
        self.idle[self] = None
        super().on_response_complete()
        if self.cycle is not before:  # the next request has already arrived
            self.idle.pop(self, None)

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_S, self._close)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()


def allow_connections() -> None:
    """Raise this process's limit of open files, and keep connections below it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + SPARE_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    if soft != resource.RLIM_INFINITY:
        BoundedProtocol.most = max(10, min(MOST_CONNECTIONS, soft - SPARE_FILES))
