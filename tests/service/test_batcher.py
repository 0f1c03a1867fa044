"""The batcher's promises, with a model whose pace and failures the test controls."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from parley.model.classifier import Classifier
from parley.model.comment import Comment, Prediction
from parley.model.errors import ArtifactError, CommentError
from parley.service import backpressure
from parley.service import batcher as batching
from parley.service.batcher import WARM_UP, Batcher
from parley.service.errors import Busy, NotReady, PredictionFailed


class Scripted(Classifier):
    """Answers each comment with its own text as id; `gate` blocks it, some texts make it fail."""

    def __init__(self, *, seconds: float = 0.0) -> None:
        self.info = {"name": "scripted", "version": "1"}
        self.thresholds: dict[str, float] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.seconds = seconds
        self.pause: Callable[[float], None] = time.sleep
        self.batches: list[list[str]] = []
        self.slow: Scripted = self

    def beside(self) -> Scripted:
        return self.slow

    def predict(self, comments: Sequence[Comment]) -> list[Prediction]:
        texts = [comment.text for comment in comments]
        if texts == [WARM_UP.text]:
            return [_prediction("warm-up")]
        self.batches.append(texts)
        self.entered.set()
        assert self.gate.wait(60)
        self.pause(self.seconds * len(texts))
        if "poison" in texts:
            raise ValueError("the model chokes on: poison")
        if "refuse" in texts:
            raise CommentError("text: can't be judged")
        if "exit" in texts:
            raise SystemExit
        if "short" in texts:
            return []
        return [_prediction(text) for text in texts]


class Stepped(Scripted):
    """Answers a batch when the test says so, and moves the batcher's clock by the time this would take."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> None:
        super().__init__(seconds=seconds)
        self.now, self.steps = 0.0, threading.Semaphore(0)
        self.pause = self.advance
        clock = SimpleNamespace(monotonic=lambda: self.now)
        for module in (backpressure, batching):
            monkeypatch.setattr(module, "time", clock)

    def advance(self, seconds: float) -> None:
        self.now += seconds

    def predict(self, comments: Sequence[Comment]) -> list[Prediction]:
        if comments[0] != WARM_UP:
            assert self.steps.acquire(timeout=60)
        return super().predict(comments)

    def answer(self, batcher: Batcher, *texts: str) -> None:
        """Let every text have its answer, then let the model rest."""
        self.steps.release(len(texts))
        for text in texts:
            batcher.submit(_comments(text)).result(60)
        _wait(lambda: not batcher._pressure._busy)


def _fill(batcher: Batcher) -> list[Future[list[Prediction]]]:
    """Submit comments for as long as the batcher accepts more."""
    accepted: list[Future[list[Prediction]]] = []
    with suppress(Busy):
        while len(accepted) < 100:
            accepted.append(batcher.submit(_comments("more")))
    return accepted


def _prediction(text: str) -> Prediction:
    return Prediction(id=text, abuse={}, spam=0.0, off_topic=None, stance=None)


def _refuse(comments: Sequence[Comment]) -> list[Prediction]:
    raise CommentError("text: can't be judged")


def _exit(comments: Sequence[Comment]) -> list[Prediction]:
    raise SystemExit


def _comments(*texts: str) -> list[Comment]:
    return [Comment(text=text) for text in texts]


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.002)


@pytest.fixture
def model() -> Scripted:
    return Scripted()


@pytest.fixture
def start() -> Iterator[Callable[..., Batcher]]:
    """Starts a ready batcher; all are closed at the end."""
    started: list[Batcher] = []

    def make(model: Scripted, **options: Any) -> Batcher:
        batcher = Batcher(lambda: model, **{"max_wait": 60.0, **options})
        batcher.start()
        started.append(batcher)
        _wait(lambda: batcher.state == "ready")
        return batcher

    yield make
    for batcher in started:
        if isinstance(batcher.model, Scripted):
            batcher.model.gate.set()
        batcher.close(timeout=5)


def test_answers_keep_order_and_length(model: Scripted, start: Callable[..., Batcher]) -> None:
    batcher = start(model, max_batch=8)
    sizes = [0, 1, 2, 7, 8, 9, 40, 3, 1, 1]
    requests = [[f"{r}-{i}" for i in range(size)] for r, size in enumerate(sizes)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda texts: batcher.submit(_comments(*texts)).result(60), requests))
    assert [[p.id for p in answer] for answer in answers] == requests
    assert max(map(len, model.batches)) <= 8


