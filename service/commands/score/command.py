"""`parley score IN -o OUT`: scores a file of comments."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from parley.service.commands.common import filled
from parley.service.commands.score.flags import PIPE, Flags
from parley.service.terminal import tell


@filled(Flags)
def score(flags: Flags) -> None:
    """Score a file of comments for abuse, off-topic and stance.

    The input's columns (or JSON fields) are named as in a REST request: text, id, article.title,
    article.text, parent.text, target, language and so on. Only text is required; columns of your own are
    copied to the output. off_topic needs an article; stance needs a target or an article's title. A .txt
    is read as an article's page with its comments below.

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

    Rows that can't be scored are listed with line and reason in OUT.errors.jsonl; all others are scored. To
    resume an interrupted run, give the same command again. Exit status: 0 done, 1 nothing was scored, 2 the
    command or a file can't be used, 3 the input was cut short (what could be read is scored), 130
    interrupted.
    """
    from parley.service.commands.score.run import ScoreRun

    output = flags.output or (PIPE if flags.text is not None else None)
    if (flags.text is None) == (not flags.sources) or output is None:
        raise typer.BadParameter("give IN and -o OUT, or one comment with --text")
    with _told(output):
        whole = ScoreRun(flags, output).run()
    if not whole:
        raise typer.Exit(3)


@contextmanager
def _told(output: str) -> Iterator[None]:
    """Print our errors on one line on stderr, and exit with the error's status."""
    from parley.model.errors import ModelError
    from parley.service.errors import NothingToScore, ServiceError

    try:
        yield
    except (ServiceError, ModelError) as error:
        tell(f"Error: {error}", err=True)
        raise typer.Exit(1 if isinstance(error, NothingToScore) else 2) from error
    except BrokenPipeError as error:
        sys.stdout = None  # otherwise Python complains about the pipe again at exit
        raise typer.Exit(0) from error
    except KeyboardInterrupt as error:
        from parley.service.dumps.scoring.parts import parts_folder

        # The local engine keeps its parts beside OUT, the ray engine inside it.
        kept = output != PIPE and (
            parts_folder(Path(output)).exists() or Path(output).is_dir() or "://" in output
        )
        after = f"{output} was not written"
        if kept:
            after = "the scores so far are kept; give the same command again to resume"
        tell(f"Interrupted: {after}", err=True)
        raise typer.Exit(130) from error
