"""Disguised words are read as what they hide; others are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.model.artifact import DEFAULT, Artifact
from parley.model.text.blanks import rejoin
from parley.model.text.disguise import in_disguise, undisguise
from parley.model.text.plain import plain_text
from parley.model.text.tokenization import Tokenizer
from parley.model.text.wordpiece import WordPiece
from tests.hostile import seconds, slope

GRIN = "\U0001f602"


@pytest.fixture(scope="module")
def words() -> WordPiece:
    return WordPiece.read(Artifact(DEFAULT).tokenizer_file)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("What a f-o-o-l", "What a fool"),
        ("you i d i o t s", "you idiots"),
        ("f..o..o..l!", "fool!"),
        (GRIN.join("donkey"), "donkey"),
        (f"don{GRIN}key", "donkey"),
        ("a.s.s", "ass"),
        ("f00l", "fool"),
        ("1d107", "idiot"),
        ("w0m3n and sh!p", "women and ship"),
        ("a$$ hats", "ass hats"),
        ("he11o", "hello"),
        ("goood", "good"),
        ("sooooo stuuupid", "so stupid"),
        ("waayyyy", "way"),
        ("don|key and fo-ol, don.key", "donkey and fool, donkey"),
        ("f\no\no\nl", "fool"),
        ("1 d 1 0 t and 1 d 1 0 7", "idiot and idiot"),
        ("what an i d i 0 t", "what an idiot"),
        ("he is a w 3 4 5 3 l", "he is a weasel"),
        ("a w e a s e l", "a weasel"),
        ("u g l y d 0 n k 3 y", "ugly donkey"),
        ("y 0 u l y 1 n g l 1 t t l 3 t 0 4 d", "you lying little toad"),
        ("W O R L D C U P", "WORLD CUP"),
        ("use|less, m|oron, s.cum, m-oron", "useless, moron, scum, moron"),
        ("t|oo d|umb", "too dumb"),
        ("m 0 r 0 n, f 1 l t h y c r 0 0 k 5", "moron, filthy crooks"),
        ("id*ots, cl*wn, tr*sh and don*key", "idiots, clown, trash and donkey"),
        ("p*ss off, cr*p", "piss off, crap"),  # not "pass", which is more common
        ("cl*wns, c*w*rds, cr*oks", "clowns, cowards, crooks"),  # the vocabulary lacks many plurals
        ("w*lk, kn*w, y**r", "walk, know, year"),  # the most common of several that fit
    ],
)
def test_read_as_what_it_hides(words: WordPiece, text: str, read: str) -> None:
    assert undisguise(text, words.rarity).text() == read
    assert in_disguise(text)


@pytest.mark.parametrize(
    "text",
    [
        "H1N1, G20s, mp3s, R2D2, c3po and covid19 in the 1990s",
        "room5, 4x4, 401k, 10am, 5th, $5k, me@home.example",
        f"lol{GRIN}so, wow!great",
        "www.example.com, KKK, WWIII, Louis III, hmm, p.m., e.g., I a",
        "zzzzz FFFFFF",
        "the end.It was late, go.to the well-known shop, re-elect him/her, and/or bbc.co.uk or youtu.be/a",
        "1 2 3 4 5, 3 - 4 - 5, A\nB, 4 x 4, yes|no",
        "b*sx and t*l*ntl*ss, 2*3*4, *so* good, **bold**",
        "1 a 2 b 3 c, x-ray, t-shirt, vice-president, so.good, this|that",
        "A plain comment, with nothing odd about it: 3 of 4 agree.",
    ],
)
def test_left_alone(words: WordPiece, text: str) -> None:
    assert undisguise(text, words.rarity).text() == text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("an id iot and a clo wn", "an idiot and a clown"),
        ("k ill y ou", "kill you"),
        ("g oing t hat way", "going that way"),
        ("T hey said so. Mo ney!", "They said so. Money!"),
        ("ver min, moro n", "ver min, moron"),  # "ver" may be a name
    ],
)
def test_a_space_inside_a_word(words: WordPiece, text: str, read: str) -> None:
    assert rejoin(text, words.rarity).text() == read


@pytest.mark.parametrize(
    "text",
    [
        "it s hit the wall, don t rust me, she s lapping it up",
        "plan B ring, Dr Own, St Ill, vitamin C an hour",
        "a farce, a fiver, i dont, theres a way, a mend",
        "to day and so on, per son, an other, use less",
        "B and C are right. A and B too",
        "see x.y or www.a b, #id iot, m*r on",
    ],
)
def test_two_words_stay_two(words: WordPiece, text: str) -> None:
    assert rejoin(text, words.rarity).text() == text


def test_a_word_with_a_space_inside_scores_as_the_word() -> None:
    tokenizer = Tokenizer(Artifact(DEFAULT).tokenizer_file, max_tokens=64, stride=8)
    (cut,), (whole,) = tokenizer.comments(["what an id iot", "what an idiot"])
    assert cut.ids == whole.ids
    assert cut.offsets[3] == (8, 14)


def test_plain_text_skips_the_search_for_disguises() -> None:
    assert not in_disguise("I think a bridge for 9,000 cars a day is enough, thank you.")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("f\U0001f17e\ufe0f\U0001f17e\ufe0fl", "fOOl"),
        ("n\u2139\ufe0fce", "nice"),
        ("a d\u0585\u0578key, and pa\u057dse", "a donkey, and pause"),
        ("\u0532\u0561\u0580\u0587", "\u0532\u0561\u0580\u0587"),
        ("You are a \u202eyeknod\u202c, sir", "You are a donkey, sir"),
        ("\u202eyeknod a era uoY", "You are a donkey"),
        ("b1\ufe0f\u20e3t\u00a9\ufe0fh", "b1tch"),
        ("\U0001f197, gi\U0001f17f\ufe0fsy", "OK, giPsy"),
        ("le\U0001f4b2\U0001f4b2", "le$$"),
        ("j\u20acst", "jest"),
        ("1 \u229e 2", "1 \u229e 2"),
        ("Acme\u00ae costs 10k\u20ac, \u00a9 2026", "Acme\u00ae costs 10k\u20ac, \u00a9 2026"),
    ],
)
def test_pictures_of_letters(text: str, plain: str) -> None:
    assert plain_text(text).text == plain


def test_spans_map_back_to_the_disguise() -> None:
    tokenizer = Tokenizer(Artifact(DEFAULT).tokenizer_file, max_tokens=64, stride=8)
    text = f"you f.o.o.l, you i{GRIN}d{GRIN}i{GRIN}o{GRIN}t, you d0nk3y {GRIN}"
    offsets = [o for o in tokenizer.comments([text])[0][0].offsets if o != (0, 0)]
    stretches = [text[start:end] for start, end in offsets]
    assert {"f.o.o.l", GRIN.join("idiot"), "d0nk3y", GRIN} < set(stretches)


def test_stars_without_end_are_not_compiled(words: WordPiece) -> None:
    text = "a**" * 30_000
    assert seconds(lambda: undisguise(text, words.rarity)) < 1  # nine, when each star was a part of a pattern


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet=[*"aefilost ", *"013$!@.-", GRIN, "\U0001f17e", "\n"]))
def test_every_span_lies_inside_the_text(words: WordPiece, text: str) -> None:
    read = undisguise(text, words.rarity)
    if not in_disguise(text):
        assert read.text() == text
    for at in range(len(read.text())):
        start, end = read.back(at, at + 1)
        assert 0 <= start < end <= len(text)


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a.",
        "a1",
        "a!",
        "1a",
        f"a{GRIN}",
        GRIN,
        "a ",
        "ab1",
        "$$",
        "aab",
        "a1b2",
        "a*",
        "a*b ",
        "a|",
        "q z ",
        "qz ",
    ],
)
def test_linear_in_the_length(words: WordPiece, piece: str) -> None:
    def read(text: str) -> None:
        undisguise(f"x{text}", words.rarity)
        in_disguise(text)
        rejoin(text, words.rarity)

    assert slope(read, piece, 100_000, floor=0.06, good=3.0) <= 3.0


def test_long_words_are_not_kept() -> None:
    words = WordPiece({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3}, special=None)  # type: ignore[arg-type]
    words.split("b" * 1000)
    assert words.rarity("b" * 1000) == 1000
    assert words._pieces.cache_info().currsize == 0


def test_spaced_letters_without_end_are_joined_in_pieces() -> None:
    read = undisguise("a|" * 1000, lambda word: 2.0).text()
    assert read.count("a") == 1000
    assert max(map(len, read.split("|"))) <= 200
