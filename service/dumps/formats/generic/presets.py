"""CSV files with known headers: research corpora and forums' archives, as downloaded.

A `Preset` says which column holds which field, as `--map` would, and how to finish a row.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace

from parley.model.comment import Article, Parent, TextFormat
from parley.service.dumps.formats.generic.csv_file import CsvReader, Row, checked_rows, delimiter, header_line
from parley.service.dumps.formats.native import words
from parley.service.dumps.formats.reply_tree import Index, Joined, placeholder
from parley.service.dumps.reading.names import FIELDS, own_name
from parley.service.dumps.reading.record import Columns, RawRow, Record
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError

_TOPIC = re.compile(r"^(?P<topic>.*/t/(?:[^/]*/)?(?P<id>\d+))/(?P<number>\d+)/?$")
_SUBMISSION = re.compile(r"/comments/([0-9a-z]+)")
_NO_COLUMN = "\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A CSV format: the columns that only it `has`, and the columns of its fields.

    `renamed` are its own columns with better names. `finish` changes or skips a record. `articles` are names
    of the articles' file beside it, and `article` maps that file's columns.
    """

    has: frozenset[str]
    columns: Mapping[str, str]
    format: TextFormat = "plain"
    renamed: Mapping[str, str] = field(default_factory=dict)
    finish: Callable[[Record], Record | RawRow] = lambda record: record
    articles: tuple[str, ...] = ()
    article: Mapping[str, str] = field(default_factory=dict)

    def looks(self, head: str) -> bool:
        """Whether the first row is this format's header."""
        return self.has <= set(header(head))


class PresetReader:
    """The records of a CSV file read with its `Preset`, joined."""

    def __init__(self, source: Source, columns: Columns, preset: Preset) -> None:
        self._source, self._preset = source, preset
        self._joined: Joined | None = None
        columns.check_own(source.place)
        there = header(source.head_text)
        chosen = {name: _first_of(column, there) for name, column in preset.columns.items()}
        self._reader = CsvReader(source, _PresetColumns({**chosen, **columns.mapped}))
        better = {own_name(name): new for name, new in preset.renamed.items()}
        known = [better.get(name, name) for name in self._reader.columns]
        added = ("id", "parent.id", "parent.text", "article.id", "article.url", "article.title", "format")
        self.columns = (*known, *(name for name in added if name not in known))

    @property
    def fraction(self) -> float:
        """How much of the input has been read, in [0, 1]."""
        return self._reader.fraction * (self._joined.share if self._joined else 1.0)

    def __iter__(self) -> Iterator[Record | RawRow]:
        source = self._source
        with closing(Index()) as index:
            self._joined = Joined(self.rows(index), index, skipped=source.skipped, read_ahead=source.ends)
            yield from self._joined

    def rows(self, index: Index) -> Iterator[Record | RawRow]:
        """The unjoined rows, for an `Index` shared by several files."""
        self._add_articles(index)
        return self._rows()

    def _rows(self) -> Iterator[Record | RawRow]:
        for row in self._reader:
            if isinstance(row, RawRow):
                yield row
            elif (gone := placeholder(row.text)) is not None:
                yield RawRow(skip=gone, values={"id": row.id})
            else:
                yield self._preset.finish(self._own(row))

    def _own(self, row: Record) -> Record:
        renamed = self._preset.renamed
        extra = {renamed.get(name, name): value for name, value in row.extra.items()}
        return replace(row, format=self._preset.format, extra=extra)

    def _add_articles(self, index: Index) -> None:
        given, preset = self._source.articles, self._preset
        beside = Source(given) if given else self._source.beside(*preset.articles)
        if beside is None or not preset.article:
            return
        try:
            with closing(beside):
                self._add_rows(checked_rows(beside), index)
        except DumpError as error:
            self._source.remarks.append(str(error))

    def _add_rows(self, rows: Iterator[Row], index: Index) -> None:
        first = next(rows, None)
        names = first.cells if first else []
        for row in rows:
            values = dict(zip(names, row.cells, strict=False))
            held = {name: values.get(column) or None for name, column in self._preset.article.items()}
            if held["id"] is not None:
                text = words(held.get("text"))
                index.add_article(held["id"], url=held.get("url"), title=words(held.get("title")), text=text)


