"""Words in disguise: what people do to get an insult past a filter, as training rows and as a test.

    disguise("You fool", ((4, 8),), "leetspeak", random.Random(1))    # ("You f00l", ((4, 8),))

The words disguised are those that raters marked in toxic_spans. Plain words of harmless Wikipedia comments
are disguised the same way, or odd spelling itself would become abuse.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from training.examples import Example
from training.sources.news import toxic_spans
from training.sources.registry import Split, source
from training.sources.wikipedia import jigsaw_binary

_WORD = re.compile(r"[a-zA-Z]{3,}")
_LEET = str.maketrans("aeiostAEIOST", "431057431057")
_ALIKE = str.maketrans("aceiopsxyABCEHKMOPTX", "асеіорѕхуАВСЕНКМОРТХ")
_STYLED = {ord(c): 0x1D41A + i for i, c in enumerate("abcdefghijklmnopqrstuvwxyz")}


def _stars(word: str, rng: random.Random) -> str:
    inside = range(1, len(word) - 1)
    vowels = [i for i in inside if word[i].lower() in "aeiouy"] or list(inside)
    hidden = set(rng.sample(vowels, rng.randint(1, len(vowels))))
    return "".join("*" if i in hidden else c for i, c in enumerate(word))


def _stretch(word: str, rng: random.Random) -> str:
    place = rng.randrange(1, len(word))
    return word[:place] + word[place] * rng.randint(2, 5) + word[place + 1 :]


KINDS: dict[str, Callable[[str, random.Random], str]] = {
    "spacing": lambda word, rng: rng.choice(" .-_").join(word),
    "stars": _stars,
    "leetspeak": lambda word, rng: word.translate(_LEET),
    "look-alikes": lambda word, rng: word.translate(_ALIKE),
    "stretched": _stretch,
    "zero-width": lambda word, rng: "\u200b".join(word),
    "styled": lambda word, rng: word.lower().translate(_STYLED),
}
TRAINED = ("spacing", "stars", "leetspeak", "look-alikes", "stretched")
"""The kinds to learn. `model.text` undoes the others before the network sees them."""


def disguise(
    text: str, spans: Sequence[tuple[int, int]], kind: str, rng: random.Random
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """`text` with each word of `spans` (three letters or more) disguised, and where the spans then lie."""
    parts, moved, done, length = [], [], 0, 0
    for start, end in sorted(spans):
        inside = _WORD.sub(lambda match: KINDS[kind](match.group(), rng), text[start:end])
        parts += [text[done:start], inside]
        length += start - done
        moved.append((length, length + len(inside)))
        length += len(inside)
        done = end
    return "".join([*parts, text[done:]]), tuple(moved)


@source(
    "disguised",
    folder="abuse/toxic_spans",
    licence="CC0; text of the harmless half CC BY-SA 3.0",
    commercial=True,
    note="toxic_spans with its marked words spelt to get past a filter, and harmless comments spelt so too",
)
def disguised(folder: Path, split: Split) -> Iterator[Example]:
    """Reads what toxic_spans and jigsaw_binary read: comments with a span, and as many harmless ones.

    The kinds take turns, and `slice` names them. The test is the toxic half, in every kind.
    """
    kinds = list(KINDS) if split == "test" else list(TRAINED)
    number = 0
    for example in toxic_spans(folder, split):
        if example.spans and _WORD.search(" ".join(example.text[a:b] for a, b in example.spans)):
            yield _disguised(example, example.spans, kinds[number % len(kinds)])
            number += 1
    harmless = 0 if split == "test" else number
    for example in jigsaw_binary(folder.parent / "jigsaw_DERIVED_multilabel", split):
        if not harmless:
            return
        words = [match.span() for match in _WORD.finditer(example.text)]
        if words and not example.labels["toxicity"]:
            chosen = random.Random(example.text).sample(words, min(len(words), 1 + number % 3))
            yield replace(_disguised(example, chosen, kinds[number % len(kinds)]), spans=None)
            number, harmless = number + 1, harmless - 1


def _disguised(example: Example, spans: Sequence[tuple[int, int]], kind: str) -> Example:
    text, moved = disguise(example.text, spans, kind, random.Random(example.text))
    return replace(example, text=text, spans=moved, source="disguised", slice=kind, made_from=example.text)
