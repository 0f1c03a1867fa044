"""How each system's export is read: detected by its content, joined, in UTC, without deleted comments."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from parley.model.comment import Article, Parent
from parley.service.dumps.formats.registry import INPUTS, detect, open_reader
from parley.service.dumps.reading.record import Columns, RawRow, Record
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError, NothingToScore
from tests.service.dumps import exports

Dump = Callable[..., tuple[dict[str | None, Record], dict[str, int]]]
NOON = datetime(2024, 6, 4, 16, 2, tzinfo=UTC)
BRIDGE = "https://news.example/bridge"


def read_path(path: Path, *, name: str | None = None, base_url: str | None = None,
              articles: Path | None = None) -> tuple[list[Record | RawRow], dict[str, int]]:  # fmt: skip
    """The rows of a dump, and what was skipped."""
    with closing(Source(path, base_url=base_url, articles=articles)) as source:
        return list(open_reader(source, name=name)), dict(source.skipped)


@pytest.fixture
def dump(tmp_path: Path) -> Dump:
    """The records of an export by id, and what was skipped; no row may be bad."""

    def dump(name: str, **options: str) -> tuple[dict[str | None, Record], dict[str, int]]:
        rows, skipped = read_path(exports.write(tmp_path, name), **options)  # type: ignore[arg-type]
        assert [row for row in rows if isinstance(row, RawRow)] == []
        return {row.id: row for row in rows if isinstance(row, Record)}, skipped

    return dump


def test_every_format_has_an_export() -> None:
    assert set(exports.NAMES) == set(INPUTS)


def test_every_format_is_documented() -> None:
    page = (Path(__file__).parents[4] / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    assert [name for name in INPUTS if f"`{name}`" not in rows] == []


@pytest.mark.parametrize("name", exports.NAMES)
def test_detected_by_content(name: str, tmp_path: Path) -> None:
    path = exports.write(tmp_path, name)
    with closing(Source(path)) as source:
        assert detect(source) == name
    if path.is_file() and name not in ("jsonl", "csv", "page", "reddit", "isso"):
        # The name says nothing, so the content must.
        packed = tmp_path / "other" / "dump"
        packed.parent.mkdir()
        packed.write_bytes(
            path.read_bytes() if name in ("discourse-raw", "remark42") else gzip.compress(path.read_bytes())
        )
        with closing(Source(packed)) as source:
            assert detect(source) == name


@pytest.mark.parametrize("name", exports.NAMES)
def test_columns_of_a_reader_are_those_of_its_rows(name: str, tmp_path: Path) -> None:
    from parley.service.dumps.scoring.rows import inputs_of

    with closing(Source(exports.write(tmp_path, name))) as source:
        reader = open_reader(source)
        rows = [row for row in reader if isinstance(row, Record)]
        assert rows
        if reader.columns:
            for row in rows:
                assert set(inputs_of(row)) - {"created_at_as_sent"} <= set(reader.columns)


@pytest.mark.parametrize("name", ["disqus", "coral", "youtube", "isso"])
def test_formats_with_fixed_columns_refuse_map(name: str, tmp_path: Path) -> None:
    with (
        closing(Source(exports.write(tmp_path, name))) as source,
        pytest.raises(DumpError, match="no columns to --map"),
    ):
        open_reader(source, name=name, columns=Columns.parse(["text=body"]))


def test_mapping_columns_means_a_table(tmp_path: Path) -> None:
    path = exports.write(tmp_path, "civil-comments")
    with closing(Source(path)) as source:
        reader = open_reader(source, columns=Columns.parse(["text=comment_text", "target=id"]))
        assert [row.target for row in reader if isinstance(row, Record)] == ["239", "234"]


@pytest.mark.parametrize("name", ["jsonl", "csv", "parquet", "arrow"])
def test_tables_find_their_parents(dump: Dump, name: str) -> None:
    rows, skipped = dump(name)
    assert list(rows) == ["2", "1"]
    assert rows["2"].parent == Parent(id="1", text="Close it.")
    assert rows["1"].parent is None
    assert sum(skipped.values()) == 1


def test_disqus(dump: Dump) -> None:
    rows, skipped = dump("disqus")
    assert list(rows) == ["12", "11", "14", "15"]
    assert skipped == {"deleted": 1}
    assert [row.extra["status"] for row in rows.values()] == ["approved", "approved", "spam", "approved"]
    reply, first, orphan = rows["12"], rows["11"], rows["15"]
    assert reply.text == "<p>I <b>agree</b>, it &amp; the tunnel.</p>"
    assert (reply.format, reply.line) == ("html", 9)
    assert reply.parent == Parent(id="11", text="<p>Close it.</p>")
    assert orphan.parent == Parent(id="13")
    assert reply.article == Article(id="100", url=f"{BRIDGE}?a=1&b=2", title="Bridge & tunnel to close")
    assert (reply.author_id, reply.author_name, first.author_name) == ("ben1", "Ben", "Anna M")
    # Old exports have no Z, but the time is UTC.
    assert first.created_at == datetime(2024, 6, 4, 18, 2, tzinfo=UTC)
    assert reply.extra == {"category": "Town", "status": "approved"}
    assert not any("mail" in str(row) or "192.0.2" in str(row) for row in rows.values())


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_wordpress(tmp_path: Path, version: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(exports.wordpress(version), newline="")
    found, skipped = read_path(path)
    rows = {row.id: row for row in found if isinstance(row, Record)}
    assert list(rows) == ["21", "23", "24"]
    assert skipped == {"pingback": 1}
    assert rows["21"].text == "First line.\nSecond  line."
    article = Article(
        id="5",
        url="https://news.example/?p=5",
        title="Pool opens & stays open",
        text="The pool opens on Friday.\n\nIt is heated.",
    )
    assert {row.article for row in rows.values()} == {article}
    assert [row.extra["status"] for row in rows.values()] == ["approved", "pending", "trash"]
    assert rows["21"].created_at == NOON
    # Without the time in UTC there is only the site's local time, whose zone is unknown.
    assert (rows["23"].created_at, rows["23"].extra["created_at_as_sent"]) == (None, "2024-06-04 18:02:00")
    assert [row.parent and row.parent.text for row in rows.values()] == [None, rows["21"].text, None]
    assert (rows["21"].author_id, rows["23"].author_id) == ("3", None)


def test_coral(dump: Dump) -> None:
    rows, skipped = dump("coral")
    assert list(rows) == ["c2", "c4", "c1"]
    assert skipped == {"deleted": 1}
    assert rows["c2"].parent == Parent(id="c1", text="<div>Close it.</div>")  # from archivedComments.json
    assert rows["c4"].parent == Parent(id="c3")
    assert rows["c2"].article == Article(id="st1", url=BRIDGE, title="Bridge & tunnel")
    assert (rows["c2"].author_id, rows["c2"].author_name) == ("u2", "ben")
    assert {row.created_at for row in rows.values()} == {NOON}
    assert [row.extra["status"] for row in rows.values()] == ["REJECTED", "NONE", "APPROVED"]


@pytest.mark.parametrize(
    ("sent", "rating"),
    [({"$numberInt": "4"}, 4), ({"$numberLong": "4"}, 4), ({"$numberDouble": "4.0"}, 4), (4, 4), (4.0, 4),
     ({"$numberInt": "four"}, None), ({"$numberInt": 4}, 4), ({"$numberInt": "9" * 5000}, None),
     ({"$numberDouble": "NaN"}, None), (4.5, None), (2**63, None), (True, None), (["4"], None)],
)  # fmt: skip
def test_ratings_as_mongodb_writes_them(tmp_path: Path, sent: object, rating: int | None) -> None:
    row = exports.coral_comment("c1", "<div>Close it.</div>", rating=sent)
    (tmp_path / "comments.json").write_text(json.dumps(row) + "\n")
    (record,), _ = read_path(tmp_path / "comments.json")
    assert isinstance(record, Record)
    assert record.extra["rating"] == rating
    assert type(record.extra["rating"]) is not bool


def test_coral_importer_csv(dump: Dump) -> None:
    rows, _ = dump("coral-csv")
    assert rows["c1"].text == "<p>Close it,\nall of it.</p>"
    assert rows["c2"].parent == Parent(id="c1", text=rows["c1"].text)
    assert rows["c2"].article == Article(id="st1", url=BRIDGE, title="Bridge to close")
    assert (rows["c1"].author_name, rows["c2"].author_name) == ("anna", None)
    assert rows["c2"].created_at == datetime(2024, 6, 4, 16, 5, tzinfo=UTC)
    assert rows["c2"].extra["status"] == "REJECTED"


def test_reddit(dump: Dump) -> None:
    rows, skipped = dump("reddit")
    assert list(rows) == ["t1_c1", "t1_c4", "t1_c5"]
    assert skipped == {"removed": 1, "deleted": 1}
    first, reply, orphan = rows.values()
    assert first.text == "> close it\n\nWhy & **how**?"
    assert (first.format, first.parent, first.created_at) == ("markdown", None, NOON)
    assert first.article == Article(id="t3_s1", url=BRIDGE, title="Bridge & tunnel", text="It is old.")
    assert reply.parent == Parent(id="t1_c1", text=first.text)
    assert orphan.parent == Parent(id="t1_zz")
    assert (first.author_id, first.author_name, reply.author_id, reply.author_name) == (
        "t2_a",
        "anna",
        None,
        None,
    )


def test_reddit_with_submissions_named(tmp_path: Path) -> None:
    path = exports.write(tmp_path, "reddit")
    moved = (tmp_path / "RS_2024-06.zst").rename(tmp_path / "posts.zst")
    (without, *_), _ = read_path(path)
    assert without.article == Article(id="t3_s1", url="https://www.reddit.com/comments/s1/")  # type: ignore[union-attr]
    (given, *_), _ = read_path(path, articles=moved)
    assert given.article.title == "Bridge & tunnel"  # type: ignore[union-attr]


PAGES = [exports.youtube_page(1), exports.youtube_page(2)]


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(json.dumps(page) for page in PAGES),
        json.dumps(PAGES, indent=2),
        json.dumps([page["items"][0] for page in PAGES]),  # type: ignore[index]
        "\n".join(json.dumps(page["items"][0]) for page in PAGES),  # type: ignore[index]
    ],
    ids=["lines of pages", "list of pages", "list of threads", "lines of threads"],
)
def test_youtube(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    rows, _ = read_path(tmp_path / "a.json")
    assert [row.id for row in rows if isinstance(row, Record)] == ["y1", "y1.r", "y2", "y2.r"]
    top, reply = rows[0], rows[1]
    assert isinstance(top, Record)
    assert isinstance(reply, Record)
    assert (top.text, top.format, reply.text, reply.format) == (
        "So *good* & long",
        "plain",
        "It&#39;s <br>short",
        "html",
    )
    assert reply.parent == Parent(id="y1", text=top.text)
    assert reply.article == Article(id="vid", url="https://www.youtube.com/watch?v=vid")
    assert (reply.author_id, reply.created_at) == ("UC1", NOON)
    assert reply.extra == {"status": "heldForReview", "likes": 2}


def test_jigsaw_and_civil_comments(dump: Dump) -> None:
    rows, _ = dump("jigsaw")
    assert rows["0001"].extra["identity_hate"] == "0"
    rows, _ = dump("civil-comments")
    reply = rows["239"]
    assert reply.parent == Parent(id="234", text="Close it.")
    assert (reply.article, reply.target) == (Article(id="2006"), None)
    assert (reply.extra["toxicity"], reply.extra["rating"]) == ("0.25", "approved")
    assert reply.created_at == datetime(2015, 9, 29, 10, 50, 41, 987077, tzinfo=UTC)


def test_socc_and_ynacc(dump: Dump) -> None:
    rows, _ = dump("socc")
    assert rows["71"].parent == Parent(id="70", text="Close it.")
    assert rows["70"].parent is None
    assert rows["71"].article == Article(id="7", url=BRIDGE, title="Bridge to close", text="It is old.")
    rows, _ = dump("ynacc")
    assert rows["k2"].parent == Parent(id="k1", text="Close it.")
    assert rows["k2"].article == Article(id=BRIDGE, url=BRIDGE, title="Bridge to close")
    assert rows["k2"].extra["topic"] == "off"


def test_discourse(dump: Dump) -> None:
    topic = Article(id="123", url="https://forum.example/t/old-bridge/123", title="Old bridge")
    rows, skipped = dump("discourse")
    assert skipped == {"a private message": 1}
    assert [(row.id, row.article, row.format) for row in rows.values()] == [("123/4", topic, "markdown")]
    assert rows["123/4"].created_at == NOON
    rows, _ = dump("discourse-raw")  # in a zip, with other files
    assert [(row.id, row.article, row.text) for row in rows.values()] == [("123/4", topic, "I *like* it.")]
    rows, skipped = dump("discourse-posts")
    assert skipped == {"deleted": 1}
    assert rows["123/2"].parent == Parent(id="123/1", text="I *like* it.")


def test_coral_users_own_export(dump: Dump) -> None:
    rows, _ = dump("coral-user")
    assert rows["c1"].article == Article(id=BRIDGE, url=BRIDGE)
    # In the format of the site's locale: 4 June and 6 April look alike.
    assert (rows["c1"].created_at, rows["c1"].extra["created_at_as_sent"]) == (None, "6/4/2024, 4:02:00 PM")


def test_isso(dump: Dump) -> None:
    rows, skipped = dump("isso", base_url="https://news.example")
    assert list(rows) == ["1", "2", "4"]
    assert skipped == {"deleted": 1}
    assert rows["2"].parent == Parent(id="1", text="Close *it*.")
    assert rows["4"].parent == Parent(id="3")
    assert rows["1"].article == Article(id="/bridge/", url=f"{BRIDGE}/", title="Bridge & tunnel")
    assert rows["1"].created_at == datetime(2024, 6, 4, 16, 2, 0, 500000, tzinfo=UTC)
    assert [row.extra["status"] for row in rows.values()] == ["approved", "pending", "approved"]


def test_isso_is_opened_read_only(tmp_path: Path) -> None:
    path = exports.write(tmp_path, "isso")
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    path.chmod(0o444)
    read_path(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["comments.db"]


def test_isso_that_is_being_written(tmp_path: Path) -> None:
    path = exports.write(tmp_path, "isso")
    (tmp_path / "comments.db-wal").write_bytes(b"x")
    with pytest.raises(DumpError, match=r"changes that are not in the database yet: stop Isso, or copy it"):
        read_path(path)


def test_databases_that_are_not_issos(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("CREATE TABLE threads (id)")
        # A view could be written to run for ever.
        base.execute(
            "CREATE VIEW comments AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) "
            "SELECT n FROM r"
        )
    with pytest.raises(DumpError, match="a database, but not Isso's"):
        read_path(path)
    packed = tmp_path / "a.db.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DumpError, match="compressed database: unpack it"):
        read_path(packed)


def test_a_database_whose_schema_is_not_text(tmp_path: Path) -> None:
    path = exports.write(tmp_path, "isso")
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE", b"CREATE T\xf1BLE"))
    with pytest.raises(DumpError, match=r"its tables can't be read|no such table"):
        read_path(path)


def test_isso_json(dump: Dump) -> None:
    rows, _ = dump("isso-json")
    assert list(rows) == ["/bridge/#1", "/bridge/#2"]
    assert rows["/bridge/#2"].article == Article(id="/bridge/", url="/bridge/", title="Bridge to close")
    assert rows["/bridge/#1"].created_at == NOON


def test_remark42(dump: Dump) -> None:
    rows, skipped = dump("remark42")
    assert list(rows) == ["k1", "k2", "k4"]
    assert skipped == {"deleted": 1}
    assert (rows["k1"].text, rows["k1"].format) == ("Close *it*.", "markdown")
    assert (rows["k2"].text, rows["k2"].format) == ("<p>Close <em>it</em>.</p>\n", "html")
    assert rows["k2"].parent == Parent(id="k1", text="Close *it*.")
    assert rows["k1"].article == Article(id=BRIDGE, url=BRIDGE, title="Bridge to close")
    assert rows["k1"].created_at == datetime(2024, 6, 4, 16, 2, 0, 500000, tzinfo=UTC)


def test_commento(dump: Dump) -> None:
    rows, skipped = dump("commento")
    assert list(rows) == ["h2", "h1", "h4", "h5", "h6"]
    assert skipped == {"deleted": 1}
    assert rows["h2"].parent == Parent(id="h1", text="Close *it*.")
    assert rows["h4"].parent is None  # it was a reply to itself
    assert rows["h5"].parent == Parent(id="h6", text="Two.")  # and these two replied to each other
    assert rows["h6"].parent == Parent(id="h5", text="One.")
    assert rows["h1"].article == Article(id=BRIDGE, url=BRIDGE)
    assert (rows["h1"].author_name, rows["h2"].author_id, rows["h2"].extra["status"]) == (
        "Anna",
        None,
        "flagged",
    )


def test_comentario(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text(exports.COMENTARIO)
    (row,), _ = read_path(tmp_path / "export.json", base_url="https://news.example")
    assert isinstance(row, Record)
    assert (row.author_name, row.created_at, row.extra["status"]) == ("Anna", NOON, "approved")
    assert row.article == Article(id="p1", url=BRIDGE, title="Bridge to close")


def test_json_ld(dump: Dump) -> None:
    rows, _ = dump("json-ld")
    assert list(rows) == ["#c1", "#c2", "3", "#c4"]
    assert {row.article for row in rows.values()} == {
        Article(id=f"{BRIDGE}#a", url=BRIDGE, title="Bridge to close", text="It is old.")
    }
    parents = [row.parent and (row.parent.id, row.parent.text) for row in rows.values()]
    assert parents == [None, ("#c1", "Close it."), ("#c2", "No &amp; no."), ("#c9", None)]
    assert [row.author_name for row in rows.values()] == ["Anna", "Ben", None, None]
    assert rows["#c1"].created_at == NOON


def test_nested_replies_of_a_page_whose_comments_have_no_ids(tmp_path: Path) -> None:
    inner = {"@type": "Comment", "text": "Yes.", "comment": {"@type": "Comment", "text": "Why?"}}
    first = {"@type": "Comment", "text": "Close it.", "upvoteCount": "7", "comment": [inner]}
    page = {
        "@type": "Article",
        "headline": "Bridge",
        "comment": [first, {"@type": "Comment", "text": "Late."}],
    }
    script = f"<script type='application/ld+json'>{json.dumps(page)}</script>"
    (tmp_path / "a.html").write_text(f"<html>{script}")
    rows, _ = read_path(tmp_path / "a.html")
    assert [row.parent for row in rows if isinstance(row, Record)] == [
        None,
        Parent(id="1", text="Close it."),
        Parent(id="2", text="Yes."),
        None,
    ]
    assert [row.extra["upvotes"] for row in rows if isinstance(row, Record)] == [7, None, None, None]


def test_a_web_page_without_comments_in_it(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<html><script type=\'application/ld+json\'>{"@type": "WebSite"}</script>'
    )
    with pytest.raises(NothingToScore, match=r"no schema\.org Comment as JSON-LD, microdata"):
        read_path(tmp_path / "a.html")


def test_activitystreams(dump: Dump) -> None:
    rows, skipped = dump("activitystreams")
    ids = [str(id).removeprefix("https://s.example/") for id in rows]
    assert ids == ["2", "1", "5", "6", "7"]
    assert skipped == {"shared from elsewhere": 1, "an article": 1}
    reply, first, circle, _, alone = rows.values()
    article = Article(
        id="https://s.example/a", url="https://s.example/a", title="Bridge to close", text="It is old."
    )
    assert (reply.article, first.article, alone.article) == (article, article, None)
    assert reply.parent == Parent(id="https://s.example/1", text="<p>Close it.</p>")
    assert first.parent is None  # it replies to the article
    assert circle.parent == Parent(id="https://s.example/6", text="Two.")
    assert reply.extra["warning"] == "angry"


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("coral", '{"storyID": 1, "revisions": [{"body": "x"}]}', "'article.id'|good"),
        ("coral", '{"id": "x", "storyID": "s", "revisions": []}', "the text is missing"),
        (
            "coral",
            '{"id": "x", "storyID": "s", "revisions": [{"body": 7}]}',
            "must be a string, not a number",
        ),
        ("reddit", '{"body": "  ", "link_id": "t3_a"}', "the text is empty"),
        ("reddit", '{"body": "x", "author": ["a"]}', "'author.id' must be a string"),
        ("remark42", "[1]", "not a JSON object"),
        ("remark42", '{"id": "1", ', "not JSON"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path: Path, name: str, line: str, reason: str) -> None:
    (tmp_path / "a.json").write_text(line + "\n")
    (row,), _ = read_path(tmp_path / "a.json", name=name)
    if reason.endswith("good"):
        assert isinstance(row, Record)
        return
    assert isinstance(row, RawRow)
    assert reason in str(row.problem)
    assert (row.line, row.raw) == (1, line)


def test_an_export_cut_short_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(exports.DISQUS[:2000])
    with closing(Source(tmp_path / "a.xml")) as source:
        rows = iter(open_reader(source))
        with pytest.raises(DumpError, match=r"a\.xml broke off at line \d+: .*export it again"):
            list(rows)
    (tmp_path / "a.json").write_text(json.dumps({"commentHex": 1, "comments": [{"html": "x"}]})[:-3])
    with pytest.raises(DumpError, match="broke off after entry"):
        read_path(tmp_path / "a.json", name="commento")


def test_what_plugins_store_as_comments_is_skipped(tmp_path: Path) -> None:
    kinds = (
        "order_note",
        "action_log",
        "note",
        "webmention",
        "edd_payment_note",
        "like",
        "review",
        "comment",
        "",
    )
    comments = "".join(
        exports._wp_comment(i, "Well done.", kind=kind) for i, kind in enumerate(kinds, start=1)
    )
    (tmp_path / "w.xml").write_text(exports._WORDPRESS.format(v="1.2", comments=comments))
    rows, skipped = read_path(tmp_path / "w.xml")
    assert [row.id for row in rows if isinstance(row, Record)] == ["7", "8", "9"]
    assert skipped == dict.fromkeys(kinds[:6], 1)


def test_an_older_comentario(tmp_path: Path) -> None:
    pytest.importorskip("ijson")
    nobody = "0" * 64
    comment = {"host": "news.example", "path": "/bridge", "commenterHex": nobody, "markdown": "Close it.",
               "commentHex": "a1", "parentHex": "root", "state": "approved"}  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps({"version": 1, "comments": [comment], "commenters": []}))
    row = read_path(tmp_path / "c.json")[0][0]
    assert isinstance(row, Record)
    assert row.article == Article(id=BRIDGE, url=BRIDGE)
    assert (row.author_id, row.author_name) == (None, None)


@pytest.mark.parametrize(
    "nobody", ["00000000-0000-0000-0000-000000000000", "0", "anonymous", "-1", "[deleted]"]
)
def test_a_placeholder_author_is_no_author(nobody: str) -> None:
    record = Columns().record({"text": "x", "author.id": nobody, "author.name": "Walker"}, row=1)
    assert (record.author_id, record.author_name) == (None, "Walker")
    assert Columns().record({"text": "x", "author": "Anonymous"}, row=1).author_name is None
