"""The batch function behind every way of scoring a dump, `Scorer`, and a run's counts, `Summary`.

scorer = Scorer.load()
scorer(records)          # one Scored per record, in order
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from parley.model.comment import Question
from parley.model.labels import COMMENT_LABELS, OFF_TOPIC, UNSURE
from parley.service.dumps.reading.record import Record
from parley.service.dumps.scoring.deduplication import Seen, key_of
from parley.service.dumps.scoring.null import NullClassifier
from parley.service.dumps.scoring.rows import Scored
from parley.service.policy.decision import Policy

if TYPE_CHECKING:
    from parley.model.classifier import Classifier


class Scorer:
    """The batch function: records in, scored comments out, same order and length. One thread owns it."""

    def __init__(
        self,
        classifier: Classifier | NullClassifier,
        policy: Policy,
        *,
        target: str | None = None,
        reply: bool = False,
    ) -> None:
        self._classifier, self._policy, self._target = classifier, policy, target
        self._ask: tuple[Question, ...] = ("reply",) if reply else ()
        self.thresholds = policy.operating_points
        self.asked = 0
        """Comments that the model scored, without duplicates."""

    @classmethod
    def load(
        cls,
        *,
        model: Path | None = None,
        policy: str = "default",
        target: str | None = None,
        reply: bool = False,
        threads: int | None = None,
        null: bool = False,
    ) -> Self:
        """The scorer with the artifact at `model` (None: the shipped one).

        `target` is for comments without one; `reply` compares each with its parent; `null` uses the null
        engine, without an artifact. Raises ArtifactError and PolicyError.
        """
        classifier: Classifier | NullClassifier
        classifier = NullClassifier() if null else _classifier(model, threads=threads)
        loaded = Policy.load(policy, thresholds=classifier.thresholds)
        return cls(classifier, loaded, target=target, reply=reply)

    def __call__(self, records: Sequence[Record], *, seen: Seen | None = None) -> list[Scored]:
        """Scored comments for `records`; exact duplicates, also of those in `seen`, are scored once."""
        return self.start(records, seen=seen)()

    def start(self, records: Sequence[Record], *, seen: Seen | None = None) -> Callable[[], list[Scored]]:
        """Start scoring in parallel with the caller; returns a function that waits for the result.

        With a shared `seen`, wait in the order of starting.
        """
        records = [record.asked(target=self._target, ask=self._ask) for record in records]
        keys = [key_of(record) for record in records]
        unique = dict(zip(keys, records, strict=True))
        known = seen.find(list(unique)) if seen else {}
        awaited = seen.awaited & unique.keys() if seen else set()
        new = {key: record for key, record in unique.items() if key not in known and key not in awaited}
        if seen:
            seen.awaited.update(new)
        running = self._classifier.start(list(new.values()))

        def await_scored() -> list[Scored]:
            known.update(zip(new, running(), strict=True))
            self.asked += len(new)
            if seen:
                seen.keep({key: known[key] for key in new})
                known.update(seen.find(list(awaited)))
            return [
                Scored(record, known[key], self._policy.decide(record, known[key]))
                for key, record in zip(keys, records, strict=True)
            ]

        return await_scored


def _classifier(model: Path | None, *, threads: int | None) -> Classifier:
    from parley.model import Classifier

    return Classifier.load(model, threads=threads)


@dataclass(slots=True)
class Summary:
    """A run's counts. `flagged` counts comments at or over a label's operating point; `earlier` are comments
    scored by the interrupted run that this one resumed; `share` is the scored share of the rows read."""

    scored: int = 0
    repeated: int = 0
    bad: int = 0
    left_out: int = 0
    first_problem: str = ""
    cut_short: str = ""
    seconds: float = 0.0
    earlier: int = 0
    share: float = 1.0
    flagged: Counter[str] = field(default_factory=Counter)
    stances: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Comments a second."""
        return self.scored / self.seconds if self.seconds else 0.0

    def add(self, rows: Sequence[Scored], thresholds: dict[str, float]) -> None:
        """Count a batch."""
        self.scored += len(rows)
        for row in rows:
            said = row.prediction
            scores = ((label, said.score(label)) for label in (*COMMENT_LABELS, OFF_TOPIC))
            self.flagged.update(
                label for label, score in scores if score is not None and score >= thresholds[label]
            )
            self.actions[row.decision.action] += 1
            if said.stance is not None:
                self.stances[said.stance.label or UNSURE] += 1

    def merge(self, other: Summary) -> None:
        """Add another run's counts, on other rows of the same dump."""
        for name in ("scored", "repeated", "bad", "left_out", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("flagged", "stances", "actions"):
            getattr(self, name).update(getattr(other, name))
        self.first_problem = self.first_problem or other.first_problem
        self.cut_short = self.cut_short or other.cut_short

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values, for `of`."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: dict(v) if isinstance(v, Counter) else v for name, v in values.items()}

    @classmethod
    def of(cls, values: dict[str, Any]) -> Summary:
        """The summary from `to_dict`."""
        counters = {name: Counter(values[name]) for name in ("flagged", "stances", "actions")}
        return cls(**{**values, **counters})
