"""What a policy would have done with a dump: counts, and each rule's borderline comments.

    trial = try_policy(policy, reader, classifier.predict)
    trial.actions["reject"], trial.rules["spam"].count, trial.rules["spam"].examples

Rows that already have scores (the output of `parley score`) keep them; the others are scored here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from parley.model.comment import Comment, Prediction
from parley.model.labels import ABUSE, OFF_TOPIC, SPAM
from parley.service.dumps.reading.record import RawRow, Record
from parley.service.policy.decision import Decision, Policy, Reason

BATCH = 256

Predict = Callable[[Sequence[Comment]], list[Prediction]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A comment on which a rule fired or nearly fired; `place` is its line or row."""

    place: int
    text: str
    reason: Reason

    @property
    def margin(self) -> float:
        """The distance of the score from the threshold."""
        return abs((self.reason.score or 0.0) - (self.reason.threshold or 0.0))


@dataclass(slots=True)
class Fired:
    """How often a reason was given and decided, and the comments on both sides of its threshold."""

    count: int = 0
    decided: Counter[str] = field(default_factory=Counter)
    examples: list[Firing] = field(default_factory=list)
    below: list[Firing] = field(default_factory=list)


@dataclass(slots=True)
class Trial:
    """The whole trial."""

    actions: Counter[str] = field(default_factory=Counter)
    rules: dict[str, Fired] = field(default_factory=dict)
    scored_before: int = 0
    bad: list[RawRow] = field(default_factory=list)

    @property
    def comments(self) -> int:
        """How many comments were decided."""
        return self.actions.total()

    def add(self, record: Record, decision: Decision, nearly: Sequence[Reason], *, examples: int) -> None:
        """Count one decision, and keep the `examples` comments closest to each threshold."""
        self.actions[decision.action] += 1
        for reason in decision.reasons:
            fired = self.rules.setdefault(reason.code, Fired())
            fired.count += 1
            fired.decided[decision.action] += 1
            _keep_closest(fired.examples, record, reason, examples)
        for reason in nearly:
            _keep_closest(self.rules.setdefault(reason.code, Fired()).below, record, reason, examples)


def _keep_closest(kept: list[Firing], record: Record, reason: Reason, most: int) -> None:
    kept.append(Firing(place=record.line or record.row, text=record.text, reason=reason))
    kept.sort(key=lambda example: example.margin)
    del kept[most:]


def try_policy(
    policy: Policy, rows: Iterable[Record | RawRow], predict: Predict, *, examples: int = 3
) -> Trial:
    """Decide on every row; `predict` scores rows without scores. Raises what reading `rows` raises."""
    trial = Trial()
    for batch in _batches(rows):
        records = [row for row in batch if isinstance(row, Record)]
        trial.bad += [row for row in batch if isinstance(row, RawRow)]
        known = {record.row: scored for record in records if (scored := scores_of(record))}
        unknown = [record for record in records if record.row not in known]
        trial.scored_before += len(known)
        if unknown:
            predictions = predict(unknown)
            known |= {record.row: scored for record, scored in zip(unknown, predictions, strict=True)}
        for record in records:
            prediction = known[record.row]
            nearly = policy.nearly(record, prediction) if examples else ()
            trial.add(record, policy.decide(record, prediction), nearly, examples=examples)
    return trial


def scores_of(record: Record) -> Prediction | None:
    """The scores in a row of `parley score`'s output, nested or with dots; None if one is missing."""
    nested = record.extra.get("abuse")
    abuse = nested if isinstance(nested, Mapping) else {}
    scores = {name: _probability(abuse.get(name, record.extra.get(f"abuse.{name}"))) for name in ABUSE}
    spam = _probability(record.extra.get(SPAM))
    present = {name: score for name, score in scores.items() if score is not None}
    if spam is None or len(present) < len(ABUSE):
        return None
    off_topic = _probability(record.extra.get(OFF_TOPIC))
    return Prediction(
        id=record.id, abuse=present, spam=spam, off_topic=off_topic, stance=None, language=record.language
    )


def _probability(value: Any) -> float | None:
    try:
        score = float(value)
    except (TypeError, ValueError):
        return None
    return score if math.isfinite(score) else None


def _batches(rows: Iterable[Record | RawRow]) -> Iterator[list[Record | RawRow]]:
    iterator = iter(rows)
    for first in iterator:
        yield list(chain([first], islice(iterator, BATCH - 1)))
