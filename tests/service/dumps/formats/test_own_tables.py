"""Tables and JSON that people made themselves: other dialects, other names, one document instead of lines."""

# ruff: noqa: E501 - tables in their original form

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from parley.model.comment import Article, Parent
from parley.service.commands.cli import app
from parley.service.dumps.formats.registry import detect, open_reader
from parley.service.dumps.reading.guess import guess
from parley.service.dumps.reading.record import Columns, RawRow, Record
from parley.service.dumps.reading.source import Source
from parley.service.dumps.reading.times import to_utc
from parley.service.dumps.scoring.selection import Filter
from parley.service.errors import DumpError
from tests.service.dumps import exports


def rows_of(path: Path, *, columns: Columns | None = None, name: str | None = None) -> list[Record | RawRow]:
    with closing(Source(path)) as source:
        return list(open_reader(source, name=name, columns=columns or Columns()))


def write(folder: Path, content: str, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8", newline="")
    return path


def texts(rows: list[Record | RawRow]) -> list[str | None]:
    return [row.text if isinstance(row, Record) else None for row in rows]


COMMENTS = [{"id": "1", "text": "Mend it."}, {"id": "2", "text": "Why?", "parent": "1"}, "no comment"]


@pytest.mark.parametrize(
    "document",
    [
        json.dumps(COMMENTS),
        json.dumps(COMMENTS, indent=2),
        json.dumps({"total": 3, "comments": COMMENTS}),
        json.dumps({"meta": {"pages": [{"n": 1}]}, "data": {"comments": COMMENTS}}, indent=1),
        "\ufeff" + json.dumps({"comments": COMMENTS}, indent=2),
        json.dumps({"comments": COMMENTS[:1]}) + "\n" + json.dumps({"comments": COMMENTS[1:]}),
        "\n".join(json.dumps(comment, indent=2) for comment in COMMENTS[:2]) + '\n"no comment"',
    ],
    ids=[
        "list",
        "pretty list",
        "a key",
        "deep, pretty",
        "with a byte order mark",
        "a page per line",
        "pretty objects",
    ],
)
def test_one_document(tmp_path: Path, document: str) -> None:
    pytest.importorskip("ijson")
    rows = rows_of(write(tmp_path, document, "a.json"))
    assert texts(rows) == ["Mend it.", "Why?", None]
    assert isinstance(rows[1], Record)
    assert rows[1].parent == Parent(id="1", text="Mend it.")


def test_lines_stay_lines(tmp_path: Path) -> None:
    row = {"replies": [{"body": "x"}], "spans": [{"start": 1}], "id": "1", "text": "Mend it."}
    path = write(tmp_path, json.dumps(row) + "\nbroken\n" + json.dumps(row), "a.jsonl")
    assert [row.line for row in rows_of(path)] == [1, 2, 3]
    long = json.dumps({"id": "1", "title": "x" * 100_000, "text": "Mend it."})
    assert texts(rows_of(write(tmp_path, f"{long}\n{long}\n", "b.jsonl"))) == ["Mend it."] * 2


def test_a_text_where_an_object_is_expected() -> None:
    record = Columns().record(
        {"text": "x", "author": "Vera", "parent": 7, "article": "https://lum.example/a"}, row=1
    )
    assert record.author_name == "Vera"
    assert record.parent == Parent(id="7")
    assert record.article == Article(url="https://lum.example/a")
    assert record.extra == {}
    titled = Columns().record({"text": "x", "article": "Bridge: what now"}, row=1)
    assert titled.article == Article(title="Bridge: what now")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("20240102", datetime(2024, 1, 2, tzinfo=UTC)),
        (20240102, datetime(2024, 1, 2, tzinfo=UTC)),
        ("20240102150405", datetime(2024, 1, 2, 15, 4, 5, tzinfo=UTC)),
        ("202401021504", datetime(2024, 1, 2, 15, 4, tzinfo=UTC)),
        ("20240102T150405Z", datetime(2024, 1, 2, 15, 4, 5, tzinfo=UTC)),
        (1717516920123456, datetime(2024, 6, 4, 16, 2, 0, 123456, tzinfo=UTC)),
        ("1717516920", datetime(2024, 6, 4, 16, 2, tzinfo=UTC)),
        ("20241350", None),
        (45292, None),  # a spreadsheet's day
        (0, None),
        (float("nan"), None),
        (10**400, None),
    ],
)
def test_times(sent: Any, expected: datetime | None) -> None:
    assert to_utc(sent) == expected


