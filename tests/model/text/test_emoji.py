"""Emoji are read by their names, and spans map back to the emoji."""

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.model.artifact import Artifact
from parley.model.classifier import Classifier
from parley.model.comment import Comment
from parley.model.text.emoji import has_emoji, spell_out
from parley.model.text.plain import plain_text
from parley.model.text.tokenization import Tokenizer

CLOWN, KNIFE, RED_HEART = "\U0001f921", "\U0001f52a", "\u2764\ufe0f"


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        (f"What a {CLOWN}!", "What a  clown face !"),
        (CLOWN * 5, " clown face "),
        (f"{KNIFE}\U0001f3fe", " knife  "),
        (RED_HEART, " heavy black heart "),
        ("\U0001f1eb\U0001f1f7", " "),
        ("Ok \U0001f3f3\ufe0f\u200d\U0001f308.", "Ok  \u200d ."),
        ("\u271d\u262a\u2721 hm", "    hm"),
        ("no emoji, naïve café – 10 €", "no emoji, naïve café – 10 €"),
    ],
)
def test_spelt_out(text: str, spelt: str) -> None:
    assert spell_out(text).text() == spelt
    assert has_emoji(text) == (spelt != text)


def test_a_span_of_the_name_is_the_emoji() -> None:
    text = f"ok {CLOWN * 2} bye"
    spelt = spell_out(text)
    at = spelt.text().index("clown")
    assert spelt.back(at, at + 5) == (3, 5)
    at = spelt.text().index("bye")
    assert spelt.back(at, at + 3) == (6, 9)


def test_many_emoji_stay_cheap() -> None:
    text = (CLOWN + KNIFE) * 25_000
    assert len(spell_out(text).text()) < len(text) + 100


@settings(deadline=None, max_examples=50)
@given(st.text(alphabet=[*"ab ", CLOWN, KNIFE, RED_HEART[0], "\ufe0f", "\U0001f1e6", "\U0001f3ff"]))
def test_every_span_lies_inside_the_text(text: str) -> None:
    spelt = spell_out(text)
    for at in range(len(spelt.text())):
        start, end = spelt.back(at, at + 1)
        assert 0 <= start < end <= len(text)


def test_tokens_point_at_the_emoji(tiny_artifact: Path) -> None:
    artifact = Artifact.open(tiny_artifact)
    tokenizer = Tokenizer(artifact.tokenizer_file, max_tokens=64, stride=8)
    text = f"a {CLOWN} b"
    offsets = [o for o in tokenizer.comments([text])[0][0].offsets if o != (0, 0)]
    assert {text[a:b] for a, b in offsets} == {"a", CLOWN, "b"}


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("You іdіоt", "You idiot"),
        ("Привет, мир", "Привет, мир"),
        ("привет ok", "привет ok"),
    ],
)
def test_letters_of_another_script_among_latin_ones(text: str, plain: str) -> None:
    assert plain_text(text).text == plain


OF_GROUPS = re.compile(
    r"\b(FLAG|RAINBOW|STATUE OF LIBERTY|SILHOUETTE OF JAPAN|CROSS|STAR OF DAVID|STAR AND CRESCENT|MENORAH"
    r"|KHANDA|MOSQUE|SYNAGOGUE|CHURCH|TEMPLE|KAABA|SHRINE|PRAYER|WORSHIP|OM SYMBOL|DHARMA|YIN YANG"
    r"|TURBAN|HEADSCARF|GUA PI MAO|OLDER|TRANSGENDER|HOLDING HANDS|PEACE SYMBOL|FITZPATRICK)\b"
)
"""Names of emoji for nations, peoples, faiths and other groups."""
HARMLESS = ("Thank you for this article.", "The bridge was late again today.", "I voted for the other plan.")


def test_no_emoji_of_a_group_changes_a_score() -> None:
    emoji = [
        *(
            c
            for c in map(chr, range(0x2600, 0x1FB00))
            if OF_GROUPS.search(unicodedata.name(c, "")) and has_emoji(c)
        ),
        *(chr(0x1F1E6 + ord(a) - 97) + chr(0x1F1E6 + ord(b) - 97) for a in "ugfirtnc" for b in "saneru"),
        *("\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f3f3\ufe0f\u200d\u26a7\ufe0f"),
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ]
    assert len(emoji) > 70
    classifier = Classifier.load()
    moved = {}
    for text in HARMLESS:
        plain, *others = classifier.predict(
            [Comment(text=f"{text}{' ' + e * 3 if e else ''}") for e in ("", *emoji)]
        )
        for e, other in zip(emoji, others, strict=True):
            most = max(abs(other.abuse[label] - plain.abuse[label]) for label in plain.abuse)
            if max(most, abs(other.spam - plain.spam)) > 0.05:
                moved[unicodedata.name(e[0])] = most
    assert moved == {}
