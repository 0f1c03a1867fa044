"""A comment's output: `Scored`, and its two forms.

JSON lines have one object per comment, equal to an entry of `results` in the REST answer, plus the input's
fields:

    {"id", "parent": {"id", "text"}, "article": {"id", "url", "title"}, "author": {"id", "name"},
     "created_at", "text", ... columns of the input's own ...,
     "abuse": {"toxicity", ...}, "spam", "off_topic" | null,
     "stance": {"target", "favor", "against", "none", "label" | null} | null,
     "reply": {"agree", "disagree", "none", "label"} | null,
     "spans": [{"start", "end", "label", "score"}], "language",
     "decision": {"action", "reasons": [...]}, "notes": [...]}

Tables have the same, flattened with dots (`abuse.toxicity`, `stance.label`); lists are JSON in CSV and lists
in Parquet. Input fields appear if the input has them. The article's text is not repeated with every comment.
An input's own column with the name of one of ours is kept as `input.NAME`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec

from parley.model.comment import Prediction
from parley.model.labels import ABUSE, REPLIES, STANCES
from parley.service.dumps.reading.names import AS_SENT, OTHERS, PREDICTED, REPEATED, nest, own_name
from parley.service.dumps.reading.record import Record
from parley.service.policy.decision import Decision
from parley.service.policy.result import to_result

_OF_STANCE = attrgetter("target", "label", *STANCES)
_OF_REPLY = attrgetter("label", *REPLIES)


@dataclass(frozen=True, slots=True)
class Scored:
    """A record, its prediction (of a duplicate: the first one's, with that one's id), and its decision."""

    record: Record
    prediction: Prediction
    decision: Decision


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table: the input's, then Parley's.

    `others`: rows may have columns that `inputs` lacks, which go into one more column as JSON. `types` are
    the input's Arrow types, or their names. If it has none, `kinds` says which of its own columns are bool,
    int or float; all else is text.
    """

    inputs: tuple[str, ...]
    others: bool
    types: Mapping[str, Any] = field(default_factory=dict)
    kinds: Mapping[str, type] = field(default_factory=dict)

    @classmethod
    def of(cls, columns: Sequence[str], first: Iterable[Record], *, types: Mapping[str, Any]) -> Layout:
        """The layout for an input with `columns`, or else with those of its `first` rows."""
        rows = [inputs_of(record) for record in first]
        seen = dict.fromkeys([*columns, *(name for row in rows for name in row)])
        if "created_at" in columns:
            seen.setdefault(AS_SENT)  # a later row's time may be unreadable
        known = [name for name in REPEATED if name in seen or not columns]
        own = [name for name in seen if own_name(name) == name or name.startswith("input.")]
        kinds = {name: kind_of([row.get(name) for row in rows]) for name in own} if not columns else {}
        known_kinds = {name: kind for name, kind in kinds.items() if kind is not None}
        return cls((*known, *own), others=not columns, types=types, kinds=known_kinds)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in the order written."""
        return (*self.inputs, *((OTHERS,) if self.others else ()), *PREDICTED)


def inputs_of(record: Record) -> dict[str, Any]:
    """The input's fields and columns by dotted name, without those that are None."""
    parent, article = record.parent, record.article
    values = {
        "id": record.id,
        "parent.id": parent and parent.id,
        "parent.text": parent and parent.text,
        "article.id": article and article.id,
        "article.url": article and article.url,
        "article.title": article and article.title,
        "author.id": record.author_id,
        "author.name": record.author_name,
        "created_at": record.created_at,
        "text": record.text,
        "format": record.format if record.format != "plain" else None,
    }
    for name, value in record.extra.items():
        values[own_name(name)] = value
    return {name: value for name, value in values.items() if value is not None}


def kind_of(values: Sequence[Any]) -> type | None:
    """bool, int or float if all of `values` except None are that (and fit into 64 bits), else None."""
    kinds = {type(value) for value in values if value is not None}
    most = 2**63 - 1
    if kinds == {int, float}:
        kinds, most = {float}, 2**53  # beyond this a float can't represent every whole number
    fits = all(abs(value) <= most for value in values if isinstance(value, int))
    kind = kinds.pop() if len(kinds) == 1 and fits else None
    return kind if kind in (bool, int, float) else None


def json_row(scored: Scored) -> dict[str, Any]:
    """The nested form."""
    row = nest(inputs_of(scored.record))
    row.update(to_result(scored.prediction, scored.decision), id=scored.record.id)
    return row


def table_row(scored: Scored, layout: Layout) -> list[Any]:
    """The flat form: the value of every column of `layout`, lists as they are."""
    values = inputs_of(scored.record)
    cells = [values.pop(name, None) for name in layout.inputs]
    if layout.others:
        cells.append(values or None)
    said, decision = scored.prediction, scored.decision
    return [
        *cells,
        *(said.abuse[label] for label in ABUSE),
        said.spam,
        said.off_topic,
        *((None,) * 5 if said.stance is None else _OF_STANCE(said.stance)),
        *((None,) * 4 if said.reply is None else _OF_REPLY(said.reply)),
        [span.to_dict() for span in said.spans],
        said.language,
        decision.action,
        [reason.to_dict() for reason in decision.reasons],
        list(said.notes),
    ]


def to_json(value: object) -> bytes:
    r"""JSON on one line, in UTF-8; lone surrogates as `\u` escapes; NaN as null."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(value, enc_hook=_known))
        finite = json.loads(text, parse_constant=lambda name: None)
        return json.dumps(finite, separators=(",", ":")).encode()


def plain(value: object) -> str:
    """A value as a cell's text: times as ISO 8601 in UTC, lists and objects as JSON, None as empty."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, list | dict):
        return to_json(value).decode()
    return "" if value is None else str(value)


def _known(value: Any) -> object:
    """Convert a value that JSON can't represent; numpy's numbers and texts keep their kind."""
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return plain(value)


_encode = msgspec.json.Encoder(enc_hook=_known).encode
