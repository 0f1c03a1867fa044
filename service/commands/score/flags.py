"""The flags of `parley score`, with their help texts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

PIPE = "-"


class Runner(StrEnum):
    """Where a dump is scored."""

    local = "local"
    ray = "ray"


class TextKind(StrEnum):
    """The markup of a text."""

    plain = "plain"
    html = "html"
    markdown = "markdown"


@dataclass(frozen=True, kw_only=True)
class Flags:
    """The flags as given; each field is an option of the command."""

    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IN...",
            help="Comments in any format that --format lists: a file, also compressed, a folder or the parts "
            "of one export in order; - reads a pipe.",
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
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="Score this text instead of a file.")] = (
        None
    )
    target: Annotated[
        str | None,
        typer.Option(help="What the stance is towards, for comments without a target of their own."),
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
            help="Read a field (text, id, article.title, ...) from COLUMN; FIELD= ignores it. Repeatable.",
        ),
    ] = None
    text_format: Annotated[
        TextKind | None,
        typer.Option(
            "--text-format",
            help="Markup of the texts in a table or JSON, if its rows don't say.",
            show_default="plain",
        ),
    ] = None
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="Input format (detected by default). An unknown name lists the formats.",
        ),
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
        typer.Option(metavar="URL", help="The site, if IN has only paths (Isso): https://news.example"),
    ] = None
    followers_only: Annotated[
        bool,
        typer.Option(
            "--followers-only",
            help="Also score followers-only posts (ActivityStreams). Direct messages are never scored.",
        ),
    ] = False
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="Score only matching comments: FIELD=VALUE, or with != ~ !~ < <= > >= in place of = "
            "(~ is a regular expression). Repeatable: all must match.",
        ),
    ] = None
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Score only comments written on or after DATE (UTC).")
    ] = None
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Score only the first N matching comments.")
    ] = None
    pseudonymize: Annotated[
        bool,
        typer.Option(
            "--pseudonymize", help="Replace names by keyed hashes; drop e-mail and IP addresses and the like."
        ),
    ] = False
    pseudonym_key: Annotated[
        Path | None,
        typer.Option(
            envvar="PARLEY_PSEUDONYM_KEY",
            help="Key file, created on first use.",
            show_default="in the user's data folder",
        ),
    ] = None
    policy: Annotated[str, typer.Option(help="Policy that decides: a name or a YAML file.")] = "default"
    model: Annotated[
        Path | None,
        typer.Option(help="Folder of the artifact.", show_default="the one shipped with Parley"),
    ] = None
    engine: Annotated[Runner, typer.Option(help="local, or ray for a cluster.")] = Runner.local
    null: Annotated[
        bool,
        typer.Option("--null", hidden=True, help="For benchmarks and tests: read and write, run no model."),
    ] = False
    ray_address: Annotated[
        str | None,
        typer.Option(
            envvar="RAY_ADDRESS",
            help="The cluster: ray://..., host:port, or auto to find one on this machine.",
        ),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads of the engine.", show_default="one per core; with ray 1"),
    ] = None
    batch_size: Annotated[int, typer.Option(min=1, help="Comments scored at a time.")] = 1024
    errors: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="List rows that can't be scored in FILE.",
            show_default="OUT.errors.jsonl",
        ),
    ] = None
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")] = False
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Resume an interrupted run from its parts.")
    ] = True
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False
