"""Words with a blank inside, read as the words that they hide: "an id iot", "what a mo ron".

    rejoin("what an id iot", wordpiece.rarity).text()       'what an idiot'

Two neighbours are one word where at least one of them is no word by itself and both together are. Runs in
linear time: each word is looked at with its neighbours.
"""

from __future__ import annotations

import re

from parley.model.text.disguise import ONE_LETTER_WORDS, Rarity, is_word
from parley.model.text.plain import Runs

_PAIR = re.compile(r"(?<![\w'’@#/.*-])([a-zA-Z]+) (?=([a-z]+|[A-Z]+)(?![\w'’@/*-]|\.\w))")
_SENTENCE_BEGINS = re.compile(r"(?:^|[.!?:\n\"“(])\W*$")
_ENDINGS = frozenset(("s", "t", "m", "d", "ll", "re", "ve"))
_BEFORE_ENDINGS = re.compile(
    r"(?:^|\W)(?:i|it|that|this|he|she|we|you|they|what|who|there|here|where|how|when|let"
    r"|(?:do|did|does|is|was|are|were|have|has|had|ca|could|wo|would|should|must|need|ai)n) $",
    re.IGNORECASE,
)
"""Behind these a lost apostrophe leaves the end of a word alone: "it s hit the wall", "don t rust"."""
_BEHIND_INITIALS = frozenset(("all", "and", "are", "as", "is", "one", "or", "out"))
"""Behind a letter at the beginning of a sentence: "B and C are right"."""
_LONGEST = 20
_LOOK_BACK = 16


def rejoin(text: str, rarity: Rarity) -> Runs:
    """`text` without the blanks inside words, and the way back for spans."""
    chosen: list[tuple[float, str, int, int]] = []
    for pair in _PAIR.finditer(text):
        if (found := _joined(text, pair, rarity)) is None:
            continue
        if chosen and pair.start() < chosen[-1][-1]:  # both claim a word: the commoner has it
            if found[0] < chosen[-1][0]:
                chosen[-1] = (*found, pair.start(1), pair.end(2))
        else:
            chosen.append((*found, pair.start(1), pair.end(2)))
    out, done = Runs(), 0
    for _, word, start, end in chosen:
        out.put(text[done:start], done, start)
        out.put(word, start, end)
        done = end
    out.put(text[done:], done, len(text))
    return out


def _joined(text: str, pair: re.Match[str], rarity: Rarity) -> tuple[float, str] | None:
    """The rarity of the word that the two make, and the word; None where they are two words."""
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
    """Whether a capital stands where no word would have one: "plan B ring", "Dr Own"."""
    if right.isupper():
        return not left.isupper() or len(left) + len(right) < 4
    begins = _SENTENCE_BEGINS.search(before) is not None
    return left[0].isupper() and len(left) < 3 and (not begins or right in _BEHIND_INITIALS)
