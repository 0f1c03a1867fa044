"""Whether one more request may wait for the model: refused at once is better than answered too late.

    pressure = Backpressure(max_queue=4000, max_wait=0.05)
    pressure.admit(3, waiting=0, next_costs=[])     # raises Busy, with the seconds after which to come back

A full queue is refused, and a wait longer than `max_wait` before the first turn (less once the model has
hardly a pause). How long a wait would be is reckoned from the model's pace so far. Not thread-safe: called
under the batcher's lock, but for `learn`, which sets one number.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from parley.model.comment import Comment
from parley.service.errors import Busy

ALWAYS_WAIT = 4
"""So many may wait on the slowest machine: a client that asks for a few at a time is served."""
BURST_S = 0.5
"""Requests that keep the model busy for longer are no burst but too many: from then on a long queue would
serve nobody sooner, only everybody later, and it is kept short, until the model has rested."""
RESTED = 4
"""Seconds of a burst that one of rest makes up for: with a fifth of the time free no queue is kept short."""
SHORT_SHARE, SHORT_WAIT = 0.2, 2
"""Of `max_wait`, and in place of ALWAYS_WAIT, while it is kept short."""
BASE_CHARACTERS = 100
"""What a comment costs whatever its length, in the time of so many characters."""
TYPICAL_CHARACTERS = 300
"""What most comments cost at most, base included."""


def cost_of(comment: Comment) -> int:
    """What a comment costs, in characters."""
    return BASE_CHARACTERS + len(comment.text)


class Backpressure:
    """The model's pace, how long it has been busy, and what may wait for it therefore."""

    def __init__(self, *, max_queue: int, max_wait: float) -> None:
        """`max_queue` comments waiting, `max_wait` s to a first turn."""
        self._max_queue, self._max_wait = max_queue, max_wait
        self._pace = 0.0  # seconds a character, a moving average
        self._busy_until = 0.0
        self._busy, self._since, self._burst = False, time.monotonic(), BURST_S

    def admit(self, comments: int, *, waiting: int, next_costs: Sequence[int]) -> None:
        """Refuse `comments` more where `waiting` are too many already, or their turn is too far. Raises Busy.

        `next_costs` are what the next comment of each waiting request costs.
        """
        now = time.monotonic()
        if not next_costs:
            return  # whoever finds nobody waiting is served, however many comments it brings
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
        """How long comments of this cost take."""
        return cost * self._pace

    def begin(self, cost: int) -> None:
        """A batch of this cost begins."""
        self._busy_until = time.monotonic() + self.seconds(cost)

    def learn(self, comments: Sequence[Comment], seconds: float) -> None:
        """These took the model so long."""
        pace = seconds / sum(map(cost_of, comments))
        self._pace = pace if not self._pace else 0.8 * self._pace + 0.2 * pace

    def turn(self, *, busy: bool) -> None:
        """The model is busy from now on, or rests."""
        if busy != self._busy:
            now = time.monotonic()
            self._busy, self._since, self._burst = busy, now, self._burst_left(now)

    def _burst_left(self, now: float) -> float:
        """Seconds for which the model may yet be busy before the queue is kept short."""
        past = now - self._since
        return max(0.0, self._burst - past) if self._busy else min(BURST_S, self._burst + RESTED * past)
