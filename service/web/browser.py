"""Keeps web pages away from a Parley that is open to the programs on its machine.

Without a key Parley answers whoever reaches its loopback address. That includes every page in a browser on
the same machine: it can send requests to 127.0.0.1, and if its own host name points there (DNS rebinding) it
can read the answers too. But browsers say where a request comes from and where it was meant to go:

    Host             only the names of this machine
    Origin           the service's own, if present
    Sec-Fetch-Site   same-origin, or none (typed, or a bookmark); a link from elsewhere may open a page
    Content-Type     not text/plain, which a page may send anywhere without asking

Nothing of this is checked once there is a key, or with `access.anonymous`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from parley.service.errors import ForeignPage, Problem, WrongMediaType
from parley.service.web.wire import Wire, render

OWN_SITES = ("same-origin", "none")


class SameMachine:
    """Refuses requests that a web page may have sent, while `is_open` says that nobody needs a key."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        is_open: Callable[[], Awaitable[bool]],
        wires: Sequence[Wire],
        hosts: Sequence[str] = (),
    ) -> None:
        """`hosts` are accepted Host names, in addition to those of loopback."""
        self.app = app
        self.is_open = is_open
        self.wires = wires
        self.hosts = frozenset(map(str.lower, hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with 403 or 415, or pass on."""
        if scope["type"] == "http" and await self.is_open():
            try:
                self._check(scope)
            except (ForeignPage, WrongMediaType) as error:
                await render(scope["path"], Problem.of(error), self.wires)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host")
        if host is not None and not self._is_own(host):
            raise ForeignPage(
                f"this request is for the host {host[:80]!r}; without an API key Parley answers only to this "
                "machine's own names, such as localhost: create a key with `parley keys create NAME`"
            )
        origin = headers.get("origin")
        if origin is not None and (host is None or urlsplit(origin).netloc.lower() != host.lower()):
            raise self._foreign()
        opens_page = scope["method"] in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "none") not in OWN_SITES and not opens_page:
            raise self._foreign()
        if headers.get("content-type", "").split(";")[0].strip().lower() == "text/plain":
            raise WrongMediaType("the body must be JSON: send the header Content-Type: application/json")

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name == "localhost" or name.endswith(".localhost") or name in self.hosts:
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False

    @staticmethod
    def _foreign() -> ForeignPage:
        return ForeignPage(
            "this request comes from another site's page; without an API key Parley answers only programs "
            "on this machine: create a key with `parley keys create NAME` and send it"
        )
