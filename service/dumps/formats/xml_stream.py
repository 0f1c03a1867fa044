"""XML as a stream: the requested elements, one after another, in constant memory.

Anything before the first `<?xml` or root element (a server's warnings, a stray character) is skipped, and so
is anything after the root's end. Entities declared by the document are refused: they can turn a small file
into a huge one. HTML's entities (`&nbsp;`), unknown to XML, stay as they are. Characters that XML forbids
become spaces, literal or as references (`&#8;`); an `&` or `<` that begins nothing stays.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import NoReturn
from xml.parsers import expat

from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError

MAX_ELEMENT = 16 * 2**20
"""The most characters in one element."""
MAX_TOKEN = 2**20
"""The most bytes in one tag, comment or instruction. Expat rescans an unfinished one with each chunk."""
MAX_DEPTH = 200
_FORBIDDEN = dict.fromkeys(chain(range(9), (11, 12), range(14, 32), range(55296, 57344), (65534, 65535)), " ")
_CDATA, _CDATA_END = "<![CDATA[", "]]>"
_BAD = re.compile(
    r"&#(?P<number>[0-9]{1,9}|x[0-9a-fA-F]{1,8});|&(?!#|[^\W\d][\w.:-]{0,60};)|&(?=#)|<(?![^\W\d]|[:/!?])"
)
"""Character references, and characters that begin neither a reference nor a tag."""
_LONGEST = 70
"""Characters that `_BAD` must see at once."""
_START = re.compile(r"<\?xml|<!DOCTYPE|<(?:rss|disqus|comments|feed)[\s>]")


@dataclass(slots=True)
class Node:
    """A requested element, complete: local names, attributes without their namespace."""

    tag: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    def find(self, tag: str) -> Node | None:
        """The first child of this name."""
        return next((child for child in self.children if child.tag == tag), None)

    def text(self, *path: str) -> str | None:
        """The text of the element at `path`, None if missing or empty."""
        node: Node | None = self
        for tag in path:
            node = node.find(tag) if node else None
        return ("".join(node.parts).strip() or None) if node else None

    def attribute(self, name: str, *path: str) -> str | None:
        """An attribute of the element at `path`."""
        node: Node | None = self
        for tag in path:
            node = node.find(tag) if node else None
        return node.attributes.get(name) if node else None


def read_nodes(
    source: Source, wanted: Collection[str], *, marks: Collection[str] = (), prefixes: Mapping[str, str]
) -> Iterator[Node]:
    """The elements with a tag in `wanted`, complete; those in `marks` at their start, without children.

    `prefixes` maps a namespace's address (or its ending) to the prefix of its names. Raises DumpError if it
    isn't XML.
    """
    builder = _Builder(source, wanted, marks, prefixes)
    for chunk in chain(repaired(_from_start(source.chunks())), [""]):
        broken = builder.feed(chunk, last=not chunk)
        yield from builder.done
        builder.done.clear()
        if broken is not None:
            raise broken
        if builder.closed:
            return


def _from_start(chunks: Iterator[str]) -> Iterator[str]:
    head = next(chunks, "")
    start = _START.search(head)
    before, after = (head[: start.start()], head[start.start() :]) if start else ("", head.lstrip())
    # A declaration must come first, so the lines before it are added after it.
    declared = re.match(r"<\?xml[^>]*\?>", after)
    end = declared.end() if declared else 0
    yield (after[:end] + "\n" * before.count("\n") + after[end:]).translate(_FORBIDDEN)
    for chunk in chunks:
        yield chunk.translate(_FORBIDDEN)


def repaired(chunks: Iterator[str]) -> Iterator[str]:
    """The chunks, with stray `&` and `<` outside CDATA escaped."""
    rest, in_cdata = "", False
    for chunk in chunks:
        text, done = rest + chunk, []
        while (end := text.find(_CDATA_END if in_cdata else _CDATA)) >= 0:
            end += len(_CDATA_END if in_cdata else _CDATA)
            done.append(text[:end] if in_cdata else _BAD.sub(_good, text[:end]))
            text, in_cdata = text[end:], not in_cdata
        # What may continue in the next chunk waits for it.
        keep = len(_CDATA_END) - 1 if in_cdata else _waiting(text)
        whole, rest = text[: len(text) - keep], text[len(text) - keep :]
        done.append(whole if in_cdata else _BAD.sub(_good, whole))
        if out := "".join(done):
            yield out
    if rest:
        yield rest if in_cdata else _BAD.sub(_good, rest)


def _waiting(text: str) -> int:
    """How many characters at the end of `text` may be the beginning of a reference, a tag or CDATA."""
    starts = [at for at in (text.rfind(mark, -_LONGEST) for mark in "&<") if at >= 0]
    return len(text) - min(starts) if starts else 0


def _good(match: re.Match[str]) -> str:
    number = match["number"]
    if number is None:
        return "&amp;" if match[0] == "&" else "&lt;"
    code = int(number[1:], 16) if number[0] in "xX" else int(number)
    return " " if code in _FORBIDDEN or code > 0x10FFFF else match[0]


class _Builder:
    """Builds the wanted nodes from the parser's calls; `done` are complete."""

    def __init__(
        self, source: Source, wanted: Collection[str], marks: Collection[str], prefixes: Mapping[str, str]
    ) -> None:
        self.done: list[Node] = []
        self.closed = False
        self._source, self._wanted, self._marks, self._prefixes = source, wanted, marks, prefixes
        self._open: list[Node] = []
        self._depth, self._size, self._fed = 0, 0, 0
        self._names: dict[str, str] = {}
        parser = self._parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.UseForeignDTD(True)  # so that an unknown entity is reported, not an error
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = self._refuse
        parser.SkippedEntityHandler = self._entity

    def feed(self, chunk: str, *, last: bool = False) -> DumpError | None:
        """Parse a chunk. Returns its problem: elements that end before it are done."""
        data = chunk.encode()  # characters that can't be encoded are forbidden in XML, and already spaces
        self._fed += len(data)
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError as error:
            if self.closed:
                return None
            why = expat.ErrorString(error.code)
            return DumpError(f"{self._source.place} broke off at line {error.lineno}: {why}; export it again")
        except DumpError as error:
            return error
        if not last and self._fed - self._parser.CurrentByteIndex > MAX_TOKEN:
            return self._problem(f"a tag or comment of more than {MAX_TOKEN:,} bytes")
        return None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._problem(f"elements more than {MAX_DEPTH} deep")
        tag = self._names.get(name) or self._name(name)
        if self._open or tag in self._wanted:
            local = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
            node = Node(tag, self._parser.CurrentLineNumber, local)
            if self._open:
                self._open[-1].children.append(node)
            else:
                self._size = 0
            self._open.append(node)
            self._grow(len(tag) + 100)
        elif tag in self._marks:
            self.done.append(Node(tag, self._parser.CurrentLineNumber))

    def _end(self, name: str) -> None:
        self._depth -= 1
        self.closed = self._depth == 0
        if self._open:
            node = self._open.pop()
            if not self._open:
                self.done.append(node)

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1].parts.append(text)
            self._grow(len(text))

    def _entity(self, name: str, is_parameter: bool) -> None:
        if not is_parameter:
            self._text(f"&{name};")

    def _refuse(self, name: str, *rest: object) -> NoReturn:
        raise self._problem(f"it declares an entity of its own ({name[:30]}), which no export does")

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_ELEMENT:
            raise self._problem(f"an element of more than {MAX_ELEMENT:,} characters")

    def _problem(self, what: str) -> DumpError:
        line = self._parser.CurrentLineNumber
        return DumpError(f"{self._source.place} is refused at line {line}: {what}")

    def _name(self, name: str) -> str:
        space, _, local = name.rpartition(" ")
        prefix = next((prefix for ending, prefix in self._prefixes.items() if space.endswith(ending)), "")
        if len(self._names) < 1000:
            self._names[name] = prefix + local
        return prefix + local
