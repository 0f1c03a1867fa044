"""Spells out emoji, for a tokenizer that has none in its vocabulary.

spelt = spell_out("What a \U0001f921")
spelt.text                 'What a  clown face '
spelt.back(8, 13)          (7, 8): the place of "clown" in the original text

Otherwise every emoji would be the same unknown token, and insults written as pictures would go unnoticed. The
names are Unicode's, from the standard library; emoji of nations, peoples and faiths are dropped. Only the
first three of each emoji are spelt out, and a row of the same emoji counts as one: 50,000 of them must not
cost more than as many letters.
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
"""A regular expression for one emoji; flags, which are pairs of other characters, are not included."""
_FLAGS, _TAGS = "[\U0001f1e6-\U0001f1ff]", "[\U000e0020-\U000e007f]"
_EMOJI = re.compile(f"({EMOJI})(?:\ufe0f?\\1)*\ufe0f?|{_FLAGS}+|{_TAGS}+")
_ANY_EMOJI = re.compile(f"{EMOJI}|{_FLAGS}|{_TAGS}")
_MOST = 3
_PLAINER = {
    "\U0001f52a": "knife",
}
"""Names for emoji whose Unicode names are obscure, such as HOCHO."""
_UNNAMED = frozenset(
    "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"  # skin tones
    "\U0001f3f3\U0001f3f4\U0001f308\u26a7\U0001f3c1\U0001f38c\U0001f5fe\U0001f5fd"  # flags, and parts of some
    "\u271d\u2626\u262a\u2721\u262c\u2638\u262f\u2628\u2625\U0001f549\U0001f52f\U0001f54e\U0001faaf"
    "\U0001f6d0\u26ea\U0001f54c\U0001f54d\U0001f54b\U0001f6d5\u26e9\U0001f4ff\U0001f54a"  # faiths
    "\U0001f473\U0001f9d5\U0001f472\U0001f46c\U0001f46d\U0001f46b\U0001f475\U0001f474\U0001f9d3"  # people
)
"""Emoji of nations, peoples and faiths. Their names alone would change a score, since groups named in
training texts are often groups attacked."""

_OF_GROUPS = re.compile(
    r"\b(CROSS|FLAG|TURBAN|HEADSCARF|PRAYER|WORSHIP|TRANSGENDER|SYNAGOGUE|MOSQUE|CHURCH)\b"
)
"""Words in the names of further emoji of that kind."""


def spell_out(text: str) -> Runs:
    """`text` with emoji replaced by their names between blanks, and a map back for spans."""
    out = Runs()
    seen: Counter[str] = Counter()
    start = 0
    for match in _EMOJI.finditer(text):
        name = "" if match[1] is None or match[1] in _UNNAMED else _name(match[1])
        seen[name] += 1
        if not name or seen[name] <= _MOST:
            out.put(text[start : match.start()], start, match.start())
            out.put(f" {name} " if name else " ", *match.span())
            start = match.end()
    out.put(text[start:], start, len(text))
    return out


def has_emoji(text: str) -> bool:
    """Whether `spell_out` might change `text`; a fast check."""
    return not text.isascii() and _ANY_EMOJI.search(text) is not None


@cache
def _name(emoji: str) -> str:
    name = unicodedata.name(emoji, "")
    return "" if _OF_GROUPS.search(name) else _PLAINER.get(emoji) or name.lower().replace("-", " ")
