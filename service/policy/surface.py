"""Surface facts of a comment, those that need no model: capitals, links, repeats, length, words of a list.

    Surface("BUY NOW at www.example.com").capitals(min_letters=5)    # 0.28
    Surface("BUY NOW at www.example.com").links()                    # 1

Every fact takes time linear in the text and holds for any Unicode text, lone surrogates and NUL included.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from html import unescape
from itertools import groupby
from urllib.parse import urlsplit

from linkify_it import LinkifyIt
from linkify_it.main import Match

from parley.model.comment import Comment
from parley.model.text.plain import plain_text

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_LINKS = LinkifyIt(options={"fuzzy_link": True, "fuzzy_email": False, "fuzzy_ip": False})


def fold(text: str) -> str:
    """`text` as words are compared: compatibility forms unified, case folded, one apostrophe."""
    return unicodedata.normalize("NFKC", text).casefold().replace("’", "'")


class Surface:
    """The facts of one plain text, each computed when first asked for."""

    def __init__(self, text: str, *, source: str = "") -> None:
        """`source` is the text with its markup, where links may stand that its reader doesn't see."""
        self.text = text
        self._source = source

    @classmethod
    def of(cls, comment: Comment) -> Surface:
        """The facts of what the comment's reader sees, and of the addresses behind its links."""
        plain = plain_text(comment.text, comment.format).text
        return cls(plain, source="" if comment.format == "plain" else unescape(comment.text))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The text's words, folded."""
        return tuple(_WORD.findall(fold(self.text)))

    def capitals(self, *, min_letters: int) -> float | None:
        """Share of capitals among the letters that have case, in [0, 1]; None below `min_letters` of them.

        Letters inside links don't count: nobody shouts in an address.
        """
        starts = [0, *(link.last_index for link in self._links)]
        ends = [*(link.index for link in self._links), len(self.text)]
        text = "".join(self.text[start:end] for start, end in zip(starts, ends, strict=True))
        upper = sum(map(str.isupper, text))
        cased = upper + sum(map(str.islower, text))
        return upper / cased if cased >= max(min_letters, 1) else None

    def links(self, *, ignore_hosts: Collection[str] = ()) -> int:
        """Number of web links; those to `ignore_hosts` and their subdomains don't count."""
        seen = [str(link.url) for link in self._links]
        hidden = {str(link.url) for link in _find_links(self._source)}.difference(seen)
        return sum(not _is_under(_host(url), ignore_hosts) for url in (*seen, *hidden))

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
        """The entries of `word_list` that stand in the text as whole words, in order of appearance."""
        return list(word_list.find(self.words))

    @cached_property
    def _links(self) -> list[Match]:
        return _find_links(self.text)


def _find_links(text: str) -> list[Match]:
    return [link for link in _LINKS.match(text) or [] if _is_link(link)]


def _is_link(link: Match) -> bool:
    """False for mail addresses and for a missing space after a full stop ("ok.so", "true.It")."""
    if link.schema:
        return str(link.schema) != "mailto:"
    host, _, path = str(link.raw).partition("/")
    return path != "" or len(host.rpartition(".")[2]) > 2


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:  # brackets that are no IPv6 address: still a link, of no known host
        return ""


def _is_under(host: str, domains: Collection[str]) -> bool:
    return any(host == domain or host.endswith("." + domain) for domain in domains)


class WordList:
    """Words and phrases that match whole words only: "ass" is not in "class", nor "shit" in "Shital"."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Raises ValueError for an entry without a letter or a digit, which could never match."""
        self._entries = {tuple(_WORD.findall(fold(entry))): entry for entry in entries}
        if () in self._entries:
            raise ValueError(f"{self._entries[()]!r} has no letter or digit: list words and phrases")
        self._lengths = sorted({len(words) for words in self._entries}, reverse=True)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, words: tuple[str, ...]) -> Iterator[str]:
        """The entries met in folded `words`, the longest first at each place."""
        for start in range(len(words)):
            for length in self._lengths:
                entry = self._entries.get(words[start : start + length])
                if entry is not None:
                    yield entry
                    break
