"""The commands `parley train`, `calibrate` and `evaluate`; found through the entry point `parley.commands`.

Heavy imports stand inside the commands: serving has no torch, and `parley --help` waits for nothing.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer()

DATA_DIR = Path("../shared/data")
DataDir = Annotated[Path, typer.Option(help="Folder of corpora, one sub-folder a source.", show_default=True)]


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="A training YAML, such as configs/training/base.yaml.")],
    data_dir: DataDir = DATA_DIR,
    run_dir: Annotated[
        Path | None,
        typer.Option(help="Where checkpoints, metrics and the artifact go.  [default: runs/NAME]"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
) -> None:
    """Fine-tune a model: read sources, train, export to int8, calibrate.

    Examples:

        parley train configs/training/base.yaml --data-dir ../shared/data

        parley train configs/training/base.yaml --resume        (after a crash, or Ctrl-C)

    The artifact is at RUN_DIR/artifact: judge it with `parley evaluate`, serve it with `parley serve`.
    """
    with _errors():
        _wait_passively()
        from training.config import load_config
        from training.run import train as run

        settings = load_config(config)
        folder = run_dir or Path("runs") / config.stem
        artifact = run(settings, data_dir=data_dir, run_dir=folder, resume=resume)
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        _table("Dev figures", metrics["dev"])
        typer.echo(f"Artifact: {artifact.path}   Metrics: {folder / 'metrics.json'}")
        typer.echo(f"Next: parley evaluate {artifact.path} --data-dir {data_dir} --save")


@app.command()
def calibrate(
    artifact: Annotated[Path, typer.Argument(help="The artifact to calibrate in place.")],
    config: Annotated[Path, typer.Argument(help="The training YAML whose sources' dev rows to use.")],
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Fit an artifact's probabilities and thresholds on dev data.

    Example:

        parley calibrate runs/base/artifact configs/training/base.yaml
    """
    with _errors():
        from model.artifact import Artifact
        from training.calibrate import calibrate as fit
        from training.config import load_config
        from training.sources import prepare

        settings = load_config(config)
        opened = Artifact.open(artifact)
        dev = prepare(settings.sources, data_dir=data_dir, swaps=settings.swaps, seed=settings.seed).dev
        _table("Dev figures", fit(opened, dev))


@app.command()
def evaluate(
    artifact: Annotated[
        Path | None, typer.Argument(help="An artifact; the package's own when left out.")
    ] = None,
    data_dir: DataDir = DATA_DIR,
    test: Annotated[
        list[str] | None,
        typer.Option(help="A test set by its source's name; may be repeated.  [default: all]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the report here, as JSON.")
    ] = None,
    save: Annotated[
        bool, typer.Option("--save", help="Write evaluation.json and the model card into the artifact.")
    ] = False,
    threads: Annotated[int | None, typer.Option(help="Rows scored at once.  [default: every core]")] = None,
) -> None:
    """Score an artifact on the test sets, through the path that serves.

    Examples:

        parley evaluate --data-dir ../shared/data -o report.json

        parley evaluate runs/base/artifact --test vast --test robtest

    Tune on dev data: a test set is scored once a released model.
    """
    with _errors():
        from model.artifact import DEFAULT, Artifact
        from training.card import write_card
        from training.evaluate import TESTS
        from training.evaluate import evaluate as judge
        from training.sources import SourceSpec, load

        opened = Artifact.open(artifact or DEFAULT)
        specs = {spec["name"]: spec for spec in opened.info["training"].get("config", {}).get("sources", [])}
        names = test or list(TESTS)
        tests = {
            name: load(
                [SourceSpec(name=name, options=specs.get(name, {}).get("options", {}))], data_dir, "test"
            )
            for name in names
        }
        with _progress(sum(map(len, tests.values()))) as advance:
            report = judge(opened, tests, threads=threads, on_progress=advance)
        for name, result in report["tests"].items():
            for part, figures in result["slices"].items():
                _table(f"{name}: {part}", figures)
        text = json.dumps(report, indent=2) + "\n"
        if output is not None:
            output.write_text(text, encoding="utf-8")
        if save:
            opened.evaluation_file.write_text(text, encoding="utf-8")
            write_card(opened)
            typer.echo(f"Wrote {opened.evaluation_file} and {opened.card_file}")


def _wait_passively() -> None:
    """On a busy machine threads must sleep at barriers: spinning ones trained several times slower."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@contextmanager
def _errors() -> Iterator[None]:
    """Known problems end in one line and exit status 2, Ctrl-C in 130."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("sklearn") is None:
        typer.echo(
            "Error: training and evaluation need the train extra: pip install 'parley[train]'", err=True
        )
        raise typer.Exit(2)
    from model.errors import ModelError
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
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("scoring", total=total)
        yield lambda done: progress.advance(task, done)


def _table(title: str, figures: dict[str, dict[str, object]]) -> None:
    """Prints one row a label, one column a figure."""
    from rich.console import Console
    from rich.table import Table

    shown = [name for name in _SHOWN if any(name in of for of in figures.values())]
    table = Table("label", *shown, title=title, title_justify="left")
    for label, of in figures.items():
        table.add_row(label, *(_cell(of.get(name, "")) for name in shown))
    Console().print(table)


_SHOWN = (
    "rows",
    "positives",
    "auc",
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
    "left",
)


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return f"{value['value']:.3f} ({value['low']:.3f}–{value['high']:.3f})"
    return f"{value:.3f}" if isinstance(value, float) else "" if value is None else str(value)
