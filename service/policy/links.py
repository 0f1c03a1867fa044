"""Web links in plain text, found in linear time: with a scheme, or as a host that ends in a common domain.

    [link.url for link in find_links("See example.com/a, or https://news.example.")]
    # ["http://example.com/a", "https://news.example"]

A host without a scheme is a link only if it ends in a known top-level domain. Two-letter domains count only
before a path, since a space is often missing after a full stop ("ok.so", "true.It"). Mail addresses are not
links. There are libraries with richer rules, but those for Python search the rest of the text again from
every possible start, so one comment could block a server for seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_LETTER = r"[^\W_]"
_LABEL = rf"{_LETTER}(?:-*+{_LETTER})*+"
# Every part is possessive and can't start inside a host: nothing is read twice.
_LINK = re.compile(
    rf"""(?:
        (?<!\w)(?P<scheme>(?:https?|ftp)://)(?:[^\s@/\[\]()<>]{{1,50}}@)?
        |(?<![\w:/])(?P<slashes>//)
        |(?<![\w:/.@-])
    )
    (?P<host>{_LABEL}(?:\.(?!(?:https?|ftp)://){_LABEL})*+)(?![@_-])
    (?::[0-9]{{1,5}}(?![0-9]))?
    (?P<path>[/?\#](?:[^\s<>|\uff5c()\[\]{{}}]|\([^\s<>()]*+\))*+)?""",
    re.VERBOSE | re.IGNORECASE,
)
_CLOSING = ".,;:!?'\"’”*-"
"""Characters that end the sentence around an address rather than the address."""
_DOMAINS = frozenset(
    (  # noqa: SIM905
        "aero asia biz com coop edu gov info museum name net org pro shop web xxx рф"
    ).split()
)


@dataclass(frozen=True, slots=True)
class Link:
    """A link at text[start:end]; `url` has the scheme that a browser would add."""

    start: int
    end: int
    url: str

    @property
    def host(self) -> str:
        """The host in lower case; empty if it can't be parsed."""
        try:
            return (urlsplit(self.url).hostname or "").rstrip(".")
        except ValueError:  # brackets without an IPv6 address: still a link, with no known host
            return ""


def find_links(text: str) -> list[Link]:
    """The links in `text`, in order, without overlaps."""
    return [_link(match) for match in _LINK.finditer(text) if _is_link(match)] if _may_link(text) else []


def _may_link(text: str) -> bool:
    return "." in text or "//" in text


def _is_link(match: re.Match[str]) -> bool:
    if match["scheme"]:
        return True
    first, _, domain = match["host"].rpartition(".")
    if match["slashes"]:
        return bool(first)
    domain = domain.lower()
    known = domain in _DOMAINS or domain.startswith("xn--")
    return bool(first) and (known or (match["path"] is not None and _is_country(domain)))


def _is_country(domain: str) -> bool:
    return len(domain) == 2 and domain.isascii() and domain.isalpha()


def _link(match: re.Match[str]) -> Link:
    whole = match[0]
    path = match["path"] or ""
    whole = whole[: len(whole) - len(path)] + path[:1] + path[1:].rstrip(_CLOSING)
    url = whole if match["scheme"] else "http:" + whole if match["slashes"] else "http://" + whole
    return Link(match.start(), match.start() + len(whole), url)
