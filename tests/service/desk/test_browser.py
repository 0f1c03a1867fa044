"""The desk in a real browser: a queue read by keyboard alone, two moderators at once, no strangers' scripts.

Needs Chromium and its driver (Debian: chromium, chromium-driver) and selenium (the dev extra); axe-core is an
npm package (`npm ci --prefix tests/clients`).
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from fastapi import FastAPI

from parley.service.desk.routes import router as desk_router
from parley.service.privacy import KeyedHashes
from parley.service.settings.schema import Settings, Storage
from parley.service.store.desk import decisions, listing, people, queues, stories, views
from parley.service.store.desk.decisions import By, Choice
from parley.service.store.desk.listing import Filter
from parley.service.web.app import create_app
from parley.service.web.context import Service
from tests.clients.conftest import serving
from tests.service.chromium import chromium
from tests.service.desk.comments import arrived, fill

pytest.importorskip("selenium.webdriver", reason="selenium is in the dev extra")
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By as Find
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

AXE = Path(__file__).parents[2] / "clients" / "node_modules" / "axe-core" / "axe.min.js"
TOGETHER = int(os.environ.get("PARLEY_DESK_TOGETHER", "30"))
"""Comments that two browsers share; `make desk-test` uses 200."""
HOSTILE = (
    "<script>window.owned=1</script><img src=x onerror='window.owned=1'><a href=\"javascript:owned=1\">x</a>"
)
POLICY = """
name: all
observe: true
rules:
  - {code: toxic, when: abuse.toxicity, at_least: 0.0, action: review}
  - {code: spam, when: spam, at_least: 0.9999, action: review}
"""


class Site:
    """A running desk of its own."""

    def __init__(self, app: FastAPI, port: int) -> None:
        self.app, self.url = app, f"http://127.0.0.1:{port}"
        self.service: Service = app.state.service
        self.hashes = KeyedHashes(self.service.settings.store.author_secret)


@contextmanager
def site_of(artifact: Path, folder: Path, url: str | None) -> Iterator[Site]:
    policy = folder / "all.yaml"
    policy.write_text(POLICY)
    store = Storage(folder=folder, queue=True, url=url)
    app = create_app(Settings(model=artifact, policy=str(policy), store=store))
    with serving(app) as port:
        yield Site(app, port)


@pytest.fixture
def site(tiny_artifact: Path, tmp_path: Path) -> Iterator[Site]:
    with site_of(tiny_artifact, tmp_path, None) as site:
        yield site


@pytest.fixture
def any_site(tiny_artifact: Path, tmp_path: Path, store_url: str | None) -> Iterator[Site]:
    """A desk on SQLite, then on PostgreSQL."""
    with site_of(tiny_artifact, tmp_path, store_url) as site:
        yield site


@pytest.fixture
def open_browser(tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Opens browsers, each with its own profile, and closes them."""
    with ExitStack() as opened:
        numbers = count()
        yield lambda: opened.enter_context(chromium(tmp_path / f"profile-{next(numbers)}"))


@pytest.fixture
def browser(open_browser: Callable[[], Any]) -> Any:
    return open_browser()


def until(browser: Any, condition: Callable[[Any], Any], told: str = "") -> Any:
    ignored = [StaleElementReferenceException]  # htmx puts new parts into the page
    return WebDriverWait(browser, 120, 0.03, ignored_exceptions=ignored).until(condition, told)


def find(browser: Any, selector: str) -> Any:
    return browser.find_element(Find.CSS_SELECTOR, selector)


def press(browser: Any, *keys: str) -> None:
    """Send keys to the page, and wait for another page."""
    page = find(browser, "html")
    for key in keys:
        browser.switch_to.active_element.send_keys(key)
    until(browser, lambda _: _is_gone(page), f"{keys} did nothing")
    until(browser, lambda b: b.execute_script("return document.readyState") == "complete")


def _is_gone(element: Any) -> bool:
    try:
        element.is_enabled()
    except StaleElementReferenceException:
        return True
    return False


