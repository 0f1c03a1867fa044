"""Scores a dump on this machine: reader -> selection -> Scorer -> writer, a batch at a time.

    with closing(Source(Path("in.csv"))) as source:
        summary = score_file(Selection(open_reader(source)), Path("out.jsonl"), Scorer.load(), call={})

The output keeps the input's order, in constant memory. Rows that can't be scored are listed in
`OUT.errors.jsonl`. Both files appear when complete. An interrupted run leaves its complete parts in
`OUT.parts` (see `parley.service.dumps.scoring.parts`), and the same call resumes from there.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO

from parley.service.dumps.formats.registry import output_format
from parley.service.dumps.reading.record import RawRow, Record
from parley.service.dumps.scoring.deduplication import Seen
from parley.service.dumps.scoring.parts import Parts
from parley.service.dumps.scoring.rows import Layout, Scored, to_json
from parley.service.dumps.scoring.scorer import Scorer, Summary
from parley.service.dumps.scoring.selection import Selection
from parley.service.dumps.scoring.writers import WRITERS, Output, Writer
from parley.service.errors import DumpError, NothingToScore

BATCH = 1024
"""The most comments per batch: enough that many have equal length, few enough for a smooth progress bar."""
BATCHES_A_PART = 4
PART_SECONDS = 5.0
"""The most work that a crash loses, in batches and in seconds."""
BATCH_SECONDS = 1.5
FIRST_BATCH = 32
"""Target seconds per batch, and the size of the first batch, before the pace is known."""

OnBatch = Callable[[Summary], None]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows being scored together; `scored` waits for the scores of the good ones.

    `rows` counts the dump's rows up to and including these, `taken` is the share of the dump read by then.
    """

    good: list[Record]
    bad: list[RawRow]
    rows: int
    taken: int
    scored: Callable[[], list[Scored]]


