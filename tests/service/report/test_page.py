"""The page: what it says, also about what is missing, and that a comment stays text whatever is in it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.service.dumps.scoring.rows import Scored
from parley.service.report.lines import Lines
from parley.service.report.page import Facts, pieces, render_page
from parley.service.report.rows import ScoredFile, ScoredRow
from parley.service.report.tally import Tally
from parley.service.report.words import clean, moment, one_line, share
from tests.service.report.scored import scored, write

pytest.importorskip("plotly", reason="the HTML report needs the report extra")

ATTACKS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "<!--<script>",
    "{{ 7 * 7 }}{% raw %}",
    '<a href="javascript:alert(1)">click</a>',
    "</blockquote></li></ol><h1>owned</h1>",
    "\u202eevil\x00\x1b[31m\ud800 ]]>",
]


class Tags(HTMLParser):
    """Every tag and attribute of a page, and its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._in_script = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if not self._in_script:
            self.texts.append(data)


def page_of(tmp_path: Path, rows: Sequence[Scored], *, title: str = "Comments", top: int = 20) -> str:
    tally = Tally(Lines.load("default"), top=top)
    for row in ScoredFile.open(write(tmp_path / "out.jsonl", rows)):
        tally.add(row)
    facts = Facts(title=title, sources=("out.jsonl",), made_at=datetime.now(UTC), version="1", top=top)
    return render_page(tally, facts)


def without_scripts(page: str) -> str:
    return re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_of(tmp_path_factory.mktemp("calm"), [scored("You fool", abuse={"toxicity": 0.9})])


def test_hostile_text_stays_text(tmp_path: Path, calm: str) -> None:
    rows = [
        scored(
            attack,
            id=attack,
            author=attack,
            article=attack,
            target=attack,
            notes=[attack],
            abuse={"toxicity": 0.9},
            spans=[(1, 5)],
        )
        for attack in ATTACKS
    ]
    page = page_of(tmp_path, rows, title="".join(ATTACKS))
    found, expected = Tags(page), Tags(calm)
    assert found.tags.count("mark") == 1 + len(ATTACKS)  # the explanation's and the spans'
    assert set(found.tags) - set(expected.tags) <= {"code", "details", "summary"}
    assert found.tags.count("script") == expected.tags.count("script") == 3
    for forbidden in ("img", "svg", "iframe", "object", "form", "base"):
        assert forbidden not in found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not [value for name, value in found.attributes if name == "href" and "script" in (value or "")]
    assert "{{ 7 * 7 }}" in without_scripts(page)  # no template in a template
    assert not {"\x00", "\x1b", "\ud800"} & set(page)


def test_data_for_the_plots_holds_no_markup(tmp_path: Path) -> None:
    rows = [scored(article=attack, author=attack, target=attack) for attack in ATTACKS]
    page = page_of(tmp_path, rows)
    data = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert "<" not in data[1]
    figures = json.loads(data[1])
    assert {"time", "stance-time", "article", "author", "target", "scores"} <= set(figures)
    labels = figures["article"]["layout"]["yaxis"]["ticktext"]
    assert labels
    # In labels Plotly interprets <a href> and some other tags, and reads &lt; as <.
    assert not [label for label in labels if "<" in label]


def test_nothing_is_loaded_from_anywhere(calm: str) -> None:
    tags = Tags(calm)
    sources = [
        value for name, value in tags.attributes if name in ("src", "href", "srcset", "action", "data")
    ]
    assert all((value or "").startswith(("#", "data:")) for value in sources)
    assert ("http-equiv", "Content-Security-Policy") in tags.attributes
    contents = [value or "" for name, value in tags.attributes if name == "content"]
    assert any(value.startswith("default-src 'none'; script-src 'sha256-") for value in contents)
    assert "@import" not in calm.partition("<script")[0]


def test_reasons_spans_and_counts_are_shown(tmp_path: Path) -> None:
    rows = [
        scored("You absolute fool, Bo", abuse={"toxicity": 0.93}, spans=[(4, 17)], stance="against"),
        scored("Fine", id="2", off_topic=None, stance=None, article=None, notes=["no_article", "no_target"]),
    ]
    page = without_scripts(page_of(tmp_path, rows))
    assert "You <mark>absolute fool</mark>, Bo" in page
    assert "toxic: abuse.toxicity 0.93 (at least" in page
    assert "Off-topic was not judged for 1 of 2 comments." in page
    assert "Stance was not judged for 1 of 2 comments." in page
    assert "off_topic is null" in page  # the note's meaning
    assert "1 comments have no article" in page
    assert re.search(r"toxicity</th><td class=\"text\">review from", page)