def hosts(browser: Any) -> set[str]:
    """The hosts that the browser contacted; its own new-tab page contacts itself."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return {"/".join(url.split("/")[:3]) for url in urls if not url.startswith(("data:", "chrome:"))}


def complaints(browser: Any) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser")]


def test_a_file_is_read_by_keyboard_alone(any_site: Site, browser: Any, tmp_path: Path) -> None:
    site, store = any_site, any_site.service.store
    file = tmp_path / "Kommentare Mai <2>.csv"
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened, delimiter=";")
        writer.writerow(["Nr.", "Kommentar", "User Name", "Headline", "Likes"])
        for n in range(40):
            writer.writerow([100 + n, f"Comment {n} on the new bridge", f"reader {n % 5}", "The bridge", n])
    browser.get(f"{site.url}/desk/uploads")
    find(browser, "#file").send_keys(str(file))
    browser.execute_script("document.querySelector('form.stack button').focus()")
    press(browser, Keys.ENTER)
    guessed = {
        field: find(browser, f"[name='{field}']").get_attribute("value")
        for field in ("text", "id", "author.id", "article.title", "created_at")
    }
    assert guessed == {
        "text": "Kommentar",
        "id": "Nr.",
        "author.id": "User Name",
        "article.title": "Headline",
        "created_at": "",
    }
    find(browser, "form button.main").click()
    until(browser, lambda b: "/desk/queue" in b.current_url, "the scoring did not end")
    assert find(browser, "h1").text == "Kommentare Mai <2>.csv"
    assert "40 comments" in find(browser, "#counted").text

    press(browser, "n")
    seen = []
    for n in range(28):
        seen.append(browser.current_url)
        press(browser, *(("a",), ("r", Keys.ENTER), ("e",), ("s",))[n % 4])
    assert len(set(seen)) == 28
    log = list(decisions.log(store))
    assert [row["action"] for row in log] == ["approve", "reject", "escalate"] * 7
    assert {row["reason"] for row in log if row["action"] == "reject"} == {"ABUSIVE"}

    press(browser, "u")
    assert seen[26].split("?")[0] == browser.current_url.split("?")[0], "the last comment decided on"
    assert "escalate" not in find(browser, "h1").text
    press(browser, "a")

    find(browser, ".crumb a").click()
    for key in "jxjx":
        browser.switch_to.active_element.send_keys(key)
    assert find(browser, "#selected").text == "2"
    press(browser, "a")
    assert find(browser, ".told").text == "2 comments decided."
    browser.switch_to.active_element.send_keys("?")
    assert find(browser, "#keys").get_attribute("open")

    browser.get(f"{site.url}/desk/reading?queue=2")
    slider = find(browser, "input[type=range]")
    before = find(browser, ".slider [aria-live]").text
    slider.send_keys(Keys.END)
    until(browser, lambda b: find(b, ".slider [aria-live]").text != before, "the estimate did not follow")
    until(browser, lambda b: "0 of the 40 comments in this file" in find(b, ".slider [aria-live]").text)
    assert find(browser, ".slider output").text == "very likely (100 of 100)"
    find(browser, "#sliders > button").click()
    until(browser, lambda b: b.find_elements(Find.CSS_SELECTOR, "button[name=version][value='1']"))
    assert site.service.policy().version == 0
    find(browser, "button[name=version][value='1']").click()
    until(browser, lambda b: site.service.policy().label == "all@1")

    browser.get(f"{site.url}/desk/decisions")
    exported = browser.execute_async_script(
        "const done = arguments[0]; fetch('/desk/decisions.csv').then((a) => a.text()).then(done)"
    )
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert [row["action"] for row in rows] == [row["action"] for row in decisions.log(store)]
    assert len(rows) == 21 + 2 + 2

    assert hosts(browser) == {site.url}
    assert complaints(browser) == []


def test_two_browsers_share_a_queue(any_site: Site, open_browser: Callable[[], Any]) -> None:
    site, store = any_site, any_site.service.store
    fill(store, site.hashes, [arrived(f"Comment {n}", score=0.5 + n / 1000) for n in range(TOGETHER)])
    shown: dict[int, list[str]] = {0: [], 1: []}
    failures: list[BaseException] = []

    def work(number: int, browser: Any) -> None:
        try:
            browser.get(f"{site.url}/desk/queue")
            press(browser, "n")
            while "/desk/comments/" in browser.current_url:
                shown[number].append(browser.current_url.split("/")[-1].split("?")[0])
                press(browser, "a")
        except BaseException as failure:
            failures.append(failure)

    browsers = [open_browser(), open_browser()]
    threads = [threading.Thread(target=work, args=each) for each in enumerate(browsers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert shown[0]
    assert shown[1]
    assert not set(shown[0]) & set(shown[1]), "shown to both"
    assert len(shown[0]) + len(shown[1]) == TOGETHER
    assert listing.count(store, Filter(state="approved")) == TOGETHER
    assert len(list(decisions.log(store))) == TOGETHER


def test_strangers_markup_never_runs(site: Site, browser: Any) -> None:
    store = site.service.store
    some = [
        arrived(
            HOSTILE, id=HOSTILE, title=HOSTILE, url="javascript:owned=1", author=HOSTILE, language=HOSTILE
        )
    ]
    some += [arrived(HOSTILE, id="2", format="html", spans=[(0, 40)])]
    some += [arrived(HOSTILE, id="3", parent=HOSTILE)]
    items = fill(store, site.hashes, some)
    decisions.decide(store, items[0].id, Choice(action="note", note=HOSTILE), By(who=HOSTILE))
    rejected = Choice(action="reject", reason="SPAM", explanation=HOSTILE, note=HOSTILE)
    decisions.decide(store, items[1].id, rejected, By(who=HOSTILE))
    views.save_view(store, name=HOSTILE, query="label=x", by="Ada")
    stories.change(store, [HOSTILE, "javascript:owned=1"], "closed", by=HOSTILE)
    folder = site.service.settings.store.path / "uploads"
    folder.mkdir()
    (folder / "odd.csv").write_text(f"{HOSTILE};b\n{HOSTILE};c\n")
    upload = queues.new_queue(store, name=HOSTILE, by=HOSTILE, file="odd.csv")
    sent = urlencode(dict.fromkeys(("label", "story", "language", "search", "told", "after"), HOSTILE))
    pages = ["/desk/queue", f"/desk/queue?show=all&{sent}", f"/desk/uploads/{upload}"]
    pages += [f"/desk/comments/{item.id}" for item in items]
    pages += ["/desk/queue?state=rejected&show=all", "/desk/stories", f"/desk/{quote(HOSTILE)}"]
    for page in [*pages, "/desk/uploads", "/desk/reading", "/desk/working", "/desk/decisions"]:
        browser.get(site.url + page)
        assert browser.execute_script("return window.owned") is None, page
        assert browser.execute_script("return document.images.length") == 0, page
        assert browser.execute_script("return [...document.links].every(a => /^http/.test(a.protocol))"), page
    assert [told for told in complaints(browser) if "404 (Not Found)" not in told] == []
    # Should escaping ever fail, the page's own policy applies. Comes last, as it leaves errors in the log.
    browser.execute_script(
        "const script = document.createElement('script'); script.textContent = 'window.owned = 1';"
        "document.body.append(script);"
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"x\" onerror=\"window.owned = 1\">')"
    )
    assert browser.execute_script("return window.owned") is None
    assert any("Content Security Policy" in told for told in complaints(browser))


def test_the_basics_work_without_javascript(site: Site, browser: Any) -> None:
    store = site.service.store
    one, two = fill(store, site.hashes, [arrived("One", score=0.9), arrived("Two", score=0.8)])
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(f"{site.url}/desk/queue")
    find(browser, "#start button").click()
    until(browser, lambda b: f"/desk/comments/{one.id}" in b.current_url)
    find(browser, "#decide [value=reject]").click()
    until(browser, lambda b: f"/desk/comments/{two.id}" in b.current_url)
    find(browser, "#decide [value=approve]").click()
    until(browser, lambda b: "/desk/queue" in b.current_url)
    assert [row["action"] for row in decisions.log(store)] == ["reject", "approve"]


def test_no_page_contacts_another_host_or_logs_an_error(site: Site, browser: Any) -> None:
    pages = _pages(site)
    for page in pages:
        browser.get(site.url + page)
        missing = page == "/desk/comments/4711"
        assert [told for told in complaints(browser) if not (missing and "404 (Not Found)" in told)] == [], (
            page
        )
    assert hosts(browser) == {site.url}
    read = {re.sub(r"\d+", "{}", page.partition("?")[0]) for page in pages}
    fragments = {"/desk", "/desk/static/{}", "/desk/reading/estimate", "/desk/uploads/{}/progress"}
    exports = {"/desk/decisions.csv", "/desk/decisions.jsonl", "/desk/statements.jsonl"}
    assert _gets(desk_router) == read | fragments | exports | {"/desk/sign-in"}


def _gets(router: object) -> set[str]:
    """The paths of a router's GET routes, including those of nested routers."""
    found = set()
    for route in getattr(router, "routes", ()):
        if "GET" in (getattr(route, "methods", None) or ()):
            found.add(re.sub(r"\{[^}]+\}", "{}", route.path))
        found |= _gets(getattr(route, "original_router", None) or ())
    return found


