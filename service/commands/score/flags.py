"""What `parley score` was told: the command line's flags, and what each means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

PIPE = "-"


class Runner(StrEnum):
    """Who scores a dump."""

    local = "local"
    ray = "ray"


class TextKind(StrEnum):
    """How a text is written."""

    plain = "plain"
    html = "html"
    markdown = "markdown"


@dataclass(frozen=True, kw_only=True)
class Flags:
    """The flags as they were given; the command line is made of these fields."""

    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IN...",
            help="Comments in any format that --format names: a file, also packed, a folder, or the parts of "
            "one export in their order; - reads a pipe.",
        ),
    ] = None
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Scores: .jsonl (nested), .csv or .parquet (flat); - writes JSON lines to a pipe.",
            show_default="- with --text",
        ),
    ] = None
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Score this one text in place of a file.")
    ] = None
    target: Annotated[
        str | None,
        typer.Option(help="What the stance is towards, for comments that bring no target of their own."),
    ] = None
    reply: Annotated[
        bool,
        typer.Option("--reply", help="Also tell whether a comment agrees with its parent (parent.text)."),
    ] = False
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Take a field (text, id, article.title, ...) from COLUMN, or from none: FIELD=. Repeatable.",
        ),
    ] = None
    text_format: Annotated[
        TextKind | None,
        typer.Option(
            "--text-format",
            help="How the texts of a table or JSON are written, where its rows don't tell.",
            show_default="plain",
        ),
    ] = None
    format: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="Read IN as this; a wrong name lists all."),
    ] = None
    articles: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Articles that IN refers to: Reddit's submissions, SOCC's gnm_articles.csv.",
            show_default="the file beside IN",
        ),
    ] = None
    base_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The site that IN knows only paths of (Isso): https://news.example"),
    ] = None
    followers_only: Annotated[
        bool,
        typer.Option(
            "--followers-only",
            help="Score posts for followers only too (ActivityStreams). Direct messages never are.",
        ),
    ] = False
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="Score only comments that fit: FIELD=VALUE, or one of != ~ !~ < <= > >= for the sign "
            "(~ is a regular expression). Repeatable: all must hold.",
        ),
    ] = None
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Score only comments written on or after DATE (UTC).")
    ] = None
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Score only the first N comments that fit.")
    ] = None
    pseudonymize: Annotated[
        bool,
        typer.Option("--pseudonymize", help="Write keyed hashes for names; leave out e-mail, IP and such."),
    ] = False
    pseudonym_key: Annotated[
        Path | None,
        typer.Option(
            envvar="PARLEY_PSEUDONYM_KEY",
            help="File of the key, made on first use.",
            show_default="in the user's data folder",
        ),
    ] = None
    policy: Annotated[str, typer.Option(help="Policy that decides: a name or a YAML file.")] = "default"
    model: Annotated[
        Path | None,
        typer.Option(help="Folder of the artifact.", show_default="the one that comes with Parley"),
    ] = None
    engine: Annotated[Runner, typer.Option(help="local; ray: a cluster.")] = Runner.local
    null: Annotated[
        bool,
        typer.Option("--null", hidden=True, help="For benchmarks and tests: read and write, run no model."),
    ] = False
    ray_address: Annotated[
        str | None,
        typer.Option(envvar="RAY_ADDRESS", help="The cluster, as ray:// or host:port; auto finds one here."),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads of the engine.", show_default="one for each core; with ray 1"),
    ] = None
    batch_size: Annotated[int, typer.Option(min=1, help="Comments scored at a time.")] = 1024
    errors: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where rows that can't be scored are listed.",
            show_default="OUT.errors.jsonl",
        ),
    ] = None
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT where it exists.")] = False
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on from the parts of an interrupted run.")
    ] = True
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False
