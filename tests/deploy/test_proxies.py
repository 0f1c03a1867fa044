"""The real nginx and Caddy, with the example files, in front of a real server."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.deploy.conftest import DEPLOY, Site, Start, free_port, program, run, wait_for

HOST = "parley.news.example"
BODY = json.dumps({"comments": [{"text": "a good plan"}]})
SPOOFED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "ftp",
    "Forwarded": "for=203.0.113.9;proto=ftp",
    "X-Real-IP": "203.0.113.9",
}
Background = Callable[..., subprocess.Popen[str]]


class Caller:
    """A client at 127.0.0.7; the proxy at 127.0.0.1 must forward that address."""

    def __init__(self, port: int, authority: trustme.CA | None = None, host: str = HOST) -> None:
        self.port, self.host, self.context = port, host, None
        if authority:
            self.context = ssl.create_default_context()
            self.context.check_hostname = False
            authority.configure_trust(self.context)

    def __call__(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str]:
        options: dict[str, Any] = {"timeout": 20, "source_address": ("127.0.0.7", 0)}
        connection = (
            http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, **options)
            if self.context
            else http.client.HTTPConnection("127.0.0.1", self.port, **options)
        )
        sent = {"Host": self.host, "Content-Type": "application/json", **headers}
        try:
            connection.request(method, path, body, sent)
            with connection.getresponse() as answer:
                return answer.status, answer.headers.get("Location") or answer.read().decode()
        finally:
            connection.close()


def logged(site: Site, route: str, least: int) -> list[dict[str, object]]:
    """The log lines of requests to `route`, once there are `least`: each is written after its answer."""
    deadline = time.monotonic() + 60
    while True:
        whole = site.log.read_text().rpartition("\n")[0]
        lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        found = [line for line in lines if line["event"] == "request" and line["route"] == route]
        if len(found) >= least:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


@pytest.fixture
def nginx(tmp_path: Path, background: Background) -> Callable[[str], Caller]:
    """Starts nginx with these `server` blocks; returns a client of its TLS port."""
    path = program("nginx", "nginx-light")

    def start(servers: str) -> Caller:
        port, authority = free_port(), trustme.CA()
        certificate = authority.issue_cert(HOST)
        certificate.cert_chain_pems[0].write_to_path(tmp_path / "fullchain.pem")
        certificate.private_key_pem.write_to_path(tmp_path / "privkey.pem")
        servers = servers.replace("/etc/ssl/parley", str(tmp_path))
        servers = re.sub(r"listen \[::\].*\n", "", servers)
        servers = servers.replace("listen 443", f"listen 127.0.0.1:{port}")
        servers = servers.replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
        temporary = "\n".join(
            f"{kind}_temp_path {tmp_path}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config = tmp_path / "nginx.conf"
        config.write_text(
            f"daemon off; user root; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; {temporary}\n{servers}\n}}\n",
            encoding="utf-8",
        )
        tested = run(path, "-t", "-e", "stderr", "-c", config)
        assert tested.returncode == 0, tested.stdout
        process = background(path, "-e", "stderr", "-c", config)
        caller = Caller(port, authority)
        for _ in range(1000):
            try:
                caller("GET", "/")
                break
            except ConnectionRefusedError:
                assert process.poll() is None, process.communicate()[0]
                time.sleep(0.05)
        return caller

    return start


def check(call: Caller, site: Site, key: str, *, scheme: str, prefix: str = "") -> None:
    """What must hold behind every proxy."""
    authorised = {"Authorization": f"Bearer {key}"}
    deadline = time.monotonic() + 60
    while call("POST", f"{prefix}/v1/classify", BODY, **authorised)[0] != 200:
        assert time.monotonic() < deadline, "a running server knows new keys within seconds"
        time.sleep(0.1)
    assert call("GET", f"{prefix}/health")[0] == 200
    assert call("POST", f"{prefix}/v1/classify", BODY, **authorised)[0] == 200
    assert call("POST", f"{prefix}/v1/classify", BODY)[0] == 401
    assert call("POST", f"{prefix}/v1/classify", BODY, **authorised, **SPOOFED)[0] == 200
    assert {line["client"] for line in logged(site, "/v1/classify", 3)} == {"127.0.0.7"}
    root = json.loads(call("GET", f"{prefix}/$discovery/rest?version=v1alpha1", **SPOOFED)[1])["rootUrl"]
    assert root == f"{scheme}://{call.host}{prefix}/"
    page = call("GET", f"{prefix}/docs")[1]
    assert f"{prefix}/openapi.json" in page
    assert call("GET", f"{prefix}/static-offline-docs/swagger-ui.css")[0] == 200
    assert "servers" in json.loads(call("GET", f"{prefix}/openapi.json")[1]) or not prefix
    assert call("GET", f"{prefix}/metrics", **authorised)[0] == 404
    status, _ = call("POST", f"{prefix}/v1/classify", "x" * 10_600_000, **authorised)
    assert status == 413


def test_behind_nginx(serve: Start, nginx: Callable[[str], Caller]) -> None:
    site = serve(server={"trusted_proxies": ["127.0.0.1"]})
    servers = (DEPLOY / "nginx" / "parley.conf").read_text(encoding="utf-8")
    call = nginx(servers.replace("127.0.0.1:8000", f"127.0.0.1:{site.port}"))
    assert call("POST", "/v1/classify", BODY)[0] in (401, 403), "without a key nothing comes through"
    check(call, site, site.key(), scheme="https")


@pytest.mark.parametrize("removed", [False, True], ids=["prefix kept", "prefix removed"])
def test_behind_nginx_under_a_prefix(serve: Start, nginx: Callable[[str], Caller], removed: bool) -> None:
    site = serve(server={"trusted_proxies": ["127.0.0.1"], "root_path": "/parley"})
    key = site.key()  # made before the first request that needs one, so the server knows it at once
    inner = (DEPLOY / "nginx" / "prefix.conf").read_text(encoding="utf-8")
    inner = inner.replace("127.0.0.1:8000;", f"127.0.0.1:{site.port}{'/' if removed else ''};")
    call = nginx(
        "server { listen 443 ssl; ssl_certificate /etc/ssl/parley/fullchain.pem; "
        f"ssl_certificate_key /etc/ssl/parley/privkey.pem;\n{inner}\n}}"
    )
    assert call("GET", "/parley")[1].endswith("/parley/")
    check(call, site, key, scheme="https", prefix="/parley")


def test_nginx_without_a_header_opens_nothing(serve: Start, nginx: Callable[[str], Caller]) -> None:
    """The one line that most people write: nginx then speaks HTTP/1.0 and doesn't name its client."""
    site = serve()
    call = nginx(
        "server { listen 443 ssl; ssl_certificate /etc/ssl/parley/fullchain.pem; ssl_certificate_key "
        f"/etc/ssl/parley/privkey.pem; location / {{ proxy_pass http://127.0.0.1:{site.port}; }} }}"
    )
    assert call("POST", "/v1/classify", BODY)[0] in (401, 403)
    assert call("GET", "/metrics")[0] in (401, 403)
    assert Caller(site.port, host=f"127.0.0.1:{site.port}")("POST", "/v1/classify", BODY)[0] == 200


def test_behind_caddy(serve: Start, background: Background, tmp_path: Path) -> None:
    path, file = program("caddy", "caddy"), DEPLOY / "caddy" / "Caddyfile"
    site, port = serve(server={"trusted_proxies": ["127.0.0.1", "::1"]}), free_port()
    environment: dict[str, Any] = {
        "PARLEY_UPSTREAM": f"127.0.0.1:{site.port}",
        "CADDY_ADMIN": f"127.0.0.1:{free_port()}",
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    valid = run(path, "validate", "--adapter", "caddyfile", "--config", file, **environment)
    assert valid.returncode == 0, valid.stdout
    formatted = run(path, "fmt", "--diff", file)
    assert not re.search(r"^[-+]", formatted.stdout, re.MULTILINE), formatted.stdout
    process = background(
        path, "run", "--adapter", "caddyfile", "--config", file, PARLEY_SITE=f"http://:{port}", **environment
    )
    wait_for(f"http://127.0.0.1:{port}/health", process)
    call = Caller(port)
    assert call("POST", "/v1/classify", BODY)[0] in (401, 403), "without a key nothing comes through"
    check(call, site, site.key(), scheme="http")