@pytest.mark.parametrize("parent", ["0.0", "root", "NULL", "nan", "-1", "", 0, None, "0"])
def test_values_that_mean_no_parent(tmp_path: Path, parent: Any) -> None:
    lines = exports._lines({"id": "5", "text": "Mend it.", "parent": {"id": parent}})
    row = rows_of(write(tmp_path, lines, "a.jsonl"))[0]
    assert isinstance(row, Record)
    assert row.parent is None


def test_a_parent_may_be_a_number(tmp_path: Path) -> None:
    rows = rows_of(write(tmp_path, "id,text,parent.id\n1.0,A,\n2.0,B,1.0\n3,C,2\n"))
    assert [row.parent and row.parent.text for row in rows if isinstance(row, Record)] == [None, "A", "B"]
    rows = rows_of(write(tmp_path, "id,text,parent.id\n0,A,\n1,B,0\n"))
    assert isinstance(rows[1], Record)
    assert rows[1].parent == Parent(id="0", text="A")
    reddit = [
        exports._reddit_comment("zz", "A", "t3_s1"),
        {**exports._reddit_comment("c2", "B", ""), "parent_id": 36 * 35 + 35},
    ]
    rows = rows_of(write(tmp_path, exports._lines(*reddit), "RC.jsonl"), name="reddit")
    assert isinstance(rows[1], Record)
    assert rows[1].parent == Parent(id="t1_zz", text="A")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("sep=;\r\nid;text\r\n1;Mend it.\r\n", ["Mend it."]),
        ("\ufeffsep=|\nid|text\n1|Mend, it;\n", ["Mend, it;"]),
        ('id,text,n\n1,"He said \\"mend it\\", and left",5\n2,"So ""good""",6\n', ['He said "mend it", and left', 'So "good"']),
        ('id,text,n\n1,"two lines\nwith \\"marks\\", here",5\n2,x,6\n', ['two lines\nwith "marks", here', "x"]),
        ('id,text,n\n1,"broken,5\n2,x,6\n', [None, "x"]),
    ],
)  # fmt: skip
def test_dialects_of_csv(tmp_path: Path, content: str, expected: list[str | None]) -> None:
    assert texts(rows_of(write(tmp_path, content))) == expected


def test_tsv_without_quoting(tmp_path: Path) -> None:
    content = 'id\ttext\tn\n1\t"Mend it," he said\t5\n2\tsix" of it\t6\n3\t"quoted\nover lines"\t7\n'
    assert texts(rows_of(write(tmp_path, content, "a.tsv"))) == [
        '"Mend it," he said',
        'six" of it',
        "quoted\nover lines",
    ]


def test_namespaces_are_recognised_with_https_too(tmp_path: Path) -> None:
    text = exports.wordpress().replace("http://", "https://")
    with closing(Source(write(tmp_path, text, "a"))) as source:
        assert detect(source) == "wordpress"
        assert len(list(open_reader(source))) == 3


def test_an_annotated_part_of_a_corpus(tmp_path: Path) -> None:
    content = "article_id,comment_counter,title,globe_url,comment_text,toxicity_level\n7,s_7_1,Bridge,https://n.example/b,Mend it.,2\n"
    rows = rows_of(write(tmp_path, content))
    assert isinstance(rows[0], Record)
    assert rows[0].id == "s_7_1"
    assert rows[0].article == Article(id="7", url="https://n.example/b", title="Bridge")
    assert rows[0].extra == {"toxicity_level": "2"}


def test_an_importers_csv_with_a_header(tmp_path: Path) -> None:
    path = exports.write(tmp_path, "coral-csv")
    whole = rows_of(path)
    path.write_text("id,author_id,story_id,created_at,body,parent_id,status,rating\n" + path.read_text())
    assert texts(rows_of(path)) == texts(whole)


