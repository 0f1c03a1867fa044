"""Emoji spelt out, for a tokenizer whose vocabulary has none of them.

    spelt = spell_out("What a \U0001f921")
    spelt.text                 'What a  clown face '
    spelt.back(8, 13)          (7, 8): where "clown" stands in the text before

Without it every emoji reads as the same unknown token, and whoever writes an insult as a picture goes unseen.
The names are Unicode's, from the standard library. Of each emoji the first three are spelt out, and a row of
the same counts as one: 50,000 of them must not cost more than as many letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache

from parley.model.text.plain import Runs

EMOJI = (
    "[\u203c\u2049\u2139\u231a-\u23ff\u25aa-\u27bf\u2b05-\u2b55\U0001f000-\U0001f0ff\U0001f191-\U0001f1e5"
    "\U0001f200-\U0001faff]"
)
"""One of them, as a regular expression; a flag is two others."""
_EMOJI = re.compile(f"({EMOJI})(?:\ufe0f?\\1)*\ufe0f?|[\U0001f1e6-\U0001f1ff]{{2}}")
_MOST = 3
_PLAINER = {
    "\U0001f3fb": "light skin",
    "\U0001f3fc": "light skin",
    "\U0001f3fd": "brown skin",
    "\U0001f3fe": "dark skin",
    "\U0001f3ff": "black skin",
    "\U0001f52a": "knife",
}
"""Emoji whose Unicode names say little to a reader: HOCHO, EMOJI MODIFIER FITZPATRICK TYPE-6."""


def spell_out(text: str) -> Runs:
    """`text` with each emoji's name in its place, blanks around it, and the way back for spans."""
    out = Runs()
    seen: Counter[str] = Counter()
    start = 0
    for match in _EMOJI.finditer(text):
        name = _name(match.group()[:2] if match[1] is None else match[1])
        seen[name] += 1
        if name and seen[name] <= _MOST:
            out.put(text[start : match.start()], start, match.start())
            out.put(f" {name} ", *match.span())
            start = match.end()
    out.put(text[start:], start, len(text))
    return out


def has_emoji(text: str) -> bool:
    """Whether `spell_out` would change `text`, or nearly so: quick for text without."""
    return not text.isascii() and _EMOJI.search(text) is not None


@cache
def _name(emoji: str) -> str:
    if len(emoji) == 2:  # two regional indicators are a flag, by its country's letters
        return "flag " + "".join(chr(ord(c) - 0x1F1E6 + ord("a")) for c in emoji)
    return _PLAINER.get(emoji) or unicodedata.name(emoji, "").lower().replace("-", " ")
