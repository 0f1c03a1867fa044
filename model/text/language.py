"""Detects a comment's language, as a BCP 47 tag; "und" if uncertain.

    detect_language("Das ist doch kompletter Unsinn.")     "de"
    detect_language("lol wtf")                             "und"

The tag leads to a note that the scores are guesses, so a wrong foreign tag on a short English comment is
worse than "und" on a foreign one: a tag is given only if the text is long enough and py3langid (a naive Bayes
model over bytes) is confident. It is loaded on first use, which takes 0.7 s and 40 MB. Most texts don't need
it: a text with one purely English word in five is recognised by its words, which is much faster.
"""

from __future__ import annotations

import mmap
import re
import tempfile
from array import array
from functools import cache
from typing import Any

UNDETERMINED = "und"
READ = 1000
"""The most characters of a comment that are read."""

# Those of the model's 142 languages that are likely in comments: English slang is mistaken for rare ones.
_LANGUAGES = [
    *("ar", "bg", "bn", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi"),
    *("hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "nl", "no", "pl", "pt", "ro", "ru"),
    *("sk", "sl", "sq", "sr", "sv", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "zh"),
]
_NOISE = re.compile(r"https?://\S+|www\.\S+|[@#]\w+|[\d_]+|\b(?:[hx]a|lo|he){2,}\w*", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")
_PLAIN_MARKS = str.maketrans("‘’“”", "''\"\"", "–—…")
_PLAINLY_ENGLISH = frozenset(
    (  # noqa: SIM905
        "about after again against all always and another any anything are aren't back because been before "
        "being both but could couldn't did didn't does doesn't doing don't down each enough even every "
        "everyone few for from get getting give going good had hasn't have haven't having he's her here "
        "him his how i'm i've if into isn't it it's its just know like make many may might more most much "
        "must my need never nothing now of off often only other our out over own people please really said "
        "same say she should shouldn't since some someone something still such take than that that's the "
        "their them then there there's these they they're thing things think this those through time today "
        "too under until very want was wasn't way we well were weren't what what's when where whether "
        "which while who why will with without won't would wouldn't years you you're your"
    ).split()
)
"""Common words that few other languages share."""
_FEWEST_ENGLISH, _SHARE_ENGLISH = 3, 0.2
# Letters and confidence required for a tag: fewer for scripts other than Latin, which say much by themselves.
_ENGLISH, _LATIN, _OTHER_SCRIPT = (12, 0.5), (20, 0.9), (4, 0.5)


def detect_language(text: str) -> str:
    """The language of `text`, which is plain text of any length. Never raises."""
    words = " ".join(_NOISE.sub(" ", text[:READ]).split())
    if _is_plainly_english(words):
        return "en"
    letters = [char for char in words if char.isalpha()]
    if len(letters) < _OTHER_SCRIPT[0]:
        return UNDETERMINED
    language, probability = _identifier().classify(words)
    latin = 2 * sum(char < "\u0250" for char in letters) >= len(letters)
    needed, confidence = _ENGLISH if language == "en" else _LATIN if latin else _OTHER_SCRIPT
    return str(language) if len(letters) >= needed and probability >= confidence else UNDETERMINED


def load_identifier() -> None:
    """Load the language model; the first call takes half a second and temporarily 100 MB."""
    _identifier()


def _is_plainly_english(text: str) -> bool:
    text = text.translate(_PLAIN_MARKS)
    words = _WORD.findall(text.lower()) if text.isascii() else []
    english = [word for word in words if word in _PLAINLY_ENGLISH]
    # Counts distinct words, since one repeated word says little.
    return len(set(english)) >= _FEWEST_ENGLISH and len(english) >= _SHARE_ENGLISH * len(words)


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    whole = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    whole.set_languages(_LANGUAGES)
    # `whole` has columns for all languages; a second model with only the chosen ones frees memory.
    return LanguageIdentifier(
        whole.nb_ptc,
        whole.nb_pc,
        whole.nb_classes,
        _in_a_file(whole.tk_nextmove),
        array("i", whole.tk_output),
        norm_probs=True,
        tk_row=whole.tk_row,
    )


def _in_a_file(table: Any) -> Any:
    """The same numbers in a temporary file: only the parts that texts touch take memory, not all 39 MB."""
    with tempfile.TemporaryFile() as file:
        table.tofile(file)
        file.flush()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)).cast(table.typecode)
