"""`parley feedback export`: decisions as training rows; `parley forget`: what is kept is removed."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from parley.service.commands.common import ConfigOption, opened_feedback, opened_store, told_errors
from parley.service.commands.echo import tell

app = typer.Typer(name="feedback", no_args_is_help=True, help="Use the moderators' decisions that are kept.")


@app.command()
def export(
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT.csv", help="Where to write the rows.")
    ],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT where it exists.")] = False,
    config: ConfigOption = None,
) -> None:
    """Write the decisions as a CSV to train from: one row a comment, its text and a column for each label.

    A label that nobody decided on stays empty. Articles that are kept (PUT /v1/articles) go beside their
    comments: off-topic can't be learnt without. Decisions kept without the comment's text can't be learnt
    from and are left out; `store.comments: true` in the settings keeps it from then on.

    \b
    parley feedback export -o decisions.csv
    """
    from parley.service.store.feedback import add_articles, training_rows

    if output.exists() and not overwrite:
        tell(f"Error: {output} exists; give another name, or --overwrite to replace it", err=True)
        raise typer.Exit(2)
    with told_errors(), opened_feedback(config) as feedback:
        rows, without_text = training_rows(feedback.rows())
        without_article = add_articles(feedback.store, rows)
    try:
        _write(output, rows)
    except OSError as error:
        tell(f"Error: {output} can't be written: {error.strerror}", err=True)
        raise typer.Exit(2) from error
    tell(f"{len(rows):,} comments with decisions: {output}", err=True)
    if without_article:
        tell(
            f"{without_article:,} of them are under articles that are not kept: PUT those to /v1/articles "
            "and export again, so that off-topic can be learnt",
            err=True,
        )
    if without_text:
        tell(f"{without_text:,} decisions have no text and were left out (see store.comments)", err=True)


@app.command()
def purge(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Even if that is most of what is kept; check the clock first.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Remove what is older than the settings keep it (`store.days`), as the service does every hour.

    The service removes at most half of what is kept at once, in case the machine's clock is wrong.

    \b
    parley feedback purge
    parley feedback purge --all
    """
    from datetime import timedelta

    from parley.service.privacy import KeyedHashes
    from parley.service.store.feedback import Feedback

    with told_errors(), opened_store(config) as (store, settings):
        feedback = Feedback(
            store, KeyedHashes(settings.store.author_secret), comments=settings.store.comments
        )
        count = feedback.purge(older_than=timedelta(days=settings.store.days), whatever_share=everything)
    tell(f"{count:,} decisions removed.", err=True)


def forget(
    author: Annotated[
        str | None, typer.Argument(help="The author's id, as the comment system sends it.")
    ] = None,
    *,
    comment: Annotated[
        str | None, typer.Option(help="The id of a comment: forget what is kept of it, whoever wrote it.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Remove everything that is kept of an author, or of one comment.

    \b
    parley forget baf4e943-3594-4fcc-b2ba-3e8de7a76352
    parley forget --comment 245b3856-b0a0-4d2f-a6bb-58c71f18d6a6
    """
    if author is None and comment is None:
        tell("Error: name an author, or a comment with --comment", err=True)
        raise typer.Exit(2)
    with told_errors(), opened_feedback(config) as feedback:
        count = feedback.forget(author=author, comment_id=comment)
    tell(f"{count:,} decisions removed.", err=True)


def _write(output: Path, rows: Iterable[dict[str, Any]]) -> None:
    """All or nothing, and for the owner's eyes only: these are readers' comments."""
    from parley.service.store.feedback import TRAINING_COLUMNS

    draft = output.with_name(f"{output.name}.part")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, TRAINING_COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)