def test_empty_sections_say_why(tmp_path: Path) -> None:
    row = scored(off_topic=None, stance=None, article=None, author=None, at=None)
    page = without_scripts(page_of(tmp_path, [row]))
    for sentence in (
        "No comment is held for review or rejected.",
        "No comment has a readable date",
        "No stance was judged: a comment needs",
        "No comments have an article",
        "No comments have an author",
        "No stance was judged: no comment has a target",
        "No rule fired on any comment",
    ):
        assert sentence in page
    assert 'id="plot-scores"' in page
    for absent in ("time", "stance-time", "article", "author", "target", "reasons"):
        assert f'id="plot-{absent}"' not in page


def test_every_plot_has_words_and_a_table(calm: str) -> None:
    page = without_scripts(calm)
    for plot in re.findall(r'<div class="plot"[^>]*>', page):
        assert 'role="img"' in plot
        assert re.search(r'aria-label="[^"]{40,}"', plot)
    assert page.count("<table") >= 6
    assert page.count("<h1") == 1
    assert len(re.findall("<h2", page)) == 9


def test_what_is_left_out_is_stated(tmp_path: Path) -> None:
    rows = [scored(f"n {i}", author=f"a{i}", abuse={"toxicity": 0.6 + i / 100}) for i in range(12)]
    page = without_scripts(page_of(tmp_path, rows, top=10))
    assert "10 of 12 authors are shown; --top shows more." in page
    assert "The next 2" in page


def row_of(tmp_path: Path, **values: object) -> ScoredRow:
    return next(iter(ScoredFile.open(write(tmp_path / "out.jsonl", [scored(**values)]))))  # type: ignore[arg-type]


def marked(row: ScoredRow) -> str:
    return "".join(f"[{piece.text}]" if piece.marked else piece.text for piece in pieces(row))


@pytest.mark.parametrize(
    ("text", "format", "spans", "shown"),
    [
        ("You fool!", "plain", [(4, 8)], "You [fool]!"),
        ("You fool!", "plain", [], "You fool!"),
        ("fool", "plain", [(0, 4)], "[fool]"),
        ("👋 fool 👋", "plain", [(2, 6)], "👋 [fool] 👋"),
        ("one two three", "plain", [(0, 3), (8, 13)], "[one] two [three]"),
        ("one two", "plain", [(0, 3), (2, 7)], "[one two]"),
        ("short", "plain", [(3, 99), (-2, 3), (4, 2)], "short"),
        ("<p>You <b>id&shy;iot</b>!</p>", "html", [(10, 20)], "You [idiot]!"),
        ("You **fool** &amp; co", "markdown", [(6, 10)], "You [fool] & co"),
        ("<b>You fool</b>", "plain", [(7, 11)], "<b>You [fool]</b>"),
    ],
)
def test_spans_are_marked_as_readers_see_them(
    tmp_path: Path, text: str, format: str, spans: list[tuple[int, int]], shown: str
) -> None:
    assert marked(row_of(tmp_path, text=text, format=format, spans=spans)).strip() == shown


@given(st.text(max_size=60), st.lists(st.tuples(st.integers(-3, 70), st.integers(-3, 70)), max_size=4))
def test_pieces_are_the_text(text: str, spans: list[tuple[int, int]]) -> None:
    row = ScoredRow(
        id="1",
        text=text,
        format="plain",
        created_at=None,
        language=None,
        article=None,
        article_name="",
        author=None,
        author_name="",
        scores={},
        target=None,
        stance=None,
        spans=[{"start": start, "end": end} for start, end in spans],
        action="approve",
        reasons=[],
        notes=[],
    )
    found = pieces(row)
    assert [a.marked != b.marked for a, b in pairwise(found)] == [True] * (len(found) - 1)
    if text == clean(text):
        assert "".join(piece.text for piece in found) == text


def test_words() -> None:
    assert clean("a\x1b[31m\x00\r\nb\ud800") == "a\ufffd[31m\ufffd\nb\ufffd"
    assert one_line("  a\n\u202eb\u200b  c ", length=9) == "a b c"
    assert one_line("\u200b", length=9) == "(no name)"
    assert one_line("abcdefgh", length=5) == "abcd…"
    shares = [share(0, 0), share(0, 5), share(1, 200), share(1, 3), share(5, 5)]
    assert shares == ["–", "0%", "0.5%", "33%", "100%"]
    time = datetime(2024, 6, 3, 7, tzinfo=UTC)
    assert [moment(time, step) for step in ("hour", "day", "week", "month", "year")] == [
        "2024-06-03 07:00",
        "2024-06-03",
        "2024-06-03",
        "2024-06",
        "2024",
    ]
