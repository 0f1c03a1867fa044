"""Keeps test texts out of training: compares normalised texts, ignoring case and punctuation.

train, counts = drop_leaks(train, [*dev, *test])
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b

from parley.training.data.examples import Example

_NON_WORD = re.compile(r"[\W_]+")


def fingerprint(text: str) -> bytes:
    """A 16-byte hash of the text in lower case, with each run of non-word characters folded to a space.

    A text without word characters (emoji, dots) is hashed as it is.
    """
    folded = _NON_WORD.sub(" ", text.lower()).strip() or text.strip()
    return blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _fingerprints(example: Example) -> set[bytes]:
    texts = (example.text,) if example.made_from is None else (example.text, example.made_from)
    return {fingerprint(text) for text in texts}


def drop_leaks(
    examples: Iterable[Example], held_out: Iterable[Example]
) -> tuple[list[Example], dict[str, int]]:
    """The examples that share no text with `held_out`, in order, and the number dropped by source.

    An altered text leaks if its original does.
    """
    seen = {mark for example in held_out for mark in _fingerprints(example)}
    kept: list[Example] = []
    dropped: Counter[str] = Counter()
    for example in examples:
        if _fingerprints(example) & seen:
            dropped[example.source] += 1
        else:
            kept.append(example)
    return kept, dict(dropped)
