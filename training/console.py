"""Output of the training commands: tables, progress, one line per error.

with told_errors(): show_table("Dev figures", figures)
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer


def wait_passively() -> None:
    """Make threads sleep at barriers: on a busy machine, spinning made training several times slower."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@contextmanager
def told_errors() -> Iterator[None]:
    """Print known errors on one line and exit with 2; exit with 130 on Ctrl-C."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("sklearn") is None:
        typer.echo(
            "Error: training and evaluation need the train extra: pip install 'parley-moderation[train]'",
            err=True,
        )
        raise typer.Exit(2)
    from parley.model.errors import ModelError
    from parley.training.errors import TrainingError

    try:
        yield
    except (TrainingError, ModelError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from error
    except OSError as error:
        typer.echo(f"Error: {error.filename or ''}: {error.strerror or error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        typer.echo("Stopped. --resume continues a training run from its last checkpoint.", err=True)
        raise typer.Exit(130) from error


@contextmanager
def progress(total: int, doing: str = "scoring") -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; yields a function that advances it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda done: progress.advance(task, done)


def show_table(title: str, figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Print one row per label, in 80 columns."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    table.add_column("label", no_wrap=True)
    for name in ("rows (positive)", "figure", "ECE", "at the threshold"):
        table.add_column(name)
    for label, of in figures.items():
        rows = f"{of.get('rows', '')}" + (f" ({of['positives']})" if "positives" in of else "")
        table.add_row(escape(label), rows, _figures(of), _error(of), _threshold(of))
    Console().print(table)
    for label, of in figures.items():
        if "by_source" in of:
            _show_shares(label, of)


def show_calibrated(path: object, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Print what calibration changed; both dicts hold the artifact's "calibration" and "thresholds"."""
    tables = ({**of["calibration"], **of["calibration"].get("comment", {})} for of in (before, after))
    old, new = tables
    fitted = [label for label in new if label != "comment" and not _alike(old.get(label), new[label])]
    moved = [
        f"{label} {was:.3f} → {now:.3f}"
        for label, now in after["thresholds"].items()
        if f"{(was := before['thresholds'].get(label, 0.0)):.3f}" != f"{now:.3f}"
    ]
    for file, what in (("calibration.json", fitted), ("thresholds.json", moved)):
        typer.echo(f"{path}/{file}: {'changed: ' + ', '.join(what) if what else 'unchanged'}")


