"""Languages: right where the text is long enough to tell, undetermined elsewhere."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.model.text.language import detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The council should have asked the people who live there.", "en"),
        ("THIS IS TOTAL NONSENSE AND YOU KNOW IT", "en"),
        ("what a joke bro smh, they gonna do nothing anyway", "en"),
        ("Das ist doch kompletter Unsinn, liebe Redaktion.", "de"),
        ("Tout à fait d'accord avec vous, bravo", "fr"),
        ("No estoy de acuerdo con usted para nada", "es"),
        ("Ma ci rendiamo conto di cosa succede?", "it"),
        ("Полная ерунда, а не статья", "ru"),
        ("この記事はおかしいと思う", "ja"),
        ("这篇文章毫无意义", "zh"),
        ("هذا المقال لا معنى له", "ar"),
        ("Αυτό είναι ανοησία", "el"),
    ],
)
def test_a_sentence_has_a_language(text: str, language: str) -> None:
    assert detect_language(text) == language


@pytest.mark.parametrize(
    "text",
    [
        *("", " \n", "123 456", "!!! ???", "🙂🙂🙂", "ok", "lol wtf", "ha ha ha ha", "gtfo", "no way jose"),
        *("https://example.org/une/page/en/francais", "@someone #etwas", "hahahahahaha lololol"),
        *("\ud800\x00", "Bravo Maria!!"),
    ],
)
def test_short_or_wordless_text_is_undetermined(text: str) -> None:
    assert detect_language(text) == "und"


@pytest.mark.parametrize(
    "text",
    [
        "lol ur so wrong dude",
        "total bs imo",
        "aint nobody got time 4 dat",
        "omg lmao cant even rn fr fr",
        "senator rubio n co r clowns",
        "amen, hallelujah, bravo!",
        "nah fam u trippin",
        "RIP freedom in the USA",
        "pls no more of dis nonsense",
        "mano a mano with him lol",
    ],
)
def test_english_slang_is_never_called_foreign(text: str) -> None:
    assert detect_language(text) in ("en", "und")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("They don’t want “progress” – they want what was there before…", "en"),
        ("Der Slogan you and they ist doch nun wirklich nicht von ihm, liebe Redaktion der Zeitung", "de"),
        ("Il a dit what, will et your, mais personne ne comprend rien du tout dans cette histoire", "fr"),
    ],
)
def test_only_a_text_full_of_english_words_is_plainly_english(text: str, language: str) -> None:
    assert detect_language(text) == language


@given(st.text(st.characters(codec=None)))
def test_any_text_has_an_answer(text: str) -> None:
    assert detect_language(text) == "und" or len(detect_language(text)) == 2


def test_a_long_text_is_judged_by_its_beginning() -> None:
    assert detect_language("The council should have asked the people. " * 25_000) == "en"


LOADED = """
import numpy, py3langid.langid
from parley.model.text.language import load_identifier

def of_its_own():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

before = of_its_own()
load_identifier()
print(of_its_own() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_large_table_stays_in_a_file() -> None:
    run = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 35_000  # kB; 55,000 with the table
