"""Whether to train in bfloat16; the portable job has a copy of this module, so it needs torch alone."""

from __future__ import annotations

import time
from functools import cache

import torch
import torch.nn.functional as F

_TOKENS, _WIDTH = 1024, 384
_GAIN = 1.2
"""How much faster a layer must be, since what surrounds it is slower in bfloat16."""


@cache
def faster_in_bfloat16() -> bool:
    """Whether this machine trains faster in bfloat16 than in float32.

    On a processor it is measured, in a fifth of a second: with AMX bfloat16 is faster, and with AVX-512 alone
    it is 2.8 times as fast on some and slower on others (docs/experiments/2026-12-01-0.10.0.md).
    """
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    full, half = (min(_seconds(half=half) for _ in range(5)) for half in (False, True))
    return full > _GAIN * half


def _seconds(*, half: bool) -> float:
    """The time that a feed-forward layer takes, forward and backward."""
    x = torch.full((_TOKENS, _WIDTH), 0.5, requires_grad=True)
    weight = torch.full((4 * _WIDTH, _WIDTH), 0.01, requires_grad=True)
    began = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        layer = F.linear(x, weight)
    layer.sum().backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - began
