"""What moderators decided, out of a dump: a comment's status as rows to train and calibrate on.

    decided = Decisions(rejected_as="toxicity")
    decided.row(record)      # {"id": ..., "text": ..., "toxicity": 1, "article.title": ...} or None

`approved` says that a comment is neither toxic nor spam, `spam` that it is spam, and a rejection what the
caller takes it for: no dump tells why. A comment that waits, or that nobody looked at, says nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from parley.model.text.plain import plain_text
from parley.service.dumps.reading.names import own_name
from parley.service.dumps.reading.record import Record

APPROVED = ("approved", "approve", "accepted", "published", "visible", "ok")
SPAM = ("spam", "likelyspam")
REJECTED = (
    *("rejected", "reject", "removed", "trash", "trashed", "blocked", "declined", "disapproved"),
    *("post-trashed", "moderated"),
)
COLUMNS = ("status", "state", "rating", "moderation_status", "moderationstatus", "comment_approved")
"""Columns that hold a status, the first that a comment has."""


class Decisions:
    """Makes rows of records, and counts what it saw: `seen` by status, `decided` by label and value."""

    def __init__(self, *, rejected_as: str | None, column: str | None = None) -> None:
        self._rejected_as, self._column = rejected_as, column
        self.seen: Counter[str] = Counter()
        self.decided: Counter[str] = Counter()

    def row(self, record: Record) -> dict[str, Any] | None:
        """The comment with a column for each label that was decided on; None where none was."""
        status = self._status(record)
        self.seen[status or "none"] += 1
        labels = self._labels(status.strip().lower()) if status else {}
        if not labels:
            return None
        self.decided.update(f"{label}={value}" for label, value in labels.items())
        article = record.article
        return {
            "id": record.id,
            "text": plain_text(record.text, record.format).text.strip(),
            **labels,
            "article.url": article and article.url,
            "article.title": article and article.title,
            "article.text": article and article.text,
            "language": record.language,
        }

    def _status(self, record: Record) -> str | None:
        names = (self._column,) if self._column else COLUMNS
        found = (record.extra.get(own_name(name)) for name in names)
        value = next((value for value in found if value not in (None, "")), None)
        return None if value is None else str(value)

    def _labels(self, status: str) -> dict[str, int]:
        if status in APPROVED:
            return {"toxicity": 0, "spam": 0}
        if status in SPAM:
            return {"spam": 1}
        return {self._rejected_as: 1} if status in REJECTED and self._rejected_as else {}
