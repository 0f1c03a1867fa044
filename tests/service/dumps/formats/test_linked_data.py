"""Web pages with comments as linked data, however it is written."""

# ruff: noqa: E501 - pages in their original form

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from parley.service.dumps.formats.registry import detect, open_reader
from parley.service.dumps.reading.record import RawRow, Record
from parley.service.dumps.reading.source import Source
from parley.service.errors import NothingToScore

ARTICLE = {"@type": "NewsArticle", "@id": "/b", "url": "https://n.example/b", "headline": "Bridge"}


def read(folder: Path, page: str) -> list[Record | RawRow]:
    path = folder / "page.html"
    path.write_text(f"<!DOCTYPE html><html><head><title>x</title></head><body>{page}</body></html>")
    with closing(Source(path)) as source:
        assert detect(source) == "json-ld"
        return list(open_reader(source))


def script(data: Any, *, before: str = "", after: str = "") -> str:
    return f'<script type="application/ld+json">{before}{json.dumps(data)}{after}</script>'


def told(rows: list[Record | RawRow]) -> list[tuple[str | None, ...]]:
    return [
        (
            row.text,
            row.author_name,
            row.parent.text if row.parent else None,
            row.article.title if row.article else None,
        )
        for row in rows
        if isinstance(row, Record)
    ]


def comment(text: str, **more: Any) -> dict[str, Any]:
    return {"@type": "Comment", "text": text, **more}


def test_a_graph_of_references(tmp_path: Path) -> None:
    graph = [
        {**ARTICLE, "comment": [{"@id": "#c1"}]},
        comment("Mend it.", **{"@id": "#c1", "author": {"@id": "#vera"}}),
        comment("No.", **{"@id": "#c2", "parentItem": {"@id": "/b"}, "author": "Otto"}),
        comment("Why?", **{"@id": "#c3", "@reverse": {"comment": {"@id": "/b"}}}),
        comment("So.", **{"@id": "#c4", "parentItem": {"@id": "#c5"}}),
        comment("Late.", **{"@id": "#c5", "comment": {"@id": "#c4"}, "about": {"@id": "/b"}}),
        {"@type": "Person", "@id": "#vera", "name": "Vera"},
    ]
    rows = read(tmp_path, script({"@context": "https://schema.org", "@graph": graph}))
    assert told(rows) == [
        ("Mend it.", "Vera", None, "Bridge"),
        ("No.", "Otto", None, "Bridge"),
        ("Why?", None, None, "Bridge"),
        ("So.", None, "Late.", None),
        ("Late.", None, None, None),
    ]


def test_circular_references_end(tmp_path: Path) -> None:
    graph = [
        comment("A", **{"@id": "#a", "parentItem": {"@id": "#b"}}),
        comment("B", **{"@id": "#b", "parentItem": {"@id": "#a"}, "comment": [{"@id": "#a"}, {"@id": "#b"}]}),
    ]
    assert [row[0] for row in told(read(tmp_path, script(graph)))] == ["A", "B"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\n//<![CDATA[\n", "\n//]]>\n"),
        ("<!--\n", "\n-->"),
        ("/* <![CDATA[ */", "/* ]]> */"),
        ("<![CDATA[", "]]>"),
    ],
)
def test_wrapped_scripts(tmp_path: Path, before: str, after: str) -> None:
    page = script({**ARTICLE, "comment": [comment("Mend it.")]}, before=before, after=after)
    assert told(read(tmp_path, page)) == [("Mend it.", None, None, "Bridge")]


@pytest.mark.parametrize("prefix", ["http://schema.org/", "https://schema.org/", "schema:"])
def test_names_with_their_vocabulary(tmp_path: Path, prefix: str) -> None:
    held = {f"{prefix}text": {"@value": "Mend it."}, "@type": f"{prefix}Comment"}
    data = {
        "@type": [f"{prefix}NewsArticle"],
        f"{prefix}headline": "Bridge",
        f"{prefix}comment": {"@list": [held]},
    }
    assert told(read(tmp_path, script(data))) == [("Mend it.", None, None, "Bridge")]


MICRODATA = """<article itemscope itemtype="https://schema.org/NewsArticle"><h1 itemprop="headline">Bridge</h1>
<link itemprop="url" href="https://n.example/b"><p itemprop="articleBody">It is old.</p>
<div itemprop="comment" itemscope itemtype="https://schema.org/Comment" id="c1">
<span itemprop="author" itemscope itemtype="https://schema.org/Person"><b itemprop="name">Vera</b></span>
<time itemprop="dateCreated" datetime="2024-06-04T16:02:00Z">then</time>
<div itemprop="text"><p>Mend it &amp; soon.</p></div>
<div itemprop="comment" itemscope itemtype="https://schema.org/Comment"><p itemprop="text">No.</p></div></div>
<div itemscope itemtype="http://schema.org/UserComments"><p itemprop="commentText">Old.</p></div></article>"""
RDFA = """<article vocab="https://schema.org/" typeof="NewsArticle"><h1 property="headline">Bridge</h1>
<div property="comment" typeof="Comment" resource="#c1"><span property="author">Vera</span>
<p property="text">Mend it.</p></div>
<meta property="og:title" content="no part of it"></article>"""


def test_microdata(tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    rows = read(tmp_path, MICRODATA)
    assert told(rows) == [
        ("<p>Mend it &amp; soon.</p>", "Vera", None, "Bridge"),
        ("No.", None, "<p>Mend it &amp; soon.</p>", "Bridge"),
        ("Old.", None, None, "Bridge"),
    ]
    assert isinstance(rows[0], Record)
    assert rows[0].article is not None
    assert (rows[0].article.url, rows[0].article.text) == ("https://n.example/b", "It is old.")
    assert rows[0].created_at is not None


def test_rdfa(tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    assert told(read(tmp_path, RDFA)) == [("Mend it.", "Vera", None, "Bridge")]


def test_json_ld_takes_precedence_over_the_same_in_markup(tmp_path: Path) -> None:
    assert len(read(tmp_path, script({**ARTICLE, "comment": [comment("Mend it.")]}) + MICRODATA)) == 1


def test_a_page_without_any_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(NothingToScore, match=r"no schema\.org Comment as JSON-LD, microdata or RDFa"):
        read(tmp_path, "<p>Bridge</p>")
