"""`--pseudonymize`: authors under names that only the holder of a key can trace.

    pseudonyms = Pseudonyms(KeyedHashes(Path("~/.local/share/parley/pseudonym-key").expanduser()))
    pseudonyms(record).author_id         # "5f2c09b1a4e7d380", the same for the same author in every dump

The author's id and name become keyed hashes (64 bits of HMAC-SHA256). The input's own columns about a person
(`email`, `ip_address`, `speaker`, ...) are dropped, and so is the content of rows that can't be scored. In
ids, addresses and all other columns, the name of the author (or of the parent's author), e-mail addresses,
and users in addresses (`/users/NAME`, `@NAME`) are replaced by their hash:
`https://lum.example/users/5f2c09b1a4e7d380/statuses/1`. The same id is replaced in the same way everywhere,
so replies still find their parents. The texts of comments and articles, and titles, are not searched for
names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from parley.model.comment import Article, Parent
from parley.service.dumps.reading.record import RawRow, Record
from parley.service.privacy import KeyedHashes

DIGITS = 16
_PERSONAL = re.compile(
    "account|acct|actor|addr|address|agent|attributed|author|avatar|bio|birthday|channel|commenter|"
    "contributor|cookie|creator|customer|device|did|dob|editor|email|fingerprint|gender|guest|guid|handle|"
    "homepage|ip|ipaddr|ipaddress|login|mail|member|mention|mentions|mobile|nick|owner|participant|person|phone|"
    "poster|profile|recipient|reporter|reviewer|sender|session|signature|speaker|tel|telephone|tripcode|ua|"
    r"uid|user|useragent|voters|website|writer|\w*name|"
    "(?:account|author|channel|commenter|creator|customer|member|owner|person|poster|sender|speaker|user|writer)"
    "(?:id|ids|s|key|uri|url)",
    re.IGNORECASE,
)
_AT_AN_END = re.compile("by|cc|from|to", re.IGNORECASE)
"""Words that mean a person only at an end of a name: `posted_by`, `from_id`, not `reply_to_number`."""
_RENAMED = ("author.id", "author.name")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_HASH = re.compile(rf"[0-9a-f]{{{DIGITS}}}")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_IN_ADDRESS = re.compile(
    r"(?P<before>(?:^|[/:.#?&=])(?:users?|u|profiles?|authors?|members?|accounts?|channel)[/=]|(?:^|/)u_|/[@~]"
    r"|(?:^|[/=])acct:|(?<![\w.])@)(?P<name>[^\s/?#&@]+)(?:@[\w.-]+)?",
    re.IGNORECASE,
)
_DID = re.compile(r"did:[a-z]+:[\w.:%-]+")
_JOINTS = ("-", "_", ".", "+", "%20", "")
"""What may stand for the space of a name in addresses."""
_SHORTEST = 2
"""The length of the shortest name that is searched for inside other values."""


class Pseudonyms:
    """Renames authors with one key. `dropped` collects dropped columns."""

    def __init__(self, hashes: KeyedHashes) -> None:
        self._hashes = hashes
        self.dropped: set[str] = set()

    @property
    def fingerprint(self) -> str:
        """Identifies the key without revealing it."""
        return self._name("parley: the key's fingerprint")

    def __call__(self, record: Record) -> Record:
        """The record with its author's names replaced. Raises StoreError if the key can't be used."""
        own = _called(value for value in (record.author_id, record.author_name) if value)
        personal = {name: value for name, value in record.extra.items() if self._is_personal(name)}
        own += [name for value in personal.values() for name in _called(_strings(value)) if name not in own]
        hidden = self._hider(own)
        parent, article = record.parent, record.article
        return replace(
            record,
            id=record.id and hidden(record.id),
            parent=parent and self._parent(parent, record.parent_author),
            article=article and self._article(article, hidden),
            author_id=record.author_id and self._name(record.author_id),
            author_name=record.author_name and self._name(record.author_name),
            parent_author=(),
            extra={
                name: self._searched(value, hidden)
                for name, value in record.extra.items()
                if name not in personal
            },
        )

    def columns(self, names: Iterable[str]) -> tuple[str, ...]:
        """The columns that stay."""
        return tuple(name for name in names if name in _RENAMED or not self._is_personal(name))

    @staticmethod
    def bad_row(row: RawRow) -> RawRow:
        """The row with only its place and problem."""
        return replace(row, raw=None)

    def _name(self, value: str) -> str:
        return self._hashes.author(value)[:DIGITS]

    def _parent(self, parent: Parent, author: Sequence[str]) -> Parent:
        return replace(parent, id=parent.id and self._hider(_called(author))(parent.id))

    def _article(self, article: Article, hidden: Callable[[str], str]) -> Article:
        return replace(article, id=article.id and hidden(article.id), url=article.url and hidden(article.url))

    def _hider(self, names: Sequence[str]) -> Callable[[str], str]:
        """A function that replaces these names, and other names of persons, in a value."""
        pattern = _pattern(tuple(names))

        def hidden(value: str) -> str:
            value = _MAIL.sub(lambda match: self._name(match[0]), value)
            value = _DID.sub(lambda match: self._name(match[0]), value)
            value = _IN_ADDRESS.sub(self._in_address, value)
            return pattern.sub(lambda match: self._name(match[0]), value) if pattern else value

        return hidden

    def _in_address(self, match: re.Match[str]) -> str:
        name = match["name"]
        return match["before"] + (name if _HASH.fullmatch(name) else self._name(name))

    def _searched(self, value: Any, hidden: Callable[[str], str]) -> Any:
        """Replace names in an input's own value, recursively."""
        if isinstance(value, str):
            return hidden(value)
        if isinstance(value, Mapping):
            return {
                hidden(str(name)): self._searched(inner, hidden)
                for name, inner in value.items()
                if not self._is_personal(str(name))
            }
        if isinstance(value, list | tuple):
            return [self._searched(inner, hidden) for inner in value]
        return value

    def _is_personal(self, name: str) -> bool:
        words = _WORD.findall(name)
        if not any(map(_PERSONAL.fullmatch, words)) and not any(
            map(_AT_AN_END.fullmatch, (*words[:1], *words[-1:]))
        ):
            return False
        self.dropped.add(name)
        return True


def _called(values: Iterable[str]) -> list[str]:
    """A person's names in ids and addresses, from the name in the dump: `https://lum.example/@vera` is also
    `vera`, and so is `vera@lum.example`."""
    names: dict[str, None] = {}
    for value in values:
        value = value.strip()
        names[value] = None
        last = value.rstrip("/").rpartition("/")[2]
        names[last.lstrip("@~").partition("@")[0]] = None
        if " " in value:
            names.update(
                dict.fromkeys(value.replace(" ", joint) for joint in ("-", "_", ".", "+", "%20", ""))
            )
    return [name for name in names if _SHORTEST <= len(name) < 200 and not name.isdecimal()]


@lru_cache(maxsize=1024)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str] | None:
    """A pattern for the names as whole words, ignoring case, longest first."""
    if not names:
        return None
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, longest_first))})(?![^\W_])", re.IGNORECASE)


def _strings(value: Any) -> list[str]:
    """The strings in a value, at any depth; long ones aren't names."""
    if isinstance(value, str):
        return [value] if len(value) < 100 else []
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [text for one in inner for text in _strings(one)]
