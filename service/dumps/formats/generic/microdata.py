"""A web page's items in microdata (`itemscope`) and RDFa Lite (`typeof`).

Each becomes a node as in JSON-LD: `@type`, `@id`, and properties.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from parley.service.errors import DumpError

_MARKED = re.compile(r"<[a-z][^<>]*\s(?:itemscope|typeof)\b", re.IGNORECASE)
_ADDRESSES = {
    "a": "href",
    "area": "href",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "audio": "src",
    "video": "src",
}
_TEXTS = ("text", "articleBody", "commentText", "description")
"""Properties that keep their markup."""


def items(page: str) -> list[dict[str, Any]]:
    """The page's outermost items, with the others inside them. Raises DumpError if lxml is missing."""
    if not _MARKED.search(page):
        return []
    try:
        from lxml import etree, html
    except ImportError as error:
        raise DumpError(
            "a page's microdata is read with lxml: pip install 'parley-moderation[dumps]'"
        ) from error
    parser = html.HTMLParser(encoding="utf-8")
    try:
        root = html.document_fromstring(page.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError):
        return []
    return list(_below(root))


def _below(element: Any) -> Iterator[dict[str, Any]]:
    """The outermost items below an element."""
    for child in element.iterchildren(tag="*"):
        if _is_item(child):
            yield _item(child)
        else:
            yield from _below(child)


def _is_item(element: Any) -> bool:
    return "itemscope" in element.attrib or "typeof" in element.attrib


def _item(element: Any) -> dict[str, Any]:
    attributes = element.attrib
    kinds = attributes.get("itemtype", attributes.get("typeof", "")).split()
    node: dict[str, Any] = {"@type": kinds}
    name = (
        attributes.get("itemid")
        or attributes.get("resource")
        or attributes.get("about")
        or attributes.get("id")
    )
    if name:
        node["@id"] = name if "/" in name or name.startswith("#") else f"#{name}"
    _fill(node, element)
    return node


def _fill(node: dict[str, Any], element: Any) -> None:
    for child in element.iterchildren(tag="*"):
        names = (child.attrib.get("itemprop") or child.attrib.get("property") or "").split()
        if _is_item(child):
            # An item that is nobody's property still belongs to its position.
            for name in names or ["hasPart"]:
                _add(node, name, _item(child))
            continue
        for name in names:
            _add(node, name, _value(child, name))
        _fill(node, child)


def _add(node: dict[str, Any], name: str, value: Any) -> None:
    if name in node:
        known = node[name]
        node[name] = [*(known if isinstance(known, list) else [known]), value]
    else:
        node[name] = value


def _value(element: Any, name: str) -> str:
    from lxml import html

    attributes, tag = element.attrib, element.tag
    for attribute in (
        "content",
        "datetime",
        _ADDRESSES.get(tag, "value" if tag in ("data", "meter") else ""),
    ):
        if attribute and (value := attributes.get(attribute)) is not None:
            return str(value)
    if name.rpartition(":")[2] in _TEXTS:
        inner = (html.tostring(child, encoding="unicode") for child in element)
        return (_escaped(element.text or "") + "".join(inner)).strip()
    return " ".join(str(element.text_content()).split())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
