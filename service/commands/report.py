"""`parley report OUT`: an HTML page, or tables in the terminal, about a scored file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parley import __version__
from parley.service.commands.common import told_errors
from parley.service.terminal import progress_bar, tell

if TYPE_CHECKING:
    from parley.service.report.rows import ScoredFile
    from parley.service.report.tally import Tally


def report(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="Output of `parley score`: .jsonl, .csv or .parquet, also with .gz, or a folder of parts.",
        ),
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PAGE", help="The HTML page to write.")
    ] = Path("report.html"),
    summary: Annotated[
        bool, typer.Option("--summary", help="Print the tables in the terminal and write no page.")
    ] = False,
    policy: Annotated[
        str,
        typer.Option(help="Policy whose thresholds are shown and used for counting: a name or a YAML file."),
    ] = "default",
    model: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the artifact that scored the file, for its thresholds.",
            show_default="the one shipped with Parley",
        ),
    ] = None,
    top: Annotated[
        int,
        typer.Option(min=1, max=500, help="Number of comments to look at first, and of rows in each table."),
    ] = 20,
    title: Annotated[str | None, typer.Option(help="Title of the page.", show_default="OUT's name")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace PAGE if it exists.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress bar and no closing line.")
    ] = False,
) -> None:
    """Write a report on a scored file: one HTML page that loads nothing from the network.

    It shows the comments to look at first with their toxic spans marked; volumes over time; abuse, off-topic
    and stance by article, author and target; stance over time; the distribution of scores and the policy's
    thresholds; decisions, reasons, and what could not be scored. Name the policy that scored the file.

    \b
    parley score comments.csv -o scores.jsonl --policy strict
    parley report scores.jsonl -o report.html --policy strict
    parley report scores.parquet --top 50 --title "Comments in May"
    parley report scores.csv --summary

    The page contains readers' comments and names: protect it as you protect them. It needs plotly:
    pip install 'parley-moderation[report]'.

    Exit status: 0 done, 2 the command or a file can't be used, 130 interrupted.
    """
    from parley.service.report.rows import ScoredFile
    from parley.service.report.terminal import print_tables
    from parley.service.terminal import PlainConsole

    try:
        with told_errors():
            if not summary:
                _check_output(source, output, overwrite=overwrite)
            scored = ScoredFile.open(source)
            tally = _read_watched(scored, policy=policy, model=model, top=top, quiet=quiet)
            if summary:
                print_tables(tally, PlainConsole(), top=top)
                _warn(scored, tally)
                return
            size = _write(output, scored, tally, title=title or f"Comments in {source.name}", top=top)
    except KeyboardInterrupt as error:
        tell("Interrupted: no report was written", err=True)
        raise typer.Exit(130) from error
    _warn(scored, tally)
    if not quiet:
        tell(f"Report on {tally.all.comments:,} comments: {output} ({size / 2**20:.1f} MB)", err=True)


def _check_output(source: Path, output: Path, *, overwrite: bool) -> None:
    from parley.service.errors import DumpError
    from parley.service.report.figures import import_plotly

    import_plotly()
    if output.suffix.lower() not in (".html", ".htm"):
        raise DumpError(f"{output}: a report is an HTML page; give a name that ends in .html")
    if output.is_dir():
        raise DumpError(f"{output} is a folder; give a file name")
    if source.exists() and output.exists() and output.samefile(source):
        raise DumpError(f"{output} is the input; give the report another name")
    if output.exists() and not overwrite:
        raise DumpError(f"{output} exists; give another name with -o, or --overwrite to replace it")


def _read_watched(scored: ScoredFile, *, policy: str, model: Path | None, top: int, quiet: bool) -> Tally:
    """Count every row, with a progress bar on a terminal's stderr, without one elsewhere."""
    from parley.service.errors import DumpError
    from parley.service.report.lines import Lines
    from parley.service.report.tally import Tally

    tally = Tally(Lines.load(policy, model=model), top=top)
    with progress_bar("comments", shown=not quiet) as progress:
        task = progress.add_task("Reading", total=1.0, comments="")
        for number, row in enumerate(scored, start=1):
            tally.add(row)
            if number % 2000 == 0:
                progress.update(task, completed=scored.fraction, comments=f"{number:,} comments")
    if not tally.all.comments:
        first = f" (the first problem: {scored.first_problem})" if scored.first_problem else ""
        raise DumpError(
            f"no row could be read as a scored comment{first}; run `parley score` on the dump again"
        )
    return tally


def _write(output: Path, scored: ScoredFile, tally: Tally, *, title: str, top: int) -> int:
    from datetime import UTC, datetime

    from parley.service.report.page import Facts, write_page

    facts = Facts(
        title=title,
        sources=tuple(file.name for file in scored.files),
        made_at=datetime.now(UTC),
        version=__version__,
        top=top,
        unreadable=scored.unreadable,
        first_problem=scored.first_problem,
    )
    return write_page(output, tally, facts)


def _warn(scored: ScoredFile, tally: Tally) -> None:
    """Warnings on stderr; never a comment's text."""
    if scored.unreadable:
        tell(f"Warning: {scored.unreadable:,} rows could not be read ({scored.first_problem})", err=True)
    if tally.foreign_codes:
        tell(
            f"Warning: the file was scored with another policy than {tally.lines.policy}, which has no rule "
            f"for {', '.join(tally.foreign_codes[:5])}; name the policy that scored the file with --policy",
            err=True,
        )
