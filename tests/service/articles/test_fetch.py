"""Fetching the page of an unknown article: what is read from it, and what is never requested."""

from __future__ import annotations

import asyncio
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from parley.model.comment import Article, Comment
from parley.service.articles import lookup, page
from parley.service.articles.fetch import Fetcher, Page, is_public, resolve
from parley.service.articles.lookup import Articles
from parley.service.articles.page import extract
from parley.service.errors import FetchError
from parley.service.settings.schema import Fetch
from parley.service.store.database import Store
from parley.service.store.desk.stories import names_of

PARAGRAPH = (
    "The city council voted on Monday to close the old bridge for two years. "
    "Engineers had found cracks in three of its piers, and the repairs will cost eleven million. "
)
PAGE = f"""<!doctype html><html><head><title>Council votes to close the old bridge</title></head><body>
<nav><a href="/">Home</a> <a href="/sport">Sport</a></nav>
<article><h1>Council votes to close the old bridge</h1><p>{PARAGRAPH}</p><p>{PARAGRAPH * 3}</p></article>
<section id="comments"><div class="comment">Nobody asked me about this at all.</div></section>
</body></html>"""
CLOSED = PAGE.replace("</section>", '<p class="no-comments">Comments are closed.</p></section>')


class Site(BaseHTTPRequestHandler):
    """A news site with good and bad pages."""

    seen: list[str] = []  # noqa: RUF012
    released = threading.Event()
    """Until then /slow has no answer."""
    cookies: list[str | None] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.seen.append(f"{self.headers['Host']}{self.path}")
        self.cookies.append(self.headers["Cookie"])
        path = self.path.partition("?")[0]
        if path.startswith("/to/"):
            self.answer(302, b"", Location=path.removeprefix("/to/"))
        elif path == "/cookie":
            self.answer(302, b"", Location="/bridge", **{"Set-Cookie": "reader=17; Path=/"})
        elif path == "/loop":
            self.answer(302, b"", Location="/loop")
        elif path == "/slow":
            self.released.wait(60)
            self.answer(200, PAGE.encode())
        elif path == "/data":
            self.answer(200, b"{}", type="application/json")
        elif path == "/packed":
            self.answer(200, b"x", **{"Content-Encoding": "gzip"})
        elif path == "/long":
            self.answer(200, PAGE.encode() + b"<p>more</p>" * 100_000)
        elif path == "/gone":
            self.answer(404, b"no")
        elif path == "/empty":
            self.answer(200, b"<html></html>")
        else:
            self.answer(200, (CLOSED if path == "/closed" else PAGE).encode())

    def answer(
        self, status: int, body: bytes, *, type: str = "text/html; charset=utf-8", **headers: str
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": type, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def fetcher_for(
    port: int,
    *,
    seconds: float = 20,
    names: dict[str, str] | None = None,
    hosts: Sequence[str] = ("news.example",),
) -> Fetcher:
    """A fetcher that resolves the names to this machine, which counts as public here."""
    known = names or {}

    async def look_up(host: str, port: int) -> list[str]:
        return [known.get(host, "127.0.0.1")]

    return Fetcher(
        hosts=hosts,
        seconds=seconds,
        max_bytes=100_000,
        redirects=3,
        resolve=look_up,
        is_allowed=lambda address: address == "127.0.0.1",
        ports=(port,),
    )


def fetch(port: int, path: str, *, host: str = "news.example", **options: object) -> Article:
    fetcher = fetcher_for(port, **options)  # type: ignore[arg-type]
    return asyncio.run(fetcher.fetch(f"http://{host}:{port}{path}")).article


def test_title_and_main_text_are_taken_and_the_comments_are_not(port: int) -> None:
    Site.seen.clear()
    article = fetch(port, "/bridge?id=7")
    assert article.title == "Council votes to close the old bridge"
    assert article.text is not None
    assert "Engineers had found cracks" in article.text
    assert "Nobody asked me" not in article.text
    assert "Sport" not in article.text
    assert Site.seen == [f"news.example:{port}/bridge?id=7"]