def _pages(site: Site) -> list[str]:
    """Every page of the desk, with content."""
    store = site.service.store
    some = [
        arrived(
            f"You fool, see https://x.example/{n}", id=str(n), score=0.5 + n / 100, spans=[(4, 8)], author="r"
        )
        for n in range(30)
    ]
    items = fill(store, site.hashes, [*some, arrived("I reply", id="99", parent="3", author="r")])
    for n, item in enumerate(items[:24]):
        choice = (
            Choice(action="reject", reason="ABUSIVE", note="Rule 3") if n % 2 else Choice(action="approve")
        )
        decisions.decide(store, item.id, choice, By(who="Ada"))
    views.save_view(store, name="Spam", query="label=spam", by="Ada")
    name = "comments.csv"
    folder = site.service.settings.store.path / "uploads"
    folder.mkdir()
    (folder / name).write_text("comment,user\nHello there,Ada\n")
    upload = queues.new_queue(store, name=name, by="Ada", file=name)
    failed = queues.new_queue(store, name="broken.csv", by="Ada", file="broken.csv")
    scoring = queues.new_queue(store, name="large.csv", by="Ada", file="large.csv")
    with store.write() as connection:
        queues.update_queue(connection, failed, state="failed", problem="nothing in it", bad=3)
        queues.update_queue(connection, scoring, state="scoring", rows=70, fraction=0.4)
    stories.change(store, ["https://news.example/bridge"], "closed", by="Ada")
    return [
        "/",
        "/desk/queue",
        "/desk/queue?label=toxicity",
        "/desk/queue?state=rejected&show=all",
        f"/desk/comments/{items[26].id}",
        f"/desk/comments/{items[0].id}",
        "/desk/uploads",
        f"/desk/uploads/{upload}",
        f"/desk/uploads/{failed}",
        f"/desk/uploads/{scoring}",
        "/desk/reading",
        "/desk/stories",
        "/desk/working",
        "/desk/decisions",
        "/desk/comments/4711",
    ]


