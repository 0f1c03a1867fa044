"""Which language a comment is written in, as a BCP 47 tag; "und" wherever we can't be sure.

    detect_language("Das ist doch kompletter Unsinn.")     "de"
    detect_language("lol wtf")                             "und"

The tag leads to a note that the scores are guesses, so a wrong foreign tag on a short English comment costs
more than an "und" on a foreign one: a tag is given only where the text is long enough and py3langid (a naive
Bayes model over bytes) is confident. It loads with the first text that needs it: 0.7 s and 60 MB.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

UNDETERMINED = "und"
READ = 1000
"""Characters of a comment that are looked at."""

# Of the model's 142, those that a comment section is likely to meet: rare ones draw slang away from English.
_LANGUAGES = [
    *("ar", "bg", "bn", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi"),
    *("hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "nl", "no", "pl", "pt", "ro", "ru"),
    *("sk", "sl", "sq", "sr", "sv", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "zh"),
]
_NOISE = re.compile(r"https?://\S+|www\.\S+|[@#]\w+|[\d_]+|\b(?:[hx]a|lo|he){2,}\w*", re.IGNORECASE)
# Letters and confidence that a tag needs. Another script than the Latin one says much by itself.
_ENGLISH, _LATIN, _OTHER_SCRIPT = (12, 0.5), (20, 0.9), (4, 0.5)


def detect_language(text: str) -> str:
    """The language of `text`, plain text of any length. Never raises."""
    words = " ".join(_NOISE.sub(" ", text[:READ]).split())
    letters = [char for char in words if char.isalpha()]
    if len(letters) < _OTHER_SCRIPT[0]:
        return UNDETERMINED
    language, found = _identifier().classify(words)
    latin = 2 * sum(char < "\u0250" for char in letters) >= len(letters)
    needed, confidence = _ENGLISH if language == "en" else _LATIN if latin else _OTHER_SCRIPT
    return str(language) if len(letters) >= needed and found >= confidence else UNDETERMINED


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    whole = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    whole.set_languages(_LANGUAGES)
    # `whole` keeps the columns of all its languages; a second one on the chosen columns lets them go.
    return LanguageIdentifier(
        whole.nb_ptc,
        whole.nb_pc,
        whole.nb_classes,
        whole.tk_nextmove,
        whole.tk_output,
        norm_probs=True,
        tk_row=whole.tk_row,
    )
