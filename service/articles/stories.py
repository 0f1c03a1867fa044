"""Whether the story that a comment arrives for still takes comments.

    closed = await Stories(store, days=14).closed(comments)      # [False, True, ...]

Every protocol comes through here (`Service.predict`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog
from fastapi.concurrency import run_in_threadpool

from parley.model.comment import Comment
from parley.service.articles.known import Known
from parley.service.errors import StoreError
from parley.service.logs import describe
from parley.service.store.database import Store
from parley.service.store.desk import stories
from parley.service.store.desk.stories import State, Story, names_of

log = structlog.get_logger("parley.stories")


class Stories:
    """The store's stories as the protocols need them."""

    def __init__(self, store: Store, *, days: int | None) -> None:
        """`days`: the age at which a story closes by itself; None leaves all open that nobody closes."""
        self._store, self.days = store, days
        self._known: Known[Story] = Known()

    async def closed(self, comments: Sequence[Comment]) -> list[bool]:
        """For each comment whether its story is closed; without the store none is."""
        named = [names_of(comment.article) for comment in comments]
        wanted = {name for names in named for name in names}
        known = self._known.of(wanted)
        missing = wanted - known.keys()
        if missing:
            cleared = self._known.cleared
            try:
                found = await run_in_threadpool(stories.find, self._store, missing)
            except StoreError as error:
                log.warning("stories_not_read", **describe(error))
                return [False] * len(comments)
            told = {name: found.get(name) for name in missing}
            known |= told
            if cleared == self._known.cleared:  # otherwise it may be older than what was said meanwhile
                self._known.add(told)
        return [stories.is_closed([known[name] for name in names], days=self.days) for names in named]

    def is_closed(self, names: Sequence[str]) -> bool:
        """Whether the story of these names is closed, by the store's own word. Raises StoreError."""
        found = stories.find(self._store, names)
        return stories.is_closed(found.values(), days=self.days)

    def change(self, names: Sequence[str], state: State | None, *, by: str) -> None:
        """Close or open a story; None leaves it to its age. Raises StoreError."""
        try:
            stories.change(self._store, names, state, by=by)
        finally:
            self._known.clear()

    def published(self, names: Sequence[str], moment: datetime) -> None:
        """Note when a story was published. Raises StoreError."""
        try:
            stories.published(self._store, names, moment)
        finally:
            self._known.clear()

    def saw(self, comments: Sequence[Comment]) -> None:
        """Note the stories of comments that arrived, where age closes them; the log tells of a failure."""
        if self.days is None:
            return
        names = {name for comment in comments for name in names_of(comment.article)}
        known = self._known.of(names)
        new = sorted(name for name in names if known.get(name) is None)
        if not new:
            return
        try:
            stories.saw(self._store, new)
            self._known.clear()
        except StoreError as error:
            log.warning("stories_not_noted", **describe(error))
