"""Around every request: id, log line, metrics, admission, body limits, and a catch-all for errors."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parley.service.errors import BodyTooLarge, Busy, MalformedBody, NotReady, Problem, RequestTimedOut
from parley.service.logs import describe
from parley.service.metrics import Metrics
from parley.service.web.wire import Wire, render

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUIET = ("/health", "/metrics")
CLIENT_GONE = 499
"""The status in logs and metrics for a caller that hung up, as in nginx."""
MOST_DROPPED, DROPPED_S = 100_000_000, 5.0
"""How many bytes of a refused body are still read, and for how long."""
BODY_S = 30.0
"""Seconds that a body may take to arrive."""
FREE_BYTES = 65_536
"""Bytes of each body that don't count, so that a single comment never waits for other callers' bodies."""
BODIES_AT_ONCE = 2
"""The total of bodies in memory, in bodies of the largest size; as Python's text each can take four times as
much, until it is answered."""
TURN_S = 0.5
"""Seconds for which a body still counts after its sender hung up: the model's turn keeps the comments."""
REFUSALS_S = 10.0
"""Seconds between log lines that count refused requests: one line each would cost more than refusing."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

log = structlog.get_logger("parley.request")


class RequestLog:
    """Gives each request an id (X-Request-ID, echoed), a log line and metrics; catches all errors."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, wires: Sequence[Wire]) -> None:
        self.app = app
        self.metrics = metrics
        self.wires = wires

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; log, count and time the answer."""
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
    """After an answer, reads what is left of the request's body.

    A connection closed with unread bytes is reset, and the client never sees why it was refused. The answer
    doesn't wait: slow senders get it at once.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; then read the rest of the body and drop it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # A client that waits for "100 Continue" hasn't sent its body, and won't after an answer.
        read = "expect" in Headers(scope=scope)

        async def receive_watched() -> Message:
            nonlocal read
            message = await receive()
            read = read or not message.get("more_body", False)
            return message

        async def drop() -> None:
            dropped = 0
            while not read and dropped < MOST_DROPPED:
                dropped += len((await receive_watched()).get("body", b""))

        async def send_and_drop(message: Message) -> None:
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if read or not last:
                await send(message)
                return
            await send({**message, "more_body": True})
            with suppress(TimeoutError):
                await asyncio.wait_for(drop(), DROPPED_S)
            await send({"type": "http.response.body", "body": b""})

        await self.app(scope, receive_watched, send_and_drop)


class Admission:
    """Refuses prediction requests while the queue is full, before reading them.

    Reading and checking them first would take time from the accepted ones.
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
        """Refuse with 429 or 503, or pass on."""
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
    """Limits bodies: each in bytes and seconds, and all that are in memory in bytes.

    A body of more than `limit` bytes is refused by its Content-Length without reading it, or once it is
    longer. A gzip body is unpacked, and the limits apply to the result.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: int,
        wires: Sequence[Wire],
        larger: Mapping[str, int] | None = None,
        seconds: float = BODY_S,
    ) -> None:
        """`larger` maps paths to higher limits."""
        self.app = app
        self.limit = limit
        self.larger = larger or {}
        self.wires = wires
        self.seconds = seconds
        self.held = 0
        """Bytes of the bodies in progress, beyond FREE_BYTES of each."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a body that is declared too long; count others as they arrive."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.larger.get(scope["path"], self.limit)
        error = BodyTooLarge(f"the body is longer than {limit} bytes: send fewer comments at once")
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and (len(length) > 15 or int(length) > limit):
            await render(scope["path"], Problem.of(error), self.wires)(scope, receive, send)
            return
        read = held = 0
        complete = False
        seconds = self.seconds * limit / self.limit  # a larger body gets proportionally more time
        deadline = time.monotonic() + seconds
        inflate = _unpacking(scope)

        def hold(size: int) -> None:
            nonlocal held
            self.held, held = self.held + size - held, size

        async def receive_counted() -> Message:
            nonlocal read, complete
            if complete:  # the next message is the end of the connection
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, deadline - time.monotonic()))
            except TimeoutError as late:
                raise RequestTimedOut(
                    f"the body has not arrived within {seconds:g} seconds: send it again, or send less"
                ) from late
            complete = not message.get("more_body", False)
            if inflate is not None and message["type"] == "http.request":
                message = {**message, "body": _inflated(inflate, message, limit - read + 1)}
            read += len(message.get("body", b""))
            hold(max(0, read - FREE_BYTES))
            if read > limit:
                hold(0)
                raise error
            if held and self.held > BODIES_AT_ONCE * limit:
                hold(0)
                raise Busy("too many large bodies are being read: send fewer comments at once", retry_after=1)
            return message

        try:
            await _until_let_go(self.app(scope, receive_counted, send), lambda: held > 0)
        finally:
            hold(0)


async def _until_let_go(request: Awaitable[None], is_large: Callable[[], bool]) -> None:
    """Await the request, and the end of the model's turn if the sender of a large body hung up."""
    try:
        await request
    except ClientDisconnect:
        if is_large():
            await asyncio.sleep(TURN_S)
        raise


def _unpacking(scope: Scope) -> Any:
    """The body's decompressor, with headers adjusted to its output; None if it isn't compressed."""
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
        raise MalformedBody(f"the body is declared as gzip but is not: {error}") from error
    if not message.get("more_body", False) and not inflate.eof and not inflate.unconsumed_tail:
        raise MalformedBody("the gzip body ends too early")
    return out
