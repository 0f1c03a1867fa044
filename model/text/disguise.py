"""Undoes disguised words: a network that knows "fool" has never seen "f0oool".

    read = undisguise("What a f-o-o-l", wordpiece.rarity)
    read.text()                 'What a fool'
    read.back(7, 11)            (7, 14): its place in the original text

    How people get past a filter, and when it is undone:
    letters spaced   "f o o l", "f.o.o.l", emoji between,       four letters, or three that make a word; with
                     one letter per line, "f 0 0 l"             digits or symbols, if they make a word; or if
                                                                they can be split into nothing but words
    word split       "fo|ol", "fo.ol", "fo-ol"                  if the parts make a word only together
    blank inside     "fo ol", "id iot"                          (parley.model.text.blanks)
    letters starred  "id*ot", "cl*wns"                          if a word fits, with vowels for the stars
    emoji inside     one among the letters of a word            if the letters alone make a word
    leetspeak        "f00l", "a$$es"                            if it is a word when spelt with letters
    stretched        "fooool"                                   three of the same letter; not "KKK", "WWIII"
"A word" here is a single piece of the network's vocabulary, so "H1N1", "G20s" and "www" stay unchanged.
Everything runs in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import groupby, product
from string import ascii_lowercase

from parley.model.text.emoji import EMOJI
from parley.model.text.plain import Runs

_LEET = str.maketrans("013457@$!", "oieastasi")
_L = str.maketrans("1", "l")
_SPELT = "[a-zA-Z013457@$!]"
_AMID = "[a-zA-Z]++(?:[013457@$!]++[a-zA-Z]++)+"
_MOST_APART = 200
"""The most spaced letters undone at once: while a match is found and read, no other thread runs."""
_SPELT_ODDLY = re.compile(
    rf"""(?={_SPELT})(?<![a-zA-Z0-9])(?:  # fails at most characters before anything else is tried
        (?P<apart>{_SPELT}(?P<by>[ \n\t]{{1,3}}|[._*~|/+-]{{1,3}}|{EMOJI}+)
                  {_SPELT}(?:(?P=by){_SPELT}){{1,{_MOST_APART - 2}}}(?![a-zA-Z0-9]))
        |(?P<inside>[a-zA-Z]++(?:{EMOJI}++[a-zA-Z]++)+)
        |(?P<leet>(?:{_AMID}[013457]*+|[013457]++(?:{_AMID}[013457]*+|[a-zA-Z]++[013457]++))(?![0-9])
                 |[a-zA-Z]++\$\$(?![\w$]))
        |(?P<stretched>[a-zA-Z]*?(?P<again>[a-zA-Z])(?P=again){{2}}[a-zA-Z]*+)
        |(?P<starred>[a-zA-Z]++(?:\*{{1,3}}[a-zA-Z]++)+(?![a-zA-Z0-9*]))
        |(?P<cut>[a-zA-Z]++(?:[|.~·-][a-zA-Z]++)+(?![a-zA-Z0-9@/_]))
    )""",
    re.VERBOSE,
)
_HINTS = (
    re.compile(r"([a-zA-Z])\1\1"),
    re.compile(r"[013457@$!][a-zA-Z]|\$\$"),
    re.compile(rf"(?<![a-zA-Z0-9]){_SPELT}[^a-zA-Z0-9]{{1,3}}{_SPELT}(?![a-zA-Z0-9])"),
    re.compile(r"[a-zA-Z][|.~·*-]{1,3}[a-zA-Z]"),
    re.compile(f"[a-zA-Z]{EMOJI}+[a-zA-Z]"),
)
"""Every disguise matches one of these, which makes a fast first check."""
_BETWEEN = re.compile(rf"(?!{_SPELT}).", re.DOTALL)
_LETTERS = re.compile("[a-zA-Z]+")
_COMMON = 0.1
"""The rarity of the thousand most common words: between these a blank is missing, and nothing is hidden."""
_DOMAINS = frozenset(("com", "net", "org", "co", "uk", "ca", "us", "gov", "edu", "io", "info", "html", "de"))
_NOT_A_LETTER = re.compile("[^a-zA-Z]+")
_MOST_RUNS = 4
"""The most repeated letters in a word for which all combinations are tried."""
_LONGEST_RUN, _LONGEST_WORD, _MOST_PARTED = 64, 12, 20
"""Limits of splitting spaced letters into words: letters, word length, and times per text."""
_SWEAR_WORDS = (  # noqa: SIM905
    "arse arsehole asshole bastard bitch bitches bloody bollocks bugger bullshit cock crap cunt cunts damn "
    "dick fuck fucked fucker fuckers fucking hell piss pissed prick pussy shit shitty slut "
    "sluts tits twat wank wanker wankers whore whores"
).split()
"""What people mean by stars, even if a more common word would fit."""
_MOST_STARS, _VOWELS = 3, "aeiouy"
"""The most stars for which letters are tried (vowels, or any letter for one star in a word of three)."""
_LONGEST_STARRED = 24
"""The most characters of a word with its stars; what is longer separates paragraphs."""
_SHORT_STEM = 4
"""The most letters, with an s at the end, of what is never read as a plural."""
_PLAIN_MARKS = re.compile("[|~·]")
_A_VOWEL = re.compile("[aeiouyAEIOUY]")
_MARKED = re.compile("[a-zA-Z]++(?:[|~·][a-zA-Z]++)+")
"""Words split by marks that neither end a sentence nor join a compound."""
ONE_LETTER_WORDS = frozenset("ai")
SHORT_WORDS = frozenset(
    (  # noqa: SIM905
        "a i am an as at be by do go he hi if in is it me my no of oh ok on or so to up us we"
    ).split()
)
"""English words of one or two letters; the vocabulary also has abbreviations and syllables of names."""
_LETTERS_A_PIECE = 2.5
"""The fewest letters per piece in a word of several pieces: with fewer, it is just a row of letters."""

Rarity = Callable[[str], float]


def undisguise(text: str, rarity: Rarity) -> Runs:
    """`text` with disguises replaced by their words, and a map back for spans; `rarity` from WordPiece."""
    out = Runs()
    start = parted = 0
    for match in _SPELT_ODDLY.finditer(text):
        word = None
        if "*" in match[0] and parted < _MOST_PARTED:
            parted += 1
            word = _filled(match[0], rarity)
        elif match["apart"] is not None and len(match[0]) > 7 and parted < _MOST_PARTED:
            parted += 1
            word = _parted(_BETWEEN.sub("", match[0]), rarity)
        word = word or _word(match, rarity)
        if word is not None:
            out.put(text[start : match.start()], start, match.start())
            out.put(word, *match.span())
            start = match.end()
    out.put(text[start:], start, len(text))
    return out


def in_disguise(text: str) -> bool:
    """Whether `undisguise` might change anything; a fast check for most text."""
    return any(hint.search(text) for hint in (_HINTS[:4] if text.isascii() else _HINTS))


def _word(match: re.Match[str], rarity: Rarity) -> str | None:
    """The word behind the disguise, or None."""
    written = match[0]
    match match.lastgroup:
        case "cut" if _PLAIN_MARKS.search(written):
            return _unmarked(written, rarity)
        case "cut":
            return _rejoined(written, rarity)
        case "starred":
            return None
        case "apart" if "*" in written and not _A_VOWEL.search(written):
            return None
        case "apart" if not _LETTERS.fullmatch(_BETWEEN.sub("", written)):
            return _leet_apart(_BETWEEN.sub("", written), rarity)
        case "leet":
            spelt = written.translate(_LEET), written.translate(_L).translate(_LEET)
            return next((word for word in spelt if rarity(word) < 1), None)
        case "stretched":
            return None if _is_intended(written, rarity) else min(_shorter(written), key=rarity)
    word = _NOT_A_LETTER.sub("", written)
    long_enough = match["apart"] is not None and len(word) > 3
    return word if long_enough or rarity(word) < 1 else None


def _leet_apart(spelt: str, rarity: Rarity) -> str | None:
    """The word in spaced letters and symbols; digits alone don't make one."""
    letters = sum(map(str.isalpha, spelt))
    if len(spelt) < 4 or not letters:
        return None
    read = spelt.translate(_LEET), spelt.translate(_L).translate(_LEET)
    word = min(read, key=rarity)
    return word if rarity(word) < (3 if letters > 1 else 1) else None


