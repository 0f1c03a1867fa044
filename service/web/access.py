"""Access control: API keys and rate limits.

    gate = Gate(store, anonymous=False, loopback=True, rate="600/minute")
    app.add_middleware(AccessControl, gate=gate, wires=WIRES)

Without any key the service is open to programs on this machine, and refuses to start on another address
(`check_exposure`); requests through a proxy are refused too, since anybody may be behind it. Once a key
exists, revoked or not, every caller needs one, unless `access.anonymous` accepts others; their rate counts by
address.
"""

from __future__ import annotations

import ipaddress
import math
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

import structlog
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parley.service.errors import InvalidKey, MissingKey, Problem, RateLimited, StartError, StoreError
from parley.service.logs import describe
from parley.service.settings.schema import Settings
from parley.service.store import keys
from parley.service.store.database import Store
from parley.service.web.proxy import counted_as, is_direct
from parley.service.web.wire import Wire, render

FRESH_S = 5.0
"""Seconds for which keys are cached; a revoked key may still work until then."""

OPEN_PATHS = ("/", "/health", "/openapi.json", "/batch")
OPEN_PREFIXES = ("/docs", "/static-offline-docs/", "/desk")
"""Paths that reveal no comment: probes and documents need no key. Each part of a batch has its own, and the
desk has its own sign-in (`service.desk.access`)."""

KEY_OPTIONAL = "/$discovery/rest"
"""Some Perspective clients read this path without a key, others use it to check their key."""

ANYBODY = "\x1e"
"""The name of callers without a key; no key may have it."""