class Pace:
    """Adapts the batch size, up to `most`, so that progress is shown and saved every few seconds."""

    def __init__(self, most: int) -> None:
        self._most, self.size = most, min(FIRST_BATCH, most)

    def took(self, rows: int, seconds: float) -> None:
        """Learn from a batch. The size doubles or halves, so that a slow moment doesn't spoil the next."""
        if seconds < BATCH_SECONDS / 2 and rows >= self.size:
            self.size = min(self.size * 2, self._most)
        elif seconds > BATCH_SECONDS:
            self.size = max(self.size // 2, 1)


def score_file(
    selection: Selection,
    out: Path,
    scorer: Scorer,
    *,
    call: Mapping[str, Any],
    resume: bool = True,
    errors_out: Path | None = None,
    batch: int = BATCH,
    on_batch: OnBatch = lambda summary: None,
) -> Summary:
    """Score the comments of `selection` into `out` and list the bad rows in `errors_out` (None: beside it).

    `call` is everything that determines the output, as JSON-ready values: with `resume`, a run with an equal
    call is continued. Raises DumpError if nothing can be read or written, or if another call's parts are in
    the way, NothingToScore if no row is good (bad rows are still listed).
    """
    form = WRITERS[output_format(out)]
    errors_out = errors_out or errors_file(out)
    try:
        with Parts(out, call, resume=resume) as parts:
            run = Run(selection, scorer, form, batch=batch, on_batch=on_batch, seen=parts.seen)
            run.go_on(parts)
            parts.finish(form.join, errors_out=errors_out)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "; free some space, then give the same command again to resume" if full else ""
        raise DumpError(f"{out} can't be written: {error.strerror or error}{advice}") from error
    return run.checked()


def score_stream(
    selection: Selection,
    out: BinaryIO,
    errors: BinaryIO | None,
    scorer: Scorer,
    *,
    ahead: bool = True,
    batch: int = BATCH,
    on_batch: OnBatch = lambda summary: None,
) -> Summary:
    """Score the comments of `selection` onto the handle `out` as JSON lines, batch by batch.

    Unless `ahead`, a batch is written before waiting for the rows of the next. Raises as `score_file`, and
    BrokenPipeError if `out` is closed.
    """
    run = Run(selection, scorer, WRITERS["jsonl"], batch=batch, on_batch=on_batch)
    for some in run.batches(ahead=ahead):
        run.write([some], out, errors)
        out.flush()
    return run.checked()


def errors_file(out: Path) -> Path:
    """The default file of bad rows for a run that writes `out`."""
    return out.with_name(f"{out.name}.errors.jsonl")


class Run:
    """One pass over a selection, and its counts; `layout` None: from its first comments."""

    def __init__(
        self,
        selection: Selection,
        scorer: Scorer,
        form: Output,
        *,
        batch: int = BATCH,
        on_batch: OnBatch = lambda summary: None,
        seen: Seen | None = None,
        layout: Layout | None = None,
    ) -> None:
        self.summary = Summary()
        self._selection, self._scorer, self._form = selection, scorer, form
        self._batch, self._on_batch, self._seen, self._layout = batch, on_batch, seen, layout
        self._written = self._taken = self._read = 0
        self._mark = time.monotonic()

    def go_on(self, parts: Parts) -> None:
        """Score the rows that `parts` lacks; those it has are read again and checked to be the same."""
        if parts.receipts:
            self.summary = Summary.of(parts.receipts[-1]["summary"])
            self.summary.earlier = self.summary.scored
        if parts.whole:
            return
        pace = Pace(self._batch)
        batches = _one_ahead(self._begin(after=parts.receipts[-1] if parts.receipts else None, pace=pace))
        while (first := next(batches, None)) is not None:
            with parts.next_part() as (table, errors):
                self.write(self._part(first, batches, pace), table, errors)
            parts.commit({"rows": self._written, "taken": self._taken, "summary": self.summary.to_dict()})

    def _part(self, first: Batch, batches: Iterator[Batch], pace: Pace) -> Iterator[Batch]:
        """`first` and the batches of the same part: limited rows and seconds."""
        started, rows = time.monotonic(), 0
        following: Batch | None = first
        while following is not None:
            before = time.monotonic()
            yield following
            size = len(following.good) + len(following.bad)
            seconds = time.monotonic() - before
            pace.took(size, seconds)
            rows += size
            if rows >= BATCHES_A_PART * self._batch or time.monotonic() - started + seconds > PART_SECONDS:
                return
            following = next(batches, None)

    def write(self, batches: Iterable[Batch], table: BinaryIO, errors: BinaryIO | None) -> None:
        """Write these rows to the two handles; nothing to `table` if none is good."""
        writer: Writer | None = None
        try:
            for batch in batches:
                self._list_bad(batch.bad, errors)
                if batch.good:
                    layout = self._look(batch.good)
                    writer = writer or self._form.open(table, layout, header=self.summary.scored == 0)
                    writer.write(self._scored(batch))
                self._written, self._taken = batch.rows, batch.taken
                self._tick()
        except BaseException:
            if writer is not None:
                with suppress(Exception):  # it closes on a file that doesn't count
                    writer.close()
            raise
        if writer is not None:
            writer.close()

    def batches(self, *, ahead: bool = True) -> Iterator[Batch]:
        """The batches of the selection, for `write`. With `ahead` the next batch is started before one is
            yielded,
        so that the engine works during writing.
        """
        return _one_ahead(self._begin()) if ahead else self._begin()

    def checked(self) -> Summary:
        """The summary. Raises NothingToScore if it counts no comments."""
        counted = self.summary
        if counted.scored:
            return counted
        bad = f" ({counted.bad:,} bad; the first, {counted.first_problem})" if counted.bad else ""
        left_out = f" ({counted.left_out:,} did not match)" if counted.left_out else ""
        raise NothingToScore(f"nothing to score: no row holds a comment{bad}{left_out}")

    def _begin(self, *, after: Mapping[str, Any] | None = None, pace: Pace | None = None) -> Iterator[Batch]:
        """The rows of the selection, in groups of the size that `pace` says (None: a batch), without those
            counted by
        the receipt `after`. A dump that breaks off ends with a bad row that says so.

        The layout comes from the first full batch with a good row, even if groups are smaller.
        """
        skip, number = (after["rows"] if after else 0), 0
        rows = self._rows()
        while block := [(row, self._selection.taken) for row in islice(rows, self._batch)]:
            if good := [row for row, _ in block if isinstance(row, Record)]:
                self._look(good)
            if after is not None and number < skip <= number + len(block):
                if block[skip - number - 1][1] != after["taken"]:
                    raise DumpError("the input no longer reads as it did: say --no-resume to start anew")
                self._mark = time.monotonic()
            at = max(skip - number, 0)
            while at < len(block):
                some = block[at : at + (pace.size if pace else self._batch)]
                at += len(some)
                self._read = number + at
                good = [row for row, _ in some if isinstance(row, Record)]
                yield Batch(
                    good=good,
                    bad=[row for row, _ in some if isinstance(row, RawRow)],
                    rows=number + at,
                    taken=some[-1][1],
                    scored=self._scorer.start(good, seen=self._seen),
                )
            number += len(block)
        if number < skip:
            raise DumpError("the input no longer reads as it did: say --no-resume to start anew")
        self.summary.left_out = self._selection.left_out

    def _look(self, records: Sequence[Record]) -> Layout:
        """The layout, from the dump's first comments."""
        if self._layout is None:
            self._layout = Layout.of(self._selection.columns, records, types=self._selection.types)
        return self._layout

    def _scored(self, batch: Batch) -> list[Scored]:
        asked = self._scorer.asked
        scored = batch.scored()
        self.summary.repeated += len(scored) - (self._scorer.asked - asked)
        self.summary.add(scored, self._scorer.thresholds)
        return scored

    def _list_bad(self, rows: Sequence[RawRow], errors: BinaryIO | None) -> None:
        if errors is not None:
            errors.writelines(to_json(row.to_dict()) + b"\n" for row in rows)
        self.summary.bad += len(rows)
        if rows and not self.summary.first_problem:
            place = f"line {rows[0].line}" if rows[0].line is not None else f"row {rows[0].row}"
            self.summary.first_problem = f"{place}: {rows[0].problem}"

    def _tick(self) -> None:
        now = time.monotonic()
        self.summary.seconds += now - self._mark
        self._mark = now
        self.summary.left_out = self._selection.left_out
        self.summary.share = self._written / max(self._read, 1)
        self._on_batch(self.summary)

    def _rows(self) -> Iterator[Record | RawRow]:
        try:
            yield from self._selection
        except DumpError as error:
            if self._selection.taken == 0:
                raise
            self.summary.cut_short = str(error)
            yield RawRow(problem=f"the rest of the input is not read: {error}", row=self._selection.taken + 1)


def _one_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, each yielded after the next is started."""
    for first, _ in pairwise(chain(batches, [None])):
        assert first is not None
        yield first