def _filled(written: str, rarity: Rarity) -> str | None:
    """The word with letters for its stars: a swear word, or the most common that fits.

    If none fits, the letters without the stars, if they make a word.
    """
    if len(written) > _LONGEST_STARRED:
        return None
    pattern = re.compile(written.replace("*", "[a-z]"), re.IGNORECASE)
    if swear_word := next(filter(pattern.fullmatch, _SWEAR_WORDS), None):
        return swear_word
    parts = written.split("*")
    stars, bare = len(parts) - 1, "".join(parts)
    if stars > _MOST_STARS:
        return None
    for letters in (
        (_VOWELS, ascii_lowercase)
        if stars == 1 and len(written) > 3
        else ((ascii_lowercase if stars == 1 else _VOWELS),)
    ):
        fitting = (
            "".join(map(str.__add__, parts, (*hidden, ""))) for hidden in product(letters, repeat=stars)
        )
        best, word = min((_rarity_of_stem(word, rarity), word) for word in fitting)
        if best < 1:
            return word
    return bare if len(bare) > 3 and rarity(bare) < 1 else None


def _rarity_of_stem(word: str, rarity: Rarity) -> float:
    """The rarity of a word; of one that isn't a single piece, without the s at its end."""
    rare = rarity(word)
    return rarity(word[:-1]) if rare >= 1 and len(word) > _SHORT_STEM and word[-1] in "sS" else rare


