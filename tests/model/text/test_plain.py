"""Markup and disguises become plain text, and spans map back to the text as sent."""

from __future__ import annotations

import re
import time
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.model.comment import TextFormat
from parley.model.errors import CommentError
from parley.model.text.plain import PlainText, plain_text

FORMATS: tuple[TextFormat, ...] = get_args(TextFormat)


def words_as_sent(sent: str, plain: PlainText) -> list[str]:
    """For each word of the plain text, the part of the text as sent that it maps to."""
    places = [plain.original_span(*match.span()) for match in re.finditer(r"\S+", plain.text)]
    return [sent[start:end] for start, end in places]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Fine <b>by</b> me", "Fine by me"),
        ("<p>One</p><p>two<br>three</p>", "One\ntwo\nthree"),
        ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
        ("in<b>side</b> a word", "inside a word"),
        ("a &lt; b &amp;&amp; c &gt; d", "a < b && c > d"),
        ("caf&eacute; &#8364;5 &#x41;", "café €5 A"),
        ("AT&T &nosuchname; &", "AT&T &nosuchname; &"),
        ("x<script>if (a<b) alert('</p>')</script>y<STYLE>p {}</STYLE>z", "xyz"),
        ("before<!-- not shown <b> -->after", "beforeafter"),
        ("<a href=\"https://example.org/?a>b\" title='x'>link</a>", "link"),
        ("I <3 you, 2 < 3 and 4 > 3", "I <3 you, 2 < 3 and 4 > 3"),
        ("<blockquote>their words</blockquote>mine", "their words\nmine"),
        ("<p>don't <i class=x>it's</i></p>", "don't it's"),
    ],
)
def test_html_is_reduced_to_what_a_reader_sees(sent: str, shown: str) -> None:
    assert plain_text(sent, "html").text.strip() == shown


