"""Incoming comments: turns a prediction and a decision into a queue's row.

    row = item_row(comment, prediction, decision, queue=ARRIVALS, ...)

`Arrivals.keep` is what the protocols call once they have answered. It does nothing unless the site turns
`store.queue` on, and skips comments whose client asks not to store them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from parley.model.comment import Comment, Prediction
from parley.service.errors import StoreError
from parley.service.logs import describe
from parley.service.policy.decision import CLOSED, Decision, Reason
from parley.service.privacy import KeyedHashes
from parley.service.store.articles import MODEL_READS
from parley.service.store.database import Store
from parley.service.store.desk.items import add, known_authors
from parley.service.store.desk.tables import ARRIVALS, SCORES
from parley.service.store.tables import MAX_NAME, storable

THREAT = "abuse.threat"
NEED = {"approve": 0.0, "review": 1.0, "reject": 2.0}
log = structlog.get_logger("parley.desk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A scored comment; `author` is the id that the client sends, stored as a keyed hash."""

    comment: Comment
    prediction: Prediction
    decision: Decision
    author: str | None = None
    written: datetime | None = None


class Arrivals:
    """Stores incoming comments as the settings say."""

    def __init__(self, store: Store, hashes: KeyedHashes, *, on: bool) -> None:
        self._store, self._hashes, self.on = store, hashes, on

    def keep(self, arrived: Sequence[Arrived], *, model: str, policy: str) -> None:
        """Add comments to the queue of incoming ones; an error of the store is logged."""
        if not self.on or not arrived:
            return
        try:
            self.fill(arrived, model=model, policy=policy, queue=ARRIVALS)
        except StoreError as error:
            log.error("comments_not_queued", comments=len(arrived), **describe(error))

    def fill(
        self,
        arrived: Sequence[Arrived],
        *,
        model: str,
        policy: str,
        queue: int,
        keys: Sequence[str] | None = None,
        connection: Any = None,
    ) -> None:
        """Add comments to a queue. `keys` identify comments without an id. Raises StoreError."""
        authors = {each.author for each in arrived if each.author}
        hashed = {author: self._hashes.author(author) for author in authors}
        rows = [item_row(each, model=model, policy=policy, queue=queue) for each in arrived]
        for at, (row, each) in enumerate(zip(rows, arrived, strict=True)):
            row["author"] = hashed.get(each.author or "")
            if keys is not None:
                row["key"] = keys[at]
        if connection is not None:
            self._add(connection, rows)
            return
        with self._store.write() as own:
            self._add(own, rows)

    def _add(self, connection: Any, rows: list[dict[str, Any]]) -> None:
        known = known_authors(connection, {row["author"] for row in rows if row["author"]})
        for row in rows:
            row["new_author"] = bool(row["author"]) and row["author"] not in known
            known.add(row["author"])
        add(connection, rows)


def item_row(arrived: Arrived, *, model: str, policy: str, queue: int) -> dict[str, Any]:
    """The queue's row for a scored comment."""
    comment, prediction, decision = arrived.comment, arrived.prediction, arrived.decision
    article, parent = comment.article, comment.parent
    digest, comment_id = input_hash(comment), _name(comment.id)
    first = decision.reasons[0] if decision.reasons else None
    result = {
        "spans": [span.to_dict() for span in prediction.spans],
        "stance": None if prediction.stance is None else prediction.stance.to_dict(),
        "notes": list(prediction.notes),
        "reasons": [{**reason.to_dict(), "when": reason.when} for reason in decision.reasons],
    }
    return {
        "queue_id": queue,
        "key": f"id:{comment_id}" if comment_id else f"text:{digest}",
        "comment_id": comment_id,
        "text": comment.text,
        "format": comment.format,
        "language": storable((prediction.language or comment.language or "")[:35]) or None,
        "target": comment.target,
        "article_id": article and article.id,
        "article_url": article and article.url,
        "article_title": article and article.title,
        "article_text": (article and (article.text or "")[:MODEL_READS]) or None,
        "story": (article and (article.title or article.url or article.id or "")[:MAX_NAME]) or None,
        "parent_id": _name(parent.id if parent else None),
        "parent_text": parent and parent.text,
        "author": None,
        "new_author": False,
        "written": arrived.written,
        "received": datetime.now(UTC),
        **scores_of(prediction),
        "result": json.dumps(result, ensure_ascii=True),
        "action": decision.action,
        "label": label_of(first),
        "need": need(prediction, decision),
        "input_hash": digest,
        "model": model,
        "policy": policy,
        "state": "waiting",
    }


def _name(given: str | None) -> str | None:
    """An id as stored in a queue: a file's ids may be too long for an index."""
    return given if given and len(given) <= MAX_NAME else None


def scores_of(prediction: Prediction) -> dict[str, float | None]:
    """The scores by column."""
    return {name: prediction.score(name) for name in SCORES}


def label_of(reason: Reason | None) -> str | None:
    """The subject of a reason: its rule's label, or the rule's code."""
    if reason is None:
        return None
    label = (reason.when or "").removeprefix("abuse.")
    return storable((label if label in SCORES else reason.code)[:40])


def need(prediction: Prediction, decision: Decision) -> float:
    """Urgency: threats first, then what the policy rejects, then what it reviews; each by score.

    A comment on a closed story is already rejected, so it isn't urgent unless it is a threat.
    """
    score = next((r.score for r in decision.reasons if r.score is not None and 0 <= r.score <= 1), None)
    if score is None:
        score = max(prediction.abuse.get("toxicity", 0.0), prediction.spam)
    marked = decision.action != "approve"
    threat = marked and any(reason.when == THREAT for reason in decision.reasons)
    action = "approve" if CLOSED in decision.reasons else decision.action
    return (3.0 if threat else NEED[action]) + min(score, 0.999999)


def input_hash(comment: Comment) -> str:
    """SHA-256 of the model's whole input."""
    article, parent = comment.article, comment.parent
    asked = [
        comment.text,
        comment.format,
        comment.target,
        article and article.title,
        article and article.text,
        parent and parent.text,
    ]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()
