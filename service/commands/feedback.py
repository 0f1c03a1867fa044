"""`parley feedback`: decisions as training rows. `parley forget`: delete what is stored about somebody."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parley.service.commands.common import ConfigOption, opened_feedback, opened_store, told_errors
from parley.service.terminal import tell

if TYPE_CHECKING:
    from parley.service.dumps.reading.record import Record

app = typer.Typer(
    name="feedback", no_args_is_help=True, help="Turn moderators' decisions into training rows."
)


@app.command()
def export(
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.csv", help="CSV file to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")] = False,
    config: ConfigOption = None,
) -> None:
    """Write the decisions as a CSV for training: one row per comment, one column per label.

    Decisions made at the desk are included. A label that nobody decided on is empty. Stored articles (PUT
    /v1/articles) are written beside their comments: training off-topic needs them. Decisions stored without
    the comment's text are skipped; `store.comments: true` in the settings keeps the texts of new ones.

    \b
    parley feedback export -o decisions.csv
    """
    from parley.service.store.desk import decisions
    from parley.service.store.feedback import add_articles, training_rows

    if output.exists() and not overwrite:
        tell(f"Error: {output} exists; give another name, or --overwrite to replace it", err=True)
        raise typer.Exit(2)
    with told_errors(), opened_feedback(config) as feedback:
        rows, without_text = training_rows(feedback.rows())
        rows += decisions.training_rows(feedback.store)
        without_article = add_articles(feedback.store, rows)
    try:
        _write(output, rows)
    except OSError as error:
        tell(f"Error: {output} can't be written: {error.strerror}", err=True)
        raise typer.Exit(2) from error
    tell(f"Wrote {len(rows):,} comments with decisions to {output}", err=True)
    if without_article:
        tell(
            f"{without_article:,} of them belong to articles that are not stored: to train off-topic, PUT "
            "those to /v1/articles and export again",
            err=True,
        )
    if without_text:
        tell(f"Skipped {without_text:,} decisions without a text (see store.comments)", err=True)


@app.command()
def purge(
    *,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Delete even if that is most of the store; check the clock first."),
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Delete what is older than `store.days`, as the service does every hour.

    Without --all nothing is deleted if that would be most of the decisions or of the desk's comments, in
    case the machine's clock is wrong.

    \b
    parley feedback purge
    parley feedback purge --all
    """
    from datetime import timedelta

    from parley.service.store import retention

    with told_errors(), opened_store(config) as (store, settings):
        kept_for = timedelta(days=settings.store.days)
        count = retention.purge(store, older_than=kept_for, whatever_share=everything)
    tell(f"Deleted {count:,} decisions and comments.", err=True)


@app.command("from-dump")
def from_dump(
    sources: Annotated[
        list[Path], typer.Argument(metavar="DUMP...", help="Export of comments with their moderation status.")
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.csv", help="CSV file to write.")],
    rejected_as: Annotated[
        str,
        typer.Option(metavar="LABEL", help="Label that rejected comments get; `none` skips them."),
    ] = "toxicity",
    status: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column with the moderation status.", show_default="status, rating, ..."
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="Read a field from COLUMN, as in `parley score`."),
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="Format of the dump (detected by default).")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")] = False,
) -> None:
    """Write a dump's moderation decisions as a CSV for training and calibration, as `export` does.

    Approved comments count as neither toxic nor spam, spam as spam, rejected ones (trash, removed) as
    --rejected-as. Comments that are pending or unreviewed are skipped.

    \b
    parley feedback from-dump disqus.xml.gz -o decisions.csv
    parley feedback from-dump comments.csv -o decisions.csv --map text=body --status state
    """
    from parley.service.dumps.formats.several import open_dump
    from parley.service.dumps.reading.decisions import Decisions
    from parley.service.dumps.reading.record import Columns
    from parley.service.store.feedback import LABELS

    if output.exists() and not overwrite:
        tell(f"Error: {output} exists; give another name, or --overwrite to replace it", err=True)
        raise typer.Exit(2)
    if rejected_as not in (*LABELS, "none"):
        raise typer.BadParameter(f"--rejected-as {rejected_as}: give one of {', '.join(LABELS)}, or none")
    decisions = Decisions(rejected_as=None if rejected_as == "none" else rejected_as, column=status)
    with told_errors():
        names = Columns.parse(columns or [], guesses=True)
        with open_dump(sources, name=format_, columns=names) as (reader, told):
            records = _as_far_as_it_goes(reader, told.remarks)
            rows = (row for record in records if (row := decisions.row(record)) is not None)
            try:
                count = _write(output, rows)
            except OSError as error:
                tell(f"Error: {output} can't be written: {error.strerror}", err=True)
                raise typer.Exit(2) from error
    statuses = (
        ", ".join(f"{name} {number:,}" for name, number in decisions.seen.most_common(8)) or "no comments"
    )
    if not count:
        output.unlink()
        tell(f"Error: no decisions in {sources[0]} (status: {statuses}); see --status", err=True)
        raise typer.Exit(1)
    decided = ", ".join(f"{name} {number:,}" for name, number in sorted(decisions.decided.items()))
    tell(f"Wrote {count:,} comments with decisions ({decided}) to {output}", err=True)
    tell(f"Status of the comments read: {statuses}", err=True)
    for remark in told.remarks:
        tell(remark, err=True)


def forget(
    author: Annotated[
        str | None, typer.Argument(help="Id of the author, as the comment system sends it.")
    ] = None,
    *,
    comment: Annotated[
        str | None, typer.Option(help="Id of a comment: delete everything stored about it.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Delete everything stored about an author, or about one comment.

    \b
    parley forget baf4e943-3594-4fcc-b2ba-3e8de7a76352
    parley forget --comment 245b3856-b0a0-4d2f-a6bb-58c71f18d6a6
    """
    if author is None and comment is None:
        tell("Error: give an author's id, or a comment's id with --comment", err=True)
        raise typer.Exit(2)
    with told_errors(), opened_feedback(config) as feedback:
        count = feedback.forget(author=author, comment_id=comment)
    tell(f"Deleted {count:,} decisions and comments.", err=True)


def _as_far_as_it_goes(reader: Iterable[Any], remarks: list[str]) -> Iterator[Record]:
    from parley.service.dumps.reading.record import Record
    from parley.service.errors import DumpError

    try:
        yield from (row for row in reader if isinstance(row, Record))
    except DumpError as error:
        remarks.append(f"The input could not be read to its end: {error}")


def _write(output: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write all rows or no file, readable by the owner only (it holds comments). Returns the count."""
    from parley.service.store.feedback import TRAINING_COLUMNS

    draft = output.with_name(f"{output.name}.part")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, TRAINING_COLUMNS)
            writer.writeheader()
            count = 0
            for row in rows:
                writer.writerow(row)
                count += 1
        draft.replace(output)
        return count
    finally:
        draft.unlink(missing_ok=True)
