"""Article and parent from a request's `context`, in all the forms that clients send.

articleAndParentComment   both by name
entries                   the article's text, then the parent's (as OSMod does)
entries, JSON in text     {"url", "Coral_comment_id", "reply_to_id_Coral_comment_id"} (as Coral does)

An article's first line is its title, and stance is towards it. A text that is only a web address names an
article that was PUT to /v1/articles.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parley.model.comment import Article, Parent
from parley.service.protocols.perspective import schemas
from parley.service.protocols.perspective.errors import invalid
from parley.service.protocols.perspective.spans import sentences
from parley.service.urls import normalise

COMMENT = "comment:"
"""The prefix of Coral's client token, before the comment's id."""
MAX_BYTES = 1_000_000
MAX_TITLE = 300
"""Longest first line that is taken as the title; of a longer one only the first sentence is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The comment's article and parent, and its id if the client sends it."""

    article: Article | None = None
    parent: Parent | None = None
    comment_id: str | None = None


def read(context: schemas.Context | None) -> Surroundings:
    """Article, parent and comment id of `context`. Raises InvalidRequest."""
    if context is None:
        return Surroundings()
    both = context.article_and_parent_comment
    if context.entries and both:
        raise invalid(
            "INVALID_REQUEST",
            "Context can have either entries or article_and_parent_comment, but both fields were populated.",
        )
    if both:
        article, parent = (_text(entry) for entry in (both.article, both.parent_comment))
        return _surroundings(article, parent)
    article, parent, *_ = [*map(_text, context.entries or []), None, None]
    named = _json_in_text(article) if article else None
    if named:
        return _from_coral(named)
    return _surroundings(article, parent)


def comment_id(surroundings: Surroundings, token: str | None) -> str | None:
    """The comment's id: from Coral's context, or from a client token as Coral's; otherwise None."""
    named = token.removeprefix(COMMENT) if token and token.startswith(COMMENT) else None
    return surroundings.comment_id or named or None


def _surroundings(article: str | None, parent: str | None) -> Surroundings:
    return Surroundings(
        article=_article(article) if article else None, parent=Parent(text=parent) if parent else None
    )


def _text(entry: schemas.TextEntry | None) -> str | None:
    text = (entry and entry.text) or ""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise invalid(
            "INVALID_REQUEST",
            f"Context text was too many bytes. Value ({size}) exceeded limit ({MAX_BYTES}).",
        )
    return text if text.strip() else None


def _article(text: str) -> Article:
    text = text.strip()
    if not any(map(str.isspace, text)) and normalise(text):
        return Article(url=text)
    title, _, rest = text.partition("\n")
    if len(title) > MAX_TITLE:
        end = sentences(title)[0][1]
        title, rest = text[:end], text[end:]
    return Article(title=title.strip(), text=rest.strip() or None)


def _json_in_text(text: str) -> Mapping[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None  # an article may begin with a brace
    known = ("url", "Coral_comment_id", "reply_to_id_Coral_comment_id")
    return value if isinstance(value, dict) and any(isinstance(value.get(k), str) for k in known) else None


def _from_coral(named: Mapping[str, Any]) -> Surroundings:
    def name(key: str) -> str | None:
        value = named.get(key)
        return value if isinstance(value, str) and value else None

    url, parent = name("url"), name("reply_to_id_Coral_comment_id")
    return Surroundings(
        article=Article(url=normalise(url) or url) if url else None,
        parent=Parent(id=parent) if parent else None,
        comment_id=name("Coral_comment_id"),
    )
