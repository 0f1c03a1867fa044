"""Reduces a comment to the plain text that a reader sees, with a map back to the text as sent.

    plain = plain_text("You <b>id&shy;iot</b>!", "html")
    plain.text                      'You idiot!'
    plain.original_span(4, 9)       (7, 17): the place of "idiot" in the text as sent

    Every text passes through here once, in any format: in training, evaluation, REST and dumps.

    html       tags are dropped (block tags become line breaks), entities resolved, and scripts, styles and
               comments dropped. A tag or comment that is never closed stays as text: in doubt, score more
               text.
    markdown   marks are dropped, links and images reduced to their words, code is kept, HTML reduced as
    above. all        text reversed by an override (U+202E) is put in the order shown; control characters
    become
               spaces, lone surrogates U+FFFD; zero-width and direction marks are dropped (joiners stay where
               they build emoji or letters of scripts that need them); disguised letters (full-width,
               mathematical, circled, squared, ligatures; Greek, Cyrillic or Armenian letters next to Latin
               ones, some symbols and pictures between Latin ones) become the letters that they look like.

Quotes (`<blockquote>`, `>`) are kept: everybody reads them under the commenter's name, and they would be the
easiest place to hide abuse. Everything runs in linear time, so 1 MB of `<` is no worse than 1 MB of words.
That is why the standard library's HTML parser isn't used: it is quadratic on such input in patch releases
still in use.
"""

from __future__ import annotations

import html
import re
import unicodedata
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cache
from itertools import accumulate, chain
from typing import Any

import pyromark

from parley.model.comment import TextFormat
from parley.model.errors import CommentError

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_JOINERS = "\u200c\u200d"
_LIGATURES = "\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06"
_ZERO_WIDTH = (
    *(0xAD, 0x34F, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, 0x20E3, 0xFE0E, 0xFE0F, 0xFEFF),
    *chain(range(0x202A, 0x202F), range(0x2060, 0x2065), range(0x2066, 0x2070)),
)
_DISGUISES = tuple(
    chain(
        range(0xA0, 0x3300),
        range(0xFB00, 0xFB07),
        range(0xFE50, 0xFFF0),
        range(0x1D400, 0x1D800),
        range(0x1F100, 0x1F1AD),
    )
)
"""Blocks of characters that are variants of ASCII ones."""

_PICTURED = re.compile("(?:NEGATIVE (?:CIRCLED|SQUARED)(?: LATIN CAPITAL LETTER)?|SQUARED) ([A-Z]{1,4})")
"""Unicode names, from _PICTURES on, of letters in dark circles and squares, and words in squares ("OK")."""
_PICTURES = "\U0001f100"
_ALIKE = str.maketrans(
    "асеіјорѕхуёԁһԛԝгкмптӏѵАВСЕНІЈКМОРЅТХУοανικρτυχηγωεσςϲϳΑΒΕΖΗΙΚΜΝΟΡΤΥΧօոռսհցզյքլաետէիւӀՕՏՍԼՈՀեɑɡıɩʟɴʀʏ",
    "aceijopsxyedhqwrkmntlvABCEHIJKMOPSTXYoavikptuxnyweoscjABEZHIKMNOPTYXonnuhgqjplwemtiiIOSULNHeagiilnry",
)
_LOOKALIKES = re.compile("[{}]++".format("".join(map(chr, _ALIKE))))
"""Look-alikes from other scripts. Next to a Latin letter they are not normal spelling but a common disguise.
The neighbours are checked outside the pattern, which would look for them again from each letter of a run.
"""
_SIGNS = str.maketrans("©®€£¢¥§¡✝✌⭕❗\U0001f319", "creecysitvoic")
_BETWEEN_LATIN = re.compile("(?<=[a-zA-Z])[{}]++(?=[a-zA-Z])".format("".join(map(chr, _SIGNS))))
"""Symbols and pictures in place of a letter."""

_REVERSING = "\u202e"
_REVERSED = re.compile("\u202e([^\u202c\n]*+)\u202c?")
"""An override up to its closing mark or the end of the line."""

_HIDDEN = re.compile(r"<!--|<(?:script|style)\b", re.IGNORECASE)
_CLOSERS = {
    "<!--": re.compile("-->"),
    "<script": re.compile("</script[^<>]*>", re.IGNORECASE),
    "<style": re.compile("</style[^<>]*>", re.IGNORECASE),
}
# A tag never spans a "<", not even in quotes: that is what keeps the search linear.
_MARKUP = re.compile(
    r"""<(?:/?(?P<tag>[a-zA-Z][a-zA-Z0-9:-]*+)(?:[^<>=]|=\s*+(?:"[^"<]*+"|'[^'<]*+')?)*+|[!?][^<>]*+)>"""
    r"|&(?:\#[0-9]{1,7}|\#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});?"
)
_BLOCKS = frozenset(
    (  # noqa: SIM905
        "address article aside blockquote br center dd details div dl dt fieldset figcaption figure footer "
        "form h1 h2 h3 h4 h5 h6 header hr li main nav ol option p pre section summary table tbody td tfoot "
        "th thead tr ul"
    ).split()
)
_MARKDOWN_OPTIONS = pyromark.Options.ENABLE_STRIKETHROUGH | pyromark.Options.ENABLE_TABLES
_MARKDOWN_INLINE = frozenset(("Emphasis", "Strong", "Strikethrough", "Link", "Image"))


