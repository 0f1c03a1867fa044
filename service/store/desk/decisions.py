"""Moderators' decisions: made, undone, listed, exported, and sent to webhooks.

    decide(store, item_id, Choice(action="reject", reason="SPAM"), By(who="Ada", session="…"), urls=[])

The log is append-only: an undo is a row of its own, and nothing here changes or removes one. A decision and
its deliveries are one transaction, so that each goes out at least once.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from parley.service.errors import Conflict, NotFound
from parley.service.store.database import Store
from parley.service.store.desk.items import COLUMNS, OPEN, Item, item_of
from parley.service.store.desk.leases import LEASE
from parley.service.store.desk.tables import ARRIVALS, SCORES, decisions, deliveries, queue_items
from parley.service.store.tables import storable

Action = Literal["approve", "reject", "escalate", "note"]
AFTER: Mapping[str, str] = {"approve": "approved", "reject": "rejected", "escalate": "escalated"}

LONGEST_LOOK = timedelta(hours=1)
"""Longer times are ignored when measuring how long decisions take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a moderator decides; `reason` is one of Coral's rejection codes."""

    action: Action
    reason: str | None = None
    explanation: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who decides, and in which session; decisions through the API have none."""

    who: str
    session: str | None = None
    source: Literal["desk", "api"] = "desk"


def decide(
    store: Store,
    item_id: int,
    choice: Choice,
    by: By,
    *,
    seen: str | None = None,
    urls: Sequence[str] = (),
) -> int:
    """Decide on a comment; returns the decision's id. `seen` is the hash of what the moderator saw.

    Raises NotFound if the comment was deleted, Conflict if another has decided or is reading it, or if it was
    edited since; StoreError.
    """
    with store.write() as connection:
        item = _locked(connection, queue_items.c.id == item_id)
        if item is None:
            raise NotFound("this comment was deleted")
        if seen is not None and seen != item.input_hash:
            raise Conflict("this comment was edited since you saw it: read it again")
        return _decide(connection, item, choice, by, urls)


def decide_by_comment(
    store: Store, comment_id: str, choice: Choice, by: By, *, key: str | None = None, urls: Sequence[str] = ()
) -> int:
    """Decide on a comment by the site's id, whether the desk has it or not; returns the decision's id.

    A `key` that was used before changes nothing and returns the earlier decision. Raises StoreError.
    """
    key = storable(key) if key is not None else None
    with store.write() as connection:
        if key is not None:
            known = connection.scalar(sa.select(decisions.c.id).where(decisions.c.key == key))
            if known is not None:
                return int(known)
        here = (queue_items.c.queue_id == ARRIVALS) & (queue_items.c.comment_id == comment_id)
        item = _locked(connection, here)
        if item is not None:
            return _decide(connection, item, choice, by, urls, key=key)
        row = _row(choice, by, key) | {"comment_id": comment_id, "after": AFTER.get(choice.action)}
        return _write(connection, row, urls)


def undo(store: Store, by: By, *, urls: Sequence[str] = ()) -> Item | None:
    """Undo the session's last decision; returns the comment, leased again, or None if there is none.

    Raises Conflict if the comment was decided on again since, StoreError.
    """
    undone = sa.select(decisions.c.undoes).where(decisions.c.undoes.is_not(None))
    own = (decisions.c.session == by.session) & decisions.c.action.in_(tuple(AFTER))
    last = (
        sa.select(decisions)
        .where(own, decisions.c.id.not_in(undone))
        .order_by(decisions.c.id.desc())
        .limit(1)
    )
    with store.write() as connection:
        decision = connection.execute(last).first()
        if decision is None:
            return None
        item = _locked(connection, queue_items.c.id == decision.item_id)
        if item is None:
            return None
        standing = (decisions.c.item_id == item.id) & decisions.c.action.in_(tuple(AFTER))
        newest = sa.select(sa.func.max(decisions.c.id)).where(standing, decisions.c.id.not_in(undone))
        if item.state != decision.after or connection.scalar(newest) != decision.id:
            raise Conflict(
                "this comment was decided on again since: look at its decisions and change it there"
            )
        if by.session is not None and item.leased_to_another(by.session):
            raise Conflict("another moderator is reading this comment")
        now = datetime.now(UTC)
        values = {
            "state": decision.before,
            "decided": None,
            "lease_by": by.session,
            "lease_until": now + LEASE,
        }
        connection.execute(sa.update(queue_items).where(queue_items.c.id == item.id).values(**values))
        row = _row(Choice(action="note"), by, None) | _of_item(item)
        row |= {"action": "undo", "before": item.state, "after": decision.before, "undoes": decision.id}
        _write(connection, row, urls)
        return item_of(connection.execute(sa.select(*COLUMNS).where(queue_items.c.id == item.id)).one())


def _decide(
    connection: sa.Connection,
    item: Item,
    choice: Choice,
    by: By,
    urls: Sequence[str],
    *,
    key: str | None = None,
) -> int:
    if by.source == "desk":
        if choice.action != "note" and item.state not in OPEN:
            raise Conflict(f"another moderator was faster: this comment is already {item.state}")
        if by.session is not None and item.leased_to_another(by.session):
            raise Conflict("another moderator is reading this comment")
    now = datetime.now(UTC)
    after = AFTER.get(choice.action, item.state)
    values: dict[str, Any] = {"state": after}
    if choice.action != "note":
        values |= {"lease_by": None, "lease_until": None, "decided": now if after not in OPEN else None}
    if choice.note:
        values["note"] = choice.note
    connection.execute(sa.update(queue_items).where(queue_items.c.id == item.id).values(**values))
    row = _row(choice, by, key) | _of_item(item) | {"before": item.state, "after": after}
    if item.looked is not None and now - item.looked < LONGEST_LOOK:
        row["seconds"] = (now - item.looked).total_seconds()
    return _write(connection, row, urls)


def _locked(connection: sa.Connection, where: sa.ColumnElement[bool]) -> Item | None:
    row = connection.execute(sa.select(*COLUMNS).where(where).limit(1).with_for_update()).first()
    return None if row is None else item_of(row)


def _row(choice: Choice, by: By, key: str | None) -> dict[str, Any]:
    return {
        "key": key or str(uuid.uuid4()),
        "created": datetime.now(UTC),
        "who": by.who,
        "session": by.session,
        "source": by.source,
        "action": choice.action,
        "reason": choice.reason,
        "explanation": choice.explanation,
        "note": choice.note,
    }


def _of_item(item: Item) -> dict[str, Any]:
    return {
        "item_id": item.id,
        "queue_id": item.queue_id,
        "comment_id": item.comment_id,
        "policy_action": item.action,
        "scores": json.dumps(item.scores),
        "model": item.model,
        "policy": item.policy,
        "input_hash": item.input_hash,
    }


def _write(connection: sa.Connection, row: Mapping[str, Any], urls: Sequence[str]) -> int:
    made = connection.execute(sa.insert(decisions).values(**row)).inserted_primary_key
    assert made
    if row["action"] != "note":
        for url in urls:
            owed = {"decision_id": made[0], "url": url, "next_at": row["created"]}
            connection.execute(sa.insert(deliveries).values(**owed))
    return int(made[0])


# The log

LOGGED = [column.name for column in decisions.columns if column.name != "session"]
"""A decision's public columns: all but the session."""


