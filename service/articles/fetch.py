"""Fetches an unknown article's page and extracts its title and main text.

    fetcher = Fetcher(hosts=["news.example"], seconds=5, max_bytes=2_000_000, redirects=3)
    page = await fetcher.fetch("https://news.example/bridge")       # page.article; or FetchError

Readers can choose the URLs of comments, so a fetch is a request that a stranger directs from inside the
site's network. Hence only listed hosts, web ports and public addresses are allowed, also after redirects, and
the connection goes to the address that was checked, not to what the name resolves to a moment later. Time,
bytes and redirects are limited; cookies and credentials are never sent. The page is read in a process of its
own (`page`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from parley.model.comment import Article
from parley.service.articles.page import read
from parley.service.errors import FetchError, StartError
from parley.service.urls import ascii_host

if TYPE_CHECKING:
    import httpx

USER_AGENT = "Parley (comment moderation; fetches articles that its site allows)"
_REDIRECTS = (301, 302, 303, 307, 308)

_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # assigned to protocols: the dummy address, discovery of NAT64
            "192.88.99.0/24",  # relays of 6to4
            "168.63.129.16/32",  # Azure's own services, from inside each of its machines
            "100.100.100.200/32",  # Alibaba's metadata
            "3fff::/20",  # documentation
            "2001::/23",  # assigned to protocols
        ),
    )
)
"""Special addresses that not all Python versions know."""
_ISATAP = 0x5EFE
"""In the middle of an IPv6 address, one of the local network's IPv4 follows (RFC 5214)."""

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """The IP addresses of `host`. Raises OSError."""
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in infos]


def is_public(address: str) -> bool:
    """Whether `address` is public; a private one embedded in IPv6 is detected too."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if ip in ipaddress.ip_network("64:ff9b::/96"):  # NAT64
            return is_public(str(ipaddress.ip_address(int(ip) & 0xFFFFFFFF)))
        if int(ip) >> 32 & 0xFDFFFFFF == _ISATAP:
            return False
        if ip not in ipaddress.ip_network("2000::/3"):  # other embedded IPv4 forms, old site-local ones, ...
            return False
    special = any(ip.version == network.version and ip in network for network in _SPECIAL)
    return ip.is_global and not ip.is_multicast and not special


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What was extracted from a page."""

    article: Article
    closed: bool
    """Whether it says that its comments are closed."""


class Fetcher:
    """Fetches articles from listed hosts and their subdomains."""

    def __init__(
        self,
        *,
        hosts: Sequence[str],
        seconds: float,
        max_bytes: int,
        redirects: int,
        resolve: Resolve = resolve,
        is_allowed: Callable[[str], bool] = is_public,
        ports: Sequence[int] = (80, 443),
    ) -> None:
        """Raises StartError if the libraries of the extra `fetch` are missing."""
        if not all(map(find_spec, ("httpx", "trafilatura"))):
            raise StartError("fetching articles needs more packages: pip install 'parley-moderation[fetch]'")
        self._hosts = tuple(map(ascii_host, hosts))
        self._seconds, self._max_bytes, self._redirects = seconds, max_bytes, redirects
        self._resolve, self._is_allowed, self._ports = resolve, is_allowed, ports
        self._reading = asyncio.Lock()

    def listed(self, url: str) -> str | None:
        """The host of the list that allows `url`; None if it may not be fetched."""
        try:
            parts = urlsplit(url)
            host, port = ascii_host(parts.hostname or ""), _port(parts)
        except ValueError:
            return None
        if parts.scheme not in ("http", "https") or port not in self._ports:
            return None
        return next((name for name in self._hosts if host == name or host.endswith("." + name)), None)

    async def fetch(self, url: str) -> Page:
        """The page at `url`, which stays its article's id. Raises FetchError."""
        import httpx

        try:
            # In a thread's own event loop: a server that sends without end would block this one.
            page = await asyncio.to_thread(asyncio.run, self._fetch_in_time(url))
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise FetchError(f"the page can't be fetched: {type(error).__name__}") from error
        async with self._reading:  # one at a time: it takes a core and some memory
            said = await read(page)
        if not (said.title or said.text):
            raise FetchError("the page has no article")
        return Page(article=Article(id=url, url=url, title=said.title, text=said.text), closed=said.closed)

    async def _fetch_in_time(self, url: str) -> bytes:
        async with asyncio.timeout(self._seconds):
            return await self._fetch_page(url)

    async def _fetch_page(self, url: str) -> bytes:
        import httpx

        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        async with httpx.AsyncClient(trust_env=False, timeout=self._seconds, cookies=no_cookies) as client:
            for _ in range(self._redirects + 1):
                async with client.stream("GET", **await self._pinned(url)) as answer:
                    if answer.status_code not in _REDIRECTS:
                        return await self._read(answer)
                    url = urljoin(url, answer.headers.get("location", ""))
        raise FetchError(f"more than {self._redirects} redirects")

    async def _pinned(self, url: str) -> dict[str, Any]:
        """A request for `url` to a checked address. Raises FetchError."""
        parts = urlsplit(url)
        if self.listed(url) is None:
            raise FetchError("it leads to a host that is not in the list of allowed hosts")
        host, port = ascii_host(parts.hostname or ""), _port(parts)
        addresses = await self._resolve(host, port)
        if not addresses or not all(map(self._is_allowed, addresses)):
            raise FetchError("its host has an address that is not public")
        literal = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        target = urlunsplit((parts.scheme, f"{literal}:{port}", parts.path or "/", parts.query, ""))
        named = f"{host}:{parts.port}" if parts.port else host
        headers = {"Host": named, "User-Agent": USER_AGENT, "Accept": "text/html"}
        # A compressed page could unpack to any size.
        headers["Accept-Encoding"] = "identity"
        return {"url": target, "headers": headers, "extensions": {"sni_hostname": host}}

    async def _read(self, answer: httpx.Response) -> bytes:
        """The start of the page. Raises FetchError if it isn't a page."""
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        packed = answer.headers.get("content-encoding", "identity") != "identity"
        if answer.status_code != 200 or kind not in ("text/html", "application/xhtml+xml") or packed:
            raise FetchError(f"the answer is {answer.status_code} {kind or 'without a type'}, not a page")
        page = bytearray()
        async for chunk in answer.aiter_raw():
            page += chunk
            if len(page) >= self._max_bytes:
                break
            await asyncio.sleep(0)  # the time limit isn't noticed between the chunks of one packet
        return bytes(page[: self._max_bytes])


def _port(parts: SplitResult) -> int:
    """Raises ValueError for what isn't a port."""
    return parts.port or (443 if parts.scheme == "https" else 80)