def test_redirect_within_the_list_is_followed(port: int) -> None:
    assert fetch(port, "/to//bridge").title
    assert fetch(port, f"/to/http://m.news.example:{port}/bridge").title


def test_cookies_are_never_sent(port: int) -> None:
    Site.cookies.clear()
    assert fetch(port, "/cookie").title
    assert Site.cookies == [None, None]


def test_a_long_page_is_read_to_the_limit(port: int) -> None:
    assert fetch(port, "/long").title == "Council votes to close the old bridge"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/loop", "more than 3 redirects"),
        ("/to/http://other.example/", "not in the list"),
        ("/to/http://169.254.169.254/latest/meta-data/", "not in the list"),
        ("/to/file:///etc/passwd", "not in the list"),
        ("/to/https://news.example:22/", "not in the list"),
        ("/to/http://inner.news.example:PORT/", "not public"),
        ("/to/http://[/", "can't be fetched"),
        ("/data", "the answer is 200 application/json"),
        ("/packed", "not a page"),
        ("/gone", "the answer is 404"),
        ("/empty", "has no article"),
    ],
)
def test_what_is_not_a_page_of_a_listed_host_is_refused(port: int, path: str, says: str) -> None:
    Site.seen.clear()
    with pytest.raises(FetchError, match=says):
        fetch(port, path.replace("PORT", str(port)), names={"inner.news.example": "10.0.0.5"})
    assert len(Site.seen) == (4 if path == "/loop" else 1)


@pytest.mark.parametrize(
    "host", ["other.example", "news.example.evil.example", "evilnews.example", "127.0.0.1"]
)
def test_other_hosts_are_never_asked(port: int, host: str) -> None:
    Site.seen.clear()
    with pytest.raises(FetchError, match="not in the list"):
        fetch(port, "/bridge", host=host)
    assert Site.seen == []


def test_a_subdomain_counts_as_its_listed_host_and_other_ports_as_none(port: int) -> None:
    fetcher = fetcher_for(port, hosts=["news.example", "paper.example"])
    assert fetcher.listed(f"https://x.y.News.Example.:{port}/a") == "news.example"
    assert fetcher.listed(f"http://paper.example:{port}") == "paper.example"
    for url in ("https://news.example:22/a", f"ftp://news.example:{port}/", "https://news.example:x/", "a"):
        assert fetcher.listed(url) is None


def test_a_server_that_sends_without_end_blocks_only_its_own_event_loop(port: int) -> None:
    threads = []

    async def look_up(host: str, port: int) -> list[str]:
        threads.append(threading.current_thread())
        return ["127.0.0.1"]

    fetcher = fetcher_for(port)
    fetcher._resolve = look_up
    assert asyncio.run(fetcher.fetch(f"http://news.example:{port}/bridge")).article.title
    assert threads
    assert threading.current_thread() not in threads


@pytest.mark.parametrize("sent", [b"HTTP/1.1 100 Continue\r\n\r\n", b"1\r\na\r\n"], ids=["interim", "chunks"])
def test_a_server_that_sends_without_end_is_given_up(sent: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    over = threading.Event()

    class Endless(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1000)
            with suppress(OSError):
                self.request.sendall(b"" if b"HTTP" in sent else head)
                while not over.is_set():
                    self.request.sendall(sent * 1000)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        started = time.monotonic()
        with pytest.raises(FetchError):
            asyncio.run(fetcher_for(port, seconds=0.5).fetch(f"http://news.example:{port}/"))
        over.set()
        server.shutdown()
    assert time.monotonic() - started < 20


def test_a_page_that_takes_minutes_to_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "READ_S", 2.0)
    attributes = b" ".join(b"a%d=1" % number for number in range(200_000))
    started = time.monotonic()
    with pytest.raises(FetchError, match="more than 2 s"):
        asyncio.run(page.read(b"<p " + attributes + b">text"))
    assert time.monotonic() - started < 30