def test_columns_with_telling_names_are_guessed() -> None:
    columns = ["Comment", "Title", "user_name", "Posted At", "likes", "url"]
    assert guess(columns, taken={"text"}) == {
        "article.title": "Title", "author.name": "user_name", "created_at": "Posted At"
    }  # fmt: skip
    assert guess(["Title"], taken={"article.title"}) == {}


def test_what_is_guessed_counts_as_the_field(tmp_path: Path) -> None:
    columns = Columns.parse(["text=Comment", "author.name="], guesses=True)
    path = write(
        tmp_path, "Comment,Title,parent_id,comment_id,user\nMend it.,Bridge,,1,V\nWhy?,Bridge,1,2,W\n"
    )
    with closing(Source(path)) as source:
        reader = open_reader(source, columns=columns)
        rows = [row for row in reader if isinstance(row, Record)]
        assert set(reader.columns) == {"text", "article.title", "parent.id", "id", "user", "parent.text"}
    assert rows[1].article == Article(title="Bridge")
    assert rows[1].parent == Parent(id="1", text="Mend it.")
    assert rows[1].extra == {"user": "W"}
    assert columns.guessed == {"id": "comment_id", "parent.id": "parent_id", "article.title": "Title"}
    lines = Columns.parse(["text=body"], guesses=True)
    path = write(tmp_path, '{"body": "x", "headline": "Bridge", "id": 1}\n', "a.jsonl")
    assert [row.article for row in rows_of(path, columns=lines) if isinstance(row, Record)] == [
        Article(title="Bridge")
    ]


@pytest.mark.parametrize("given", ["likes>ten", "likes<=", "likes>=1O"])
def test_a_comparison_needs_a_number_or_a_date(given: str) -> None:
    with pytest.raises(DumpError, match="neither a number nor a date"):
        Filter.parse(given)


def test_text_format_applies_to_rows_without_a_format(tmp_path: Path) -> None:
    path = write(tmp_path, "body,format\n<p>Mend <b>it</b></p>,\n*it*,markdown\n")
    rows = rows_of(path, columns=Columns.parse(["text=body"], text_format="html"))
    assert [row.format for row in rows if isinstance(row, Record)] == ["html", "markdown"]
    with pytest.raises(DumpError, match="does not support --text-format"):
        rows_of(exports.write(tmp_path, "disqus"), columns=Columns(text_format="html"))


@pytest.fixture
def run(tiny_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["score", *words, "--model", str(tiny_artifact)])

    return run


def test_html_in_a_table_scores_as_its_words(run: Any, tmp_path: Path) -> None:
    write(tmp_path, 'id,body\n1,"<p>mend the bridge, you <b>f</b>ool</p>"\n', "html.csv")
    write(tmp_path, 'id,body\n1,"mend the bridge, you fool"\n', "plain.csv")
    assert run("html.csv", "-o", "html.jsonl", "--map", "text=body", "--text-format", "html").exit_code == 0
    assert run("plain.csv", "-o", "plain.jsonl", "--map", "text=body").exit_code == 0
    html, plain = (json.loads((tmp_path / f"{name}.jsonl").read_text()) for name in ("html", "plain"))
    assert html["abuse"] == plain["abuse"]
    assert html["format"] == "html"


def test_one_text(run: Any) -> None:
    result = run("--text", "Mend it, now.", "--target", "mending")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["text"] == "Mend it, now."
    assert answer["stance"]["target"] == "mending"
    assert run("--text", "x", "in.csv").exit_code == 2
    assert run("-o", "out.jsonl").exit_code == 2


def test_guesses_are_reported(run: Any, tmp_path: Path) -> None:
    write(tmp_path, "Comment,Title\nMend it.,Bridge\n", "in.csv")
    result = run("in.csv", "-o", "out.jsonl", "--map", "text=Comment")
    assert "guessed from column names: article.title=Title" in result.stderr
    assert json.loads((tmp_path / "out.jsonl").read_text())["stance"]["target"] == "Bridge"
