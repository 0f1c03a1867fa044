"""Around every request: id, log line, metrics, admission, the size of its body, and a last net for errors."""

from __future__ import annotations

import re
import time
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parley.service.errors import BodyTooLarge, Busy, MalformedBody, NotReady, Problem
from parley.service.logs import describe
from parley.service.metrics import Metrics
from parley.service.web.wire import Wire, render

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUIET = ("/health", "/metrics")
CLIENT_GONE = 499
"""What logs and metrics say of a caller that hung up, as nginx does."""
MOST_DROPPED = 100_000_000
"""Bytes of a refused body that are waited for."""
REFUSALS_S = 10.0
"""Under a flood of requests those refused are told of so often, in one line: a line each would cost more."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

log = structlog.get_logger("parley.request")


class RequestLog:
    """Gives each request an id (X-Request-ID, echoed), a log line and metrics; a last net for errors."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, wires: Sequence[Wire]) -> None:
        self.app = app
        self.metrics = metrics
        self.wires = wires

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            except ClientDisconnect:
                status = CLIENT_GONE
            except Exception as error:
                log.error("request_failed", **describe(error))
                if status:
                    raise  # the answer has begun: the server must cut the connection
                await render(scope["path"], Problem.of(error), self.wires)(scope, receive, send_with_id)
            finally:
                self._tell(scope, status, time.perf_counter() - started)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        state = scope.get("state", {})
        route = getattr(scope.get("route"), "path", None) or state.get("refused", "unmatched")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.metrics.on_request(route=route, method=method, status=status, seconds=seconds)
        told = {name: state[name] for name in ("comments", "key_id") if state.get(name) is not None}
        told["client"] = (scope.get("client") or (None, 0))[0]
        level = "debug" if route in QUIET or "refused" in state else "info"
        getattr(log, level)(
            "request", method=method, route=route, status=status, seconds=round(seconds, 4), **told
        )


class Unread:
    """Drops what an answer has left unread of its request, before it goes out.

    A connection that is closed over unread bytes is reset, and the client never sees why it was refused.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Who waits for "100 Continue" hasn't sent its body, and won't after an answer.
        read = "expect" in Headers(scope=scope)
        dropped = 0

        async def receive_watched() -> Message:
            nonlocal read
            message = await receive()
            read = read or not message.get("more_body", False)
            return message

        async def send_after(message: Message) -> None:
            nonlocal dropped
            while message["type"] == "http.response.start" and not read and dropped < MOST_DROPPED:
                dropped += len((await receive_watched()).get("body", b""))
            await send(message)

        await self.app(scope, receive_watched, send_after)


class Admission:
    """Refuses what asks the model while the queue is full, before anything of the request is read.

    Reading, checking and only then refusing would take the time of those that were accepted.
    """

    def __init__(self, app: ASGIApp, *, check: Callable[[], None], wires: Sequence[Wire]) -> None:
        """`check` raises Busy or NotReady while no comment can be taken."""
        self.app = app
        self.check = check
        self.wires = wires
        self.paths = frozenset(path for wire in wires for path in wire.predicting)
        self.refused = 0
        self.told = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in self.paths:
            try:
                self.check()
            except (Busy, NotReady) as error:
                scope.setdefault("state", {})["refused"] = scope["path"]
                if isinstance(error, Busy):
                    self._tell(error)
                await render(scope["path"], Problem.of(error), self.wires)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _tell(self, error: Busy) -> None:
        self.refused += 1
        now = time.monotonic()
        if now - self.told >= REFUSALS_S:
            log.warning("requests_refused", requests=self.refused, reason=str(error))
            self.refused, self.told = 0, now


class BodyLimit:
    """Refuses a body of more than `limit` bytes: by Content-Length unread, otherwise once it is longer.

    A body packed with gzip is unpacked, and the limit is one on what comes out.
    """

    def __init__(
        self, app: ASGIApp, *, limit: int, wires: Sequence[Wire], larger: Mapping[str, int] | None = None
    ) -> None:
        """`larger` are the paths that take more, with how much."""
        self.app = app
        self.limit = limit
        self.larger = larger or {}
        self.wires = wires

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.larger.get(scope["path"], self.limit)
        error = BodyTooLarge(f"the body is longer than {limit} bytes: send fewer comments at once")
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            await render(scope["path"], Problem.of(error), self.wires)(scope, receive, send)
            return
        read = 0
        inflate = _unpacking(scope)

        async def receive_counted() -> Message:
            nonlocal read
            message = await receive()
            if inflate is not None and message["type"] == "http.request":
                message = {**message, "body": _inflated(inflate, message, limit - read + 1)}
            read += len(message.get("body", b""))
            if read > limit:
                raise error
            return message

        await self.app(scope, receive_counted, send)


def _unpacking(scope: Scope) -> Any:
    """What unpacks the body, whose headers then are those of what comes out; None where it isn't packed."""
    headers = Headers(scope=scope)
    if headers.get("content-encoding", "").strip().lower() not in ("gzip", "x-gzip"):
        return None
    gone = (b"content-encoding", b"content-length")
    scope["headers"] = [pair for pair in scope["headers"] if pair[0].lower() not in gone]
    return zlib.decompressobj(zlib.MAX_WBITS | 16)


def _inflated(inflate: Any, message: Message, most: int) -> bytes:
    """The message's bytes unpacked, `most` at most. Raises MalformedBody."""
    try:
        out: bytes = inflate.decompress(message.get("body", b""), max(most, 1))
    except zlib.error as error:
        raise MalformedBody(f"the body is declared as gzip and is none: {error}") from error
    if not message.get("more_body", False) and not inflate.eof and not inflate.unconsumed_tail:
        raise MalformedBody("the body is packed with gzip and ends too early")
    return out
