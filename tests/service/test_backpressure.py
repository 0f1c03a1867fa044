"""How much may wait for the model depends on its pace and on how long it has been busy."""

from __future__ import annotations

import pytest

from parley.model.comment import Comment
from parley.service.backpressure import BASE_CHARACTERS, Backpressure, cost_of
from parley.service.errors import Busy

COMMENT = Comment(text="a" * BASE_CHARACTERS)
COST = cost_of(COMMENT)


@pytest.fixture
def pressure() -> Backpressure:
    """For a model that takes 10 ms per comment."""
    pressure = Backpressure(max_queue=100, max_wait=0.1)
    pressure.learn([COMMENT], 0.01)
    return pressure


def test_a_request_that_finds_nobody_waiting_is_served(pressure: Backpressure) -> None:
    pressure.admit(1000, waiting=0, next_costs=[])


def test_a_full_queue_is_refused(pressure: Backpressure) -> None:
    pressure.admit(10, waiting=90, next_costs=[COST])
    with pytest.raises(Busy, match="90 comments are already waiting and the queue holds 100"):
        pressure.admit(11, waiting=90, next_costs=[COST])


def test_too_long_a_wait_is_refused(pressure: Backpressure) -> None:
    pressure.admit(1, waiting=9, next_costs=[COST] * 9)
    with pytest.raises(Busy, match=r"the wait would be 0\.11 s, the limit is 0\.1 s") as refused:
        pressure.admit(1, waiting=11, next_costs=[COST] * 11)
    assert refused.value.retry_after == 1


def test_a_few_may_wait_however_slow_the_model_is(pressure: Backpressure) -> None:
    pressure.learn([COMMENT], 60.0)
    pressure.admit(1, waiting=3, next_costs=[COST] * 3)
    with pytest.raises(Busy, match="the wait would be"):
        pressure.admit(1, waiting=4, next_costs=[COST] * 4)


def test_a_model_that_is_busy_for_long_has_a_short_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley.service.backpressure.BURST_S", 0.0)
    pressure = Backpressure(max_queue=100, max_wait=0.1)
    pressure.learn([COMMENT], 0.01)
    pressure.turn(busy=True)
    pressure.admit(1, waiting=2, next_costs=[COST] * 2)
    with pytest.raises(Busy, match=r"the limit is 0\.02 s"):
        pressure.admit(1, waiting=3, next_costs=[COST] * 3)
