"""CSV as people have it: other delimiters, other encodings, broken quotation marks, and nothing lost."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.service.dumps.formats.registry import open_reader
from parley.service.dumps.reading.record import RawRow, Record
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError, NothingToScore
from tests.service.dumps.conftest import Read, texts


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(read: Read, delimiter: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([["id", "text", "x"], ["1", "a, b; c\td|e", "2"]])
    (row,) = read("a.csv", out.getvalue())
    assert isinstance(row, Record)
    assert (row.text, row.id, row.extra) == ("a, b; c\td|e", "1", {"x": "2"})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings(read: Read, encoding: str) -> None:
    assert texts(read("a.csv", "text,x\ncafé – “nice”,1\n".encode(encoding))) == ["café – “nice”"]


def test_lines_that_are_not_utf8_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("text,x\ncafé,1\n".encode() + "naïve,2\n".encode("cp1252"))
    source = Source(path)
    assert texts(list(open_reader(source))) == ["café", "naïve"]
    assert source.repaired == 1
    source.close()


def test_compressed_input(read: Read) -> None:
    assert texts(read("a.csv.gz", gzip.compress(b"text,x\nhello,1\n"))) == ["hello"]


def test_lines_within_a_cell_are_kept_and_counted(read: Read) -> None:
    rows = read("a.csv", 'text,x\r\n"one\r\ntwo ""three""",1\r\n\r\nnext,2\r\n')
    assert texts(rows) == ['one\r\ntwo "three"', "next"]
    assert [(row.row, row.line) for row in rows] == [(1, 2), (2, 5)]


BROKEN = {
    "open to the end of the file": '1,"never closed\n2,two\n3,three\n',
    "open up to another cell's mark": '1,"never closed\n2,"two"\n3,three\n',
    "open up to another cell's mark at the line's end": '1,"never closed\n2,two\n3,"three"\n',
    "a mark that is not doubled": '1,"an "inner" mark"\n2,two\n3,three\n',
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_quotation_mark_costs_its_own_row_only(read: Read, content: str) -> None:
    rows = read("a.csv", "id,text\n" + content)
    assert texts(rows) == [None, "two", "three"]
    assert isinstance(rows[0], RawRow)
    assert rows[0].line == 2
    assert rows[0].raw == content.partition("\n")[0]
    assert "quotation mark" in str(rows[0].problem)


def test_the_rest_of_a_broken_cell_is_not_a_row(read: Read) -> None:
    rows = read("a.csv", 'text,x\n"one\nsays "b" now\nend",1\nfine,2\n')
    assert texts(rows) == [None, None, None, "fine"]


def test_a_quotation_mark_within_an_unquoted_cell_is_text(read: Read) -> None:
    assert texts(read("a.csv", 'text,x\na 5" nail,1\nsay "hi",2\n')) == ['a 5" nail', 'say "hi"']


def test_too_many_or_too_few_cells(read: Read) -> None:
    rows = read("a.csv", "id,text\n1,one,more\n2\n3,three\n")
    assert texts(rows) == [None, None, "three"]
    assert [row.problem for row in rows if isinstance(row, RawRow)] == [
        "3 cells, where the header has 2",
        "1 cells, where the header has 2",
    ]


def test_awkward_texts(read: Read) -> None:
    long = "word " * 200_000
    assert texts(read("a.csv", f"text,x\nnul\0l,1\n{long},2\n=1+1,3\n ,4\n")) == [
        "nul\0l",
        long,
        "=1+1",
        None,
    ]


def test_empty_and_repeated_headers(read: Read) -> None:
    (row,) = read("a.csv", ",text,x,x\n0,hello,1,2\n")
    assert isinstance(row, Record)
    assert row.extra == {"column_1": "0", "x": "1", "x_4": "2"}


def test_a_missing_column_is_named_with_the_flag(read: Read) -> None:
    with pytest.raises(DumpError, match=r"no column 'text'; its columns are id, body.* --map text=body"):
        read("a.csv", "id,body\n1,x\n")
    with pytest.raises(DumpError, match=r"no column 'titel'; .* --map article.title=COLUMN"):
        read("a.csv", "id,text\n1,x\n", map=["article.title=titel"])


def test_a_spreadsheet_is_not_a_csv(read: Read) -> None:
    with pytest.raises(DumpError, match=r"a.csv is not text; save a spreadsheet as CSV"):
        read("a.csv", b"PK\x03\x04\x14\x00\x06\x00,more\n")


def test_an_error_names_some_of_very_many_columns(read: Read) -> None:
    header = ",".join(f"c{i}" for i in range(100))
    with pytest.raises(DumpError, match=r"c38, c39 and 60 more\. Name"):
        read("a.csv", f"{header}\n")


def test_an_empty_file(read: Read) -> None:
    with pytest.raises(NothingToScore, match="is empty"):
        read("a.csv", "")
    with pytest.raises(DumpError, match="no readable header row: every line is blank"):
        read("a.csv", "\n\n")
    with pytest.raises(DumpError, match="no readable header row: a quotation mark"):
        read("a.csv", 'id,"text\n1,x\n')
    assert read("a.csv", "id,text\n") == []


CELLS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=6))
def test_what_a_csv_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("text", "note"), *cells])
    source = Source(path)
    rows = list(open_reader(source))
    source.close()
    assert texts(rows) == [text if text.strip() else None for text, _ in cells]
    assert [row.extra["note"] for row in rows if isinstance(row, Record)] == [
        n for t, n in cells if t.strip()
    ]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(['"', ",", " ", "\n", '""', 'a"', ""]), max_size=4), min_size=1, max_size=5
    )
)
def test_no_word_is_lost_wherever_quotation_marks_are(
    tmp_path_factory: pytest.TempPathFactory, marks: list[list[str]]
) -> None:
    words = [f"word{i}x{j}" for i, row in enumerate(marks) for j, _ in enumerate(row)]
    lines = ["".join(f"{mark}word{i}x{j}" for j, mark in enumerate(row)) for i, row in enumerate(marks)]
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text("text,note\n" + "\n".join(lines) + "\n", encoding="utf-8")
    source = Source(path)
    rows = list(open_reader(source))
    source.close()
    kept = " ".join(
        str(row.raw) if isinstance(row, RawRow) else f"{row.text} {row.extra['note']}" for row in rows
    )
    assert [word for word in words if word not in kept] == []
