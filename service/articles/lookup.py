"""Articles of comments that have only an id or URL: from the store, or fetched for later comments.

    comments = await Articles(store, fetcher).fill(comments)

Every protocol uses this (`Service.predict`).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

import structlog
from fastapi.concurrency import run_in_threadpool

from parley.model.comment import Article, Comment
from parley.service.articles.fetch import Fetcher
from parley.service.articles.known import Known
from parley.service.errors import StoreError
from parley.service.logs import describe
from parley.service.store import articles
from parley.service.store.database import Store
from parley.service.store.desk.stories import names_of
from parley.service.urls import MAX_SENT, normalise

RETRY_S = 600.0
"""Seconds until a page that couldn't be fetched is tried again."""
MOST_TRIED = 10_000
"""The most pages tried in that time, so that invented addresses can't cause endless fetches."""
QUEUED_A_HOST = 20
"""The most fetches waiting per listed host, its subdomains included: anybody can invent those. A page beyond
that is fetched with its next comment."""
FETCHES_AT_ONCE = 4

log = structlog.get_logger("parley.articles")


class Articles:
    """Finds articles in the store for the protocols, and fetches unknown ones."""

    def __init__(
        self,
        store: Store,
        fetcher: Fetcher | None,
        *,
        on_closed: Callable[[Sequence[str], bool], None] | None = None,
    ) -> None:
        """`on_closed` is called with a story's names and whether its page says that comments are closed.

        If given, the pages of known articles are read too, and again every RETRY_S, since they may change.
        """
        self._store, self._fetcher, self._on_closed = store, fetcher, on_closed
        self._tried: dict[str, float] = {}
        """When each page was last fetched, oldest first."""
        self._queued: Counter[str] = Counter()
        """Waiting and running fetches, by listed host."""
        self._fetches: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(FETCHES_AT_ONCE)
        self._known: Known[articles.StoredArticle] = Known()

    async def fill(self, comments: Sequence[Comment]) -> list[Comment]:
        """The comments, with articles that lack title and text filled from the store.

        Same order and length. Nobody waits for a fetch: the page is there for later comments. If the store
        fails, the comments stay as they are.
        """
        if self._on_closed is not None:
            for url in {c.article.url or c.article.id or "" for c in comments if c.article}:
                self._fetch_later(url)
        wanted = {name for comment in comments for name in _names(comment.article)}
        known = self._known.of(wanted)
        missing = wanted - known.keys()
        if missing:
            try:
                known |= await self._find(missing)
            except StoreError as error:
                log.warning("articles_not_read", **describe(error))
                return list(comments)
        for name in wanted:
            if known[name] is None:
                self._fetch_later(name)
        return [_filled(comment, known) for comment in comments]

    async def put(self, article: Article) -> tuple[articles.StoredArticle, bool]:
        """Store `article` as `store.articles.put` does; comments see it at once. Raises StoreError."""
        try:
            return await run_in_threadpool(articles.put, self._store, article)
        finally:
            self._known.clear()

    async def delete(self, id_or_url: str) -> bool:
        """Delete the article; false if there was none. Raises StoreError."""
        try:
            return await run_in_threadpool(articles.delete, self._store, id_or_url)
        finally:
            self._known.clear()

    async def close(self) -> None:
        """Cancel running fetches."""
        for fetch in self._fetches:
            fetch.cancel()
        await asyncio.gather(*self._fetches, return_exceptions=True)

    async def _find(self, names: Iterable[str]) -> dict[str, articles.StoredArticle | None]:
        cleared = self._known.cleared
        stored = await run_in_threadpool(articles.find, self._store, names)
        answer = {name: stored.get(name) for name in names}
        if cleared == self._known.cleared:  # otherwise it may be older than what was stored meanwhile
            self._known.add({name: _cut(article) for name, article in answer.items()})
        return answer

    def _fetch_later(self, name: str) -> None:
        url = normalise(name)
        host = self._fetcher.listed(name) if self._fetcher and url else None
        if self._fetcher is None or url is None or host is None:
            return
        now = time.monotonic()
        while self._tried and now - next(iter(self._tried.values())) >= RETRY_S:
            del self._tried[next(iter(self._tried))]
        if url in self._tried or len(self._tried) >= MOST_TRIED or self._queued[host] >= QUEUED_A_HOST:
            return
        self._tried[url] = now
        self._queued[host] += 1
        task = asyncio.create_task(self._fetch(self._fetcher, name))
        self._fetches.add(task)
        task.add_done_callback(partial(self._fetched, host))

    def _fetched(self, host: str, task: asyncio.Task[None]) -> None:
        self._fetches.discard(task)
        self._queued[host] -= 1
        if not self._queued[host]:
            del self._queued[host]

    async def _fetch(self, fetcher: Fetcher, url: str) -> None:
        try:
            async with self._turns:
                page = await fetcher.fetch(url)
            # The site may have stored its own article by now.
            await run_in_threadpool(articles.add, self._store, page.article)
            self._known.clear()
            if self._on_closed is not None:
                await run_in_threadpool(self._on_closed, names_of(page.article), page.closed)
        except Exception as error:  # a task has no caller that would see the error
            log.warning("article_not_fetched", **describe(error))


def _names(article: Article | None) -> list[str]:
    """The article's names in the store; empty if no lookup is needed."""
    if article is None or article.title or article.text:
        return []
    return [name for name in (article.id, article.url) if name and len(name) <= MAX_SENT]


def _filled(comment: Comment, known: dict[str, articles.StoredArticle | None]) -> Comment:
    for name in _names(comment.article):
        if comment.article and (stored := known.get(name)):
            article = replace(comment.article, title=stored.title, text=stored.text)
            return replace(comment, article=article)
    return comment


def _cut(article: articles.StoredArticle | None) -> articles.StoredArticle | None:
    """The article, with its text cut to the part that is passed on."""
    return article and replace(article, text=article.text and article.text[: articles.MODEL_READS])
