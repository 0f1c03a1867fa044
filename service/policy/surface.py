"""Surface facts of a comment, which need no model: capitals, links, repeats, length, words of a list.

    Surface("BUY NOW at www.example.com").capitals(min_letters=5)    # 0.28
    Surface("BUY NOW at www.example.com").links()                    # 1

Every fact takes linear time and works for any Unicode text, including lone surrogates and NUL.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import cache, cached_property
from html import unescape
from itertools import groupby

from parley.model.comment import Comment
from parley.model.text.plain import plain_text
from parley.service.policy.links import Link, find_links

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_PIECE = re.compile(r"\S{1,2000}\s*|\s+")
"""Characters normalised per call: one call for a long text would block all other threads."""
_MOST_MARKS = 30
"""The longest run of combining marks that is kept, as in Unicode's stream-safe format: normalisation takes
quadratic time to sort them.
"""


def fold(text: str) -> str:
    """Normalise `text` for comparing words: compatibility forms, case, apostrophes."""
    if not text.isascii():
        pieces = _PIECE.findall(_endless_marks().sub(r"\1", text))
        text = "".join(unicodedata.normalize("NFKC", piece) for piece in pieces)
    return text.casefold().replace("’", "'")


@cache
def _endless_marks() -> re.Pattern[str]:
    marks = [code for code in range(0x300, 0x20000) if _is_mark(chr(code))]
    # As ranges, because `re` looks up single characters quickly only below U+10000.
    runs = [[code for _, code in run] for _, run in groupby(enumerate(marks), lambda pair: pair[1] - pair[0])]
    some = "".join(f"{chr(run[0])}-{chr(run[-1])}" for run in runs)
    return re.compile(f"([{some}]{{{_MOST_MARKS}}})[{some}]+")


def _is_mark(char: str) -> bool:
    """Whether `char` combines with the character before it, or decomposes into such."""
    return any(map(unicodedata.combining, unicodedata.normalize("NFKD", char)[:1]))


class Surface:
    """The facts of one plain text, each computed on first use."""

    def __init__(self, text: str, *, source: str = "") -> None:
        """`source` is the text with its markup, which may have links that readers don't see."""
        self.text = text
        self._source = source

    @classmethod
    def of(cls, comment: Comment) -> Surface:
        """The facts of the comment as its readers see it, and of the addresses behind its links."""
        plain = plain_text(comment.text, comment.format).text
        return cls(plain, source="" if comment.format == "plain" else unescape(comment.text))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The text's words, normalised."""
        return tuple(match.group() for match in _WORD.finditer(fold(self.text)))

    def capitals(self, *, min_letters: int) -> float | None:
        """Share of capitals among cased letters, in [0, 1]; None if there are fewer than `min_letters`.

        Letters in links don't count.
        """
        starts = [0, *(link.end for link in self._links)]
        ends = [*(link.start for link in self._links), len(self.text)]
        text = "".join(self.text[start:end] for start, end in zip(starts, ends, strict=True))
        upper = sum(map(str.isupper, text))
        cased = upper + sum(map(str.islower, text))
        return upper / cased if cased >= max(min_letters, 1) else None

    def links(self, *, ignore_hosts: Collection[str] = ()) -> int:
        """Number of web links; those to `ignore_hosts` and their subdomains don't count."""
        seen = {link.url for link in self._links}
        hidden = {link.url: link for link in find_links(self._source) if link.url not in seen}
        return sum(not _is_under(link.host, ignore_hosts) for link in (*self._links, *hidden.values()))

    @cached_property
    def repeated_characters(self) -> int:
        """Length of the longest run of one character, white space aside ("nooooo" has 5)."""
        return max((len(list(run)) for char, run in groupby(self.text) if not char.isspace()), default=0)

    @cached_property
    def repeated_words(self) -> int:
        """Length of the longest run of one word ("buy buy buy" has 3)."""
        return max((len(list(run)) for _, run in groupby(self.words)), default=0)

    @property
    def characters(self) -> int:
        """Length in characters (code points), white space at the ends aside."""
        return len(self.text.strip())

    def matches(self, word_list: WordList) -> list[str]:
        """The entries of `word_list` that occur in the text as whole words, in order."""
        return list(word_list.find(self.words))

    @cached_property
    def _links(self) -> list[Link]:
        return find_links(self.text)


def _is_under(host: str, domains: Collection[str]) -> bool:
    return any(host == domain or host.endswith("." + domain) for domain in domains)


class WordList:
    """Words and phrases that match whole words only: "ass" is not in "class", nor "shit" in "Shital"."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Raises ValueError for an entry without a letter or a digit, which could never match."""
        self._entries = {tuple(_WORD.findall(fold(entry))): entry for entry in entries}
        if () in self._entries:
            raise ValueError(f"{self._entries[()]!r} has no letter or digit: list only words and phrases")
        self._lengths = sorted({len(words) for words in self._entries}, reverse=True)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, words: tuple[str, ...]) -> Iterator[str]:
        """The entries in normalised `words`; at each place the longest matches."""
        for start in range(len(words)):
            for length in self._lengths:
                entry = self._entries.get(words[start : start + length])
                if entry is not None:
                    yield entry
                    break