def test_waiting_comments_share_one_call(model: Scripted, start: Callable[..., Batcher]) -> None:
    batcher = start(model, max_batch=8)
    model.gate.clear()
    first = batcher.submit(_comments("first"))
    assert model.entered.wait(60)
    rest = [batcher.submit(_comments(str(i))) for i in range(5)]
    model.gate.set()
    for job in (first, *rest):
        job.result(60)
    assert model.batches == [["first"], ["0", "1", "2", "3", "4"]]


def test_a_single_comment_does_not_wait_for_a_large_request(
    model: Scripted, start: Callable[..., Batcher]
) -> None:
    batcher = start(model, max_batch=8)
    model.gate.clear()
    large = batcher.submit(_comments(*(f"large {i}" for i in range(200))))
    assert model.entered.wait(60)
    single = batcher.submit(_comments("single"))
    model.gate.set()
    single.result(60)
    assert "single" in model.batches[1]
    assert [p.id for p in large.result(60)] == [f"large {i}" for i in range(200)]


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(
    model: Scripted, start: Callable[..., Batcher]
) -> None:
    batcher = start(model, max_queue=10, max_batch=4)
    model.gate.clear()
    running = batcher.submit(_comments("running"))
    assert model.entered.wait(60)
    queued = batcher.submit(_comments(*"0123456789"))
    with pytest.raises(Busy, match="10 comments are already waiting") as refusal:
        batcher.submit(_comments("one too many"))
    assert refusal.value.retry_after is not None
    assert refusal.value.retry_after >= 1
    model.gate.set()
    assert len(queued.result(60)) == 10
    running.result(60)
    assert len(batcher.submit(_comments("again")).result(60)) == 1


def test_an_empty_queue_takes_more_than_it_holds(model: Scripted, start: Callable[..., Batcher]) -> None:
    batcher = start(model, max_queue=10)
    assert len(batcher.submit(_comments(*map(str, range(50)))).result(60)) == 50


def test_too_long_a_wait_is_refused(start: Callable[..., Batcher]) -> None:
    model = Scripted(seconds=0.02)
    batcher = start(model, max_wait=0.1, max_batch=4)
    batcher.submit(_comments("learn", "the", "pace")).result(60)
    batcher.submit(_comments("learn", "the", "pace")).result(60)
    accepted = []

    def flood() -> None:
        for i in range(50):
            accepted.append(batcher.submit(_comments(str(i))))

    model.gate.clear()
    with pytest.raises(Busy, match=r"the limit is 0\.1 s"):
        flood()
    model.gate.set()
    assert 4 <= len(accepted) < 20  # a few are always accepted
    for job in accepted:
        job.result(60)


def test_nobody_waits_for_a_long_comment(model: Scripted, start: Callable[..., Batcher]) -> None:
    model.slow = Scripted()
    model.slow.gate.clear()
    batcher = start(model)
    texts = ["first", "x" * 50_000, "last"]
    mixed = batcher.submit(_comments(*texts))
    assert model.slow.entered.wait(60)
    for i in range(20):
        assert batcher.submit(_comments(str(i))).result(60)[0].id == str(i)
    batcher.check()
    assert not mixed.done()
    model.slow.gate.set()
    assert [p.id for p in mixed.result(60)] == texts
    assert model.slow.batches == [["x" * 50_000]]


def test_long_comments_have_a_bounded_queue_too(model: Scripted, start: Callable[..., Batcher]) -> None:
    model.slow = Scripted(seconds=0.05)
    batcher = start(model, max_wait=0.1)
    batcher.submit(_comments("x" * 50_000)).result(60)
    model.slow.gate.clear()
    jobs = []

    def flood() -> None:
        for _ in range(20):
            jobs.append(batcher.submit(_comments("x" * 50_000)))

    with pytest.raises(Busy, match=r"the limit is 0\.\d+ s"):
        flood()
    model.slow.gate.set()
    assert len(jobs) >= 2
    for job in jobs:
        job.result(60)


