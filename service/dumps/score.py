"""Scores a dump: reader -> Scorer -> writer, a batch at a time, so that memory doesn't grow with the file.

    summary = score_file(open_reader(Source(Path("in.csv"))), Path("out.jsonl"), Scorer.load())

The output keeps the order of the input. Rows that can't be scored are listed in `OUT.errors.jsonl`. Both
files appear when they are whole; on an error or an interruption neither does.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self

from service.dumps.formats import Reader, output_format
from service.dumps.record import BadRow, Record
from service.dumps.rows import Layout, Scored, to_json
from service.dumps.writers import WRITERS, AtomicFile, Writer
from service.errors import DumpError, NothingToScore
from service.policy import Policy

if TYPE_CHECKING:
    from model import Classifier

BATCH = 512
"""Comments scored together: enough to sort by length, few enough for a lively progress bar."""


class Scorer:
    """The batch function: records in, scored comments out, same order and length. One thread owns it."""

    def __init__(self, classifier: Classifier, policy: Policy, *, target: str | None = None) -> None:
        self._classifier, self._policy, self._target = classifier, policy, target
        self.thresholds = classifier.thresholds

    @classmethod
    def load(
        cls,
        *,
        model: Path | None = None,
        policy: str = "default",
        target: str | None = None,
        threads: int | None = None,
    ) -> Self:
        """The scorer with the artifact at `model` (None: the one that comes with Parley).

        `target` serves comments that bring none of their own. Raises ArtifactError and PolicyError.
        """
        from model import Classifier

        classifier = Classifier.load(model, threads=threads)
        return cls(classifier, Policy.load(policy, thresholds=classifier.thresholds), target=target)

    def __call__(self, records: Sequence[Record]) -> list[Scored]:
        comments = [record.comment(target=self._target) for record in records]
        predictions = self._classifier.predict(comments)
        return [
            Scored(record, prediction, self._policy.decide(comment, prediction))
            for record, comment, prediction in zip(records, comments, predictions, strict=True)
        ]


@dataclass(slots=True)
class Summary:
    """What a run did. `flagged` counts comments at or over a label's threshold."""

    scored: int = 0
    bad: int = 0
    first_problem: str = ""
    cut_short: str = ""
    seconds: float = 0.0
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
            scores = {**said.abuse, "spam": said.spam, "off_topic": said.off_topic}
            self.flagged.update(
                label
                for label, score in scores.items()
                if score is not None and score >= thresholds.get(label, 1.0)
            )
            self.actions[row.decision.action] += 1
            if said.stance is not None:
                self.stances[said.stance.label] += 1


def score_file(
    reader: Reader,
    out: Path,
    scorer: Scorer,
    *,
    batch: int = BATCH,
    on_batch: Callable[[Summary], None] = lambda summary: None,
) -> Summary:
    """Score every comment of `reader` into `out` and list the bad rows in `errors_file(out)`.

    Raises DumpError where nothing can be read or written, NothingToScore where no row is good (its bad rows
    are listed all the same).
    """
    run = _Run(reader, out, scorer)
    try:
        run.open()
        rows = _rows(reader, run.summary)
        while taken := list(islice(rows, batch)):
            run.take(taken)
            on_batch(run.summary)
        return run.finish()
    except OSError as error:
        raise DumpError(f"{out} can't be written: {error.strerror or error}") from error
    finally:
        run.discard()


def errors_file(out: Path) -> Path:
    """Where the bad rows of the run that writes `out` are listed."""
    return out.with_name(f"{out.name}.errors.jsonl")


class _Run:
    """The two files of one run and its running summary."""

    def __init__(self, reader: Reader, out: Path, scorer: Scorer) -> None:
        self.summary = Summary()
        self._start = time.monotonic()
        self._reader, self._scorer = reader, scorer
        self._form = output_format(out)
        self._table, self._errors = AtomicFile(out), AtomicFile(errors_file(out))
        self._writer: Writer | None = None

    def open(self) -> None:
        """Start both files."""
        self._table.open()
        self._errors.open()

    def take(self, rows: Sequence[Record | BadRow]) -> None:
        """Score and write a batch."""
        bad = [row for row in rows if isinstance(row, BadRow)]
        self._errors.handle.writelines((to_json(row.to_dict()) + "\n").encode() for row in bad)
        self.summary.bad += len(bad)
        if bad and not self.summary.first_problem:
            place = f"line {bad[0].line}" if bad[0].line is not None else f"row {bad[0].row}"
            self.summary.first_problem = f"{place}: {bad[0].reason}"
        scored = self._scorer([row for row in rows if isinstance(row, Record)])
        if scored:
            if self._writer is None:
                layout = Layout.of(self._reader.columns, scored, types=getattr(self._reader, "types", {}))
                self._writer = WRITERS[self._form](self._table.handle, layout)
            self._writer.write(scored)
        self.summary.add(scored, self._scorer.thresholds)
        self.summary.seconds = time.monotonic() - self._start

    def finish(self) -> Summary:
        """Put both files in their places; an errors file of an earlier run goes where this run has none."""
        if self.summary.bad:
            self._errors.commit()
        else:
            self._errors.path.unlink(missing_ok=True)
        if self._writer is None:
            why = (
                f" ({self.summary.bad:,} bad; the first, {self.summary.first_problem})"
                if self.summary.bad
                else ""
            )
            raise NothingToScore(f"nothing to score: no row holds a comment{why}")
        self._writer.close()
        self._writer = None
        self._table.commit()
        self.summary.seconds = time.monotonic() - self._start
        return self.summary

    def discard(self) -> None:
        """Leave no half-written file behind; harmless after `finish`."""
        if self._writer is not None:
            with suppress(Exception):  # it closes onto a file that goes
                self._writer.close()
        self._table.discard()
        self._errors.discard()


def _rows(reader: Reader, summary: Summary) -> Iterator[Record | BadRow]:
    """The rows of `reader`; a dump that breaks off in the middle ends with a BadRow that says so."""
    count = 0
    try:
        for item in reader:
            count += 1
            yield item
    except DumpError as error:
        if count == 0:
            raise
        summary.cut_short = str(error)
        yield BadRow(reason=f"nothing is read from here on: {error}", row=count + 1)
