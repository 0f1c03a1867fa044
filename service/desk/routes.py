"""The desk as one protocol: its pages, the shape of its errors, and its background work."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fastapi import APIRouter

from parley.service.desk.pages import log, people, queue, reading, start, stories, uploads, working
from parley.service.desk.pages.render import render_problem
from parley.service.desk.scoring import Scoring
from parley.service.desk.webhooks import Deliverer
from parley.service.web.context import Service
from parley.service.web.wire import Wire

UPLOAD = uploads.UPLOAD

router = APIRouter()
for each in (start, people, queue, stories, uploads, reading, working, log):
    router.include_router(each.router)

WIRE = Wire(router=router, paths=("/desk",), render=render_problem)


class Working:
    """The desk's background work: scoring uploads and sending decisions to webhooks."""

    def __init__(self, service: Service) -> None:
        self.scoring = Scoring(service)
        deliverer = Deliverer(service.store, service.settings.desk.webhooks)
        self._tasks = [asyncio.create_task(self.scoring.run()), asyncio.create_task(deliverer.run())]

    async def stop(self) -> None:
        """Stop both; unfinished work resumes after the next start."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self.scoring.close()
