"""An article's page as plain text: title, article, comments, who replies to whom, and no boilerplate."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from parley.model.comment import Article
from parley.service.dumps.reading.record import RawRow, Record
from parley.service.errors import DumpError, NothingToScore
from tests.service.dumps.conftest import Read, texts

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "article-page.txt"


@pytest.fixture
def example(read: Read) -> list[Record]:
    rows = read("article-page.txt", EXAMPLE.read_bytes())
    assert not any(isinstance(row, RawRow) for row in rows)
    return [row for row in rows if isinstance(row, Record)]


def test_authors_places_and_times(example: list[Record]) -> None:
    assert [(r.author_name, r.extra.get("author.place")) for r in example] == [
        ("Tomas R", "Left Bank"),
        ("Wilma", None),
        ("an engineer", "Aldenmouth"),
        ("Bored", None),
        ("Grete", "Upper Lum"),
        ("easy money", "online"),
    ]
    assert example[0].created_at == datetime(2024, 6, 4, 18, 2, tzinfo=UTC)
    assert [r.id for r in example] == [f"article-page-{i}" for i in range(1, 7)]


def test_only_a_reply_has_a_parent(example: list[Record]) -> None:
    parents = [r.parent for r in example]
    assert parents[1] is not None
    assert (parents[1].id, parents[1].text) == ("article-page-1", example[0].text)
    assert [parent for i, parent in enumerate(parents) if i != 1] == [None] * 5


def test_texts_are_whole_and_end_where_they_should(example: list[Record]) -> None:
    assert example[0].text.endswith("mend the cracks.")
    assert example[2].text.count("\n\n") == 1
    assert example[2].text.endswith("Well done for once.")
    assert example[5].text.endswith("start today!!!")


def test_the_article_without_navigation_and_boilerplate(example: list[Record]) -> None:
    article = example[0].article
    assert article is not None
    assert article.text is not None
    assert article.title == "Council Votes to Close Old Mill Bridge to Cars"
    assert article.text.startswith("Cars will no longer cross")
    assert article.text.endswith("A report is due in the spring.")
    for furniture in (
        "Petra Holm",
        "June 4",
        "You May Like",
        "Swimming",
        "Tiles",
        "Comment",
        "by:",
        "News /",
    ):
        assert furniture not in article.text


PAGE = """Pool opens two weeks late

The pool opened on Friday, two weeks after it was promised.

Comments
{comments}"""


def test_replies_to_replies_and_a_reply_whose_parent_is_elsewhere(read: Read) -> None:
    comments = "\n\n".join(
        f"{answer}by: N{i}\nJune {i}, 2024 1:00 PM\nText number {i} is this."
        for i, answer in enumerate(["In Response\n\n", "", "In Response\n\n", "In Response\n\n", ""], start=1)
    )
    rows = read("p.txt", PAGE.format(comments=comments))
    assert texts(rows) == [f"Text number {i} is this." for i in range(1, 6)]
    found = [row.parent.id if row.parent else None for row in rows if isinstance(row, Record)]
    assert found == [None, None, "p-2", "p-2", None]


def test_an_empty_comment_is_a_bad_row_and_its_reply_keeps_its_parent(read: Read) -> None:
    comments = (
        "by: A\nJune 1, 2024 1:00 PM\n\n\nIn Response\n\nby: B\nJune 1, 2024 2:00 PM\nWhat do you mean?\n"
    )
    bad, answer = read("p.txt", PAGE.format(comments=comments))
    assert isinstance(bad, RawRow)
    assert (bad.line, bad.problem) == (6, "the text is empty: nothing to score")
    assert isinstance(answer, Record)
    assert answer.parent is not None
    assert answer.parent.id == "p-1"


def test_the_articles_byline_is_not_a_comment(read: Read) -> None:
    page = PAGE.format(comments="by: A from: Town\nNice pool, that.\n").replace(
        "The pool", "by: Petra Holm\n\nThe pool"
    )
    assert texts(read("p.txt", page)) == ["Nice pool, that."]


@pytest.mark.parametrize(
    "tail",
    [
        "\n\n\nAny text after two empty lines is no comment's.",
        "\n\nFeatured Videos\nWill it ever open?\n",
        "\n\nYou May Like\n\nTown wins the cup again, its third.\n",
        "\n\nPage 1 of 2\n",
        "\n\nPetra Holm\n",
    ],
)
def test_what_follows_the_last_comment_is_not_part_of_it(read: Read, tail: str) -> None:
    page = PAGE.format(
        comments="by: A\nJune 1, 2024 1:00 PM\nNice pool.\nTruly so.\n\nI mean it, honestly I do."
    )
    assert texts(read("p.txt", page + tail)) == ["Nice pool.\nTruly so.\n\nI mean it, honestly I do."]


def test_windows_line_ends_and_hard_spaces(read: Read) -> None:
    page = PAGE.format(comments="by:\xa0A from:\xa0Town\nJune 1, 2024 1:00 PM\nNice pool.\n").replace(
        "\n", "\r\n"
    )
    (row,) = read("p.txt", page)
    assert isinstance(row, Record)
    assert (row.text, row.author_name, row.extra) == ("Nice pool.", "A", {"author.place": "Town"})


def test_a_headline_in_the_first_line_is_not_part_of_the_text(read: Read) -> None:
    (row,) = read("p.txt", "Will the pool ever open its doors?\n\nIt may yet do so.\n\nby: A from: B\nYes.\n")
    assert isinstance(row, Record)
    assert row.article == Article(title="Will the pool ever open its doors?", text=None)


def test_a_page_without_comments_says_what_a_comment_looks_like(read: Read) -> None:
    with pytest.raises(NothingToScore, match=r"no comments found.*'by: NAME from: PLACE' and its date below"):
        read("p.txt", PAGE.format(comments=""))


def test_a_page_has_no_columns(read: Read) -> None:
    with pytest.raises(DumpError, match="no columns to --map"):
        read("p.txt", EXAMPLE.read_bytes(), map=["text=body"])