class _PresetColumns(Columns):
    """Optional columns: formats change between versions."""

    def check(self, names: object, *, place: str) -> None:
        self.unseen.clear()


def _first_of(column: str, there: Collection[str]) -> str:
    """The first of `a|b` that the file has: a corpus and its annotated part have different names."""
    return next((name for name in column.split("|") if name in there), column)


def header(head: str) -> list[str]:
    """The cells of the first row."""
    try:
        return next(csv.reader([header_line(head)], delimiter=delimiter(head)), [])
    except csv.Error:
        return []


def _civil(record: Record) -> Record:
    """pandas writes a column of numbers with gaps as `123.0`."""
    parent = record.parent
    if parent is None or parent.id is None:
        return record
    return replace(record, parent=Parent(id=parent.id.removesuffix(".0")))


def _socc(record: Record) -> Record:
    return replace(record, parent=None if record.parent == Parent(id="0") else record.parent)


def _discourse_archive(record: Record) -> Record | RawRow:
    """A post's address has its topic and number; its parent isn't stated."""
    extra = dict(record.extra)
    private = str(extra.pop("is_pm", "")).strip().lower()
    if private in ("yes", "true", "t", "1"):
        return RawRow(skip="a private message", values={"id": record.id})
    extra.pop("post_cooked", None)
    url = record.article.url if record.article else None
    match = _TOPIC.match(url or "")
    title = record.article.title if record.article else None
    article = Article(id=match["id"], url=match["topic"], title=title) if match else record.article
    id = f"{match['id']}/{match['number']}" if match else record.id
    return replace(record, id=id, article=article, extra=extra)


def _discourse_posts(record: Record) -> Record | RawRow:
    """Rows of the table `posts`: a reply names its parent's number in the topic."""
    extra = dict(record.extra)
    topic, number = (record.article.id if record.article else None), extra.pop("post_number", None)
    id = f"{topic}/{number}" if topic and number else record.id
    if extra.pop("deleted_at", None):
        return RawRow(skip="deleted", values={"id": id})
    extra.pop("cooked", None)
    parent = record.parent.id if record.parent else None
    return replace(record, id=id, parent=Parent(id=f"{topic}/{parent}") if parent else None, extra=extra)


def _takeout(record: Record) -> Record:
    """Join a comment's text, which comes in pieces as JSON objects."""
    article = record.article.id if record.article else None
    url = f"https://www.youtube.com/watch?v={article}" if article else None
    record = replace(record, article=Article(id=article, url=url) if article else None)
    try:
        pieces = json.loads(f"[{record.text}]")
    except ValueError:
        return record
    said = [piece.get("text") for piece in pieces if isinstance(piece, dict)]
    text = "".join(piece for piece in said if isinstance(piece, str))
    return replace(record, text=text) if text.strip() else record


def _reddit_own(record: Record) -> Record:
    """Ids as in Reddit's archives; the link has the submission's."""
    parent, link = record.parent and record.parent.id, record.article and record.article.url
    match = _SUBMISSION.search(link or "")
    article = Article(id=f"t3_{match[1]}" if match else None, url=link) if link else None
    extra = {name: value for name, value in record.extra.items() if name not in ("ip", "media", "gildings")}
    return replace(
        record,
        id=f"t1_{record.id}" if record.id else None,
        parent=Parent(id=f"t1_{parent}") if parent and f"/{parent}" not in (link or "") else None,
        article=article,
        extra=extra,
    )


def _unused(columns: Mapping[str, str]) -> dict[str, str]:
    """The mapping, with all other fields mapped to nothing."""
    return {name: columns.get(name, _NO_COLUMN) for name in FIELDS}