class PlainText:
    """The plain `text` of a comment, and where each part of it is in the text as sent."""

    __slots__ = ("_length", "_maps", "text")

    def __init__(self, text: str, length: int, maps: tuple[Runs, ...]) -> None:
        self.text = text
        self._length = length
        self._maps = maps

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Map code points [start, end) of `text` to the text as sent, including marks in between.

        Raises ValueError unless 0 <= start <= end <= len(text).
        """
        if not 0 <= start <= end <= len(self.text):
            raise ValueError(f"span ({start}, {end}) is outside the text, 0 to {len(self.text)}")
        if not self.text:
            return 0, self._length
        for runs in self._maps:
            start, end = runs.back(start, end)
        return start, end


class Runs:
    """A text under construction, of parts that are copied from a source or replace a part of it.

    `put` the parts in order; then `text()` is the result, and `back(start, end)` maps a span of it to the
    source.
    """

    __slots__ = ("_ends", "_outs", "_parts", "_starts", "length", "tail")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._outs, self._starts, self._ends = array("q"), array("q"), array("q")
        self.length = 0
        self.tail = ""

    def put(self, text: str, start: int, end: int) -> None:
        """Append `text` for source[start:end]; it maps character by character if the lengths are equal."""
        if not text:
            return
        same_length = len(text) == end - start
        if same_length and self._ends and self._ends[-1] == start and self._one_to_one(len(self._outs) - 1):
            self._ends[-1] = end
        else:
            self._outs.append(self.length)
            self._starts.append(start)
            self._ends.append(end)
        self._parts.append(text)
        self.length += len(text)
        self.tail = text[-1]

    def line_break(self, start: int, end: int) -> None:
        """Append a line break for the mark at source[start:end], unless a line has just started."""
        if self.tail not in ("", "\n"):
            self.put("\n", start, end)

    def text(self) -> str:
        """The text so far."""
        return "".join(self._parts)

    def back(self, start: int, end: int) -> tuple[int, int]:
        """Map a span of the finished text to the source; an empty span maps to a position."""
        left = self._place(min(start, self.length - 1))
        if start == end:
            edge = left[0] if start < self.length else left[1]
            return edge, edge
        return left[0], self._place(end - 1)[1]

    def _place(self, at: int) -> tuple[int, int]:
        run = bisect_right(self._outs, at) - 1
        if self._one_to_one(run):
            start = self._starts[run] + at - self._outs[run]
            return start, start + 1
        return self._starts[run], self._ends[run]

    def _one_to_one(self, run: int) -> bool:
        out_end = self._outs[run + 1] if run + 1 < len(self._outs) else self.length
        return out_end - self._outs[run] == self._ends[run] - self._starts[run]


def plain_text(text: str, format: TextFormat = "plain") -> PlainText:
    """Reduce `text`, marked up as `format`, to plain text. Accepts any Unicode.

    Raises CommentError for an unknown format.
    """
    if format not in _READERS:
        raise CommentError(f"format {format!r} is unknown: give plain, html or markdown")
    source = _CONTROL.sub(" ", _SURROGATE.sub("\ufffd", text))
    maps: tuple[Runs, ...] = ()
    reader = _READERS[format]
    if reader is not None:
        reduced = Runs()
        reader(reduced, source)
        source, maps = reduced.text(), (reduced,)
    if _REVERSING in source:
        reduced = Runs()
        _put_as_shown(reduced, source)
        source, maps = reduced.text(), (reduced, *maps)
    if not source.isascii():
        reduced = Runs()
        _put_normalised(reduced, source)
        source = _LOOKALIKES.sub(_latin_amid_latin, reduced.text())
        source = _BETWEEN_LATIN.sub(lambda match: match.group().translate(_SIGNS), source)
        maps = (reduced, *maps)
    return PlainText(source, len(text), maps)


def _put_html(out: Runs, source: str, start: int = 0, end: int | None = None) -> None:
    end = len(source) if end is None else end
    for hidden_start, hidden_end in (*_hidden(source, start, end), (end, end)):
        for match in _MARKUP.finditer(source, start, hidden_start):
            out.put(source[start : match.start()], start, match.start())
            start = match.end()
            if match.group().startswith("&"):
                out.put(html.unescape(match.group()), match.start(), start)
            elif (match["tag"] or "").lower() in _BLOCKS:
                out.line_break(match.start(), start)
        out.put(source[start:hidden_start], start, hidden_start)
        start = hidden_end


def _hidden(source: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The places of comments, scripts and styles that are closed."""
    unclosed = set()  # kinds with no closing mark ahead, so that none is searched for twice
    while match := _HIDDEN.search(source, start, end):
        start = match.end()
        opener = match.group().lower()
        closer = None if opener in unclosed else _CLOSERS[opener].search(source, start, end)
        if closer is None:
            unclosed.add(opener)
        else:
            start = closer.end()
            yield match.start(), start