log = structlog.get_logger("parley.access")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A caller: a key's id, or an address; None is anybody on this machine. `rate` is its limit.

    `name` prefixes the names that callers give to decisions, so that they don't collide: it is the key's
    name, which a replacement key can share.
    """

    identity: tuple[str, str] | None
    rate: str | None
    name: str = ""

    @property
    def key_id(self) -> str | None:
        """The id of the key, if one was sent."""
        return self.identity[1] if self.identity and self.identity[0] == "key" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How much of its rate a caller has left; `reset` is in seconds."""

    limit: int
    remaining: int
    reset: int
    exceeded: bool

    @property
    def headers(self) -> dict[str, str]:
        """The RateLimit headers of an answer."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }


class Gate:
    """Identifies callers and counts their requests. `refresh` reads the store; the rest is fast."""

    def __init__(self, store: Store, *, anonymous: bool, loopback: bool, rate: str | None) -> None:
        """`rate` such as "600/minute" is for each key without one of its own. Raises StoreError."""
        self._store, self._anonymous, self._loopback, self._rate = store, anonymous, loopback, rate
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._keys: dict[str, keys.ApiKey] = {}
        self._guarded = False
        self._read_at = 0.0
        self.refresh()

    async def is_still_open(self) -> bool:
        """`is_open` with fresh keys: a check that runs before access must notice the first key."""
        if self.is_open:
            await self.keep_fresh()
        return self.is_open

    async def keep_fresh(self) -> None:
        """Read the keys again if they are old; if the store fails, the old ones stay valid."""
        if time.monotonic() - self._read_at < FRESH_S:
            return
        self._read_at = time.monotonic()  # set now, so that only one of many requests reads
        try:
            await run_in_threadpool(self.refresh)
        except StoreError as error:
            log.warning("keys_not_read", **describe(error))

    def refresh(self) -> None:
        """Read the keys from the store. Raises StoreError."""
        self._keys = keys.active(self._store)
        # Revoking the last key must not open the service to its former owner.
        self._guarded = bool(self._keys or keys.all_keys(self._store))
        self._read_at = time.monotonic()

    @property
    def is_open(self) -> bool:
        """Whether programs on this machine need no key."""
        return self._loopback and not self._guarded

    def identify(self, key: str | None, address: str, *, direct: bool = True) -> Caller:
        """The caller with this key, or without one if allowed; `direct`: not through a proxy.

        Raises MissingKey, InvalidKey.
        """
        known = self._keys.get(keys.hash_of(key)) if key else None
        if known:
            return Caller(identity=("key", known.id), rate=known.rate or self._rate, name=known.name)
        if self._anonymous:
            return Caller(identity=("address", counted_as(address)), rate=self._rate, name=ANYBODY)
        if self.is_open and direct:
            return Caller(identity=None, rate=None)
        if key:
            raise InvalidKey(
                "the API key is unknown or was revoked; create one with `parley keys create NAME`"
            )
        if self.is_open:
            raise MissingKey(
                "this request came from another machine or through a proxy, and there is no API key yet: "
                "create one with `parley keys create NAME` and send it as Authorization: Bearer KEY"
            )
        raise MissingKey("send an API key: Authorization: Bearer KEY, X-API-KEY, x-goog-api-key or ?key=")

    def count(self, caller: Caller) -> Usage | None:
        """Count one request; None for a caller without a limit."""
        if caller.identity is None or caller.rate is None:
            return None
        limit = parse(caller.rate)
        admitted = self._limiter.hit(limit, *caller.identity)
        stats = self._limiter.get_window_stats(limit, *caller.identity)
        reset = max(1, math.ceil(stats.reset_time - time.time()))
        return Usage(limit=limit.amount, remaining=stats.remaining, reset=reset, exceeded=not admitted)


class AccessControl:
    """Passes on the requests that the gate admits, and adds the RateLimit headers to their answers."""

    def __init__(
        self, app: ASGIApp, *, gate: Gate, wires: Sequence[Wire], open_paths: Sequence[str] = ()
    ) -> None:
        """`open_paths` need no key in addition to OPEN_PATHS: their requests are signed."""
        self.app = app
        self.gate = gate
        self.wires = wires
        self.open_paths = {*OPEN_PATHS, *open_paths}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with 401, 403 or 429, or pass on and add the RateLimit headers."""
        if scope["type"] != "http" or self._is_open(scope):
            scope.setdefault("state", {})["check_key"] = lambda key: self.gate.identify(
                key, _address(scope), direct=is_direct(scope)
            )
            await self.app(scope, receive, send)
            return
        headers: dict[str, str] = {}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        try:
            await self.gate.keep_fresh()
            caller = self.gate.identify(key_of(scope), _address(scope), direct=is_direct(scope))
            scope.setdefault("state", {}).update(key_id=caller.key_id, caller=caller.name)
            usage = self.gate.count(caller)
            if usage:
                headers |= usage.headers
            if usage and usage.exceeded:
                told = f"more than {usage.limit} requests: retry in {usage.reset} s"
                raise RateLimited(told, retry_after=usage.reset)
        except (MissingKey, InvalidKey, RateLimited) as error:
            if not isinstance(error, RateLimited):
                headers["WWW-Authenticate"] = "Bearer"
            problem = Problem.of(error)
            problem = replace(problem, headers={**problem.headers, **headers})
            await render(scope["path"], problem, self.wires)(scope, receive, send)
            return
        await self.app(scope, receive, send_with_headers)

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        if path == KEY_OPTIONAL:
            return key_of(scope) is None
        return path in self.open_paths or path.startswith(OPEN_PREFIXES)


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("unknown", 0))[0])


def key_of(scope: Scope) -> str | None:
    """The API key that a request carries, in `?key=` or a header.

    A bearer token comes last: beside a key it is for something else, such as Google's OAuth or a proxy's
    login.
    """
    headers = Headers(scope=scope)
    in_query = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("key", [None])[0]
    key = in_query or headers.get("x-api-key") or headers.get("x-goog-api-key")
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return key or (token.strip() if scheme.lower() == "bearer" else None) or None


def check_exposure(settings: Settings, store: Store) -> None:
    """Refuse to listen on the network while there is no key. Raises StartError, StoreError."""
    if settings.access.anonymous or is_loopback(settings.host) or keys.active(store):
        return
    raise StartError(
        f"{settings.host or 'this address'} can be reached from other machines, and there is no API key yet: "
        "create one with `parley keys create NAME`, or accept everybody with --allow-anonymous"
    )


def warn_of_exposure(settings: Settings, store: Store) -> None:
    """Log at the start who may call. Raises StoreError."""
    if settings.access.anonymous:
        log.warning(
            "open_to_anyone", reason="access.anonymous is true: anybody who reaches the port may call"
        )
    elif not keys.all_keys(store):
        log.warning(
            "no_api_key",
            reason="only direct requests from this machine are answered, none through a proxy; "
            "create a key with `parley keys create NAME`",
        )


def is_loopback(host: str) -> bool:
    """Whether `host` can be reached from this machine only."""
    try:
        infos = socket.getaddrinfo(host or None, None, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in infos)
