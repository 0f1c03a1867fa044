"""`parley score IN -o OUT`: scores a file of comments."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from service.dumps.formats import Reader
    from service.dumps.record import Columns
    from service.dumps.score import Scorer, Summary


def score(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN", help="Comments: .jsonl, .csv, .tsv, .parquet, .arrow, also .gz; or a page's .txt."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="OUT", help="Scores: .jsonl (nested), .csv or .parquet (flat)."
        ),
    ],
    *,
    target: Annotated[
        str | None,
        typer.Option(help="What the stance is towards, for comments that bring no target of their own."),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Take a field (text, id, article.title, ...) from COLUMN. Repeatable.",
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="Read IN as jsonl, csv, parquet, arrow or page."),
    ] = None,
    policy: Annotated[str, typer.Option(help="Policy that decides: a name or a YAML file.")] = "default",
    model: Annotated[
        Path | None,
        typer.Option(help="Folder of the artifact.", show_default="the one that comes with Parley"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of the engine.", show_default="one for each core")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Comments scored at a time.")] = 512,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT where it exists.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
) -> None:
    """Score a file of comments for abuse, off-topic and stance.

    The input's columns (or JSON fields) are named as in a REST request: text, id, article.title,
    article.text, parent.text, target, language and so on. Only text is needed; columns of your own are
    handed through. Without an article there is no off_topic, without a target or an article's title no
    stance. A .txt is read as the page of an article with its comments below.

    \b
    parley score comments.csv -o scores.csv
    parley score comments.csv -o scores.parquet --map text=body --map article.title=headline
    parley score page.txt -o scores.jsonl --target "closing the old bridge"
    parley score export.jsonl.gz -o scores.csv --policy strict

    Rows that can't be scored are listed with line and reason in OUT.errors.jsonl; all others are scored. Exit
    status: 0 done, 1 nothing was scored, 2 the call or a file can't be used, 130 interrupted.
    """
    from model.errors import ModelError
    from service.dumps.formats import open_reader
    from service.dumps.record import Columns
    from service.dumps.score import Scorer
    from service.dumps.source import Source
    from service.errors import NothingToScore, ServiceError

    try:
        _check_output(source, output, overwrite=overwrite)
        names = Columns.parse(columns or ())
        with closing(Source(source)) as opened:
            reader = open_reader(opened, name=format_, columns=names)
            scorer = Scorer.load(model=model, policy=policy, target=target, threads=threads)
            summary = _score_watched(reader, output, scorer, batch=batch_size, quiet=quiet)
        if not quiet:
            _show(summary, output, names, repaired=opened.repaired)
    except (ServiceError, ModelError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1 if isinstance(error, NothingToScore) else 2) from error
    except KeyboardInterrupt as error:
        typer.echo(f"Interrupted: {output} was not written", err=True)
        raise typer.Exit(130) from error


def _check_output(source: Path, output: Path, *, overwrite: bool) -> None:
    from service.dumps.formats import output_format
    from service.errors import DumpError

    output_format(output)
    if not output.exists():
        return
    if output.is_dir():
        raise DumpError(f"{output} is a folder; give the name of a file")
    if source.exists() and output.samefile(source):
        raise DumpError(f"{output} is the input; give the scores another name")
    if not overwrite:
        raise DumpError(f"{output} exists; give another name, or --overwrite to replace it")


def _score_watched(reader: Reader, output: Path, scorer: Scorer, *, batch: int, quiet: bool) -> Summary:
    """Score with a progress bar on a terminal's stderr, without one elsewhere."""
    from rich.console import Console

    from service.dumps.score import score_file

    console = Console(stderr=True)
    with _progress(console, shown=console.is_terminal and not quiet) as progress:
        task = progress.add_task("Scoring", total=1.0, comments="", rate="")

        def on_batch(summary: Summary) -> None:
            count, rate = f"{summary.scored:,} comments", f"{summary.rate:,.0f}/s"
            progress.update(task, completed=reader.fraction, comments=count, rate=rate)

        return score_file(reader, output, scorer, batch=batch, on_batch=on_batch)


def _progress(console: Console, *, shown: bool) -> Progress:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[comments]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not shown,
    )


def _show(summary: Summary, output: Path, names: Columns, *, repaired: int) -> None:
    """What was done, on stderr; never a comment's text."""
    from service.dumps.score import errors_file

    def counts(counter: Counter[str]) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in counter.most_common()) or "none"

    speed = f"{summary.seconds:.1f} s ({summary.rate:,.{0 if summary.rate >= 10 else 1}f} a second)"
    lines = [f"Scored {summary.scored:,} comments in {speed}: {output}"]
    lines.append(f"  over a threshold: {counts(summary.flagged)}")
    if summary.stances:
        lines.append(f"  stance: {counts(summary.stances)}")
    lines.append(f"  decisions: {counts(summary.actions)}")
    lines += [
        f"  no row has {column!r}, which --map says is the {name}" for column, name in names.unseen.items()
    ]
    if repaired:
        lines.append(f"  {repaired:,} lines are not UTF-8 and were read as Windows-1252")
    if summary.cut_short:
        lines.append(f"  The input could not be read to its end: {summary.cut_short}")
    if summary.bad:
        lines.append(f"  {summary.bad:,} rows could not be scored, listed in {errors_file(output)}")
        lines.append(f"  the first of them, {summary.first_problem}")
    typer.echo("\n".join(lines), err=True)
