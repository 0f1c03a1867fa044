"""The one thread that owns the model, and the bounded queue in front of it.

    batcher = Batcher(Classifier.load)
    batcher.start()                                  # loads the model in its thread, returns at once
    predictions = await batcher.predict(comments)    # from the event loop; same order and length
    batcher.close()                                  # finishes what is queued

Requests share batches fairly, one comment of each in turn, so a single comment never waits for a request of a
thousand. A batch is never delayed to fill it, and takes at most BATCH_S (or one comment), so that those
queued after it don't wait long. A request that would wait too long is refused at once (Busy: see
`parley.service.backpressure`). If a batch fails, each of its requests is tried alone, so that only the faulty
one fails; the thread goes on.

A comment of more than LONG_CHARACTERS can take seconds if all its characters are rare. Such comments have
their own thread and queue, with a model that shares the networks, so nobody else waits for them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import structlog

from parley.model.comment import Comment, Prediction
from parley.model.errors import CommentError
from parley.service.backpressure import Backpressure, cost_of
from parley.service.errors import NotReady, PredictionFailed
from parley.service.logs import describe

if TYPE_CHECKING:
    from parley.model.classifier import Classifier

State = Literal["loading", "ready", "failed", "stopped"]
LOADING_RETRY_S = 2
BATCH_S = 0.012
"""Target duration of a batch in seconds: longer ones have a tenth more throughput, but others wait longer."""
LONG_CHARACTERS = 4_000
"""Longer comments go to the second thread: this many rare characters take a tenth of a second."""
WARM_UP = Comment(text="A warm-up comment, so that the first request isn't slow.")

log = structlog.get_logger("parley.batcher")


@dataclass(slots=True, eq=False)
class _Job:
    """One request's comments: `taken` of them went into batches, `done` has their results."""

    comments: Sequence[Comment]
    future: Future[list[Prediction]] = field(default_factory=Future)
    done: list[Prediction] = field(default_factory=list)
    taken: int = 0

    @property
    def left(self) -> int:
        return len(self.comments) - self.taken

    def next_cost(self) -> int:
        return cost_of(self.comments[self.taken])


_Part = tuple[_Job, list[Comment]]


