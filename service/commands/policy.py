"""`parley policy`: check a policy file, and try it on a dump before it acts on readers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parley.service.commands.common import told_errors

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from parley.service.dumps.formats.registry import Reader
    from parley.service.dumps.reading.record import RawRow, Record
    from parley.service.policy.decision import Policy
    from parley.service.policy.rules import Condition
    from parley.service.policy.trial import Predict, Trial

app = typer.Typer(
    name="policy", no_args_is_help=True, help="Check a site's policy, and try it on a dump of comments."
)

EXAMPLE_WIDTH = 90
_TEXT_COLUMNS = ("code", "fires when", "action", "decision", "reason", "comment")

PolicyArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="A policy's YAML file, or a shipped policy: default, coinspeaker or strict."
    ),
]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model", help="Folder of the artifact that provides the thresholds for `at_least: model`."
    ),
]


@app.command()
def check(file: PolicyArgument = "default", *, model: ModelOption = None) -> None:
    """Check a policy file and show its rules as Parley understands them.

    \b
    parley policy check my-policy.yaml
    parley policy check coinspeaker
    """

    from parley.model.artifact import DEFAULT, Artifact
    from parley.service.policy.decision import Policy
    from parley.service.terminal import PlainConsole

    with told_errors():
        policy = Policy.load(file, thresholds=Artifact.open(model or DEFAULT).thresholds)
    _show_rules(policy, PlainConsole())


@app.command("try")
def try_(
    file: PolicyArgument,
    dump: Annotated[
        Path, typer.Argument(help="Comments, or the output of `parley score`: .jsonl, .csv, .parquet, .txt.")
    ],
    *,
    examples: Annotated[
        int, typer.Option(min=0, max=50, help="Number of borderline comments to show for each rule.")
    ] = 3,
    format_: Annotated[
        str | None, typer.Option("--format", help="Format of the dump (detected by default).")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Read a field from a column with a different name: text=body.",
        ),
    ] = None,
    model: ModelOption = None,
) -> None:
    """Show what a policy would have done with a dump: counts, and the borderline comments of each rule.

    Nothing is written. Rows without scores are scored first.

    \b
    parley score comments.csv -o scored.jsonl && parley policy try strict scored.jsonl
    parley policy try my-policy.yaml comments.csv --map text=body --examples 5
    """

    from parley.model.artifact import DEFAULT, Artifact
    from parley.service.dumps.formats.registry import open_reader
    from parley.service.dumps.reading.record import Columns
    from parley.service.dumps.reading.source import Source
    from parley.service.policy.decision import Policy
    from parley.service.policy.trial import try_policy
    from parley.service.terminal import PlainConsole

    with told_errors():
        artifact = Artifact.open(model or DEFAULT)
        policy = Policy.load(file, thresholds=artifact.thresholds)
        with closing(Source(dump)) as source:
            reader = open_reader(source, name=format_, columns=Columns.parse(columns or ()))
            rows = _watched(reader, dump.name)
            trial = try_policy(policy, rows, _predictor(artifact.path), examples=examples)
    _show_trial(policy, trial, PlainConsole())
    raise typer.Exit(0 if trial.comments else 1)


def _predictor(artifact: Path) -> Predict:
    """A predict function that loads the model when it is first needed."""
    from functools import cache

    from parley.model.classifier import Classifier

    load = cache(Classifier.load)
    return lambda comments: load(artifact).predict(comments)


def _watched(reader: Reader, name: str) -> Iterator[Record | RawRow]:
    """The rows of `reader`, with a progress bar while they are read."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=1.0)
        for row in reader:
            yield row
            progress.update(task, completed=reader.fraction)


def _table(*columns: str) -> Table:
    from rich.table import Table

    table = Table(show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in _TEXT_COLUMNS else "right")
    return table


def _show_rules(policy: Policy, console: Console) -> None:
    table = _table("code", "fires when", "action")
    for rule in policy.rules:
        table.add_row(rule.code, _condition_in_words(policy, rule), rule.action)
        for word, conditions in (("and", rule.also), ("unless", rule.unless)):
            for condition in conditions:
                table.add_row("", f"{word} {_condition_in_words(policy, condition)}", "")
        if rule.languages is not None:
            table.add_row("", f"only in {', '.join(rule.languages)}", "")
    console.print(f"{policy.name}: {policy.description}\n")
    console.print(table)
    console.print(f"\n{policy.name} is valid: {len(policy.rules)} rules, otherwise {policy.otherwise}.")
    if policy.observe:
        console.print("It observes only: its decisions are not sent to Coral.")


def _condition_in_words(policy: Policy, condition: Condition) -> str:
    sign = "at least" if condition.at_most is None else "at most"
    whose = " (the model's own)" if condition.at_least == "model" else ""
    return f"{condition.when} is {sign} {round(policy.threshold(condition), 4):g}{whose}"


def _show_trial(policy: Policy, trial: Trial, console: Console) -> None:
    counts = _table("decision", "comments", "share")
    for action in ("approve", "review", "reject"):
        count = trial.actions[action]
        counts.add_row(action, f"{count:,}", f"{count / max(trial.comments, 1):.1%}")
    console.print(f"What {policy.name} would have done:\n", counts, "")
    if any(fired.count for fired in trial.rules.values()):
        console.print("Why:\n", _reasons(trial), "")
    if any(fired.examples or fired.below for fired in trial.rules.values()):
        told = "Borderline comments on both sides of each threshold, with their scores:\n"
        console.print(told, _examples(trial), "")
    scored_now = trial.comments - trial.scored_before
    console.print(f"{trial.scored_before:,} comments already had scores, {scored_now:,} were scored now.")
    if trial.bad:
        first = trial.bad[0]
        place = first.line or first.row
        console.print(
            f"{len(trial.bad):,} rows can't be used; the first is in line or row {place}: {first.problem}"
        )


def _reasons(trial: Trial) -> Table:
    table = _table("reason", "comments", "approved", "reviewed", "rejected")
    for code, fired in sorted(trial.rules.items(), key=lambda pair: -pair[1].count):
        if not fired.count:
            continue
        decided = (f"{fired.decided[action]:,}" for action in ("approve", "review", "reject"))
        table.add_row(code, f"{fired.count:,}", *decided)
    return table


def _examples(trial: Trial) -> Table:
    from rich.text import Text

    table = _table("reason", "fires", "line", "score", "threshold", "comment")
    for code, fired in trial.rules.items():
        for example in [*reversed(fired.examples), *fired.below]:  # by score, with the threshold between them
            score, threshold = example.reason.score, example.reason.threshold
            side = "yes" if example in fired.examples else "no"
            line, text = f"{example.place:,}", Text(_on_one_line(example.text))
            table.add_row(code, side, line, f"{score:.3g}", f"{threshold:.3g}", text)
    return table


def _on_one_line(text: str) -> str:
    """The start of `text` without control sequences or characters that a terminal can't print."""
    words = " ".join(text[: 4 * EXAMPLE_WIDTH].split())
    printable = "".join(char if char.isprintable() else "·" for char in words)
    return printable if len(printable) <= EXAMPLE_WIDTH else printable[: EXAMPLE_WIDTH - 1] + "…"