PRESETS: dict[str, Preset] = {
    "civil-comments": Preset(
        has=frozenset({"comment_text", "publication_id", "article_id", "parent_id"}),
        columns=_unused(
            {
                "id": "id",
                "text": "comment_text",
                "parent.id": "parent_id",
                "article.id": "article_id",
                "created_at": "created_date",
            }
        ),
        renamed={"target": "toxicity"},  # the share of raters who found it toxic, not the stance's target
        finish=_civil,
    ),
    "jigsaw": Preset(
        has=frozenset({"id", "comment_text", "severe_toxic", "identity_hate"}),
        columns=_unused({"id": "id", "text": "comment_text"}),
    ),
    "socc": Preset(
        has=frozenset({"comment_counter", "comment_text", "article_id"}),
        columns=_unused(
            {
                "id": "comment_id|comment_counter",
                "text": "comment_text",
                "parent.id": "parentID",
                "article.id": "article_id",
                "article.url": "globe_url|article_url",
                "article.title": "title",
                "author.name": "comment_author",
                "created_at": "post_time",
            }
        ),
        finish=_socc,
        articles=("gnm_articles.csv",),
        article={"id": "article_id", "url": "article_url", "title": "title", "text": "article_text"},
    ),
    "ynacc": Preset(
        has=frozenset({"commentid", "commentindex", "headline", "text"}),
        columns=_unused(
            {
                "id": "commentid",
                "text": "text",
                "parent.id": "parentid",
                "article.id": "url",
                "article.url": "url",
                "article.title": "headline",
                "author.id": "guid",
                "created_at": "timestamp",
            }
        ),
    ),
    "discourse": Preset(
        has=frozenset({"topic_title", "is_pm", "url", "post"}),
        columns=_unused(
            {"text": "post", "article.url": "url", "article.title": "topic_title", "created_at": "created_at"}
        ),
        format="markdown",
        finish=_discourse_archive,
    ),
    "discourse-raw": Preset(
        has=frozenset({"topic_title", "is_pm", "url", "post_raw"}),
        columns=_unused(
            {
                "text": "post_raw",
                "article.url": "url",
                "article.title": "topic_title",
                "created_at": "created_at",
            }
        ),
        format="markdown",
        finish=_discourse_archive,
    ),
    "discourse-posts": Preset(
        has=frozenset({"topic_id", "post_number", "raw"}),
        columns=_unused(
            {
                "id": "id",
                "text": "raw",
                "parent.id": "reply_to_post_number",
                "article.id": "topic_id",
                "article.title": "title",
                "author.id": "user_id",
                "author.name": "username",
                "created_at": "created_at",
            }
        ),
        format="markdown",
        finish=_discourse_posts,
    ),
    "youtube-takeout": Preset(
        has=frozenset({"Comment ID", "Channel ID", "Comment Text", "Video ID"}),
        columns=_unused(
            {
                "id": "Comment ID",
                "text": "Comment Text",
                "parent.id": "Parent Comment ID",
                "article.id": "Video ID",
                "author.id": "Channel ID",
                "created_at": "Comment Create Timestamp",
            }
        ),
        finish=_takeout,
    ),
    "reddit-own": Preset(
        has=frozenset({"id", "permalink", "subreddit", "link", "parent", "body"}),
        columns=_unused(
            {"id": "id", "text": "body", "parent.id": "parent", "article.url": "link", "created_at": "date"}
        ),
        format="markdown",
        finish=_reddit_own,
    ),
    "coral-user": Preset(
        has=frozenset({"Comment ID", "Article URL", "Comment Text"}),
        columns=_unused(
            {
                "id": "Comment ID",
                "text": "Comment Text",
                "article.id": "Article URL",
                "article.url": "Article URL",
                "created_at": "Published Timestamp",
            }
        ),
        format="html",
    ),
}
"""Every preset by its name for `--format`."""
