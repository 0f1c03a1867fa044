"""Parley without keys beside a real browser: pages of other origins neither write nor read.

Needs Chromium and its driver (Debian: chromium, chromium-driver) and selenium (the dev extra).
"""

from __future__ import annotations

import functools
import http.server
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parley.service.settings.schema import Settings, Storage
from parley.service.web.app import create_app
from tests.clients.conftest import serving
from tests.service.chromium import chromium
from tests.service.web.test_operation import Fake

RESOLVER = "MAP evil.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
"""A name of the attacker's points here, as after DNS rebinding; nothing else is looked up."""
SECRET = "Not for other pages"
ATTACK = """
const [parley, done] = arguments, told = [];
(async () => {
const comment = JSON.stringify({comments: [{text: "written by a page"}]});
const article = JSON.stringify({title: "written by a page"});
const json = {"Content-Type": "application/json"}, text = {"Content-Type": "text/plain"};
const attempts = [
  ["/v1/articles/mine", {}],
  ["/v1/articles/mine", {mode: "no-cors"}],
  ["/health", {credentials: "include", mode: "cors"}],
  ["/v1/classify", {method: "POST", body: comment, headers: json}],
  ["/v1/classify", {method: "POST", body: comment, headers: text}],
  ["/v1/classify", {method: "POST", body: comment, headers: text, mode: "no-cors"}],
  ["/v1/classify", {method: "POST", body: new Blob([comment]), mode: "no-cors"}],
  ["/v1/articles/theirs", {method: "PUT", body: article, headers: json}],
  ["/v1/articles/mine", {method: "DELETE"}],
];
for (const [path, options] of attempts) {
  try {
    const answer = await fetch(parley + path, options);
    told.push([answer.type, await answer.text()]);
  } catch (error) { told.push(["refused", ""]); }
}
navigator.sendBeacon(parley + "/v1/classify", comment);
const frame = document.createElement("iframe"), form = document.createElement("form");
frame.name = "hidden";
frame.onload = () => {
  let inside = "";
  try { inside = frame.contentDocument ? frame.contentDocument.body.innerText : ""; } catch (error) {}
  if (form.sent) { told.push(["frame", inside]); done(told); }
};
form.method = "POST"; form.enctype = "text/plain"; form.target = "hidden";
form.action = parley + "/v1/classify";
form.innerHTML = "<input name='{\\"comments\\":[{\\"text\\":\\"written by a page' value='\\"}]}'>";
document.body.append(frame, form);
form.sent = true;
form.submit();
})();
"""
REBOUND = """
const done = arguments[0];
const json = {"Content-Type": "application/json"};
const body = JSON.stringify({comments: [{text: "written by a page"}]});
const article = JSON.stringify({title: "written by a page"});
Promise.all([
  fetch("/v1/classify", {method: "POST", body, headers: json}),
  fetch("/v1/articles/theirs", {method: "PUT", body: article, headers: json}),
  fetch("/v1/articles/mine"), fetch("/health"), fetch("/docs"), fetch("/desk"), fetch("/metrics"),
]).then(all => done(all.map(answer => answer.status)));
"""


class Recorded:
    """An application, and the status of every request to it by path and Sec-Fetch-Site."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.statuses: list[tuple[str, str, int]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def record(message: Message) -> None:
            if message["type"] == "http.response.start":
                site = dict(scope["headers"]).get(b"sec-fetch-site", b"").decode()
                self.statuses.append((f"{scope['method']} {scope['path']}", site, message["status"]))
            await send(message)

        await self.app(scope, receive, record if scope["type"] == "http" else send)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app, name)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    with chromium(tmp_path / "profile", f"--host-resolver-rules={RESOLVER}") as driver:
        driver.set_script_timeout(60)
        yield driver


@pytest.fixture
def other_site(tmp_path: Path) -> Iterator[int]:
    """The port of another site."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "page.html").write_text("<!doctype html><title>Elsewhere</title><body>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def as_program(port: int, method: str, path: str, body: Any = None) -> Any:
    """The answer to a program on this machine, which sends none of a browser's headers."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_pages_of_other_sites_neither_write_nor_read(tmp_path: Path, browser: Any, other_site: int) -> None:
    fake = Fake()
    app = Recorded(create_app(Settings(store=Storage(folder=tmp_path / "store")), load=lambda: fake))
    with serving(app) as port:  # type: ignore[arg-type]
        as_program(port, "PUT", "/v1/articles/mine", {"title": SECRET})

        browser.get(f"http://evil.example:{other_site}/page.html")
        told = browser.execute_async_script(ATTACK, f"http://127.0.0.1:{port}")
        assert len(told) == 10
        assert not [
            text for _, text in told if text
        ]  # nothing can be read: refused, opaque, or another origin's frame
        foreign = [(what, status) for what, site, status in app.statuses if site == "cross-site"]
        assert any(what == "POST /v1/classify" for what, _ in foreign)  # the requests did arrive
        assert not [(what, status) for what, status in foreign if not 400 <= status < 500]

        browser.get(f"http://evil.example:{port}/v1/articles/mine")
        assert SECRET not in browser.page_source
        statuses = browser.execute_async_script(REBOUND)
        assert not [status for status in statuses if not 400 <= status < 500]

        assert "written by a page" not in " ".join(fake.seen)
        assert as_program(port, "GET", "/v1/articles/mine")["title"] == SECRET
        with pytest.raises(urllib.error.HTTPError, match="404"):
            as_program(port, "GET", "/v1/articles/theirs")

        browser.get(f"http://127.0.0.1:{port}/docs")  # Parley's own page may
        read = browser.execute_async_script(
            "const done = arguments[0]; fetch('/v1/articles/mine').then(a => a.text()).then(done);"
        )
        assert SECRET in read
