"""The plain text of an article's web page with its comments, as copied from a browser.

    News / Region                          breadcrumb, navigation and by-lines: skipped
    Bridge over the Lum to Close           the first headline is the title
    The council voted ...                  the paragraphs up to the comments are the article
    by: Anna from: Lower Lum               a comment starts with its author and place
    March 31, 2014 12:51 PM                then the time (without a zone: taken as UTC)
    Close it, then.
    In Response                            the comment below answers the last one that isn't a reply
    by: Ben

A page repeats headlines, advertises videos and ends in boilerplate, and plain text doesn't say which line is
which. So paragraphs are recognised by their shape (length, closing punctuation) and by the headings that such
pages use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from parley.model.comment import Article, Parent
from parley.service.dumps.formats.reply_tree import Index
from parley.service.dumps.reading.record import EMPTY_TEXT, Columns, RawRow, Record
from parley.service.dumps.reading.source import Source
from parley.service.dumps.reading.times import to_utc
from parley.service.errors import DumpError, NothingToScore

MAX_PAGE = 64 * 2**20
_BY = "by:"
_FROM = re.compile(r"\bfrom:")
_ANSWER = "in response"
_BREADCRUMB = re.compile(r"\s[/>»|›]\s")
_SENTENCE_END = re.compile(r"[.!?…:;][\"'”’)\]]*$")
_CREDIT = re.compile(r"[©]|^(photo|image|video|source|credit)s?:", re.IGNORECASE)
_DATES = (
    "%B %d, %Y %I:%M %p",
    "%b %d, %Y %I:%M %p",
    "%B %d, %Y at %I:%M %p",
    "%B %d, %Y",
    "%d %B %Y %H:%M",
    "%d %B %Y, %H:%M",
    "%d %B %Y",
    "%d.%m.%Y %H:%M",
)
_NAVIGATION = (
    "skip to",
    "accessibility links",
    "breaking news",
    "advertis",
    "sign in",
    "log in",
    "subscribe",
)
_AFTER_ARTICLE = (
    "you may like",
    "you may also like",
    "related",
    "more on this",
    "most popular",
    "most read",
    "recommended",
    "share this",
    "share :",
    "error rendering",
    "this forum has been closed",
    "comment sorting",
    "comments",
    "add a comment",
    "add your comment",
    "leave a comment",
    "join the conversation",
)
_AFTER_COMMENTS = (
    "featured",
    "you may like",
    "related",
    "more ",
    "most ",
    "load more",
    "show more",
    "comments page",
    "page ",
    "add a comment",
    "add your comment",
    "leave a comment",
    "this forum",
    "all about",
    "video",
    "copyright",
    "your javascript",
    "next",
    "sponsored",
    "advertis",
)


@dataclass(slots=True)
class _Header:
    """A comment's start: the indices of its `by:` line and of its first line of text."""

    at: int
    text_at: int
    name: str | None
    place: str | None
    date: str | None
    answer: bool


class PageReader:
    """The comments of one page, read at once: it is small. Ids are file name and position."""

    columns: tuple[str, ...] = (
        *("id", "parent.id", "parent.text", "article.title"),
        *("author.name", "author.place", "created_at", "text"),
    )

    def __init__(self, source: Source, columns: Columns) -> None:
        columns.check_own(source.place)
        if columns.mapped:
            raise DumpError(f"{source.place} is read as an article's page: it has no columns to --map")
        self._source = source
        self._broken: DumpError | None = None
        self._lines = self._read()
        self._headers = _headers(self._lines)
        if not self._headers:
            raise NothingToScore(
                f"{source.place}: no comments found. On an article's page a comment starts with a line like "
                "'by: NAME from: PLACE' and its date below. If this is not such a page, give --format"
            )
        self.article = read_article(self._lines[: self._headers[0].at])

    @property
    def fraction(self) -> float:
        """1.0: the page is read at once."""
        return 1.0

    def __iter__(self) -> Iterator[Record | RawRow]:
        parent: Parent | None = None
        name = self._source.name.partition(".")[0]
        for number, (header, end) in enumerate(zip(self._headers, self._ends(), strict=True), start=1):
            body = self._lines[header.text_at : end]
            text = _last_text(body) if number == len(self._headers) else _joined(body)
            this = Parent(id=f"{name}-{number}", text=text)
            row = self._source.rows_before + number
            if text:
                yield self._record(header, this, parent if header.answer else None, row)
            else:
                raw = "\n".join(self._lines[header.at : end])
                yield RawRow(problem=EMPTY_TEXT, row=row, line=header.at + 1, raw=raw)
            if not header.answer:
                parent = this
        if self._broken is not None:
            raise self._broken

    def rows(self, index: Index) -> Iterator[Record | RawRow]:
        """The rows; parents are on the same page."""
        return iter(self)

    def _record(self, header: _Header, this: Parent, parent: Parent | None, row: int) -> Record:
        extra = {} if header.place is None else {"author.place": header.place}
        return Record(
            text=this.text or "",
            row=row,
            line=header.at + 1,
            id=this.id,
            parent=parent,
            article=self.article,
            author_name=header.name,
            created_at=_date(header.date) if header.date else None,
            extra=extra,
        )

    def _ends(self) -> list[int]:
        """For each comment the index of the line after its end."""
        return [*(_start(self._lines, header.at) for header in self._headers[1:]), len(self._lines)]

    def _read(self) -> list[str]:
        lines, size = [], 0
        try:
            for _, line in self._source.lines():
                size += len(line)
                lines.append(line.strip("\r\n").replace("\xa0", " ").rstrip())
                if size > MAX_PAGE:
                    break
        except DumpError as error:
            self._broken = error
        if size > MAX_PAGE:
            raise DumpError(f"{self._source.place} is too long for an article's page: give its --format")
        return lines


