"""Whether a comment's story still takes comments.

    closed = await Stories(store, days=14).closed(comments)      # [False, True, ...]

Every protocol uses this (`Service.predict`).
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
    """Looks up stories in the store for the protocols."""

    def __init__(self, store: Store, *, days: int | None) -> None:
        """`days`: the age at which a story closes automatically; None: never."""
        self._store, self.days = store, days
        self._known: Known[Story] = Known()

    async def closed(self, comments: Sequence[Comment]) -> list[bool]:
        """For each comment whether its story is closed; if the store fails, none is."""
        named = [names_of(comment.article) for comment in comments]
        wanted = {name for names in named for name in names}
        known = self._known.of(wanted)
        missing = wanted - known.keys()
        if missing:
            cleared = self._known.cleared
            try:
                records = await run_in_threadpool(stories.find, self._store, missing)
            except StoreError as error:
                log.warning("stories_not_read", **describe(error))
                return [False] * len(comments)
            told = {name: records.get(name) for name in missing}
            known |= told
            if cleared == self._known.cleared:  # otherwise it may be older than a change meanwhile
                self._known.add(told)
        return [stories.is_closed([known[name] for name in names], days=self.days) for names in named]

    def is_closed(self, names: Sequence[str]) -> bool:
        """Whether the story with these names is closed, read from the store. Raises StoreError."""
        records = stories.find(self._store, names)
        return stories.is_closed(records.values(), days=self.days)

    def change(self, names: Sequence[str], state: State | None, *, by: str) -> None:
        """Close or open a story; None lets it close by age. Raises StoreError."""
        try:
            stories.change(self._store, names, state, by=by)
        finally:
            self._known.clear()

    def read_page(self, names: Sequence[str], closed: bool) -> None:
        """Note whether the story's page says that it is closed. Raises StoreError."""
        try:
            stories.read_page(self._store, names, closed)
        finally:
            self._known.clear()

    def published(self, names: Sequence[str], moment: datetime) -> None:
        """Record when a story was published. Raises StoreError."""
        try:
            stories.published(self._store, names, moment)
        finally:
            self._known.clear()

    def saw(self, comments: Sequence[Comment]) -> None:
        """Record the stories of incoming comments, if age closes stories; a failure is logged."""
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
