"""Moderators' decisions in a dump: turns a comment's status into training rows.

    decided = Decisions(rejected_as="toxicity")
    decided.row(record)      # {"id": ..., "text": ..., "toxicity": 1, "article.title": ...} or None

`approved` means neither toxic nor spam, `spam` means spam, and a rejection what the caller says: no dump has
the reason. A pending or unreviewed comment gives no row.
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
"""Columns with a status; the first that a comment has counts."""


class Decisions:
    """Turns records into rows and counts them: `seen` by status, `decided` by label and value."""

    def __init__(self, *, rejected_as: str | None, column: str | None = None) -> None:
        self._rejected_as, self._column = rejected_as, column
        self.seen: Counter[str] = Counter()
        self.decided: Counter[str] = Counter()

    def row(self, record: Record) -> dict[str, Any] | None:
        """The comment with a column for each decided label; None if there is none."""
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
        values = (record.extra.get(own_name(name)) for name in names)
        value = next((value for value in values if value not in (None, "")), None)
        return None if value is None else str(value)

    def _labels(self, status: str) -> dict[str, int]:
        if status in APPROVED:
            return {"toxicity": 0, "spam": 0}
        if status in SPAM:
            return {"spam": 1}
        return {self._rejected_as: 1} if status in REJECTED and self._rejected_as else {}