def looks_like_page(head: str) -> bool:
    """Whether a comment of a page starts in these first characters."""
    return bool(_headers(head.splitlines()))


def read_article(lines: Sequence[str]) -> Article:
    """The article above the comments: headline as title, paragraphs as text; None if missing."""
    title_at = next((i for i, line in enumerate(lines) if _is_headline(line)), -1)
    title = lines[title_at].strip() if title_at >= 0 else None
    paragraphs: dict[str, None] = {}
    for line in lines[title_at + 1 :]:
        if _starts(line, _AFTER_ARTICLE) and not _is_paragraph(line, words=12):
            break
        if _is_paragraph(line):
            paragraphs[line.strip()] = None
    return Article(title=title, text="\n\n".join(paragraphs) or None)


def _headers(lines: Sequence[str]) -> list[_Header]:
    headers = []
    for at, line in enumerate(lines):
        line = line.strip()
        if not line.startswith(_BY):
            continue
        name, place = _who(line.removeprefix(_BY))
        below = _next_filled(lines, at + 1)
        date = lines[below].strip() if below is not None and _date(lines[below]) else None
        if date is None and place is None:
            continue  # a by-line of the article, or a line of prose
        text_at = below + 1 if date is not None and below is not None else at + 1
        answer = _start(lines, at) < at
        headers.append(_Header(at, text_at, name or None, place or None, date, answer))
    return headers


def _who(line: str) -> tuple[str, str | None]:
    """Name and place in "NAME from: PLACE"; the place is None if missing."""
    match = _FROM.search(line)
    if match is None:
        return line.strip(), None
    return line[: match.start()].strip(), line[match.end() :].strip()


def _start(lines: Sequence[str], at: int) -> int:
    """The first line of the comment whose `by:` line is at `at`: that, or the `In Response` above it."""
    above = next((i for i in range(at - 1, -1, -1) if lines[i].strip()), None)
    return above if above is not None and lines[above].strip().lower() == _ANSWER else at


def _last_text(body: Sequence[str]) -> str:
    """The last comment's text: the page doesn't mark its end, so a heading or two empty lines do."""
    kept: list[str] = []
    for i, line in enumerate(body):
        after_gap = bool(kept) and i > 0 and not body[i - 1].strip()
        if kept and not line.strip() and after_gap:
            break
        if after_gap and (_starts(line, _AFTER_COMMENTS) or not _is_paragraph(line, words=4)):
            break
        if kept or line.strip():
            kept.append(line)
    return _joined(kept)


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(line.strip() for line in lines).strip()


def _is_headline(line: str) -> bool:
    words = line.split()
    furniture = _BREADCRUMB.search(line) or _starts(line, _NAVIGATION) or _date(line)
    return len(words) >= 3 and not furniture


def _is_paragraph(line: str, *, words: int = 6) -> bool:
    """Prose: some words and closing punctuation. Headlines, names, dates and buttons have none."""
    line = line.strip()
    return len(line.split()) >= words and bool(_SENTENCE_END.search(line)) and not _CREDIT.search(line)


def _starts(line: str, beginnings: tuple[str, ...]) -> bool:
    return line.strip().lower().startswith(beginnings)


def _next_filled(lines: Sequence[str], start: int) -> int | None:
    return next((i for i in range(start, len(lines)) if lines[i].strip()), None)


def _date(line: str) -> datetime | None:
    line = " ".join(line.split())
    if not any(c.isdigit() for c in line) or len(line) > 40:
        return None
    for form in _DATES:
        try:
            return datetime.strptime(line, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return to_utc(line) if "-" in line else None
