"""Articles of comments that bring only an article's id or URL: from the store, or fetched for the next ones.

    comments = await Articles(store, fetcher).fill(comments)

Every protocol comes through here (`Service.predict`).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

import structlog
from fastapi.concurrency import run_in_threadpool

from parley.model.comment import Article, Comment
from parley.service.articles.fetch import Fetcher
from parley.service.articles.known import Known
from parley.service.errors import StoreError
from parley.service.logs import describe
from parley.service.store import articles
from parley.service.store.database import Store
from parley.service.urls import MAX_SENT, normalise

RETRY_S = 600.0
"""Seconds after which a page that couldn't be fetched is tried again."""
MOST_TRIED = 10_000
"""Pages that are fetched in that time at most: who invents addresses makes none be fetched again."""
QUEUED_A_HOST = 20
"""Fetches from one host that may wait; a page that finds no room is asked for with the next comment."""
FETCHES_AT_ONCE = 4

log = structlog.get_logger("parley.articles")


class Articles:
    """The store's articles as the protocols need them, and the fetching of unknown ones."""

    def __init__(self, store: Store, fetcher: Fetcher | None) -> None:
        self._store, self._fetcher = store, fetcher
        self._tried: dict[str, float] = {}
        """When each page was last fetched, the oldest first."""
        self._queued: Counter[str] = Counter()
        """Fetches that wait or are under way, by host."""
        self._fetches: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(FETCHES_AT_ONCE)
        self._known: Known[articles.StoredArticle] = Known()

    async def fill(self, comments: Sequence[Comment]) -> list[Comment]:
        """The comments, each article that has neither title nor text taken from the store, where it is known.

        Same order and length. A page that has to be fetched is there for later comments: nobody waits for it.
        Without the store the comments stay as they are.
        """
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
        """Keep `article` as `store.articles.put` does; comments see it at once. Raises StoreError."""
        try:
            return await run_in_threadpool(articles.put, self._store, article)
        finally:
            self._known.clear()

    async def delete(self, id_or_url: str) -> bool:
        """Forget the article; false where there was none. Raises StoreError."""
        try:
            return await run_in_threadpool(articles.delete, self._store, id_or_url)
        finally:
            self._known.clear()

    async def close(self) -> None:
        """Give up the fetches that are under way."""
        for fetch in self._fetches:
            fetch.cancel()
        await asyncio.gather(*self._fetches, return_exceptions=True)

    async def _find(self, names: Iterable[str]) -> dict[str, articles.StoredArticle | None]:
        cleared = self._known.cleared
        found = await run_in_threadpool(articles.find, self._store, names)
        answer = {name: found.get(name) for name in names}
        if cleared == self._known.cleared:  # otherwise it may be older than what was put meanwhile
            self._known.add({name: _cut(article) for name, article in answer.items()})
        return answer

    def _fetch_later(self, name: str) -> None:
        url = normalise(name)
        if self._fetcher is None or url is None or not self._fetcher.allows(url):
            return
        now = time.monotonic()
        while self._tried and now - next(iter(self._tried.values())) >= RETRY_S:
            del self._tried[next(iter(self._tried))]
        host = urlsplit(url).netloc
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
                article = await fetcher.fetch(url)
            await run_in_threadpool(articles.add, self._store, article)  # the site's own may be there by now
            self._known.clear()
        except Exception as error:  # a task has no caller: the log is the only one to tell
            log.warning("article_not_fetched", **describe(error))


def _names(article: Article | None) -> list[str]:
    """What the store may know the article by, where it has to be asked."""
    if article is None or article.title or article.text:
        return []
    return [name for name in (article.id, article.url) if name and len(name) <= MAX_SENT]


def _filled(comment: Comment, known: dict[str, articles.StoredArticle | None]) -> Comment:
    for name in _names(comment.article):
        if comment.article and (found := known.get(name)):
            article = replace(comment.article, title=found.title, text=found.text)
            return replace(comment, article=article)
    return comment


def _cut(article: articles.StoredArticle | None) -> articles.StoredArticle | None:
    """The article with as much of its text as is passed on."""
    return article and replace(article, text=article.text and article.text[: articles.MODEL_READS])
