"""XML from strangers: bombs are refused, the oddities of real exporters are read."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from parley.service.dumps.formats import xml_stream as xmlstream
from parley.service.dumps.formats.xml_stream import Node, read_nodes
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError

BILLION = (
    '<!DOCTYPE l [<!ENTITY a "ha">' + "".join(f'<!ENTITY a{i} "{"&a;" * 10}">' for i in range(9)) + "]>"
    "<disqus><post>&a8;</post></disqus>"
)
OUTSIDE = '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><disqus><post>&x;</post></disqus>'


def nodes(tmp_path: Path, text: str | bytes) -> list[Node]:
    (tmp_path / "a.xml").write_bytes(text.encode() if isinstance(text, str) else text)
    with closing(Source(tmp_path / "a.xml")) as source:
        return list(read_nodes(source, ("post",), prefixes={}))


@pytest.mark.parametrize("text", [BILLION, OUTSIDE], ids=["billion laughs", "a file on the machine"])
def test_declared_entities_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DumpError, match="declares an entity of its own"):
        nodes(tmp_path, text)


def test_an_external_document_type_is_not_fetched(tmp_path: Path) -> None:
    text = '<!DOCTYPE disqus SYSTEM "http://192.0.2.1/never.dtd"><disqus><post>x</post></disqus>'
    assert [node.text() for node in nodes(tmp_path, text)] == ["x"]


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        ("a&nbsp;&amp;&euro;b", "a&nbsp;&&euro;b"),
        ("<![CDATA[<p>&amp;</p>]]]]><![CDATA[>]]>", "<p>&amp;</p>]]>"),
        ("a\x0b\x00b", "a  b"),
        ("caf\u00e9 \U0001f600", "caf\u00e9 \U0001f600"),
        ("  ", None),
    ],
)
def test_text(tmp_path: Path, inside: str, text: str | None) -> None:
    (node,) = nodes(tmp_path, f"<disqus><post>{inside}</post></disqus>")
    assert node.text() == text


def test_other_encodings(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="{}"?><disqus><post>caf\u00e9</post></disqus>'
    assert nodes(tmp_path, text.format("iso-8859-1").encode("latin-1"))[0].text() == "caf\u00e9"
    assert nodes(tmp_path, text.format("utf-16").encode("utf-16"))[0].text() == "caf\u00e9"


def test_surrounding_text_is_skipped_and_its_lines_count(tmp_path: Path) -> None:
    text = '`\n\nNotice: <b>x</b>\n<?xml version="1.0"?>\n<disqus>\n<post>x</post></disqus>\n<br />fatal'
    (node,) = nodes(tmp_path, text)
    assert (node.text(), node.line) == ("x", 6)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xmlstream, "MAX_ELEMENT", 10_000)
    with pytest.raises(DumpError, match="an element of more than 10,000 characters"):
        nodes(tmp_path, f"<disqus><post>{'x' * 20_000}</post></disqus>")
    with pytest.raises(DumpError, match="elements more than 200 deep"):
        nodes(tmp_path, f"<disqus>{'<a>' * 300}")
    assert len(nodes(tmp_path, f"<disqus>{'<post>x</post>' * 5000}</disqus>")) == 5000


@pytest.mark.parametrize(
    "text", ["<disqus><post>x</post>", "<disqus><post>x</disqus>", "<disqus><a:post/></disqus>", "prose"]
)
def test_incomplete_xml(tmp_path: Path, text: str) -> None:
    with pytest.raises(DumpError, match=r"broke off at line \d+: .*; export it again"):
        nodes(tmp_path, text)


def test_an_endless_tag_is_refused_before_it_is_read_again_and_again(tmp_path: Path) -> None:
    for start in ("<post a='", "<!-- ", "<?pi "):
        with pytest.raises(DumpError, match="a tag or comment of more than 1,048,576 bytes"):
            nodes(tmp_path, f"<disqus>{start}{'x' * 2_000_000}")
    assert len(nodes(tmp_path, f"<disqus><post><![CDATA[{'x' * 2_000_000}]]></post></disqus>")) == 1
