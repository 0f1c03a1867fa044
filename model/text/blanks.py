"""Rejoins words that were split by a blank to disguise them: "an id iot", "what a mo ron".

    rejoin("what an id iot", wordpiece.rarity).text()       'what an idiot'

Two neighbours are joined if together they make a word and at least one of them is not a word by itself. Runs
in linear time: each word is compared only with its neighbours.
"""

from __future__ import annotations

import re

from parley.model.text.disguise import ONE_LETTER_WORDS, Rarity, is_word
from parley.model.text.plain import Runs

_PAIR = re.compile(r"(?=[a-zA-Z])(?<![\w'’@#/.*-])([a-zA-Z]+) (?=([a-z]+|[A-Z]+)(?![\w'’@/*-]|\.\w))")
_SENTENCE_BEGINS = re.compile(r"(?:^|[.!?:\n\"“(])\W*$")
_ENDINGS = frozenset(("s", "t", "m", "d", "ll", "re", "ve"))
_BEFORE_ENDINGS = re.compile(
    r"(?:^|\W)(?:i|it|that|this|he|she|we|you|they|what|who|there|here|where|how|when|let"
    r"|(?:do|did|does|is|was|are|were|have|has|had|ca|could|wo|would|should|must|need|ai)n) $",
    re.IGNORECASE,
)
"""After these, a missing apostrophe leaves an ending on its own: "it s hit the wall", "don t rust"."""
_AFTER_INITIALS = frozenset(("all", "and", "are", "as", "is", "one", "or", "out"))
"""Words that follow an initial at the beginning of a sentence: "B and C are right"."""
_LONGEST = 20
_LOOK_BACK = 16


def rejoin(text: str, rarity: Rarity) -> Runs:
    """`text` without the blanks inside words, and a map back for spans."""
    chosen: list[tuple[float, str, int, int]] = []
    for pair in _PAIR.finditer(text):
        if (joined := _joined(text, pair, rarity)) is None:
            continue
        if chosen and pair.start() < chosen[-1][-1]:  # two pairs share a word: the more common result wins
            if joined[0] < chosen[-1][0]:
                chosen[-1] = (*joined, pair.start(1), pair.end(2))
        else:
            chosen.append((*joined, pair.start(1), pair.end(2)))
    out, done = Runs(), 0
    for _, word, start, end in chosen:
        out.put(text[done:start], done, start)
        out.put(word, start, end)
        done = end
    out.put(text[done:], done, len(text))
    return out


def _joined(text: str, pair: re.Match[str], rarity: Rarity) -> tuple[float, str] | None:
    """The rarity of the word that a pair makes, and the word; None if they are two words."""
    left, right = pair[1], pair[2]
    word = left + right
    if not 3 <= len(word) <= _LONGEST:
        return None
    if (is_word(left, rarity) and is_word(right, rarity)) or right.lower() in ONE_LETTER_WORDS:
        return None
    if left.lower() in ONE_LETTER_WORDS and len(right) > 2:
        return None  # "a la carte", "a mend"
    before = text[max(0, pair.start() - _LOOK_BACK) : pair.start()]
    if _is_ending(left, before) or _is_ending(right, f" {left} ") or _is_name(left, right, before):
        return None
    rare = rarity(word)
    if rare < 1:
        return rare, word
    unknown = all(len(part) == 1 or rarity(part) >= 1 for part in (left, right))
    return (rare, word) if rare <= 2 and len(word) > 4 and unknown else None


def _is_ending(word: str, before: str) -> bool:
    return word.lower() in _ENDINGS and _BEFORE_ENDINGS.search(before) is not None


def _is_name(left: str, right: str, before: str) -> bool:
    """Whether a capital letter shows that these are two words: "plan B ring", "Dr Own"."""
    if right.isupper():
        return not left.isupper() or len(left) + len(right) < 4
    begins = _SENTENCE_BEGINS.search(before) is not None
    return left[0].isupper() and len(left) < 3 and (not begins or right in _AFTER_INITIALS)
