"""What `parley score` shows on stderr: a progress bar on a terminal, a summary, never a comment's text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from parley.service.terminal import progress_bar, tell

if TYPE_CHECKING:
    from parley.service.dumps.scoring.scorer import Summary


@contextmanager
def progress(*, shown: bool) -> Iterator[Callable[[Summary, float], None]]:
    """Yield a function to call with a summary and the share done; on a terminal it shows both."""
    with progress_bar("comments", "rate", shown=shown) as bar:
        task = bar.add_task("Scoring", total=1.0, comments="", rate="")
        begun = False

        def update(summary: Summary, fraction: float) -> None:
            nonlocal begun
            count, rate = f"{summary.scored:,} comments", f"{summary.rate:,.0f}/s"
            if (
                not begun and summary.earlier
            ):  # a resumed run reads again quickly; the time left is for scoring
                bar.reset(task, total=1.0, completed=0)
            begun = True
            bar.update(task, completed=fraction, comments=count, rate=rate)

        yield update


def show(summary: Summary, output: str, remarks: Sequence[str], *, errors_out: Path | None) -> None:
    """Print what was done."""

    def counts(counter: Counter[str]) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in counter.most_common()) or "none"

    speed = f"{summary.seconds:.1f} s ({summary.rate:,.{0 if summary.rate >= 10 else 1}f} a second)"
    lines = [f"Scored {summary.scored:,} comments in {speed}: {output}"]
    if summary.earlier:
        lines.append(f"  resumed after the {summary.earlier:,} that an interrupted run had scored")
    if summary.repeated:
        lines.append(f"  {summary.repeated:,} are exact duplicates, scored once")
    if summary.left_out:
        lines.append(f"  {summary.left_out:,} others don't match --where or --since")
    lines.append(f"  over a threshold: {counts(summary.flagged)}")
    if summary.stances:
        lines.append(f"  stance: {counts(summary.stances)}")
    lines.append(f"  decisions: {counts(summary.actions)}")
    lines += [f"  {remark}" for remark in remarks]
    if summary.bad:
        listed = f"listed in {errors_out}" if errors_out else "and are listed only with --errors FILE"
        lines.append(f"  {summary.bad:,} rows could not be scored, {listed}")
        lines.append(f"  the first: {summary.first_problem}")
    tell("\n".join(lines), err=True)