def test_a_cancelled_request_cancels_its_long_comment(model: Scripted, start: Callable[..., Batcher]) -> None:
    model.slow = Scripted()
    batcher = start(model)
    model.slow.gate.clear()
    running = batcher.submit(_comments("x" * 5_000))
    assert model.slow.entered.wait(60)
    batcher.submit(_comments("short", "y" * 5_000)).cancel()
    model.slow.gate.set()
    running.result(60)
    _wait(lambda: batcher.waiting == 0)
    batcher.submit(_comments("z" * 5_000)).result(60)
    assert [batch[0][0] for batch in model.slow.batches] == ["x", "z"]


def test_a_long_comment_that_fails_fails_its_request(model: Scripted, start: Callable[..., Batcher]) -> None:
    model.slow = Scripted()
    batcher = start(model)
    model.slow.predict = _refuse  # type: ignore[method-assign]
    with pytest.raises(CommentError):
        batcher.submit(_comments("short", "x" * 5_000)).result(60)
    assert batcher.submit(_comments("again")).result(60)[0].id == "again"


def test_without_the_thread_for_long_comments_the_batcher_has_failed(
    model: Scripted, start: Callable[..., Batcher]
) -> None:
    model.slow = Scripted()
    batcher = start(model)
    model.slow.predict = _exit  # type: ignore[method-assign]
    with pytest.raises(NotReady):
        batcher.submit(_comments("x" * 5_000)).result(60)
    _wait(lambda: batcher.state == "failed")


@pytest.fixture
def stepped(monkeypatch: pytest.MonkeyPatch) -> Stepped:
    """A model that takes 20 ms per comment; a burst ends after 0.2 s."""
    monkeypatch.setattr(backpressure, "BURST_S", 0.2)
    return Stepped(monkeypatch, seconds=0.02)


def test_without_a_pause_the_queue_is_kept_short(stepped: Stepped, start: Callable[..., Batcher]) -> None:
    batcher = start(stepped, max_wait=0.2, max_batch=1)
    stepped.answer(batcher, *map(str, range(20)))  # learn the pace
    stepped.advance(0.1)  # and rest
    accepted = _fill(batcher)
    longest = batcher.waiting
    for _ in range(40):
        waiting = batcher.waiting
        stepped.steps.release()
        _wait(lambda waiting=waiting: batcher.waiting < waiting)  # type: ignore[misc]
        accepted += _fill(batcher)
    assert longest >= 9  # 0.2 s of 0.02 s each
    assert batcher.waiting <= 3  # 0.04 s
    stepped.steps.release(100)
    for job in accepted:
        job.result(60)
    assert batcher.submit(_comments("after a pause")).result(60)


def test_a_short_pause_is_not_a_rest(stepped: Stepped, start: Callable[..., Batcher]) -> None:
    batcher = start(stepped, max_wait=0.2, max_batch=1)
    stepped.answer(batcher, *map(str, range(20)))  # learn the pace
    stepped.advance(0.1)  # and rest
    lengths = []
    for _ in range(15):
        accepted = _fill(batcher)
        lengths.append(batcher.waiting)
        stepped.steps.release(len(accepted))
        for job in accepted:
            job.result(60)
        _wait(lambda: not batcher._pressure._busy)
        stepped.advance(0.002)
    assert lengths[0] >= 9
    assert max(lengths[1:]) <= 4


