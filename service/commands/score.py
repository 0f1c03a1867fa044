"""`parley score IN -o OUT`: scores a file of comments."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from parley.service.commands.score_run import PIPE, Runner, ScoreCall, TextKind
from parley.service.terminal import tell


def score(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IN...",
            help="Comments in any format that --format names: a file, also packed, a folder, or the parts of "
            "one export in their order; - reads a pipe.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Scores: .jsonl (nested), .csv or .parquet (flat); - writes JSON lines to a pipe.",
            show_default="- with --text",
        ),
    ] = None,
    *,
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Score this one text in place of a file.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="What the stance is towards, for comments that bring no target of their own."),
    ] = None,
    reply: Annotated[
        bool,
        typer.Option("--reply", help="Also tell whether a comment agrees with its parent (parent.text)."),
    ] = False,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Take a field (text, id, article.title, ...) from COLUMN, or from none: FIELD=. Repeatable.",
        ),
    ] = None,
    text_format: Annotated[
        TextKind | None,
        typer.Option(
            "--text-format",
            help="How the texts of a table or JSON are written, where its rows don't tell.",
            show_default="plain",
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="Read IN as this; a wrong name lists all."),
    ] = None,
    articles: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Articles that IN refers to: Reddit's submissions, SOCC's gnm_articles.csv.",
            show_default="the file beside IN",
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The site that IN knows only paths of (Isso): https://news.example"),
    ] = None,
    followers_only: Annotated[
        bool,
        typer.Option(
            "--followers-only",
            help="Score posts for followers only too (ActivityStreams). Direct messages never are.",
        ),
    ] = False,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="Score only comments that fit: FIELD=VALUE, or one of != ~ !~ < <= > >= for the sign "
            "(~ is a regular expression). Repeatable: all must hold.",
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Score only comments written on or after DATE (UTC).")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Score only the first N comments that fit.")
    ] = None,
    pseudonymize: Annotated[
        bool,
        typer.Option("--pseudonymize", help="Write keyed hashes for names; leave out e-mail, IP and such."),
    ] = False,
    pseudonym_key: Annotated[
        Path | None,
        typer.Option(
            envvar="PARLEY_PSEUDONYM_KEY",
            help="File of the key, made on first use.",
            show_default="in the user's data folder",
        ),
    ] = None,
    policy: Annotated[str, typer.Option(help="Policy that decides: a name or a YAML file.")] = "default",
    model: Annotated[
        Path | None,
        typer.Option(help="Folder of the artifact.", show_default="the one that comes with Parley"),
    ] = None,
    engine: Annotated[
        Runner, typer.Option(help="local; ray: a cluster; null: read and write only, to measure.")
    ] = Runner.local,
    ray_address: Annotated[
        str | None,
        typer.Option(envvar="RAY_ADDRESS", help="The cluster, as ray:// or host:port; auto finds one here."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads of the engine.", show_default="one for each core; with ray 1"),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Comments scored at a time.")] = 1024,
    errors: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where rows that can't be scored are listed.",
            show_default="OUT.errors.jsonl",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT where it exists.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on from the parts of an interrupted run.")
    ] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
) -> None:
    """Score a file of comments for abuse, off-topic and stance.

    The input's columns (or JSON fields) are named as in a REST request: text, id, article.title,
    article.text, parent.text, target, language and so on. Only text is needed; columns of your own are
    handed through. Without an article there is no off_topic, without a target or an article's title no
    stance. A .txt is read as the page of an article with its comments below.

    \b
    parley score --text "What nonsense." --target "bus lanes"
    parley score comments.csv -o scores.csv
    parley score comments.csv -o scores.parquet --map text=body --map article.title=headline
    parley score RC_2024-05.zst RC_2024-06.zst -o scores.parquet
    parley score page.txt -o scores.jsonl --target "closing the old bridge"
    parley score export.jsonl.gz -o scores.csv --policy strict --reply
    parley score dump.xml.gz -o scores.parquet --since 2024-05-31 --where article.url~/politics/
    parley score dump.jsonl -o - --where likes>=10 --limit 1000 | jq .abuse.toxicity
    zcat dump.jsonl.gz | parley score - -o scores.jsonl --pseudonymize
    parley score s3://bucket/dump.parquet -o s3://bucket/scores.parquet --engine ray

    Rows that can't be scored are listed with line and reason in OUT.errors.jsonl; all others are scored. A
    run that was interrupted goes on where it was when the same command is given again. Exit status: 0 done,
    1 nothing was scored, 2 the call or a file can't be used, 3 the input was cut short (what it held is
    scored), 130 interrupted.
    """
    output = output or (PIPE if text is not None else None)
    if (text is None) == (not sources) or output is None:
        raise typer.BadParameter("give IN and -o OUT, or one comment with --text")
    call = ScoreCall(
        sources=sources or [],
        output=output,
        text=text,
        text_format=text_format,
        target=target,
        reply=reply,
        columns=columns or [],
        format=format_,
        articles=articles,
        base_url=base_url,
        followers_only=followers_only,
        where=where or [],
        since=since,
        limit=limit,
        pseudonymize=pseudonymize,
        pseudonym_key=pseudonym_key,
        policy=policy,
        model=model,
        engine=engine,
        ray_address=ray_address,
        threads=threads,
        batch_size=batch_size,
        errors=errors,
        overwrite=overwrite,
        resume=resume,
        quiet=quiet,
    )
    with _told(output):
        whole = call.run()
    if not whole:
        raise typer.Exit(3)


@contextmanager
def _told(output: str) -> Iterator[None]:
    """Errors of ours in a line on stderr, each with its exit status."""
    from parley.model.errors import ModelError
    from parley.service.errors import NothingToScore, ServiceError

    try:
        yield
    except (ServiceError, ModelError) as error:
        tell(f"Error: {error}", err=True)
        raise typer.Exit(1 if isinstance(error, NothingToScore) else 2) from error
    except BrokenPipeError as error:
        sys.stdout = None  # or Python complains of the pipe once more at its exit
        raise typer.Exit(0) from error
    except KeyboardInterrupt as error:
        from parley.service.dumps.scoring.parts import parts_folder

        # The local engine keeps its parts beside OUT, the ray engine in it.
        kept = output != PIPE and (
            parts_folder(Path(output)).exists() or Path(output).is_dir() or "://" in output
        )
        after = f"{output} was not written"
        if kept:
            after = "what is scored so far is kept; give the same command again, and it goes on from there"
        tell(f"Interrupted: {after}", err=True)
        raise typer.Exit(130) from error
