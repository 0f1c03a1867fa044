"""The report's tables in the terminal: `parley report OUT --summary`."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from parley.service.policy.rules import SCORES
from parley.service.report.counts import Counts, Group, Groups, abusive, stances
from parley.service.report.tally import Tally
from parley.service.report.words import label, moment, one_line, per, share

ROWS = 10
"""The most time steps shown; the page shows more."""


def print_tables(tally: Tally, console: Console, *, top: int) -> None:
    """Print the tables: over time, by article, author and target, scores, reasons, notes, comments."""
    width = console.width
    for table in (
        _over_time(tally, width=width),
        _groups("article", tally.articles, tally.articles.most(top, by=abusive), width=width),
        _groups("author", tally.authors, tally.authors.most(top, by=abusive), width=width),
        _groups("target", tally.targets, tally.targets.most(top, by=stances), width=width),
        _scores(tally),
        _decisions(tally),
        _notes(tally),
        _first(tally),
    ):
        console.print(table)


def _table(title: str, *columns: str) -> Table:
    table = _titled(title)
    table.add_column(columns[0], overflow="ellipsis", no_wrap=True)
    for name in columns[1:]:
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    return table


def _titled(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def _over_time(tally: Tally, *, width: int) -> Table:
    if tally.earliest is None:
        return _counts("Over time: no comment has a date (created_at)", "time", [], width=width)
    step, bins = tally.timeline.shown(bins=ROWS)
    return _counts(
        f"Comments {per(step)} (UTC)",
        step,
        [(moment(time, step), counts) for time, counts in bins],
        width=width,
    )


def _groups(kind: str, groups: Groups, shown: list[Group], *, width: int) -> Table:
    title = f"By {kind}: {len(shown)} of {len(groups):,}" if shown else f"By {kind}: none given"
    if groups.dropped:
        title += f"; {groups.rest.comments:,} comments in small groups are not shown"
    if shown and groups.unnamed:
        title += f"; {groups.unnamed:,} comments have none"
    names = [(one_line(group.name, length=width), group.counts) for group in shown]
    return _counts(title, kind, names, width=width)


def _counts(title: str, first: str, rows: list[tuple[str, Counts]], *, width: int) -> Table:
    table = _table(
        title, first, "all", "review", "reject", "abusive", "off-topic", "favor", "against", "none", "unsure"
    )
    for name, counts in rows:
        held = _number(counts.review), _number(counts.reject)
        shares = share(counts.abusive, counts.comments), share(counts.off_topic, counts.judged)
        sides = map(_number, (counts.favor, counts.against, counts.none, counts.unsure))
        table.add_row(Text(name), _number(counts.comments), *held, *shares, *sides)
    table.padding = (0, 0, 0, 0)
    names, *numbers = table.columns
    taken = sum(max(len(str(cell)) for cell in (column.header, *column.cells)) for column in numbers)
    # A name may be cut short, a number never.
    names.max_width = max(8, width - taken - len(table.columns) - 1)
    return table


def _number(count: int) -> str:
    return f"{count:,}" if count < 1_000_000 else f"{count / 1e6:.2f}M"


def _scores(tally: Tally) -> Table:
    table = _table(
        f"Scores, policy {one_line(tally.lines.policy, length=40)}", "score", "from", "comments", "not judged"
    )
    for score in SCORES:
        scores, cut = tally.distributions[score], tally.lines.cuts[score]
        over = f"{scores.over:,} ({share(scores.over, tally.all.comments - scores.null)})"
        table.add_row(label(score), f"{cut.value:.2g}", over, f"{scores.null:,}")
    return table


def _decisions(tally: Tally) -> Table:
    table = _table("Decisions and their reasons", "decision or reason", "comments", "share")
    decisions = [(action, getattr(tally.all, action)) for action in ("approve", "review", "reject")]
    reasons = [(f"  {one_line(code, length=60)}", n) for code, n in tally.reasons.most_common(20)]
    for name, count in [*decisions, *reasons]:
        table.add_row(Text(name), f"{count:,}", share(count, tally.all.comments))
    return table


def _notes(tally: Tally) -> Table:
    table = _table("Not judged", "what", "comments")
    table.add_row("off-topic", f"{tally.all.comments - tally.all.judged:,}")
    table.add_row("stance", f"{tally.all.comments - tally.all.stances:,}")
    for note, count in tally.notes.most_common():
        table.add_row(Text(f"  note {one_line(note, length=60)}"), f"{count:,}")
    return table


def _first(tally: Tally) -> Table:
    table = _titled("Comments to look at first")
    for name in ("decision", "reasons", "id", "comment"):
        table.add_column(name, overflow="fold")
    for pick in tally.first.ranked():
        row = pick.row
        reasons = ", ".join(str(reason.get("code")) for reason in row.reasons)
        table.add_row(
            row.action,
            Text(one_line(reasons, length=60) if reasons else "–"),
            Text(one_line(row.id, length=40)),
            Text(one_line(row.text, length=160)),
        )
    return table
