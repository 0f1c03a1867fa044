"""The parts of Perspective's routes: sentences, code units, context."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.service.protocols.perspective.context import read
from parley.service.protocols.perspective.schemas import ArticleAndParentComment, Context, TextEntry
from parley.service.protocols.perspective.spans import MAX_SPANS, Utf16, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Is that so? I doubt it.", ["Is that so?", "I doubt it."]),
        ("No.   Yes!!  Maybe…", ["No.", "Yes!!", "Maybe…"]),
        ("One line\nanother line\r\n\r\nthird", ["One line", "another line", "third"]),
        ("Mr. Smith met Dr. A. Jones at 3.5 p.m. or so.", ["Mr. Smith met Dr. A. Jones at 3.5 p.m. or so."]),
        ('"Really?" "Really." (No!) Fine.', ['"Really?"', '"Really."', "(No!)", "Fine."]),
        ("你好。再见！", ["你好。", "再见！"]),
        ("See example.com/a.b for it", ["See example.com/a.b for it"]),
        ("  padded  ", ["padded"]),
        (" \n ", []),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == expected


@pytest.mark.parametrize("count", [MAX_SPANS - 1, MAX_SPANS, MAX_SPANS + 1, 6000])
def test_many_sentences_are_joined(count: int) -> None:
    text = "Ha. " * count
    places = sentences(text)
    assert len(places) <= MAX_SPANS
    assert "".join(text[start:end] for start, end in places).replace(" ", "") == "Ha." * count


@pytest.mark.parametrize(
    "text", ["." * 200_000, "." * 100_000 + " " * 100_000 + "a", ".)" * 100_000, ". " * 100_000]
)
def test_rows_of_marks_take_no_longer_than_words(text: str) -> None:
    started = time.process_time()
    sentences(text)
    assert time.process_time() - started < 10  # it took minutes


@given(st.text(st.characters()))
def test_code_units_are_those_of_utf_16(text: str) -> None:
    units = Utf16(text)
    for place in (0, len(text) // 2, len(text)):
        assert units(place) == len(text[:place].encode("utf-16-le", "surrogatepass")) // 2


def entries(*texts: str) -> Context:
    return Context(entries=[TextEntry(text=text) for text in texts])


def test_entries_are_article_and_parent() -> None:
    found = read(entries("The title\nThe text.", "The parent"))
    assert found.article is not None
    assert (found.article.title, found.article.text) == ("The title", "The text.")
    assert found.parent is not None
    assert found.parent.text == "The parent"
    found = read(entries("", "The parent", "More"))
    assert (found.article, found.parent and found.parent.text) == (None, "The parent")
    assert read(entries("", " ")) == read(None) == read(Context())


def test_a_long_first_line_gives_its_first_sentence_as_title() -> None:
    article = read(entries("A council voted. " + "And so on it went. " * 30)).article
    assert article is not None
    assert article.title == "A council voted."
    assert (article.text or "").startswith("And so on")


def test_corals_json_in_text() -> None:
    named = {
        "url": "http://a.example/?commentID=7",
        "reply_to_id_Coral_comment_id": "6",
        "Coral_comment_id": "7",
    }
    found = read(entries(json.dumps(named)))
    assert found.article is not None
    assert found.article.url == "https://a.example"
    assert found.parent is not None
    assert (found.parent.id, found.comment_id) == ("6", "7")
    assert read(entries('{"url": null, "Coral_comment_id": "7"}')).article is None


@pytest.mark.parametrize("text", ["{not json", '{"a": 1}', "{" * 9999, '{"url": 5}'])
def test_an_article_may_begin_with_a_brace(text: str) -> None:
    article = read(entries(text)).article
    assert article is not None
    assert (article.title or "").startswith("{")


def test_only_one_form_may_be_empty() -> None:
    both = Context(
        entries=[],
        article_and_parent_comment=ArticleAndParentComment(parent_comment=TextEntry(text="The parent")),
    )
    assert read(both).article is None
    assert read(both).parent is not None