@pytest.mark.parametrize(
    "sent",
    ["<b you stay", "<!-- you stay", "<script>you stay", "<a href='you stay", "<style you stay</style"],
)
def test_unclosed_html_hides_nothing(sent: str) -> None:
    assert "you stay" in plain_text(sent, "html").text


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("**Bold** and *so* on, __all__ `code`", "Bold and so on, all code"),
        ("See [the report](https://example.org 'a title').", "See the report."),
        ("![a cat](cat.png) and <https://example.org>", "a cat and https://example.org"),
        ("# Head\n\nbody", "Head\nbody"),
        ("- one\n- two\n\n1. three", "one\ntwo\nthree"),
        ("> their words\n\nmine", "their words\nmine"),
        ("&gt; not a quote &amp; so on", "> not a quote & so on"),
        (r"\*not bold\* snake_case_name 2*3*4", "*not bold* snake_case_name 234"),
        ("~~gone~~ still read", "gone still read"),
        ("```\nkept(code)\n```", "kept(code)"),
        ("raw <b>html</b> too", "raw html too"),
        ("<div>\nblock <i>html</i>\n<!-- hidden -->\n</div>", "block html"),
        ("| a | b |\n|---|---|\n| c | d |", "a\nb\nc\nd"),
        ("hard  \nbreak", "hard\nbreak"),
    ],
)
def test_markdown_is_reduced_to_its_words(sent: str, shown: str) -> None:
    lines = [line.strip() for line in plain_text(sent, "markdown").text.splitlines() if line.strip()]
    assert "\n".join(lines) == shown


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("ｆｕｌｌ ｗｉｄｔｈ！", "full width!"),
        ("𝐛𝐨𝐥𝐝 𝔣𝔯𝔞𝔨 𝚖𝚘𝚗𝚘 ⓒⓘⓡⓒⓛⓔ", "bold frak mono circle"),
        ("ﬁne ofﬁce", "fine office"),
        ("st\u200bu\u00adp\u2060id\ufeff \u202edesrever\u202c", "stupid reversed"),
        ("st\u200du\u200cpid", "stupid"),
        ("nul\x00 bell\x07 tab\t", "nul  bell  tab\t"),
        ("\ud800 lone \udfff", "\ufffd lone \ufffd"),
        ("naïve café, Ελλάδα, 日本語 ½ ™ …", "naïve café, Ελλάδα, 日本語 ½ ™ …"),
        ("👨\u200d👩\u200d👧 🏳️\u200d🌈", "👨\u200d👩\u200d👧 🏳\u200d🌈"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_every_format_undoes_disguises(sent: str, shown: str) -> None:
    assert plain_text(sent).text == shown
    assert plain_text(f"<p>{sent}</p>", "html").text.strip() == shown.strip()


def test_spans_map_back_to_the_text_as_sent() -> None:
    sent = "Yo\u200bu <b>ｉ</b>d&shy;i&#111;t &lt;3"
    plain = plain_text(sent, "html")
    assert plain.text == "You idiot <3"
    assert words_as_sent(sent, plain) == ["Yo\u200bu", "ｉ</b>d&shy;i&#111;t", "&lt;3"]

    sent = "# Hé *you*: a\\*b [li nk](http://x 't')\n\n> `co de` &amp; 𝐱"
    plain = plain_text(sent, "markdown")
    assert words_as_sent(sent, plain) == ["Hé", "you*:", "a\\*b", "li", "nk", "co", "de", "&amp;", "𝐱"]


def test_an_empty_span_and_a_wrong_one() -> None:
    plain = plain_text("<b>ab</b>", "html")
    assert plain.original_span(0, 0) == (3, 3)
    assert plain.original_span(1, 1) == (4, 4)
    assert plain.original_span(2, 2) == (5, 5)
    assert plain_text("<b></b>", "html").original_span(0, 0) == (0, 7)
    for span in [(-1, 1), (1, 0), (0, 3)]:
        with pytest.raises(ValueError, match="outside the text"):
            plain.original_span(*span)


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(CommentError, match=r"'rtf' is unknown: give plain, html or markdown"):
        plain_text("x", "rtf")  # type: ignore[arg-type]


@settings(max_examples=150)
@given(st.text(st.characters(codec=None)), st.sampled_from(FORMATS))
def test_any_text_is_accepted_and_maps_back_in_order(sent: str, form: TextFormat) -> None:
    plain = plain_text(sent, form)
    assert not re.search("[\ud800-\udfff\x00-\x08\x7f-\x9f\u200b\ufeff]", plain.text)
    places = [plain.original_span(i, i + 1) for i in range(len(plain.text))]
    assert all(0 <= start <= end <= len(sent) for start, end in places)
    # Only a line break between blocks can map to nothing.
    assert all(start < end or char == "\n" for char, (start, end) in zip(plain.text, places, strict=True))
    assert places == sorted(places)
    assert all(plain.original_span(i, i)[0] == start for i, (start, _) in enumerate(places))


PIECES = [
    *("<b>", "</b>", "<", "> ", "&amp;", "&", "`", "**", "*", "_", "[", "](u)", "![", "\n", "\n\n", "# "),
    *("- ",),
    *("1. ", "a", "b", "é", "𝐢", "ﬁ", "\u200b", "\u200d", "\ud800", "\x00", "<!--", "-->", "<script>"),
    *("</script>", "<div>", "</div>\n", "|", "\\", "~~", "    ", "\t", "```\n", "\r\n", "&#x0;", "&#128;"),
    *("&nGt;", ";", "="),
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES)).map("".join), st.sampled_from(FORMATS))
def test_any_mixture_of_marks_is_accepted(sent: str, form: TextFormat) -> None:
    plain = plain_text(sent, form)
    last = (0, 0)
    for i, char in enumerate(plain.text):
        start, end = plain.original_span(i, i + 1)
        assert last <= (start, end)
        last = start, end
        assert 0 <= start <= end <= len(sent)
        assert start < end or char == "\n"
        if char in "abé":
            assert char in sent[start:end]


MARKS = ["<b>", "</b>", "<br>", "<p class='a'>", "<!-- c -->", " ", "\n", ", ", "<script>x()</script>"]


@given(st.lists(st.tuples(st.text("abcdé", min_size=1), st.sampled_from(MARKS)), max_size=20))
def test_every_word_of_html_reappears_where_it_maps_to(pieces: list[tuple[str, str]]) -> None:
    sent = "".join(word + mark for word, mark in pieces)
    plain = plain_text(sent, "html")
    expected = "".join(word for word, _ in pieces)
    assert re.sub(r"[^abcdé]", "", plain.text) == expected
    for match in re.finditer("[abcdé]+", plain.text):
        start, end = plain.original_span(*match.span())
        kept = re.sub(r"<script>.*?</script>|<!--.*?-->|<[^>]*>", "", sent[start:end])
        assert kept == match.group()


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_ascii_is_left_alone(sent: str) -> None:
    plain = plain_text(sent)
    assert plain.text == sent
    assert plain.original_span(0, len(sent)) == (0, len(sent))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "piece",
    [
        *("<", "&", "[", ">", "`", "*a ", "<a ", "<!--", "<script>", '<a "="', '<a ="', "<a ='\"", "=\" '"),
        *("[a](", "&#", "&amp;", "a\n", "\u200d", "\u200b", "𝐢", "\ud800", "é<b>", "</script", "<?", "- "),
        "> a\n",
    ],
)
def test_hostile_input_takes_linear_time(piece: str, form: TextFormat) -> None:
    sent = piece * (200_000 // len(piece))
    before = time.process_time()
    plain_text(sent, form)
    # Well under a second; a quadratic search takes minutes.
    assert time.process_time() - before < 10
