"""schema.org's comments in linked data, in any form: nested, by reference, or reversed.

    comments([{"@type": "NewsArticle", "comment": [{"@type": "Comment", "text": "Close it."}]}])

A node is a mapping with `@type`, `@id` and properties. `{"@id": ...}` refers to the node of that name; a
comment belongs to the node that has it in `comment`, to its `parentItem`, or to the node that its `@reverse`
names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from parley.service.dumps.formats.native import dig, entries, words

MAX_DEPTH = 500
_VOCABULARY = re.compile(r"^(?:https?://(?:www\.)?schema\.org/|schema:)", re.IGNORECASE)
_OLDER = {
    "commentText": "text",
    "creator": "author",
    "commentTime": "dateCreated",
    "replyToUrl": "parentItem",
}
"""schema.org's former names of the properties of `UserComments`."""
_NOT_BELOW = ("author", "creator", "parentItem", "publisher")

Node = dict[str, Any]


def comments(roots: Sequence[Any]) -> list[Node]:
    """The comments in order, as fields of a record; a reply's `parent` has its parent's fields.

    An `id` is None if the page has none; `article` has fields too.
    """
    return _Graph([_normal(root, 0) for root in roots]).comments()


class _Graph:
    def __init__(self, roots: Sequence[Any]) -> None:
        self._roots = roots
        self._by_id: dict[str, Node] = {}
        for root in roots:
            self._collect(root, 0)
        self._seen: set[int] = set()
        self._found: list[tuple[Node, Node]] = []
        self._above: dict[int, Node] = {}

    def comments(self) -> list[Node]:
        """Each one once, in order of first appearance."""
        for root in self._roots:
            self._walk(root, None, 0)
        fields = {id(node): made for node, made in self._found}
        for node, made in self._found:
            above = self._container(node)
            made["parent"] = fields.get(id(above)) if above is not None and _is_comment(above) else None
            told = self._first(node, "parentItem")
            if made["parent"] is None and not (isinstance(told, dict) and _is_article(told)):
                made["parent.id"] = _name(told)  # a comment that isn't on the page
            made["article"] = self._article(node)
        return [made for _, made in self._found]

    def _collect(self, node: Any, depth: int) -> None:
        """Nodes by name; parts of a node in several places are merged."""
        for inner in _inside(node, depth):
            self._collect(inner, depth + 1)
        if isinstance(node, dict) and isinstance(name := node.get("@id"), str) and len(node) > 1:
            known = self._by_id.setdefault(name, node)
            for key, value in node.items():
                known.setdefault(key, value)

    def _full(self, node: Any) -> Any:
        name = node.get("@id") if isinstance(node, dict) else node if isinstance(node, str) else None
        return self._by_id.get(name, node) if isinstance(name, str) else node

    def _first(self, node: Node, key: str) -> Any:
        return self._full(next(iter(entries(node.get(key))), None))

    def _walk(self, node: Any, above: Node | None, depth: int) -> None:
        """Collect the comments and their owners: `above` is the enclosing comment or article."""
        if depth > MAX_DEPTH:
            return
        if isinstance(node, list):
            for item in node:
                self._walk(item, above, depth + 1)
            return
        node = self._full(node) if isinstance(node, dict) else None
        if node is None:
            return
        if above is not None and (_is_comment(node) or _is_article(node)) and node is not above:
            self._above.setdefault(id(node), above)
        if id(node) in self._seen:
            return
        self._seen.add(id(node))
        if _is_comment(node):
            self._found.append((node, self._fields(node)))
        here = node if _is_comment(node) or _is_article(node) else above
        for key, value in node.items():
            if (key not in _NOT_BELOW and not key.startswith("@")) or key == "@graph":
                self._walk(value, here, depth + 1)

    def _container(self, node: Node) -> Node | None:
        """A comment's parent or article: its own properties override its position."""
        told = self._first(node, "parentItem")
        if told is None:
            told = self._full(next(iter(entries(dig(node, "@reverse", "comment"))), None))
        if isinstance(told, dict) and (_is_comment(told) or _is_article(told)):
            return told
        return self._above.get(id(node))

    def _article(self, node: Node) -> Node:
        seen: set[int] = set()
        above: Node | None = node
        while above is not None and id(above) not in seen:
            seen.add(id(above))
            if _is_article(above):
                return _article_fields(above)
            above = self._container(above)
        return {}

    def _fields(self, node: Node) -> Node:
        author = self._first(node, "author")
        named = isinstance(author, dict)
        return {
            "id": _name(node),
            "parent.id": None,
            "author.id": _name(author) if named else None,
            "author.name": dig(author, "name") if named else author,
            "created_at": node.get("dateCreated") or node.get("datePublished"),
            "text": node.get("text") or node.get("description"),
            "format": "html",
            "upvotes": _count(node.get("upvoteCount")),
        }


def _inside(node: Any, depth: int) -> Iterator[Any]:
    if depth > MAX_DEPTH:
        return
    if isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, list):
        yield from node


def _normal(value: Any, depth: int) -> Any:
    """The value with short names of properties and types, and without the wrappers of JSON-LD."""
    if depth > MAX_DEPTH:
        return None
    if isinstance(value, list):
        return [_normal(item, depth + 1) for item in value]
    if not isinstance(value, Mapping):
        return value
    for wrapper in ("@value", "@list", "@set"):
        if wrapper in value:
            return _normal(value[wrapper], depth + 1)
    node = {_short(name): _normal(inner, depth + 1) for name, inner in value.items()}
    node["@type"] = [_short(kind) for kind in entries(node.get("@type")) if isinstance(kind, str)]
    if "UserComments" in node["@type"]:
        node["@type"].append("Comment")
        node.update({new: node[old] for old, new in _OLDER.items() if old in node})
    if not node["@type"]:
        del node["@type"]
    return node


def _short(name: str) -> str:
    return _VOCABULARY.sub("", name)


def _is_comment(node: Mapping[str, Any]) -> bool:
    return "Comment" in node.get("@type", ())


def _is_article(node: Mapping[str, Any]) -> bool:
    return any(kind.endswith(("Article", "Posting")) for kind in node.get("@type", ()))


def _article_fields(node: Mapping[str, Any]) -> Node:
    url = _name(node.get("url")) or _name(node.get("mainEntityOfPage")) or _name(node)
    return {
        "article.id": _name(node),
        "article.url": url,
        "article.title": words(node.get("headline") or node.get("name")),
        "article.text": words(node.get("articleBody") or node.get("text")),
    }


def _count(value: Any) -> int | None:
    """A number, which many pages quote."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return value if isinstance(value, int) else None


def _name(node: Any) -> str | None:
    """A node's name: itself, its @id, identifier or address."""
    if isinstance(node, str):
        return node or None
    values = (dig(node, key) for key in ("@id", "identifier", "url"))
    return next((str(value) for value in values if isinstance(value, str | int) and value), None)
