"""Checks of the settings against this machine: file, policy, model, proxy, port, packages."""

from __future__ import annotations

import http.client
import importlib.util
import ipaddress
import json
import socket
import time
from pathlib import Path

import sqlalchemy as sa

from parley.model.comment import Comment
from parley.service.doctor.finding import Told
from parley.service.policy.decision import Policy
from parley.service.settings.schema import Settings
from parley.service.web.access import is_loopback

NEEDED_MEMORY_MB = 500
PROBE_S = 3.0


def check_file(file: Path | None, settings: Settings) -> Told:
    """A settings file with secrets isn't readable by everybody."""
    if file is None:
        yield "ok", "defaults and variables; no file"
        return
    password = sa.make_url(settings.store.url).password if settings.store.url else None
    if (settings.coral.secrets or password) and file.stat().st_mode & 0o007:
        yield "warning", f"{file} holds secrets and can be read by every user: chmod 640 {file}"
    else:
        yield "ok", str(file)


def check_policy(settings: Settings) -> Told:
    """The site's policy loads."""
    policy = Policy.load(settings.policy)
    yield "ok", policy.name


def check_model(settings: Settings) -> Told:
    """The artifact loads and labels a comment."""
    from parley.model import Classifier

    started = time.perf_counter()
    classifier = Classifier.load(settings.model, threads=settings.threads)
    classifier.predict([Comment(text="A good plan, thank you.")])
    info, seconds = classifier.info, time.perf_counter() - started
    yield "ok", f"{info.get('name')} {info.get('version')}, loaded and tried in {seconds:.1f} s"
    available = _available_memory_mb()
    if available is not None and available < NEEDED_MEMORY_MB:
        yield "warning", f"{available} MB of memory are free; the service needs about {NEEDED_MEMORY_MB}"


def check_proxy(settings: Settings) -> Told:
    """The proxy settings are consistent."""
    server, public = settings.server, settings.public_url
    wide = [p for p in server.trusted_proxies if ipaddress.ip_network(p, strict=False).prefixlen == 0]
    problems = 0
    if wide:
        problems += 1
        yield (
            "problem",
            f"server.trusted_proxies has {wide[0]}, so any client can claim any address: name your proxies",
        )
    if public and public.startswith("http://") and not is_loopback(_host_of(public)):
        problems += 1
        yield "warning", f"public_url is {public}: keys and comments cross the network unencrypted; use https"
    if public and server.root_path and not public.rstrip("/").endswith(server.root_path):
        problems += 1
        yield (
            "problem",
            f"public_url ({public}) doesn't end with server.root_path ({server.root_path}): one is wrong",
        )
    if not is_loopback(settings.host) and not server.trusted_proxies:
        problems += 1
        yield (
            "warning",
            f"listening on {settings.host}, not encrypted, and no proxy is named in server.trusted_proxies: "
            "put TLS in front",
        )
    if not problems:
        yield "ok", ", ".join(server.trusted_proxies) or "none named"


def check_port(settings: Settings) -> Told:
    """The port is free, or Parley answers there."""
    host, port = settings.host, settings.port
    if _can_listen(host, port):
        yield "ok", f"{host}:{port} is free"
        return
    status = _health(host, port)
    if status == "ok":
        yield "ok", f"Parley answers at {host}:{port}"
    elif status:
        yield "problem", f"Parley at {host}:{port} says {status!r}: see its log"
    else:
        yield "problem", f"{host}:{port} is taken by another program: stop it, or set another port"


def check_extras(settings: Settings) -> Told:
    """The packages that the settings need are installed."""
    wanted: dict[str, tuple[str, ...]] = {"fetch": ("httpx", "trafilatura")} if settings.fetch.hosts else {}
    if settings.store.database.startswith("postgres"):
        wanted["postgres"] = ("pg8000",)
    missing = [extra for extra, names in wanted.items() if not all(map(importlib.util.find_spec, names))]
    if missing:
        yield (
            "problem",
            f"the settings need more packages: pip install 'parley-moderation[{','.join(missing)}]'",
        )
    else:
        yield "ok", ", ".join(wanted) or "none needed"


def _can_listen(host: str, port: int) -> bool:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


def _health(host: str, port: int) -> str | None:
    """The health of the Parley there; None if it isn't Parley."""
    connection = http.client.HTTPConnection(
        {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port, timeout=PROBE_S
    )
    try:
        connection.request("GET", "/health")
        status = json.loads(connection.getresponse().read(10_000))["status"]
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return None
    finally:
        connection.close()
    return str(status)


def _host_of(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]


def _available_memory_mb() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None  # not Linux
    told = {name: value for name, _, value in (line.partition(":") for line in lines)}
    return int(told["MemAvailable"].split()[0]) // 1000 if "MemAvailable" in told else None
