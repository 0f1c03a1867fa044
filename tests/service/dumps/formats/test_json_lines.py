"""JSON lines, good and bad."""

from __future__ import annotations

import json

from parley.service.dumps.reading.record import RawRow
from parley.service.dumps.reading.source import MAX_LINE
from tests.service.dumps.conftest import Read, texts


def test_good_and_bad_lines_in_order(read: Read) -> None:
    lines = [
        '{"text": "one"}',
        "{not json}",
        "",
        '["a list"]',
        '{"text": "lone \\ud800 surrogate"}',
        '{"text": "nul \\u0000"}',
        "[" * 100_000,
        '{"text": "last"}',
    ]
    rows = read("a.jsonl", "\n".join(lines))
    assert texts(rows) == ["one", None, None, "lone \ud800 surrogate", "nul \0", None, "last"]
    bad = [row for row in rows if isinstance(row, RawRow)]
    assert [(row.line, row.row, row.raw) for row in bad] == [
        (2, 2, lines[1]),
        (4, 3, lines[3]),
        (7, 6, lines[6]),
    ]
    assert str(bad[0].problem).startswith("not JSON: ")
    assert bad[1].problem == 'not a JSON object; a comment is {"text": "..."}'


def test_format_is_detected_from_the_content(read: Read) -> None:
    assert texts(read("dump", '{"text": "one"}\n')) == ["one"]


def test_a_named_format_overrides_the_extension(read: Read) -> None:
    assert texts(read("a.csv", '{"text": "one"}\n', format="jsonl")) == ["one"]


def test_one_list_is_read(read: Read) -> None:
    assert texts(read("a.json", '[{"text": "one"}]')) == ["one"]


def test_a_megabyte_of_text(read: Read) -> None:
    text = "long " * 200_000
    assert texts(read("a.jsonl", json.dumps({"text": text}))) == [text]


def test_an_enormous_line_is_a_bad_row(read: Read) -> None:
    rows = read("a.jsonl", b'{"text": "' + b"x" * (2 * MAX_LINE) + b'"}\n{"text": "next"}\n')
    assert texts(rows) == [None, "next"]
    assert isinstance(rows[0], RawRow)
    assert "longer than" in str(rows[0].problem)
