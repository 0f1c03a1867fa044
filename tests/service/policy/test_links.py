"""Web links in plain text."""

from __future__ import annotations

import pytest

from parley.service.policy.links import find_links


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("See https://news.example/a?b=c#d, or not.", ["https://news.example/a?b=c#d"]),
        ("example.com", ["http://example.com"]),
        ("Look at www.example.org/a-b.html!", ["http://www.example.org/a-b.html"]),
        ("(see example.com/a_(b))", ["http://example.com/a_(b)"]),
        ("https://a.example/x)http://b.example/y", ["https://a.example/x", "http://b.example/y"]),
        ("the end.https://a.example", ["https://a.example"]),
        ("http://localhost:8000/a", ["http://localhost:8000/a"]),
        ("//cdn.example/a.js", ["http://cdn.example/a.js"]),
        ("münchen.com and xn--mnchen-3ya.com", ["http://münchen.com", "http://xn--mnchen-3ya.com"]),
        ("youtu.be/abc", ["http://youtu.be/abc"]),
        ("ok.so that is true.It was late. e.g. this", []),
        ("me@example.com or mailto:me@example.com", []),
        ("3.14, v1.2.3, and/or, a..b, ...", []),
        ("xhttp://a.example", []),
        ("www.a=www.b=www.c", []),
    ],
)
def test_links_that_a_reader_would_follow(text: str, urls: list[str]) -> None:
    assert [link.url for link in find_links(text)] == urls


def test_places_and_hosts() -> None:
    text = "A: http://News.Example:8080/a, B: example.com."
    assert [text[link.start : link.end] for link in find_links(text)] == [
        "http://News.Example:8080/a",
        "example.com",
    ]
    assert [link.host for link in find_links(text)] == ["news.example", "example.com"]