def test_a_page_that_takes_too_much_memory_to_read_has_no_article(monkeypatch: pytest.MonkeyPatch) -> None:
    large = PAGE.encode() + b"<p>a<br>" * 200_000
    monkeypatch.setattr(page, "MEMORY", 200 * 2**20)
    assert asyncio.run(page.read(PAGE.encode())).title
    with suppress(FetchError):
        assert asyncio.run(page.read(large)).title is None


def test_time_is_limited(port: int) -> None:
    Site.released.clear()
    try:
        with pytest.raises(FetchError, match="TimeoutError"):
            fetch(port, "/slow", seconds=0.1)
    finally:
        Site.released.set()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "192.0.0.8",
        "192.0.0.170",
        "192.88.99.1",
        "168.63.129.16",
        "::ffff:168.63.129.16",
        "100.100.100.200",
        "3fff::1",
        "2606:4700::5efe:10.0.0.1",
        "2606:4700::200:5efe:10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "::7f00:1",
        "::ffff:0:7f00:1",
        "fec0::1",
        "5f00::1",
    ],
)
def test_private_addresses_are_recognised_in_every_form(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_public_addresses_are_let_through(address: str) -> None:
    assert is_public(address)


def test_the_real_resolver_and_check_refuse_this_machine(port: int) -> None:
    fetcher = Fetcher(hosts=["localhost"], seconds=5, max_bytes=1000, redirects=0, ports=(port,))
    assert "127.0.0.1" in asyncio.run(resolve("localhost", port)) or "::1" in asyncio.run(
        resolve("localhost", port)
    )
    with pytest.raises(FetchError, match="not public"):
        asyncio.run(fetcher.fetch(f"http://localhost:{port}/"))


def test_extract_survives_what_is_not_html() -> None:
    assert extract(b"") == (None, None)
    assert extract(b"\xff\xfe\x00\x00<<<>") == (None, None)


def test_unknown_article_is_fetched_once_for_later_comments(port: int, store: Store) -> None:
    url = f"http://news.example:{port}/bridge"
    comment = Comment(text="close it", article=Article(url=f"{url}?utm_source=x"))

    async def comments_come_in() -> list[Comment]:
        known = Articles(store, fetcher_for(port))
        for _ in range(3):
            assert (await known.fill([comment]))[0] == comment, "nobody waits for a page"
        await asyncio.gather(*known._fetches)
        filled = await known.fill([comment])
        await known.close()
        return filled

    Site.seen.clear()
    (filled,) = asyncio.run(asyncio.wait_for(comments_come_in(), 20))
    assert filled.article is not None
    assert filled.article.title == "Council votes to close the old bridge"
    assert len(Site.seen) == 1


@pytest.mark.parametrize("listed", ["MÜNCHEN.example", "xn--mnchen-3ya.example."])
def test_every_spelling_of_an_international_host_is_one_host(port: int, store: Store, listed: str) -> None:
    Fetch(hosts=[listed])
    fetcher = fetcher_for(port, hosts=[listed])
    comment = Comment(text="close it", article=Article(url=f"http://www.münchen.example:{port}/bridge"))

    async def comments_come_in() -> list[Comment]:
        known = Articles(store, fetcher)
        await known.fill([comment])
        await asyncio.gather(*known._fetches)
        return await known.fill([comment])

    Site.seen.clear()
    (filled,) = asyncio.run(comments_come_in())
    assert filled.article is not None
    assert filled.article.title
    assert Site.seen == [f"www.xn--mnchen-3ya.example:{port}/bridge"]


def test_pages_of_known_articles_are_fetched_again_to_see_whether_they_closed(
    port: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "RETRY_S", 0.0)
    told: list[tuple[list[str], bool]] = []
    urls = [f"http://news.example:{port}/{name}" for name in ("closed", "open", "closed")]
    known = [Comment(text="a", article=Article(id="a-1", url=url, title="The bridge")) for url in urls]

    async def comments_come_in(on_closed: Callable[[Sequence[str], bool], None] | None) -> None:
        articles = Articles(store, fetcher_for(port), on_closed=on_closed)
        for comment in known:
            await articles.fill([comment])
            await asyncio.gather(*articles._fetches)
        await articles.close()

    Site.seen.clear()
    asyncio.run(comments_come_in(None))
    assert Site.seen == [], "only if the site turned it on"
    asyncio.run(comments_come_in(lambda names, closed: told.append((list(names), closed))))
    expected = zip(urls, (True, False, True), strict=True)
    assert told == [(names_of(Article(url=url)), closed) for url, closed in expected]


class Endless:
    """A fetcher whose fetches never end."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def listed(self, url: str) -> str | None:
        return ".".join((urlsplit(url).hostname or "").rsplit(".", 2)[-2:])

    async def fetch(self, url: str) -> Page:
        self.asked.append(url)
        await asyncio.Event().wait()
        raise AssertionError

    async def has_been_asked(self, articles: Articles) -> None:
        """Wait until each fetch that has started has sent its request."""
        async with asyncio.timeout(60):
            while len(self.asked) < len(articles._fetches):
                await asyncio.sleep(0.001)


def test_waiting_fetches_are_limited_by_host(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "FETCHES_AT_ONCE", 1000)

    async def fill() -> list[str]:
        fetcher = Endless()
        articles = Articles(store, fetcher)  # type: ignore[arg-type]
        urls = [f"https://news.example/{n}" for n in range(100)]
        urls += [f"https://{n}.news.example/" for n in range(100)]
        urls += ["http://news.example:80/0/?utm_source=x#top", "https://other.example/0"]
        await articles.fill([Comment(text="a", article=Article(url=url)) for url in urls])
        await fetcher.has_been_asked(articles)
        await articles.close()
        assert not articles._queued
        return fetcher.asked

    asked = asyncio.run(fill())
    assert len(asked) == lookup.QUEUED_A_HOST + 1
    assert sum("other.example" in url for url in asked) == 1
    assert len({url.rstrip("/") for url in asked}) == len(asked)


def test_invented_addresses_cause_no_second_fetch(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "MOST_TRIED", 10)
    monkeypatch.setattr(lookup, "FETCHES_AT_ONCE", 1000)

    async def fill() -> list[str]:
        fetcher = Endless()
        articles = Articles(store, fetcher)  # type: ignore[arg-type]
        for number in [0, *range(40), 0]:
            url = f"https://a.{number}/a"
            await articles.fill([Comment(text="a", article=Article(url=url))])
        await fetcher.has_been_asked(articles)
        monkeypatch.setattr(lookup, "RETRY_S", 0.0)  # as if all of it were long ago
        await articles.fill([Comment(text="a", article=Article(url="https://a.0/a"))])
        await fetcher.has_been_asked(articles)
        await articles.close()
        return fetcher.asked

    asked = asyncio.run(fill())
    assert len(asked) == 11
    assert asked.count("https://a.0/a") == 2


def test_what_the_site_puts_meanwhile_is_not_replaced(port: int, store: Store) -> None:
    url = f"http://news.example:{port}/slow"
    comment = Comment(text="close it", article=Article(url=url))

    async def comments_come_in(put: Article) -> Comment:
        known = Articles(store, fetcher_for(port))
        Site.released.clear()
        await known.fill([comment])
        await known.put(put)
        Site.released.set()
        await asyncio.gather(*known._fetches)
        (filled,) = await known.fill([comment])
        await known.close()
        await known.delete(put.id or "")
        return filled

    for put in (Article(id=url, title="Ours"), Article(id="story-3", url=url, title="Ours")):
        filled = asyncio.run(comments_come_in(put))
        assert filled.article is not None
        assert filled.article.title == "Ours"


def test_failed_fetch_is_not_tried_again_at_once(port: int, store: Store) -> None:
    comment = Comment(text="close it", article=Article(url=f"http://news.example:{port}/gone"))

    async def comments_come_in() -> None:
        known = Articles(store, fetcher_for(port))
        await known.fill([comment])
        await asyncio.gather(*known._fetches)
        await known.fill([comment])
        await known.close()

    Site.seen.clear()
    asyncio.run(comments_come_in())
    assert len(Site.seen) == 1