class Batcher:
    """A queue of comments and the thread that answers it."""

    def __init__(
        self,
        load: Callable[[], Classifier],
        *,
        max_batch: int = 16,
        max_queue: int = 4000,
        max_wait: float = 0.05,
        on_batch: Callable[[int, float], None] = lambda rows, seconds: None,
        on_state: Callable[[State], None] = lambda state: None,
        beside: bool = True,
    ) -> None:
        """At most `max_batch` comments per call, `max_queue` comments waiting, `max_wait` s until a first
        turn.

        `on_batch(comments, seconds)` and `on_state(state)` are called in the batcher's threads. With
        `beside`, long comments have their own thread.
        """
        self._load = load
        self._max_batch = max_batch
        self._on_batch = on_batch
        self._on_state = on_state
        self._jobs: deque[_Job] = deque()
        self._running: tuple[_Job, ...] = ()
        self._change = threading.Condition()
        self._closing = False
        self.state: State = "loading"
        self._max_queue, self._max_wait = max_queue, max_wait
        self._pressure = Backpressure(max_queue=max_queue, max_wait=max_wait)
        self.model: Classifier | None = None
        self.load_error: Exception | None = None
        self._has_beside = beside
        self._beside: Batcher | None = None
        self._thread = threading.Thread(target=self._run, name="parley-model", daemon=True)

    # From any thread.

    @property
    def waiting(self) -> int:
        """Comments in the queues."""
        with self._change:
            return self._waiting() + (self._beside.waiting if self._beside else 0)

    def start(self) -> None:
        """Start the thread, which loads the model first."""
        self._thread.start()

    def close(self, *, timeout: float = 30.0) -> None:
        """Accept no more, finish the queue and end the thread; after `timeout` seconds the rest fails."""
        ends = time.monotonic() + timeout
        with self._change:
            self._closing = True
            self._change.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        self._fail_all(
            NotReady("Parley is shutting down: send the request again", retry_after=LOADING_RETRY_S)
        )
        if self._beside is not None:
            self._beside.close(timeout=max(0.0, ends - time.monotonic()))

    def submit(self, comments: Sequence[Comment]) -> Future[list[Prediction]]:
        """Queue `comments`; the future gets their predictions, same order and length.

        Raises NotReady while there is no model, Busy if the queue is full or the wait too long. Comments of a
        cancelled future are skipped.
        """
        long = [i for i, comment in enumerate(comments) if len(comment.text) > LONG_CHARACTERS]
        if self._beside is None or not long:
            return self._queue(comments)
        others = sorted({*range(len(comments))}.difference(long))
        parts = [(self._beside._queue([comments[i] for i in long]), long)]
        try:
            parts.append((self._queue([comments[i] for i in others]), others))
        except Exception:
            parts[0][0].cancel()
            raise
        return _joined(parts)

    def _queue(self, comments: Sequence[Comment]) -> Future[list[Prediction]]:
        job = _Job(comments)
        with self._change:
            self._admit(len(comments))
            if not comments:
                job.future.set_result([])
            else:
                self._jobs.append(job)
                self._change.notify_all()
        return job.future

    async def predict(self, comments: Sequence[Comment]) -> list[Prediction]:
        """`submit` for the event loop: a cancelled caller cancels its job."""
        return await asyncio.wrap_future(self.submit(comments))

    def check(self) -> None:
        """Raise what `submit` would raise for one more comment: NotReady or Busy."""
        with self._change:
            self._admit(1)

    def _admit(self, comments: int) -> None:
        if self.state == "loading":
            raise NotReady("the model is still loading: try again in a moment", retry_after=LOADING_RETRY_S)
        if self.state != "ready" or self._closing:
            raise NotReady("the model is not running: see /health and the server's log", retry_after=30)
        next_costs = [job.next_cost() for job in self._jobs]
        self._pressure.admit(comments, waiting=self._waiting(), next_costs=next_costs)

    def _waiting(self) -> int:
        return sum(job.left for job in self._jobs)

    # In the batcher's own thread.

    def _run(self) -> None:
        try:
            self._open()
            while (parts := self._next_parts()) is not None:
                self._answer(parts)
                self._running = ()
                del parts  # frees the comments, which may be long, during the next wait
            self._become("stopped")
        except BaseException as error:  # however the thread ends, nobody may be left waiting
            if self.model is None and isinstance(error, Exception):
                self.load_error = error
            self._become("failed")
            log.critical("model_thread_died", **describe(error))
        finally:
            self._fail_all(NotReady("the model stopped: see /health and the server's log", retry_after=30))

    def _open(self) -> None:
        started = time.monotonic()
        model = self._load()
        model.predict([WARM_UP])
        warm = time.monotonic()
        model.predict([WARM_UP])  # once more, to learn the pace before the first requests
        self._pressure.learn([WARM_UP], time.monotonic() - warm)
        self.model = model
        if self._has_beside:
            self._open_beside(model)
        log.info("model_loaded", model=model.info.get("name"), seconds=round(time.monotonic() - started, 3))
        self._become("ready")

    def _open_beside(self, model: Classifier) -> None:
        opened = threading.Event()

        def follow(state: State) -> None:
            opened.set()
            if state == "failed" and self.state == "ready":  # if one thread dies, all stop
                self._become("failed")

        self._beside = Batcher(
            model.beside,
            max_batch=1,
            max_queue=self._max_queue,
            max_wait=self._max_wait,
            on_batch=self._on_batch,
            on_state=follow,
            beside=False,
        )
        self._beside.start()
        opened.wait()
        if self._beside.load_error is not None:
            raise self._beside.load_error

    def _become(self, state: State) -> None:
        self.state = state
        self._on_state(state)

    def _next_parts(self) -> list[_Part] | None:
        """The next batch, as soon as a comment waits; None when closing with an empty queue."""
        with self._change:
            while True:
                self._drop_cancelled()
                if self._jobs:
                    break
                if self._closing:
                    return None
                self._pressure.turn(busy=False)
                self._change.wait()
            self._pressure.turn(busy=True)
            return self._fill_batch()

    def _fill_batch(self) -> list[_Part]:
        """One comment of each waiting job in turn, until the batch is full."""
        parts: dict[_Job, list[Comment]] = {}
        taken = cost = 0
        while self._jobs and taken < self._max_batch:
            job = self._jobs[0]
            if taken and self._pressure.seconds(cost + job.next_cost()) > BATCH_S:
                break
            self._jobs.popleft()
            taken, cost = taken + 1, cost + job.next_cost()
            parts.setdefault(job, []).append(job.comments[job.taken])
            job.taken += 1
            if job.left:
                self._jobs.append(job)
        self._running = tuple(parts)
        self._pressure.begin(cost)
        return list(parts.items())

    def _drop_cancelled(self) -> None:
        if any(job.future.cancelled() for job in self._jobs):
            self._jobs = deque(job for job in self._jobs if not job.future.cancelled())

    def _answer(self, parts: list[_Part]) -> None:
        """Predict a batch; after an error, predict each job alone, so that only the faulty one fails."""
        assert self.model is not None
        try:
            comments = [comment for _, part in parts for comment in part]
            predictions = self._predict(self.model, comments)
        except Exception as error:
            if len(parts) > 1:
                for alone in parts:
                    self._answer([alone])
            else:
                self._fail(parts[0][0], error)
            return
        start = 0
        for job, part in parts:
            self._deliver(job, predictions[start : start + len(part)])
            start += len(part)

    def _predict(self, model: Classifier, comments: Sequence[Comment]) -> list[Prediction]:
        started = time.monotonic()
        predictions = model.predict(comments)
        seconds = time.monotonic() - started
        if len(predictions) != len(comments):
            raise PredictionFailed(
                f"the model gave {len(predictions)} predictions for {len(comments)} comments"
            )
        self._pressure.learn(comments, seconds)
        self._on_batch(len(comments), seconds)
        return predictions

    def _deliver(self, job: _Job, predictions: list[Prediction]) -> None:
        job.done.extend(predictions)
        if len(job.done) == len(job.comments):
            self._settle(job, result=job.done)

    def _fail(self, job: _Job, error: Exception) -> None:
        with self._change:
            if job in self._jobs:
                self._jobs.remove(job)
        if not isinstance(error, CommentError):
            log.error("batch_failed", comments=len(job.comments), **describe(error))
        if not isinstance(error, CommentError | PredictionFailed):
            failure = PredictionFailed("the model failed on these comments: see the server's log")
            failure.__cause__ = error
            error = failure
        self._settle(job, error=error)

    def _fail_all(self, error: Exception) -> None:
        with self._change:
            jobs = {*self._jobs, *self._running}
            self._jobs.clear()
        for job in jobs:
            self._settle(job, error=error)

    def _settle(
        self, job: _Job, *, result: list[Prediction] | None = None, error: Exception | None = None
    ) -> None:
        """Settle a job, unless it was cancelled or is settled."""
        with self._change:  # `close` may settle from another thread
            if job.future.done() or not job.future.set_running_or_notify_cancel():
                return
            if error is not None:
                job.future.set_exception(error)
            else:
                job.future.set_result(result or [])


def _joined(parts: Sequence[tuple[Future[list[Prediction]], list[int]]]) -> Future[list[Prediction]]:
    """Join futures into one, each part's predictions at its places; cancelling it cancels them."""
    joined: Future[list[Prediction]] = Future()
    lock, left = threading.Lock(), len(parts)

    def cancel(joined: Future[list[Prediction]]) -> None:
        if joined.cancelled() or joined.exception() is not None:
            for part, _ in parts:
                part.cancel()

    def collect(done: Future[list[Prediction]]) -> None:
        nonlocal left
        failed = done.cancelled() or done.exception() is not None
        with lock:
            left = 0 if failed and left > 0 else left - 1
            if left != 0:  # others are still pending, or one has failed
                return
        if done.cancelled() or not joined.set_running_or_notify_cancel():
            return
        if (error := done.exception()) is not None:
            joined.set_exception(error)
            return
        placed = {i: p for part, places in parts for i, p in zip(places, part.result(), strict=True)}
        joined.set_result([placed[i] for i in range(len(placed))])

    joined.add_done_callback(cancel)
    for part, _ in parts:
        part.add_done_callback(collect)
    return joined
