"""What the commands of training show: tables, progress, one line an error.

with told_errors(): show_table("Dev figures", figures)
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from model.errors import ModelError


def wait_passively() -> None:
    """On a busy machine threads must sleep at barriers: spinning ones trained several times slower."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@contextmanager
def told_errors() -> Iterator[None]:
    """Known problems end in one line and exit status 2, Ctrl-C in 130."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("sklearn") is None:
        typer.echo(
            "Error: training and evaluation need the train extra: pip install 'parley[train]'", err=True
        )
        raise typer.Exit(2)
    from training.errors import TrainingError

    try:
        yield
    except (TrainingError, ModelError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from error
    except OSError as error:
        typer.echo(f"Error: {error.filename or ''}: {error.strerror or error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        typer.echo("Stopped. A training run goes on from its last checkpoint with --resume.", err=True)
        raise typer.Exit(130) from error


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("scoring", total=total)
        yield lambda done: progress.advance(task, done)


def show_table(title: str, figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Prints one row a label, one column a figure."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = [name for name in _SHOWN if any(name in of for of in figures.values())]
    table = Table("label", *shown, title=escape(title), title_justify="left")
    for label, of in figures.items():
        table.add_row(escape(label), *(_cell(of.get(name, "")) for name in shown))
    Console().print(table)


_SHOWN = (
    "rows",
    "positives",
    "auc",
    "accuracy",
    "macro_f1",
    "side_accuracy",
    "none_auc",
    "character_f1",
    "ece",
    "calibration_error",
    "threshold",
    "precision",
    "recall",
    "f1",
    "false_positive_rate",
    "queue",
    "left",
)


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return f"{value['value']:.3f} ({value['low']:.3f}–{value['high']:.3f})"
    return f"{value:.3f}" if isinstance(value, float) else "" if value is None else str(value)


def show_changes(title: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Prints each label's leading figure before and after."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("label", "rows", "figure", "before", "after", title=escape(title), title_justify="left")
    for label, new in after.items():
        name = next((n for n in ("macro_f1", "character_f1", "auc", "accuracy") if n in new), None)
        if name is not None:
            table.add_row(label, str(new["rows"]), name, _cell(before[label].get(name)), _cell(new[name]))
        if "calibration_error" in new:
            errors = (of["calibration_error"] for of in (before[label], new))
            table.add_row("", "", "calibration_error", *map(_cell, errors))
    Console().print(table)


def show_kept(figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Prints how far the answers moved from the starting artifact's."""
    from rich.console import Console
    from rich.table import Table

    table = Table("label", "taught", "mean move", "decided otherwise", title_justify="left")
    table.title = "Against the starting artifact, on the same comments"
    for label, of in figures.items():
        table.add_row(
            label, "yes" if of["taught"] else "no", _cell(of["moved"]), f"{100 * of['flipped']:.1f} %"
        )
    Console().print(table)
