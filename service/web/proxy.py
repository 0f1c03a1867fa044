"""Behind a reverse proxy: the real client, the scheme, and the path prefix.

    app.add_middleware(Prefix)                                    # the innermost
    app.add_middleware(Proxy, trusted=["10.0.0.0/8"], root_path="/parley")   # near the outermost

`X-Forwarded-For` and `X-Forwarded-Proto` count only from the addresses in `server.trusted_proxies`: anyone
can send them. Each proxy appends to `X-Forwarded-For`; the last address that is not a trusted proxy is the
client, those before it are the client's own claim. `Forwarded`, `X-Forwarded-Host` and `X-Forwarded-Prefix`
are ignored, because proxies pass them on from the client by default.

`Prefix` exists because routes match without the prefix, while the middleware in between compares whole paths.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Sequence

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

FORWARDED = ("forwarded", "via", "x-real-ip", "true-client-ip", "x-client-ip", "cf-connecting-ip")
"""Headers that proxies add, beside X-Forwarded-*."""
PEER = "parley.peer"
"""The scope key of `Proxy`'s findings; the parts of a batch inherit it."""
IGNORED_S = 600.0
"""Seconds between log lines about an unknown proxy's headers."""
SUBNET_V6 = 64
"""Bits of an IPv6 address that identify one network: a client has all its addresses."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

log = structlog.get_logger("parley.proxy")


class Proxy:
    """Puts the client's address and scheme into the scope and takes the prefix off the path."""

    def __init__(self, app: ASGIApp, *, trusted: Sequence[str] = (), root_path: str = "") -> None:
        self.app = app
        self.trusted: list[Network] = [ipaddress.ip_network(proxy, strict=False) for proxy in trusted]
        self.root_path = root_path
        self.told = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the resolved scope."""
        if scope["type"] == "http" and PEER not in scope:
            scope = self._resolve(scope)
        await self.app(scope, receive, send)

    def _resolve(self, scope: Scope) -> Scope:
        headers = Headers(scope=scope)
        peer = (scope.get("client") or (None, 0))[0]
        direct = is_local(peer) and scope.get("http_version") != "1.0" and not is_forwarded(headers)
        path, prefix = scope["path"], self.root_path or scope.get("root_path", "")
        if prefix and (path + "/").startswith(prefix + "/"):  # some proxies remove it, some don't
            path = path[len(prefix) :] or "/"
        resolved = {**scope, PEER: direct, "path": path, "root_path": prefix}
        if not is_forwarded(headers):
            return resolved
        if peer is None or not self._trusts(peer):
            self._tell_ignored(peer)
            return resolved
        resolved["client"] = (self._client(peer, headers.getlist("x-forwarded-for")), 0)
        scheme = headers.getlist("x-forwarded-proto")[-1:] or [""]
        if (last := scheme[0].rpartition(",")[2].strip().lower()) in ("http", "https"):
            resolved["scheme"] = last
        return resolved

    def _client(self, peer: str, chain: Sequence[str]) -> str:
        """The last address that isn't a trusted proxy, or the nearest proxy without a readable one."""
        nearest = peer
        for entry in reversed(",".join(chain).split(",")):
            address = parse_address(entry)
            if address is None:
                return nearest
            nearest = str(address)
            if not self._trusts(nearest):
                return nearest
        return nearest

    def _trusts(self, peer: str) -> bool:
        address = parse_address(peer)
        return address is not None and any(address in network for network in self.trusted)

    def _tell_ignored(self, peer: str | None) -> None:
        now = time.monotonic()
        if now - self.told >= IGNORED_S:
            self.told = now
            log.warning(
                "forwarded_ignored",
                peer=peer,
                reason="this proxy is not in server.trusted_proxies: all its clients count as one address",
            )


class Prefix:
    """Puts the prefix back in front of the path, as routes and links expect."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the whole path."""
        if scope["type"] != "http" or not scope.get("root_path"):
            await self.app(scope, receive, send)
            return
        inner = {**scope, "path": scope["root_path"] + scope["path"]}
        try:
            await self.app(inner, receive, send)
        finally:
            scope["route"] = inner.get("route")  # for the log


def is_direct(scope: Scope) -> bool:
    """Whether the caller is a program on this machine, with no proxy between; false if unclear.

    HTTP/1.0 is unclear: nginx speaks it to upstreams, and adds no header by default.
    """
    return bool(scope.get(PEER, False))


def is_forwarded(headers: Headers) -> bool:
    """Whether this request came through a proxy."""
    return any(name in FORWARDED or name.startswith("x-forwarded-") for name in headers)


def is_local(peer: str | None) -> bool:
    """Whether the other end of the connection is on this machine.

    A name that isn't an address is a caller within this process: sockets have addresses.
    """
    if peer is None:  # the connection closed before its address could be read
        return False
    address = parse_address(peer)
    return address is None or address.is_loopback


def parse_address(text: str) -> Address | None:
    """An address as in X-Forwarded-For: alone, with a port, IPv6 in brackets; None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def counted_as(peer: str) -> str:
    """What a client is rate-limited by: its address, or its network for IPv6."""
    address = parse_address(peer)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, SUBNET_V6), strict=False))
    return str(address) if address else peer