def log(store: Store, *, after: int = 0) -> Iterator[dict[str, Any]]:
    """Every decision, oldest first. Raises StoreError."""
    columns = [decisions.c[name] for name in LOGGED]
    query = sa.select(*columns).where(decisions.c.id > after).order_by(decisions.c.id)
    with store.snapshot() as connection:
        for row in connection.execution_options(yield_per=1000).execute(query):
            yield dict(row._mapping)


def latest(
    store: Store, *, size: int = 50, before: int | None = None, item_id: int | None = None
) -> list[dict[str, Any]]:
    """The newest decisions, of one comment or of all; `before` is the last one seen. Raises StoreError."""
    query = sa.select(*(decisions.c[name] for name in LOGGED)).order_by(decisions.c.id.desc()).limit(size)
    if before is not None:
        query = query.where(decisions.c.id < before)
    if item_id is not None:
        query = query.where(decisions.c.item_id == item_id)
    with store.read() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def standing(store: Store, *, since: datetime | None = None) -> list[dict[str, Any]]:
    """Effective decisions (approve or reject), one per comment, with its scores; oldest first.

    Raises StoreError.
    """
    undone = sa.select(decisions.c.undoes).where(decisions.c.undoes.is_not(None))
    query = (
        sa.select(*(decisions.c[name] for name in LOGGED))
        .where(decisions.c.action.in_(("approve", "reject")), decisions.c.id.not_in(undone))
        .order_by(decisions.c.id)
    )
    if since is not None:
        query = query.where(decisions.c.created >= since)
    last: dict[Any, dict[str, Any]] = {}
    with store.read() as connection:
        for row in connection.execute(query):
            last[row.item_id or row.comment_id] = dict(row._mapping)
    return list(last.values())


def scores_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The scores at the time of a decision."""
    return dict(json.loads(row["scores"])) if row["scores"] else {}


LABELS_OF: Mapping[str, tuple[str, ...]] = {
    "OFFENSIVE": ("toxicity",),
    "ABUSIVE": ("toxicity",),
    "HARASSMENT_BULLYING": ("toxicity",),
    "HATE_SPEECH": ("toxicity", "identity_attack"),
    "SPAM": ("spam",),
    "AD": ("spam",),
    "IRRELEVANT_CONTENT": ("off_topic",),
}
"""The labels that each reason of a rejection implies; other reasons imply none."""


def labels_of(action: str, reason: str | None, label: str | None = None) -> dict[str, float]:
    """The labels that a decision implies; an approval: no abuse, no spam, and none of what was suspected."""
    if action == "approve":
        known = {"toxicity": 0.0, "spam": 0.0}
        return {**known, label: 0.0} if label in SCORES else known
    taught = dict.fromkeys(LABELS_OF.get(reason or "", ()), 1.0)
    if label in SCORES and "toxicity" in taught and label not in ("spam", "off_topic"):
        taught[label] = 1.0
    return taught


def training_rows(store: Store) -> list[dict[str, Any]]:
    """Decisions at the desk as training rows, for comments that are still stored. Raises StoreError."""
    decisions = {row["item_id"]: row for row in standing(store) if row["item_id"] is not None}
    rows = []
    ids = list(decisions)
    for start in range(0, len(ids), 500):
        some = (
            sa.select(*COLUMNS)
            .where(queue_items.c.id.in_(ids[start : start + 500]))
            .order_by(queue_items.c.id)
        )
        with store.read() as connection:
            items = [item_of(row) for row in connection.execute(some)]
        for item in items:
            decision = decisions[item.id]
            taught = labels_of(decision["action"], decision["reason"], item.label)
            if taught:
                rows.append(
                    {
                        "id": item.comment_id,
                        "text": item.text,
                        "article.url": item.article_url,
                        "article.title": item.article_title,
                        "article.text": item.article_text,
                        "language": item.language,
                        **taught,
                    }
                )
    return rows