def _put_markdown(out: Runs, source: str) -> None:
    # pyromark counts in bytes of UTF-8; chars[b] is the index of the character at byte b.
    chars: range | list[int] = range(len(source) + 1)
    if not source.isascii():
        chars = list(accumulate((byte & 0xC0 != 0x80 for byte in source.encode()), initial=0))
    events: Iterator[tuple[Any, Any]] = pyromark.events_with_range(source, options=_MARKDOWN_OPTIONS)
    for event, place in events:
        _put_event(out, source, event, chars[place["start"]], chars[place["end"]])


def _put_event(out: Runs, source: str, event: Any, start: int, end: int) -> None:
    """Put what a pyromark event for `source[start:end]` shows of the text."""
    match event:
        case {"Text": text}:
            if start < end:  # an empty range is part of a tab that the parser split into blanks
                out.put(text, start, end)
        case {"Code": text}:
            inside = source.find(text, start, end)
            out.put(text, *((start, end) if inside < 0 else (inside, inside + len(text))))
        case {"Start": "HtmlBlock"}:
            out.line_break(start, start)
            _put_html(out, source, start, end)
        case {"InlineHtml": _}:
            _put_html(out, source, start, end)
        case "SoftBreak" | "HardBreak":
            out.line_break(start, end)
        case {"Start": tag}:
            if (tag if isinstance(tag, str) else next(iter(tag))) not in _MARKDOWN_INLINE:
                out.line_break(start, start)


def _put_as_shown(out: Runs, source: str) -> None:
    """Put text reversed by an override in the order that a reader sees; a span in it covers all of it."""
    start = 0
    for match in _REVERSED.finditer(source):
        out.put(source[start : match.start()], start, match.start())
        start = match.end()
        out.put(match[1].replace(_REVERSING, "")[::-1], match.start(), start)
    out.put(source[start:], start, len(source))


def _put_normalised(out: Runs, source: str) -> None:
    odd, shown = _odd_characters()
    start = 0
    for match in odd.finditer(source):
        out.put(source[start : match.start()], start, match.start())
        start = match.end()
        for at, char in enumerate(match.group(), match.start()):
            if char in _JOINERS:
                char = char if _joins(source, at) else ""
            out.put(shown.get(char, char), at, at + 1)
    out.put(source[start:], start, len(source))


@cache
def _odd_characters() -> tuple[re.Pattern[str], dict[str, str]]:
    """The pattern of characters that normalisation changes, and each one's replacement: nothing, or ASCII."""
    shown = dict.fromkeys(map(chr, _ZERO_WIDTH), "") | {"\U0001f4b2": "$"}
    for char in map(chr, _DISGUISES):
        plain = unicodedata.normalize("NFKC", char)
        if plain != char and plain.isascii() and (len(plain) == 1 or char in _LIGATURES):
            shown[char] = plain
        elif char >= _PICTURES and (pictured := _PICTURED.fullmatch(unicodedata.name(char, ""))):
            shown[char] = pictured[1]
    # Ranges for the upper planes: `re` looks up single characters fast only below U+10000.
    low = re.escape("".join(char for char in shown if char < "\U00010000"))
    return re.compile(f"[{_JOINERS}{low}\U0001d400-\U0001d7ff\U0001f100-\U0001f1ac\U0001f4b2]+"), shown


def _latin_amid_latin(match: re.Match[str]) -> str:
    """A run of look-alikes as Latin letters if it touches a Latin letter, otherwise unchanged."""
    start, end = match.span()
    neighbours = match.string[max(start - 1, 0) : start] + match.string[end : end + 1]
    amid_latin = any(char.isascii() and char.isalpha() for char in neighbours)
    return match.group().translate(_ALIKE) if amid_latin else match.group()


def _joins(source: str, at: int) -> bool:
    """Whether the joiner at `at` is between two emoji, or between letters of a script that needs it."""
    before, after = source[at - 1 : at], source[at + 1 : at + 2]
    return all(char > "\u024f" and char not in _JOINERS for char in (before, after))


_READERS: dict[str, Callable[[Runs, str], None] | None] = {
    "plain": None,
    "html": _put_html,
    "markdown": _put_markdown,
}
