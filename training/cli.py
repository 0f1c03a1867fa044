"""The commands `parley train`, `calibrate`, `evaluate`, `compare` and `export`, an entry point in
pyproject.toml.

Heavy imports are inside the commands, because serving installs no torch and `parley --help` must stay fast.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from parley.training.console import (
    progress,
    show_calibrated,
    show_changes,
    show_compared,
    show_kept,
    show_plan,
    show_report,
    show_table,
    told_errors,
    wait_passively,
)
from parley.training.options import (
    DATA_DIR,
    HTML,
    RESUME,
    Data,
    DataDir,
    Whole,
    own_rows,
    points_of,
    suggest_whole,
)

app = typer.Typer()

NAME = r"[a-z0-9][a-z0-9.-]*"
"""Valid names of artifacts."""


@app.command()
def train(
    config: Annotated[
        Path | None, typer.Argument(help="A training YAML, such as configs/training/base.yaml.")
    ] = None,
    *,
    data_dir: DataDir = DATA_DIR,
    run_dir: Annotated[
        Path | None,
        typer.Option(help="Folder for checkpoints, metrics and the artifact.  [default: runs/NAME]"),
    ] = None,
    resume: Annotated[bool, RESUME] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Read a YAML's sources and show rows, labels and leaks; don't train."),
    ] = False,
    base: Annotated[
        Path | None,
        typer.Option(help="With --data: the artifact to start from.  [default: the shipped one]"),
    ] = None,
    data: Data = None,
    epochs: Annotated[float, typer.Option(min=0.01, help="With --data: passes over the rows.")] = 3.0,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="With --data: learning rate.")] = 3e-5,
    name: Annotated[
        str | None,
        typer.Option(help="With --data: the new artifact's name.  [default: the base's name with -own]"),
    ] = None,
) -> None:
    """Fine-tune a model: on the sources of a YAML, or an artifact on a site's own comments.

     Examples:

         parley train configs/training/base.yaml --data-dir ../shared/data

         parley train configs/training/base.yaml --dry-run       (what would it read?)

         parley train configs/training/base.yaml --resume        (after a crash, or Ctrl-C)

         parley train --data decisions.csv --run-dir runs/mine --name our-site   (make it yours)

    The artifact is at RUN_DIR/artifact: measure it with `parley evaluate`, serve it with `parley serve`.
    """
    if (config is None) == (data is None):
        raise typer.BadParameter("give either a training YAML, or --data with your own comments")
    if config is not None and base is not None:
        raise typer.BadParameter("a YAML names its base itself; --base goes with --data")
    if config is not None and name is not None:
        raise typer.BadParameter("a YAML names its artifact itself; --name goes with --data")
    if name is not None and not re.fullmatch(NAME, name):
        raise typer.BadParameter(f"--name {name}: lower-case letters, digits, dots and hyphens only")
    if dry_run and data is not None:
        raise typer.BadParameter("--dry-run goes with a YAML; `parley evaluate --data` shows your own rows")
    with told_errors():
        wait_passively()
        if data is not None:
            _train_own(
                data,
                base,
                run_dir or Path("runs") / data.stem,
                data_dir,
                epochs,
                learning_rate,
                resume,
                name,
            )
            return
        assert config is not None
        from parley.training.fit.config import load_config

        settings = load_config(config)
        if dry_run:
            from parley.training.fit.plan import plan

            show_plan(plan(settings, data_dir=data_dir))
            return
        from parley.training.fit.run import train as run

        folder = run_dir or Path("runs") / config.stem
        artifact = run(settings, data_dir=data_dir, run_dir=folder, resume=resume)
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        show_table("Dev figures", metrics["dev"])
        typer.echo(f"Artifact: {artifact.path}   Metrics: {folder / 'metrics.json'}")
        if "int8_mean_embedding_cosine" not in metrics["parity"]:
            typer.echo("Its network stays in float, large and slow: for use as a teacher (distil.yaml).")
        typer.echo(f"Next: parley evaluate {artifact.path} --data-dir {data_dir} --save")


def _train_own(
    data: Path,
    base: Path | None,
    run_dir: Path,
    data_dir: Path,
    epochs: float,
    learning_rate: float,
    resume: bool,
    name: str | None,
) -> None:
    from parley.model.artifact import DEFAULT, Artifact
    from parley.training.data.decisions import OWN
    from parley.training.fit.site_fine_tune import fine_tune_on

    report = fine_tune_on(
        data,
        base=Artifact.open(base or DEFAULT),
        run_dir=run_dir,
        name=name,
        epochs=epochs,
        learning_rate=learning_rate,
        data_dir=data_dir,
        resume=resume,
    )
    for note in report["notes"]:
        typer.echo(f"Note: {note}", err=True)
    if report["calibration"]:
        show_table("Calibrated on your rows", report["calibration"])
    for rows, of in {OWN: report["own"], **report["old"]}.items():
        if of["after"]:
            title = "Your comments, the part not trained on" if rows == OWN else f"{rows}, dev rows"
            show_changes(title, of["before"], of["after"])
    if not report["old"]:
        typer.echo(
            "No earlier corpus is on disk (--data-dir), so old tasks are checked by how far answers moved:"
        )
    show_kept(report["kept"])
    artifact = run_dir / "artifact"
    typer.echo(f"Artifact: {artifact}   Card: {artifact / 'README.md'}   Metrics: {run_dir / 'metrics.json'}")
    typer.echo(f"Next: parley evaluate {run_dir / 'artifact'} --data {data} --html report.html")


@app.command()
def calibrate(
    artifact: Annotated[Path, typer.Argument(help="The artifact to calibrate in place.")],
    config: Annotated[
        Path | None, typer.Argument(help="The training YAML whose sources' dev rows to use.")
    ] = None,
    *,
    data_dir: DataDir = DATA_DIR,
    data: Data = None,
    whole: Whole = False,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL=P[@SOURCE,...]",
            help="Lowest threshold of LABEL with precision P: in all rows, or in each of the sources named. "
            "For stance, the share of named sides that are right.",
        ),
    ] = None,
    queue_budget: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL=S", help="Lowest threshold of LABEL that flags at most a share S of comments."
        ),
    ] = None,
    false_positives: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL=S[@SOURCE,...]",
            help="Lowest threshold of LABEL that flags at most a share S of harmless comments: averaged over "
            "all sources, or in each of those named.",
        ),
    ] = None,
    html: Annotated[Path | None, HTML] = None,
) -> None:
    """Fit an artifact's probabilities and thresholds on dev data, or on a site's own comments.

    A threshold is set where F1 is best (stance: where four in five named sides are right), unless an option
    here or the YAML's `thresholds:` gives an operating point. ECE is the expected calibration error.

    Examples:

        parley calibrate runs/base/artifact configs/training/base.yaml

        parley calibrate my-artifact --data decisions.csv --html calibration.html

        parley calibrate my-artifact --data decisions.csv --precision toxicity=0.9 --queue-budget spam=0.02

        parley calibrate my-artifact configs/training/base.yaml --false-positives toxicity=0.05@c3,unhealthy
    """
    if (config is None) == (data is None):
        raise typer.BadParameter("give either a training YAML, or --data with your own comments")
    with told_errors():
        from parley.model.artifact import Artifact
        from parley.training.evaluation.calibration import calibrate as fit

        opened = Artifact.open(artifact)
        points = points_of(precision or [], queue_budget or [], false_positives or [])
        if data is not None:
            if any(point.sources for point in points.values()):
                raise typer.BadParameter("your own comments are one source: omit @SOURCE with --data")
            examples, others = own_rows(data, "dev", whole=whole, why="to calibrate on"), []
        else:
            from parley.training.fit.config import load_config
            from parley.training.fit.plan import read

            settings = load_config(config or "")
            points = dict(settings.thresholds) | points
            settings = settings.model_copy(update={"thresholds": points, "fraction": 1.0, "teacher": None})
            prepared = read(settings, data_dir=data_dir)
            examples, others = prepared.dev, prepared.threshold_rows
        before = {"calibration": opened.calibration, "thresholds": opened.thresholds}
        figures = fit(opened, examples, points=points, others=others)
        show_table("Calibrated on", figures)
        show_calibrated(
            opened.path, before, {"calibration": opened.calibration, "thresholds": opened.thresholds}
        )
        if data is not None and not whole:
            suggest_whole(data, figures)
        if html is not None:
            from parley.training.evaluation.report.page import write_calibration

            write_calibration(html, figures, name=opened.info["name"])
            typer.echo(f"Wrote {html}")


@app.command()
def evaluate(
    artifact: Annotated[Path | None, typer.Argument(help="An artifact; by default the shipped one.")] = None,
    *,
    data_dir: DataDir = DATA_DIR,
    test: Annotated[
        list[str] | None,
        typer.Option(help="A test set, by its source's name; repeatable.  [default: those of a release]"),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every test set in training/evaluation/suite.py.")
    ] = False,
    data: Data = None,
    whole: Whole = False,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Use at most this many rows of each test, for a quick look.")
    ] = None,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines",
            help="Also score TF-IDF with logistic regression (same rows) and the untuned encoder.",
        ),
    ] = False,
    full_precision: Annotated[bool, typer.Option("--float", help="Also score the float network.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the report here, as JSON.")
    ] = None,
    html: Annotated[Path | None, HTML] = None,
    save: Annotated[
        bool, typer.Option("--save", help="Write evaluation.json and the model card into the artifact.")
    ] = False,
    threads: Annotated[int | None, typer.Option(help="Rows scored at once.  [default: every core]")] = None,
) -> None:
    """Score an artifact on the test sets, or on a site's own comments, through the same code that serves.

    Examples:

        parley evaluate --data-dir ../shared/data -o report.json

        parley evaluate runs/base/artifact --test vast --test robtest --sample 500

        parley evaluate runs/base/artifact --all --baselines --float --save     (what a release says)

        parley evaluate runs/mine/artifact --data decisions.csv --html report.html

    Tune on dev data; score a test set once per released model. The HTML page quotes comments (the most
    confident errors): keep it private.
    """
    if save and (data is not None or sample is not None):
        raise typer.BadParameter(
            "--save writes the model card, from whole public tests only: no --data, no --sample"
        )
    with told_errors():
        from parley.model.artifact import DEFAULT, Artifact
        from parley.training.evaluation.baselines import systems
        from parley.training.evaluation.evaluate import evaluate as judge
        from parley.training.evaluation.report.card import write_card

        opened = Artifact.open(artifact or DEFAULT)
        if data is not None:
            from parley.training.data.decisions import OWN

            tests = {OWN: own_rows(data, "test", whole=whole, why="to evaluate on")}
        else:
            from parley.training.evaluation.suite import SUITE, TESTS, read_tests

            names = test or _on_disk(SUITE if every else TESTS, data_dir, all_needed=save)
            tests = read_tests(opened, data_dir, names)
        if sample is not None:
            drawn = random.Random(0)
            tests = {name: drawn.sample(of, min(sample, len(of))) for name, of in tests.items()}
        with tempfile.TemporaryDirectory() as folder:
            beside = systems(opened, Path(folder), data_dir, baselines, full_precision, threads)
            with progress(sum(map(len, tests.values())) * (1 + len(beside))) as advance:
                evaluation = judge(opened, tests, beside=beside, threads=threads, on_progress=advance)
        show_report(evaluation.report)
        text = json.dumps(evaluation.report) + "\n"
        if output is not None:
            output.write_text(text, encoding="utf-8")
        if html is not None:
            from parley.training.evaluation.report.page import write_report

            write_report(html, evaluation)
            typer.echo(f"Wrote {html}; it quotes comments")
        if save:
            opened.evaluation_file.write_text(text, encoding="utf-8")
            write_card(opened)
            typer.echo(f"Wrote {opened.evaluation_file} and {opened.card_file}")


def _on_disk(names: Iterable[str], data_dir: Path, *, all_needed: bool) -> list[str]:
    """The tests whose corpus is on disk; prints those missing, or raises SourceError if all are needed."""
    from parley.training.data.sources import SOURCES
    from parley.training.errors import SourceError

    there = [name for name in names if SOURCES[name].locate(data_dir)]
    if missing := [name for name in names if name not in there]:
        problem = f"no corpus in {data_dir} for {', '.join(missing)} (--data-dir names the folder)"
        if all_needed:
            raise SourceError(f"{problem}: the model card needs every test of a release")
        typer.echo(f"Not scored: {problem}", err=True)
    return there


@app.command()
def compare(
    one: Annotated[Path, typer.Argument(metavar="A", help="An artifact.")],
    other: Annotated[Path, typer.Argument(metavar="B", help="The artifact to compare it with.")],
    *,
    data: Annotated[Path, typer.Option("--data", metavar="FILE.csv", help="Your own labelled comments.")],
    whole: Whole = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the figures here, as JSON.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Rows scored at once.  [default: every core]")] = None,
) -> None:
    """Compare two artifacts on a site's own comments, label by label.

    Examples:

        parley compare model/artifacts/parley-minilm runs/mine/artifact --data decisions.csv

        parley compare my-model runs/mine/artifact --data new.csv --whole     (rows that neither has seen)

    Uses the part of FILE.csv that `parley train` and `calibrate` don't use. The difference is B's figure
    minus A's, with its 95 % interval: if that includes 0, the rows don't show a difference.
    """
    with told_errors():
        from parley.model.artifact import Artifact
        from parley.model.classifier import Classifier
        from parley.training.evaluation.comparison import compare as judge

        opened = [Artifact.open(path) for path in (one, other)]
        rows = own_rows(data, "test", whole=whole, why="to compare on")
        a, b = (Classifier.load(artifact.path, threads=threads) for artifact in opened)
        with progress(2 * len(rows)) as advance:
            figures = judge(a, b, rows, on_progress=advance)
        names = {
            letter: f"{artifact.info['name']} {artifact.info['version']} ({artifact.path})"
            for letter, artifact in zip("AB", opened, strict=True)
        }
        show_compared(f"{data}: {len(rows):,} rows", names, figures)
        if output is not None:
            values = {**names, "rows": len(rows), "labels": figures}
            output.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


@app.command()
def export(
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="The artifact's folder.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to write.")],
    *,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write into FOLDER even if it isn't empty.")
    ] = False,
) -> None:
    """Write an artifact as a folder that transformers loads, as for a model hub.

    Example:

        parley export model/artifacts/parley-minilm parley-minilm

    FOLDER gets config.json, model.safetensors, the tokenizer and a README with the model card; the encoder
    that compares comments with targets and titles goes into FOLDER/pairs. Parley serves ARTIFACT, not FOLDER.
    """
    with told_errors():
        from parley.model.artifact import Artifact
        from parley.training.network.to_transformers import export as write

        write(Artifact.open(artifact), folder, overwrite=overwrite)
        typer.echo(f"Wrote {folder}")
