"""Abuse hidden in long comments: a toxic comment inside a harmless one is still toxic.

    train += hidden(train, seed=13, rows=2000)

Averaged over a long comment, a short insult is lost. The network therefore also scores windows, and learns
from these rows that one abusive window is enough. Twice as many unchanged long comments come along: with
fewer, the network learnt that long comments are abusive.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from parley.training.data.examples import Example, reworded

_LONG, _LONGEST = 60, 160
"""Range of words in the harmless comment."""
_SHORTEST, _SHORT = 3, 40
"""Range of words in the toxic comment."""
_UNCHANGED = 2
"""Unchanged long comments for each one that hides abuse."""
_WEIGHT = 0.8


def hidden(examples: Sequence[Example], *, seed: int, rows: int) -> list[Example]:
    """`rows` toxic comments inside long harmless ones, and twice as many long ones unchanged.

    The combined comment has the labels of the toxic one, and its spans if it has any.
    """
    rng = random.Random(f"{seed}:hidden")
    judged = [e for e in examples if "toxicity" in e.labels]
    toxic = [e for e in judged if e.labels["toxicity"] >= 0.8 and _SHORTEST <= len(e.text.split()) <= _SHORT]
    harmless = [e for e in judged if e.labels["toxicity"] <= 0.1 and _LONG <= len(e.text.split()) <= _LONGEST]
    if not (toxic and harmless):
        return []
    copies = []
    for _ in range(rows):
        part, frame = rng.choice(toxic), rng.choice(harmless)
        copies.append(_hide(part, frame.text.split(), rng))
        copies += [_copy(of, of.text, of.spans, "long") for of in rng.choices(harmless, k=_UNCHANGED)]
    return copies


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
