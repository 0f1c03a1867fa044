"""Words disguised as people do to get an insult past a filter: as training rows and as a test.

    disguise("You fool", ((4, 8),), "leetspeak", random.Random(1))    # ("You f00l", ((4, 8),))
    train += disguised_copies(train, seed=13, share=0.1)

In a toxic comment the words that raters marked are disguised, or those that predict abuse in the training
rows. In harmless ones, random words are disguised just as often, so that odd spelling itself doesn't count as
abuse.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from parley.training.data.examples import Example, reworded
from parley.training.data.registry import Split, source
from parley.training.data.sources.news import toxic_spans

_WORD = re.compile(r"[a-zA-Z]{3,}")
_LEET = str.maketrans("aeiostAEIOST", "431057431057")
_ALIKE = str.maketrans("aceiopsxyABCEHKMOPTX", "асеіорѕхуАВСЕНКМОРТХ")
_STYLED = {ord(c): 0x1D41A + i for i, c in enumerate("abcdefghijklmnopqrstuvwxyz")}
_EMOJI = "😂🤡💩🔥🙃😡🤣👏🐍💀"
_TELLING_ROWS, _TELLING_ODDS = 5, 4.0
"""A word predicts abuse if this many toxic rows have it, at this multiple of its share in harmless rows."""


def _stars(word: str, rng: random.Random) -> str:
    inside = range(1, len(word) - 1)
    vowels = [i for i in inside if word[i].lower() in "aeiouy"] or list(inside)
    hidden = set(rng.sample(vowels, rng.randint(1, len(vowels))))
    return "".join("*" if i in hidden else c for i, c in enumerate(word))


def _stretch(word: str, rng: random.Random) -> str:
    place = rng.randrange(1, len(word))
    return word[:place] + word[place] * rng.randint(2, 5) + word[place + 1 :]


def _emoji(word: str, rng: random.Random) -> str:
    between = rng.choice(_EMOJI)
    place = rng.randrange(1, len(word))
    return rng.choice((between.join(word), word[:place] + between + word[place:]))


KINDS: dict[str, Callable[[str, random.Random], str]] = {
    "spacing": lambda word, rng: rng.choice(" .-_").join(word),
    "stars": _stars,
    "leetspeak": lambda word, rng: word.translate(_LEET),
    "look-alikes": lambda word, rng: word.translate(_ALIKE),
    "stretched": _stretch,
    "emoji": _emoji,
    "zero-width": lambda word, rng: "\u200b".join(word),
    "styled": lambda word, rng: word.lower().translate(_STYLED),
}
TRAINED = ("spacing", "stars", "leetspeak", "look-alikes", "stretched", "emoji")
"""The kinds to train on: `parley.model.text.disguise` undoes them only for words that are whole in the
vocabulary. `parley.model.text.plain` undoes the others before the network sees them."""


def disguise(
    text: str, spans: Sequence[tuple[int, int]], kind: str, rng: random.Random
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """`text` with each word in `spans` (three letters or more) disguised, and the new spans."""
    parts, moved, done, length = [], [], 0, 0
    for start, end in sorted(spans):
        inside = _WORD.sub(lambda match: KINDS[kind](match.group(), rng), text[start:end])
        parts += [text[done:start], inside]
        length += start - done
        moved.append((length, length + len(inside)))
        length += len(inside)
        done = end
    return "".join([*parts, text[done:]]), tuple(moved)


def disguised_copies(examples: Iterable[Example], *, seed: int, share: float) -> list[Example]:
    """Copies of `share` of the comments with a toxicity label, with disguised words.

    The kinds alternate, and `slice` names them. Toxic and harmless rows are equally likely. A copy keeps the
    labels of the comment pass, and the spans if it was the marked words that were disguised, but no article
    or target.
    """
    judged = [e for e in examples if "toxicity" in e.labels]
    telling = _telling_words(judged)
    rng = random.Random(f"{seed}:disguised")
    copies: list[Example] = []
    for example in judged:
        words = [match.span() for match in _WORD.finditer(example.text)]
        if rng.random() >= share or not words:
            continue
        places: Sequence[tuple[int, int]] = ()
        if _marked(example):
            places = example.spans or ()
        elif example.labels["toxicity"] >= 0.5:
            places = [(a, b) for a, b in words if example.text[a:b].lower() in telling]
        places = places or rng.sample(words, min(len(words), rng.randint(1, 3)))
        copy = _disguised(example, places, TRAINED[len(copies) % len(TRAINED)], rng)
        if copy.text != example.text:  # in some words a kind finds no letter to change
            copies.append(copy)
    return copies


def _marked(example: Example) -> bool:
    """Whether raters marked a word in the comment."""
    return any(_WORD.search(example.text[start:end]) for start, end in example.spans or ())


def _telling_words(examples: Sequence[Example]) -> set[str]:
    """The words that are far more frequent in toxic rows than in harmless ones."""
    rows: Counter[bool] = Counter()
    words: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for example in examples:
        toxic = example.labels["toxicity"] >= 0.5
        rows[toxic] += 1
        words[toxic].update(set(_WORD.findall(example.text.lower())))
    return {
        word
        for word, count in words[True].items()
        if count >= _TELLING_ROWS
        and count * (rows[False] + 1) > _TELLING_ODDS * (words[False][word] + 1) * rows[True]
    }


def _disguised(example: Example, places: Sequence[tuple[int, int]], kind: str, rng: random.Random) -> Example:
    text, moved = disguise(example.text, places, kind, rng)
    spans = example.spans  # None and () stay; if other words than the marked ones changed, spans are unknown
    copy = reworded(example, text, slice=kind)
    return replace(copy, spans=(moved if places is spans else None) if spans else spans)


@source(
    "disguised",
    folder="abuse/toxic_spans",
    licence="CC0",
    commercial=True,
    note="test: toxic_spans' test comments with their marked words disguised",
)
def disguised(folder: Path, split: Split) -> Iterator[Example]:
    """Reads the files of toxic_spans; the kinds of disguise alternate, and `slice` names them.

    To train on such rows, set `swaps.disguised`: it copies training rows of every source.
    """
    if split != "test":
        return
    kinds = list(KINDS)
    for number, example in enumerate(filter(_marked, toxic_spans(folder, split))):
        kind = kinds[number % len(kinds)]
        yield replace(
            _disguised(example, example.spans or (), kind, random.Random(example.text)), source="disguised"
        )