def _alike(a: Any, b: Any) -> bool:
    """Whether two trees of numbers are equal up to what refitting on the same rows may change."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_alike(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_alike, a, b))
    if isinstance(a, float | int) and isinstance(b, float | int):
        return math.isclose(a, b, rel_tol=0.01, abs_tol=0.01)
    return bool(a == b)


def show_compared(title: str, names: Mapping[str, str], figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the figures of A and B on the same rows, and their difference with its interval."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("label", "figure", "A", "B", "B - A (95 %)", title=escape(title), title_justify="left")
    for label, of in figures.items():
        for place, (name, (a, b, gap)) in enumerate(of["figures"].items()):
            table.add_row(
                f"{label}, {of['rows']} rows" if place == 0 else "", name, cell(a), cell(b), cell(gap)
            )
        table.add_row("", "decided otherwise", "", "", f"{100 * of['flipped']:.1f} %")
    for letter, name in names.items():
        typer.echo(f"{letter}: {name}")
    Console().print(table)


def _show_shares(label: str, of: Mapping[str, Any]) -> None:
    """Print the share of each source's rows that is flagged, at the label's threshold and at others."""
    from rich.console import Console
    from rich.table import Table

    from parley.training.evaluation.operating_points import CURVE

    table = Table(title=f"{label}: % of dev rows flagged, by threshold", title_justify="left", padding=(0, 0))
    columns = ("rows", "alone", f"{of['threshold']:.3f}", *(f"{threshold:g}" for threshold in CURVE))
    table.add_column("source", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for rows, title in (("harmless", "harmless:"), ("so", f"{label}:")):
        table.add_section()
        table.add_row(title)
        for row in (row for row in of["by_source"] if row["rows"] == rows):
            shares = [f"{100 * share:.1f}" if share < 1 else "100" for share in (row["found"], *row["curve"])]
            table.add_row(row["source"], str(row["count"]), cell(row.get("alone")), *shares)
    Console().print(table)
    typer.echo("alone: the threshold that this source alone would give.")


def _figures(of: Mapping[str, Any]) -> str:
    names = ("auc", "macro_f1", "side_accuracy", "none_auc", "character_f1")
    shown = [f"{name.replace('_', '-')} {cell(of[name])}" for name in names if of.get(name) is not None]
    if "macro_f1_before" in of:
        shown.append(f"before: {cell(of['macro_f1_before'])}")
    return "\n".join(shown)


def _error(of: Mapping[str, Any]) -> str:
    if "ece" in of:
        return f"{of['ece_before']:.3f} → {of['ece']:.3f}"
    return cell(of.get("calibration_error"))


def _threshold(of: Mapping[str, Any]) -> str:
    parts = []
    if "threshold" in of:
        parts.append(f"{of['threshold']:.3f}")
    if "precision" in of:
        wrong = 100 * of["false_positive_rate"]
        parts.append(
            f"precision {of['precision']:.2f}, recall {of['recall']:.2f}, false positives {wrong:.1f} %"
        )
    if "right" in of:
        named = f"a side is named in {100 * of['named']:.1f} % of rows, "
        parts.append(
            "no side can be named" if of["right"] is None else f"{named}{100 * of['right']:.0f} % right"
        )
    if "queue" in of:
        parts.append(f"flags {100 * of['queue']:.1f} % of all")
    if "left" in of:
        parts.append(f"threshold unchanged: {of['left']}")
    if "probabilities_left" in of:
        parts.append(f"probabilities unchanged: {of['probabilities_left']}")
    return "; ".join(parts)


def cell(value: object) -> str:
    """Format a figure for a table."""
    if isinstance(value, Mapping):
        return f"{value['value']:.3f} ({value['low']:.3f}–{value['high']:.3f})"
    return f"{value:.3f}" if isinstance(value, float) else "" if value is None else str(value)


def show_plan(plan: Mapping[str, Any]) -> None:
    """Print what a training run would read: its sources, labels, augmented rows and size."""
    from rich.console import Console
    from rich.table import Table

    table = Table("source", "train", "dev", "leaks", "weight", "licence as stated")
    for name, of in plan["sources"].items():
        leaks = f"{of['leaks_train'] + of['leaks_dev']:,}"
        table.add_row(name, f"{of['train']:,}", f"{of['dev']:,}", leaks, f"{of['weight']:g}", of["licence"])
    Console().print(table)
    labels = Table("label", "training rows", "from")
    for label in dict.fromkeys(label for of in plan["labels"].values() for label in of):
        rows = {name: of[label] for name, of in plan["labels"].items() if label in of}
        most = sorted(rows, key=lambda name: -rows[name])
        labels.add_row(label, f"{sum(rows.values()):,}", ", ".join(most))
    Console().print(labels)
    augmented = ", ".join(f"{count:,} {name}" for name, count in plan["made"].items())
    typer.echo(f"leaks: rows dropped because a dev or test set has their text. Augmented rows: {augmented}.")
    typer.echo(f"{plan['rows']:,} rows of input, {plan['tokens']:,} tokens, {plan['steps']:,} steps")
    if asked := plan.get("asked"):
        parts = ", ".join(f"{count:,} {name}" for name, count in asked.items())
        typer.echo(f"The teacher labels these once, before training: {parts}.")


def show_changes(title: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Print each label's main figure before and after."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("label", "rows", "figure", "before", "after", title=escape(title), title_justify="left")
    for label, new in after.items():
        name = next((n for n in ("macro_f1", "character_f1", "auc", "accuracy") if n in new), None)
        if name is not None:
            table.add_row(label, str(new["rows"]), name, cell(before[label].get(name)), cell(new[name]))
        if "calibration_error" in new:
            errors = (of["calibration_error"] for of in (before[label], new))
            table.add_row("", "", "calibration_error", *map(cell, errors))
    Console().print(table)


def show_kept(figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Print how far the answers moved from those of the starting artifact."""
    from rich.console import Console
    from rich.table import Table

    table = Table("label", "taught", "mean move", "decided otherwise", title_justify="left")
    table.title = "Against the starting artifact, on the same comments"
    for label, of in figures.items():
        table.add_row(
            label, "yes" if of["taught"] else "no", cell(of["moved"]), f"{100 * of['flipped']:.1f} %"
        )
    Console().print(table)


def show_report(report: Mapping[str, Any]) -> None:
    """Print every test's tables and checks, the aims, and the gap between int8 and float."""
    from rich.console import Console
    from rich.table import Table

    from parley.training.evaluation.aims import against_aims

    for name, result in report["tests"].items():
        for part, figures in result["slices"].items():
            show_table(f"{name}: {part}", figures)
        for check, figures in result["checks"].items():
            typer.echo(f"{name}, {check}: {_short(figures)}\n")
    if rows := against_aims(report):
        table = Table("what", "measured on", "figure", "to reach", "reached", title="Against the aims")
        for row in rows:
            reached = {True: "yes", False: "no", None: ""}[row.reached]
            table.add_row(row.what, row.measured, cell(row.figure), row.reach, reached)
        Console().print(table)
    if "int8" in report:
        largest = report["int8"]["largest"]
        worst = f"; largest gap {largest[0][0]:.4f} ({largest[0][1]})" if largest else ""
        typer.echo(f"int8 against float: {report['int8']['figures']} figures{worst}")


def _short(figures: dict[str, Any]) -> str:
    """A check's figures on one line, without its long lists."""
    return json.dumps({key: value for key, value in figures.items() if key != "terms"}, default=str)