def _look(browser: Any, *, width: int, dark: bool) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def _violations(browser: Any) -> list[str]:
    browser.execute_script(f"if (!window.axe) {{ {AXE.read_text()} }}")
    found = browser.execute_async_script(
        "const done = arguments[0];"
        "document.querySelectorAll('details').forEach((each) => (each.open = true));"
        "const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];"
        "const told = (v) => [v.id, v.nodes.slice(0, 3).map((n) => n.html + n.failureSummary)];"
        "axe.run(document, {runOnly: rules}).then((found) => done(found.violations.map(told)))"
    )
    return [f"{name}: {nodes}" for name, nodes in found]


BROKEN = """
const broken = [], walk = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const node = walk.currentNode;
  if (!node.parentElement.closest("td")) continue;
  for (const word of node.data.matchAll(/[A-Za-z]{2,12}/g)) {
    const range = document.createRange();
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    if (range.getClientRects().length > 1) broken.push(word[0]);
  }
}
return broken;
"""
"""Short words in tables that the page breaks in two."""
LOOKS = [(width, dark) for width in (1280, 390) for dark in (False, True)]


def test_every_page_is_accessible(site: Site, browser: Any) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci --prefix tests/clients")
    for page in _pages(site):
        browser.get(site.url + page)
        for width, dark in LOOKS:
            _look(browser, width=width, dark=dark)
            assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth"), page
            assert browser.execute_script(BROKEN) == [], (page, width)
            assert _violations(browser) == [], (page, width, dark)
    people.create(site.service.store, "Ada", role="admin")
    browser.get(f"{site.url}/desk/queue")
    assert "/desk/sign-in" in browser.current_url
    for width, dark in LOOKS:
        _look(browser, width=width, dark=dark)
        assert _violations(browser) == [], (width, dark)
