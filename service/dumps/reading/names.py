"""The names of input and output columns: one set for REST, JSON lines and tables.

A dotted name is a column of a table and a path in JSON: `article.title` is `{"article": {"title": ...}}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parley.model.labels import ABUSE, OFF_TOPIC, REPLIES, SPAM, STANCES

FIELDS = (
    "id",
    "parent.id",
    "parent.text",
    "article.id",
    "article.url",
    "article.title",
    "article.text",
    "author.id",
    "author.name",
    "created_at",
    "text",
    "format",
    "target",
    "language",
)
"""A record's fields, as in the REST request."""
REPEATED = tuple(name for name in FIELDS if name not in ("article.text", "target", "language"))
"""The fields that the output repeats; target and language are in the prediction."""
PREDICTED = (
    *(f"abuse.{label}" for label in ABUSE),
    SPAM,
    OFF_TOPIC,
    "stance.target",
    "stance.label",
    *(f"stance.{stance}" for stance in STANCES),
    "reply.label",
    *(f"reply.{reply}" for reply in REPLIES),
    "spans",
    "language",
    "decision.action",
    "decision.reasons",
    "notes",
)
"""The columns that Parley adds, in order."""
LISTS = ("spans", "decision.reasons", "notes")
OTHERS = "input.others"
"""The column for values that only later rows have, as JSON."""
AS_SENT = "created_at_as_sent"
"""The column for a time that can't be parsed, in place of `created_at`."""

_GROUPS = ("parent", "article", "author", "input")
_TAKEN = {*FIELDS, *PREDICTED, *_GROUPS, "abuse", "stance", "reply", "decision"}


def own_name(name: str) -> str:
    """The output name of an input's own column: prefixed with `input.` if Parley uses it.

    Lone surrogates, which UTF-8 can't encode, are escaped.
    """
    if not name.isascii():
        name = name.encode(errors="backslashreplace").decode()
    return f"input.{name}" if name in _TAKEN or name.startswith("input.") else name


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Turn groups of dotted names into objects; the input's own columns stay as they are."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        group, _, inner = name.partition(".")
        if inner and group in _GROUPS:
            nested.setdefault(group, {})[inner] = value
        else:
            nested[name] = value
    return nested
