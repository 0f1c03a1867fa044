"""Comments for a queue, with scores that the tests choose."""

from __future__ import annotations

from collections.abc import Sequence

from parley.model.comment import Article, Comment, Parent, Prediction, Span, Stance, TextFormat
from parley.model.labels import ABUSE
from parley.service.desk.arrivals import Arrivals, Arrived
from parley.service.policy.decision import Action, Decision, Reason
from parley.service.privacy import KeyedHashes
from parley.service.store.database import Store
from parley.service.store.desk.items import Item
from parley.service.store.desk.listing import Filter, page
from parley.service.store.desk.tables import ARRIVALS


def arrived(
    text: str,
    *,
    id: str | None = None,
    label: str = "toxicity",
    score: float = 0.9,
    action: Action = "review",
    title: str | None = "Council votes on bus lanes",
    url: str | None = None,
    author: str | None = None,
    parent: str | None = None,
    language: str = "en",
    spans: Sequence[tuple[int, int]] = (),
    format: TextFormat = "plain",
) -> Arrived:
    """An incoming comment with this prediction and decision."""
    when = label if label in ("spam", "off_topic") else f"abuse.{label}"
    scores = dict.fromkeys(ABUSE, 0.01) | ({label: score} if label in ABUSE else {})
    prediction = Prediction(
        id=id,
        abuse=scores,
        spam=score if label == "spam" else 0.02,
        off_topic=score if label == "off_topic" else 0.1,
        stance=Stance(target=title, favor=0.1, against=0.8, none=0.1, label="against") if title else None,
        spans=tuple(Span(start=start, end=end, label="toxicity", score=0.9) for start, end in spans),
        language=language,
    )
    reason = Reason(
        code=label, detail=f"{when} {score} (at least 0.5)", score=score, threshold=0.5, when=when
    )
    decision = Decision(action=action, reasons=() if action == "approve" else (reason,))
    article = Article(title=title, url=url) if title or url else None
    comment = Comment(
        text=text, id=id, article=article, parent=Parent(id=parent) if parent else None, format=format
    )
    return Arrived(comment=comment, prediction=prediction, decision=decision, author=author)


def fill(store: Store, hashes: KeyedHashes, some: Sequence[Arrived], *, queue: int = ARRIVALS) -> list[Item]:
    """Put comments into a queue; returns those that wait, most urgent first."""
    arrivals = Arrivals(store, hashes, on=True)
    arrivals.fill(some, model="tiny 0.0.1", policy="default@0", queue=queue)
    return page(store, Filter(queue=queue, flagged=False), size=1000)