def _unmarked(written: str, rarity: Rarity) -> str | None:
    """As `_rejoined`, for marks that hardly occur inside text: joined unless all parts are words."""
    read = _MARKED.sub(lambda marked: _marked_word(marked[0], rarity), written)
    return read if read != written else None


def _marked_word(marked: str, rarity: Rarity) -> str:
    parts = _LETTERS.findall(marked)
    word = "".join(parts)
    known = rarity(word)
    if len(word) < 3 or all(is_word(part, rarity) for part in parts):
        return word if known < 1 and len(word) > 3 else marked
    return word if known <= max(1, len(word) / _LETTERS_A_PIECE) else marked


def is_word(part: str, rarity: Rarity) -> bool:
    """Whether `part` is a single piece of the vocabulary or, if it is short, one of SHORT_WORDS."""
    return part.lower() in SHORT_WORDS if len(part) < 3 else rarity(part) < 1


def _rejoined(written: str, rarity: Rarity) -> str | None:
    """The word that marks split: one in the vocabulary, unless every part is a common word."""
    parts = _LETTERS.findall(written)
    word = "".join(parts)
    if len(word) < 4 or any(part[0].isupper() and not part.isupper() for part in parts[1:]):
        return None  # a name, or the start of a sentence
    rarities = list(map(rarity, parts))
    known = rarity(word)
    if max(rarities) < _COMMON:
        return None
    if known >= 1:
        words = [
            of for part, of in zip(parts, rarities, strict=True) if len(part) > 1 or part in ONE_LETTER_WORDS
        ]
        rarest = min(words, default=2.0)
        if parts[-1].lower() in _DOMAINS or rarest < (1 if "-" in written else _COMMON):
            return None  # a web address, a compound, or a missing blank
    return word if known < (3 if len(parts) == 2 else 1) else None


def _parted(spelt: str, rarity: Rarity) -> str | None:
    """The words in spaced letters and symbols, if they are long enough on average to be meant; else None."""
    if not 4 <= len(spelt) <= _LONGEST_RUN or sum(map(str.isalpha, spelt)) < 2:
        return None
    read = min(
        (
            _words(letters, rarity)
            for letters in {spelt.translate(_LEET), spelt.translate(_L).translate(_LEET)}
        ),
        key=lambda split: split[0],
    )
    words = read[1]
    long_enough = words and 3 * len(words) <= len(spelt) + 2
    return " ".join(words) if long_enough else None


def _words(letters: str, rarity: Rarity) -> tuple[float, list[str]]:
    """The cost of the fewest and most common words that make up `letters`, and the words; none if none do."""
    best: list[tuple[float, list[str]]] = [(0.0, [])]
    for end in range(1, len(letters) + 1):
        best.append(
            min(
                (
                    (
                        best[start][0] + _cost_of(letters[start:end], rarity),
                        [*best[start][1], letters[start:end]],
                    )
                    for start in range(max(0, end - _LONGEST_WORD), end)
                ),
                key=lambda split: split[0],
            )
        )
    return best[-1] if best[-1][0] < float("inf") else (float("inf"), [])


def _cost_of(word: str, rarity: Rarity) -> float:
    rare = rarity(word)
    if len(word) < 3:
        return 2.5 if word.lower() in SHORT_WORDS else float("inf")
    if rare < 1:
        return 2.0 + 2 * rare
    # Costs more than two known words, so that words are not run together.
    return 5.9 + 3.6 * (rare - 2) if rare <= len(word) / _LETTERS_A_PIECE else float("inf")


def _is_intended(word: str, rarity: Rarity) -> bool:
    """Whether a word is in the vocabulary, an abbreviation (KKK, WWIII), or one repeated letter."""
    return rarity(word) < 1 or (word.isupper() and len(word) < 6) or len(set(word.lower())) == 1


def _shorter(word: str) -> list[str]:
    """The word with each repeated letter reduced to two or one; only to one if many are repeated."""
    runs = ["".join(run) for _, run in groupby(word)]
    repeated = [run for run in runs if len(run) > 1]
    choices = [[run[:2], run[0]] if len(repeated) <= _MOST_RUNS else [run[0]] for run in repeated]
    words = []
    for chosen in product(*choices):
        letters = iter(chosen)
        words.append("".join(next(letters) if len(run) > 1 else run for run in runs))
    return words
