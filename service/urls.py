"""One normal form for the many addresses of an article.

    normalise("HTTP://News.Example:80/bridge/?utm_source=x&id=7#top")     # "https://news.example/bridge?id=7"

Dropped: fragment, default port, user name, trailing slash, `.` and `..` in the path, and tracking parameters.
Unified: http and https, case of scheme and host, international host names, order of parameters, and percent
escapes. The result identifies an article; it isn't meant to be fetched.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import idna

MAX_URL = 2000
"""The longest normalised URL; longer ones are refused."""
MAX_SENT = 4 * MAX_URL
"""The longest URL before normalisation; longer ones are refused unparsed."""

MAX_HOST, MAX_LABEL = 253, 63
_TRACKING = re.compile(
    r"utm_\w+|hsa_\w+|mtm_\w+|pk_\w+|piwik_\w+|at_\w+|ns_\w+|__\w+|_hs\w+|oly_\w+|mc_[ce]id|s_cid|vero_id|_ga|_gl"
    r"|fbclid|[gdy]clid|g?[bw]?raid|gclsrc|msclkid|twclid|ttclid|wickedid|li_fat_id|igshid|igsh|mkt_tok|cmpid|smid"
    r"|ref_src|ref_url|srsltid|commentid",
    re.IGNORECASE,
)
"""Parameters of advertisers, newsletters and social networks, and Coral's permalink to one comment."""

_START = re.compile(r"https?:/+", re.IGNORECASE)
_NOT_IN_HOST = re.compile(r"[\x00-\x20\x7f\"#%/<>?@\\^`{|}]")
"""What browsers allow in no host either."""
_DEFAULT_PORTS = (80, 443, None)


def normalise(url: str) -> str | None:
    """The normal form of `url`, which starts with "https://"; None if it isn't a web address."""
    url = url.strip()
    start = _START.match(url)
    if not start or len(url) > MAX_SENT:
        return None
    # A proxy may have merged the two slashes, if the URL was in a path.
    rest = url[start.end() :]
    try:
        parts = urlsplit(f"https://{rest}")
        host, port = ascii_host(parts.hostname or ""), parts.port
    except ValueError:
        return None
    if not host or _NOT_IN_HOST.search(host):
        return None
    authority = host if port in _DEFAULT_PORTS else f"{host}:{port}"
    path = quote(unquote(parts.path, errors="surrogateescape"), safe="/:@!$&'()*+,;=~-._", errors="replace")
    # Lone surrogates are dropped before sorting the parameters, so that the result is sorted too.
    readable = parts.query.encode("utf-8", "replace").decode("utf-8")
    pairs = parse_qsl(readable, keep_blank_values=True, errors="replace")
    query = urlencode(sorted(pair for pair in pairs if not _TRACKING.fullmatch(pair[0])))
    normal = f"https://{authority}{_without_dots(path).rstrip('/')}" + (f"?{query}" if query else "")
    return normal if len(normal) <= MAX_URL else None


def _without_dots(path: str) -> str:
    """The path with its `.` and `..` followed, as browsers do before they ask (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[max(1, len(kept) - 1) :]
        elif part != ".":
            kept.append(part)
    return "/".join(kept)


def ascii_host(host: str) -> str:
    """The host in lower case, international letters as `xn--`, IPv6 in brackets. Raises ValueError.

    By IDNA 2008, as in browsers: `straße.example` and `strasse.example` are different hosts.
    """
    if ":" in host:
        return f"[{host}]"
    host = host.rstrip(".").lower()
    if len(host) > MAX_HOST:
        raise ValueError(f"a host name has at most {MAX_HOST} characters, not {len(host)}")
    if host.isascii():  # plain names may contain what IDNA forbids, such as an underscore
        if not all(1 <= len(label) <= MAX_LABEL for label in host.split(".")):
            raise ValueError(f"{host!r} is not a host name: a part of it is empty or too long")
        return host
    try:
        return idna.encode(host, uts46=True).decode("ascii").rstrip(".")
    except idna.IDNAError as error:
        raise ValueError(f"{host!r} is not a host name: {error}") from error


def is_host(name: str) -> bool:
    """Whether `name` is a host name and nothing else."""
    try:
        return re.fullmatch(r"[\w-]+(\.[\w-]+)*", ascii_host(name)) is not None
    except ValueError:
        return False