def test_a_batch_takes_no_longer_than_its_time(
    stepped: Stepped, start: Callable[..., Batcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "BATCH_S", 0.1)
    batcher = start(stepped, max_batch=16)
    stepped.answer(batcher, *map(str, range(20)))  # learn the pace
    jobs = [batcher.submit(_comments(str(i))) for i in range(30)]
    jobs.append(batcher.submit([Comment(text="long" * 900)]))  # alone, however long it takes
    stepped.steps.release(len(jobs))
    for job in jobs:
        job.result(60)
    sizes = list(map(len, stepped.batches[20:]))
    assert 3 <= max(sizes[:-1]) <= 6
    assert sizes[-1] == 1
    assert sum(sizes) == 31


def test_check_raises_what_a_single_comment_would_meet(
    model: Scripted, start: Callable[..., Batcher]
) -> None:
    batcher = start(model, max_queue=2)
    batcher.check()
    model.gate.clear()
    running = batcher.submit(_comments("running"))
    assert model.entered.wait(60)
    queued = batcher.submit(_comments("a", "b"))
    with pytest.raises(Busy):
        batcher.check()
    model.gate.set()
    running.result(60)
    queued.result(60)
    batcher.close()
    with pytest.raises(NotReady):
        batcher.check()


@pytest.mark.parametrize(
    ("text", "error"), [("poison", PredictionFailed), ("refuse", CommentError), ("short", PredictionFailed)]
)
def test_a_bad_batch_fails_only_its_caller(
    model: Scripted, start: Callable[..., Batcher], text: str, error: type[Exception]
) -> None:
    batcher = start(model)
    model.gate.clear()
    running = batcher.submit(_comments("running"))
    assert model.entered.wait(60)
    before, bad, after = (batcher.submit(_comments(*t)) for t in (["a", "b"], ["c", text, "d"], ["e"]))
    model.gate.set()
    assert [p.id for p in before.result(60)] == ["a", "b"]
    assert [p.id for p in after.result(60)] == ["e"]
    with pytest.raises(error) as raised:
        bad.result(60)
    assert "poison" not in str(raised.value)
    running.result(60)
    assert batcher.state == "ready"
    assert batcher.submit(_comments("alive")).result(60)[0].id == "alive"


def test_the_rest_of_a_failed_request_is_not_predicted(
    model: Scripted, start: Callable[..., Batcher]
) -> None:
    batcher = start(model, max_batch=4)
    job = batcher.submit(_comments("poison", *map(str, range(20))))
    with pytest.raises(PredictionFailed):
        job.result(60)
    assert len(model.batches) == 1
    assert batcher.waiting == 0


def test_cancelled_callers_are_skipped(model: Scripted, start: Callable[..., Batcher]) -> None:
    batcher = start(model)
    model.gate.clear()
    running = batcher.submit(_comments("running"))
    assert model.entered.wait(60)

    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(batcher.predict(_comments("abandoned")), 0.01)

    asyncio.run(give_up())
    kept = batcher.submit(_comments("kept"))
    running.cancel()  # already running: its answer is dropped
    model.gate.set()
    assert kept.result(60)[0].id == "kept"
    assert model.batches == [["running"], ["kept"]]


def test_a_dead_thread_fails_waiting_and_new_requests(model: Scripted, start: Callable[..., Batcher]) -> None:
    batcher = start(model)
    model.gate.clear()
    deadly = batcher.submit(_comments("exit"))
    assert model.entered.wait(60)
    waiting = batcher.submit(_comments("waiting"))
    model.gate.set()
    for job in (deadly, waiting):
        with pytest.raises(NotReady):
            job.result(60)
    _wait(lambda: batcher.state == "failed")
    with pytest.raises(NotReady, match="/health"):
        batcher.submit(_comments("late"))


def test_before_the_model_is_loaded_it_is_not_ready(model: Scripted) -> None:
    loaded = threading.Event()

    def load() -> Scripted:
        assert loaded.wait(60)
        return model

    states: list[str] = []
    batcher = Batcher(load, on_state=states.append)
    batcher.start()
    assert batcher.state == "loading"
    with pytest.raises(NotReady, match="loading") as refusal:
        batcher.submit(_comments("early"))
    assert refusal.value.retry_after
    loaded.set()
    _wait(lambda: batcher.state == "ready")
    batcher.close()
    assert states == ["ready", "stopped"]


def test_a_model_that_cannot_be_loaded_says_why() -> None:
    def load() -> Scripted:
        raise ArtifactError("comments.onnx is missing")

    states: list[str] = []
    batcher = Batcher(load, on_state=states.append)
    batcher.start()
    _wait(lambda: batcher.state == "failed")
    batcher.close()
    assert states == ["failed"]
    assert str(batcher.load_error) == "comments.onnx is missing"


def test_closing_finishes_what_is_queued(model: Scripted, start: Callable[..., Batcher]) -> None:
    batcher = start(model, max_batch=4)
    model.gate.clear()
    jobs = [batcher.submit(_comments(*"abc")) for _ in range(5)]
    threading.Timer(0.05, model.gate.set).start()
    batcher.close(timeout=10)
    assert [len(job.result(0)) for job in jobs] == [3] * 5
    with pytest.raises(NotReady):
        batcher.submit(_comments("late"))


def test_closing_does_not_wait_for_ever(model: Scripted, start: Callable[..., Batcher]) -> None:
    batcher = start(model)
    model.gate.clear()
    stuck = batcher.submit(_comments("stuck"))
    assert model.entered.wait(60)
    batcher.close(timeout=0.05)
    with pytest.raises(NotReady, match="shutting down"):
        stuck.result(0)
