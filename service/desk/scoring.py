"""Scores uploads in the background, a few comments at a time; requests come first.

Each batch is stored in one transaction with the reading position. After a stop the same rows are read again
and skipped, so that no comment is lost or stored twice.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import structlog

from parley.model.comment import Comment, Prediction
from parley.model.errors import CommentError
from parley.service.desk.arrivals import Arrived
from parley.service.desk.pages.uploads import open_records, path_of
from parley.service.dumps.reading.record import RawRow, Record
from parley.service.errors import Busy, DumpError, NotReady, PredictionFailed, ServiceError
from parley.service.logs import describe
from parley.service.store.desk import queues
from parley.service.store.desk.queues import Queue
from parley.service.web.context import Service

BATCH = 32
AT_ONCE = 16
"""Comments per job of the batcher: a longer one would hold up requests."""
REST = 0.25
"""Pause after a batch, as a share of its time, so that the batcher's queue limit doesn't shrink."""
RETRY_S = 1.0

log = structlog.get_logger("parley.desk")


class Scoring:
    """Scores pending uploads, one after another."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._woken = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="parley-upload")

    def wake(self) -> None:
        """Wake up: there may be something to score."""
        self._woken.set()

    async def run(self) -> None:
        """Run until cancelled: first uploads left by the last run, then newly confirmed ones."""
        while True:
            try:
                every = await self._call(queues.all_queues, self._service.store)
                for queue in every:
                    if queue.state == "scoring":
                        await self._score_told(queue)
            except ServiceError as error:
                log.warning("upload_waits", **describe(error))
                await asyncio.sleep(RETRY_S)
                continue
            await self._woken.wait()
            self._woken.clear()

    def close(self) -> None:
        """End the thread after its current call."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _call(self, function: Any, *arguments: Any) -> Any:
        """Run a reader's call in its thread: some readers have an SQLite connection that is bound to one."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def _score_told(self, queue: Queue) -> None:
        """Score an upload; record an error on its queue."""
        try:
            await self._score(queue)
            await self._end(queue, None)
        except DumpError as error:
            where = str(path_of(self._service, queue))
            await self._end(queue, str(error).replace(where, "the file"))

    async def _end(self, queue: Queue, problem: str | None) -> None:
        now = await self._call(queues.get_queue, self._service.store, queue.id)
        if now is None:
            return  # removed meanwhile
        if problem is None and now.rows == now.bad:
            problem = "no row in the file could be read as a comment"
        state = "failed" if now.rows == now.bad else "ready"
        await self._call(self._note, queue, {"state": state, "problem": problem, "fraction": 1.0})
        path = path_of(self._service, queue)
        await self._call(lambda: path.unlink(missing_ok=True))

    def _note(self, queue: Queue, values: dict[str, Any]) -> None:
        with self._service.store.write() as connection:
            queues.update_queue(connection, queue.id, **values)

    async def _score(self, queue: Queue) -> None:
        path = path_of(self._service, queue)
        source, reader = await self._call(open_records, path, json.loads(queue.columns or "{}"))
        try:
            rows: Iterator[Record | RawRow] = await self._call(iter, reader)
            await self._call(lambda: list(islice(rows, queue.rows)))
            taken, bad = queue.rows, queue.bad
            while batch := await self._call(lambda: list(islice(rows, BATCH))):
                started = time.monotonic()
                good = [row.asked(target=queue.target) for row in batch if isinstance(row, Record)]
                judged = await self._judge(good)
                pairs = [
                    (row, prediction)
                    for row, prediction in zip(good, judged, strict=True)
                    if prediction is not None
                ]
                taken, bad = taken + len(batch), bad + len(batch) - len(pairs)
                progress = {"rows": taken, "bad": bad, "fraction": min(reader.fraction, 0.99)}
                if not await self._call(self._keep, queue, pairs, progress):
                    return
                await asyncio.sleep(REST * (time.monotonic() - started))
        finally:
            await self._call(source.close)

    def _keep(self, queue: Queue, pairs: list[tuple[Record, Prediction]], progress: dict[str, Any]) -> bool:
        """Store a batch and the progress; false if the upload was removed."""
        service = self._service
        policy = service.policy()
        arrived, keys = [], []
        for record, prediction in pairs:
            decision = policy.decide(record, prediction)
            author = record.author_id or record.author_name
            arrived.append(
                Arrived(
                    comment=record,
                    prediction=prediction,
                    decision=decision,
                    author=author,
                    written=record.created_at,
                )
            )
            keys.append(f"row:{record.row}")
        if queues.get_queue(service.store, queue.id) is None:
            return False
        with service.store.write() as connection:
            service.arrivals.fill(
                arrived,
                model=service.model_label,
                policy=policy.label,
                queue=queue.id,
                keys=keys,
                connection=connection,
            )
            queues.update_queue(connection, queue.id, **progress)
        return True

    async def _judge(self, comments: Sequence[Comment]) -> list[Prediction | None]:
        """One prediction per comment; None if the model can't read it."""
        predictions: list[Prediction | None] = []
        for start in range(0, len(comments), AT_ONCE):
            some = comments[start : start + AT_ONCE]
            try:
                predictions += await self._predict(some)
            except (CommentError, PredictionFailed):
                for comment in some:
                    try:
                        predictions += await self._predict([comment])
                    except (CommentError, PredictionFailed):
                        predictions.append(None)
        return predictions

    async def _predict(self, comments: Sequence[Comment]) -> list[Prediction]:
        """Predictions, retried for as long as the model is busy."""
        while True:
            try:
                return await self._service.batcher.predict(comments)
            except (Busy, NotReady) as error:
                await asyncio.sleep(min(error.retry_after or RETRY_S, 5 * RETRY_S))
