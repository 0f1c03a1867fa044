"""Whether a page says that its comments are closed.

    says_closed(page)      # True, or False where it doesn't say so

schema.org has no property for it. Pages say it in words, as WordPress themes do: a short notice such as
"Comments are closed." in place of the comment form. Since readers write on the same page, nothing marked up
as an article or a comment is taken for the notice, and a page with a comment form is open. A site that says
it in another way can put `<meta name="parley:comments" content="closed">` into its pages' heads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

META = "parley:comments"
NOTICES = frozenset({"no-comments", "nocomments", "comments-closed"})
"""Classes of the notice in themes. Some use the first two for "No comments yet", so the words count too."""
AROUND = frozenset({"comments", "comments-area", "comments-section", "comment-respond", "respond"})
"""Classes and ids of elements that contain the comments, the form and the notice."""
OF_READERS = frozenset(
    {"comment", "comment-body", "comment-content", "comment-text", "comment-list", "commentlist"}
)
TAGS_OF_READERS = frozenset({"article", "blockquote", "li", "q"})
"""Elements, inside of AROUND, that contain a single comment."""
MAX_NOTICE = 120
"""The most characters in a notice."""
_SAYS = re.compile(
    r"(?:sorry\W+)?(?:the )?(?:comments?|commenting|discussion)(?: section)?"
    r" (?:is|are|(?:has|have) been)(?: now)? closed(?: (?:for|on) this \w+)?"
    r"|(?:die )?(?:kommentare sind|kommentarfunktion ist) geschlossen"
    r"|(?:les )?commentaires (?:sont )?(?:fermés|clos)(?: (?:pour|sur) cet(?:te)? \w+)?"
    r"|(?:los )?comentarios (?:están )?cerrados(?: para est[ea] \w+)?"
    r"|(?:i )?commenti (?:sono )?chiusi(?: per questo \w+)?"
    r"|(?:os )?comentários (?:estão )?(?:fechados|encerrados)"
    r"|(?:de )?reacties zijn gesloten"
    r"|kommentarer är stängda"
    r"|możliwość komentowania została wyłączona"
    r"|комментарии закрыты",
    re.IGNORECASE,
)


def says_closed(page: bytes) -> bool:
    """Whether the page says so; False if it can't be parsed."""
    from lxml import etree
    from trafilatura import load_html

    tree = load_html(page)
    if tree is None:
        return False
    said = [meta.get("content", "") for meta in tree.xpath("/html/head/meta[@name=$name]", name=META)]
    if said:
        return bool(said[-1].strip().lower() == "closed")
    if next(tree.iter("textarea"), None) is not None or not _SAYS.search(
        _one_line(tree.itertext(etree.Element))
    ):
        return False
    return any(_is_notice(element) for element in tree.iter(etree.Element))


def _is_notice(element: Any) -> bool:
    if not (_names(element) & NOTICES or any(_names(each) & AROUND for each in element.iterancestors())):
        return False
    text = _short_text(element)
    return text is not None and _SAYS.fullmatch(text) is not None and not _is_by_a_reader(element)


def _is_by_a_reader(element: Any) -> bool:
    """Whether the element is in or around a comment or the article's text."""
    from lxml import etree

    if any(map(_is_readers, element.iterdescendants(etree.Element))):
        return True
    for each in _upwards(element):
        if _names(each) & AROUND:
            return False
        if _is_readers(each):
            return True
    return False


def _is_readers(element: Any) -> bool:
    return bool(_names(element) & OF_READERS) or element.tag in TAGS_OF_READERS


def _upwards(element: Any) -> Iterator[Any]:
    yield element
    yield from element.iterancestors()


def _names(element: Any) -> set[str]:
    return {*element.get("class", "").lower().split(), element.get("id", "").lower()}


def _short_text(element: Any) -> str | None:
    """The element's words without final punctuation; None if there are too many."""
    from lxml import etree

    pieces, length = [], 0
    for piece in element.itertext(etree.Element):  # skips the text of HTML comments
        pieces.append(piece)
        length += len(piece.strip())
        if length > MAX_NOTICE:
            return None
    return _one_line(pieces).rstrip(" .!")


def _one_line(pieces: Iterable[str]) -> str:
    return " ".join(" ".join(pieces).split())
