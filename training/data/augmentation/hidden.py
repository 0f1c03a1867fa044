"""Abuse hidden in long comments: a toxic comment between the halves of a harmless one is still toxic.

    train += hidden(train, seed=13, rows=2000)

The mean over a long comment drowns a short insult; the network also scores windows, and learns from these
rows that one window is enough. They come with twice as many long comments alone: with fewer, the network
learnt that long comments are abusive.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from parley.training.data.examples import Example, reworded

_LONG, _LONGEST = 60, 160
"""Words of the harmless comment."""
_SHORTEST, _SHORT = 3, 40
"""Words of the toxic one."""
_ALONE = 2
"""Long comments alone per one that hides abuse."""
_WEIGHT = 0.8


def hidden(examples: Sequence[Example], *, seed: int, rows: int) -> list[Example]:
    """`rows` toxic comments inside long harmless ones, and twice as many of the long ones alone.

    The whole has the toxic part's labels, and its spans if marked.
    """
    rng = random.Random(f"{seed}:hidden")
    judged = [e for e in examples if "toxicity" in e.labels]
    toxic = [e for e in judged if e.labels["toxicity"] >= 0.8 and _SHORTEST <= len(e.text.split()) <= _SHORT]
    harmless = [e for e in judged if e.labels["toxicity"] <= 0.1 and _LONG <= len(e.text.split()) <= _LONGEST]
    if not (toxic and harmless):
        return []
    made = []
    for _ in range(rows):
        part, frame = rng.choice(toxic), rng.choice(harmless)
        made.append(_hide(part, frame.text.split(), rng))
        made += [_copy(of, of.text, of.spans, "long") for of in rng.choices(harmless, k=_ALONE)]
    return made


def _hide(part: Example, frame: Sequence[str], rng: random.Random) -> Example:
    at = rng.randint(0, len(frame))
    before = " ".join(frame[:at]) + " " if at else ""
    text = f"{before}{part.text} {' '.join(frame[at:])}".rstrip()
    shift = len(before)
    spans = tuple((start + shift, end + shift) for start, end in part.spans) if part.spans else None
    return _copy(part, text, spans, "hidden")


def _copy(example: Example, text: str, spans: tuple[tuple[int, int], ...] | None, slice_: str) -> Example:
    copy = reworded(example, text, slice=slice_)
    return replace(copy, spans=spans, weight=example.weight * _WEIGHT)
