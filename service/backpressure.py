"""Decides whether one more request may wait for the model: a refusal now is better than an answer too late.

pressure = Backpressure(max_queue=4000, max_wait=0.05)
pressure.admit(3, waiting=0, next_costs=[])     # raises Busy, with the seconds after which to retry

Requests are refused if the queue is full, or if they would wait longer than `max_wait` (less under overload)
for their first turn. The wait is estimated from the model's recent pace. Not thread-safe: call it under the
batcher's lock, except `learn`, which sets one number.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from parley.model.comment import Comment
from parley.service.errors import Busy

ALWAYS_WAIT = 4
"""This many may always wait, however slow the machine, so that a client with a few comments is served."""
BURST_S = 0.5
"""Seconds after which a busy model means overload, not a burst: a long queue would only delay everybody, so
it is kept short until the model has had a pause."""
RESTED = 4
"""Busy seconds offset by one idle second: a model that is idle a fifth of the time is never overloaded."""
SHORT_SHARE, SHORT_WAIT = 0.2, 2
"""Under overload: the share of `max_wait` that remains, and the replacement for ALWAYS_WAIT."""
BASE_CHARACTERS = 100
"""Fixed cost of a comment, in characters."""
TYPICAL_CHARACTERS = 300
"""A cost, fixed cost included, that nearly all comments stay below."""


def cost_of(comment: Comment) -> int:
    """The cost of a comment, in characters."""
    return BASE_CHARACTERS + len(comment.text)


class Backpressure:
    """Tracks the model's pace and load, and admits requests accordingly."""

    def __init__(self, *, max_queue: int, max_wait: float) -> None:
        """`max_queue` limits the comments waiting, `max_wait` the seconds until a request's first turn."""
        self._max_queue, self._max_wait = max_queue, max_wait
        self._pace = 0.0  # seconds per character, a moving average
        self._busy_until = 0.0
        self._busy, self._since, self._burst = False, time.monotonic(), BURST_S

    def admit(self, comments: int, *, waiting: int, next_costs: Sequence[int]) -> None:
        """Refuse `comments` more if too many are `waiting` or the wait is too long. Raises Busy.

        `next_costs` has the cost of each waiting request's next comment.
        """
        now = time.monotonic()
        if not next_costs:
            return  # with nobody waiting, a request of any size is served
        if waiting + comments > self._max_queue:
            raise Busy(
                f"{waiting} comments are already waiting and the queue holds {self._max_queue}: "
                "send fewer at once or come back later",
                retry_after=max(1, math.ceil(self.seconds(waiting * TYPICAL_CHARACTERS))),
            )
        burst = self._burst_left(now) > BURST_S / 5
        always, limit = (ALWAYS_WAIT, 1.0) if burst else (SHORT_WAIT, SHORT_SHARE)
        limit *= self._max_wait
        wait = self.seconds(sum(next_costs)) + max(0.0, self._busy_until - now)
        if len(next_costs) >= always and wait > limit:
            raise Busy(
                f"the wait would be {wait:.2f} s, the limit is {limit:g} s: come back later",
                retry_after=max(1, math.ceil(wait)),
            )

    def seconds(self, cost: int) -> float:
        """Seconds that comments of this cost take."""
        return cost * self._pace

    def begin(self, cost: int) -> None:
        """Record that a batch of this cost begins."""
        self._busy_until = time.monotonic() + self.seconds(cost)

    def learn(self, comments: Sequence[Comment], seconds: float) -> None:
        """Learn the pace from a batch."""
        pace = seconds / sum(map(cost_of, comments))
        self._pace = pace if not self._pace else 0.8 * self._pace + 0.2 * pace

    def turn(self, *, busy: bool) -> None:
        """Record that the model is busy or idle from now on."""
        if busy != self._busy:
            now = time.monotonic()
            self._busy, self._since, self._burst = busy, now, self._burst_left(now)

    def _burst_left(self, now: float) -> float:
        """Seconds that the model may still be busy before the queue is kept short."""
        past = now - self._since
        return max(0.0, self._burst - past) if self._busy else min(BURST_S, self._burst + RESTED * past)
