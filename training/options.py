"""Options shared by the training commands, and their parsing.

Heavy imports are inside the functions, as in `parley.training.cli`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from parley.training.data.examples import Example
    from parley.training.evaluation.operating_points import OperatingPoint

DATA_DIR = Path("../shared/data")
DataDir = Annotated[
    Path, typer.Option(help="Folder of corpora, one sub-folder per source.", show_default=True)
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FILE.csv",
        help="A site's own labelled comments: a column text, and one for each label (docs/make-it-yours.md).",
    ),
]
Whole = Annotated[
    bool,
    typer.Option(
        "--whole",
        help="Use every row of --data, not only the held-out part: for a file never trained on.",
    ),
]
RESUME = typer.Option("--resume", help="Resume from the run's last checkpoint.")
HTML = typer.Option(
    "--html",
    metavar="REPORT.html",
    help="Write a page with tables and plots. Needs parley-moderation[report].",
)


def points_of(
    precisions: Sequence[str], queues: Sequence[str], false_positives: Sequence[str]
) -> dict[str, OperatingPoint]:
    """Parse LABEL=NUMBER options. Raises BadParameter."""
    from parley.training.data.decisions import LABELS
    from parley.training.data.sources import get
    from parley.training.errors import SourceError
    from parley.training.evaluation.operating_points import STANCE, OperatingPoint

    points: dict[str, OperatingPoint] = {}
    for option, kind, given in (
        ("--precision", "precision", precisions),
        ("--queue-budget", "queue", queues),
        ("--false-positives", "false_positives", false_positives),
    ):
        for text in given:
            label, _, value = text.partition("=")
            number, at, names = (value, "", "") if kind == "queue" else value.partition("@")
            labels = (*LABELS, STANCE) if kind == "precision" else LABELS
            if label not in labels:
                raise typer.BadParameter(f"{option} {text}: labels are {', '.join(labels)}")
            if label in points:
                raise typer.BadParameter(
                    f"{option} {text}: {label} already has an operating point; give one for each label"
                )
            if kind == "queue" and "@" in value:
                raise typer.BadParameter(f"{option} {text}: a queue is that of all rows; omit @SOURCE")
            try:
                share = float(number)
            except ValueError:
                share = -1.0
            if not 0 < share <= 1:
                raise typer.BadParameter(f"{option} {text}: write LABEL=SHARE, a share above 0 and up to 1")
            try:
                sources = tuple(get(name.strip()).name for name in names.split(",")) if at else ()
            except SourceError as error:
                raise typer.BadParameter(f"{option} {text}: {error}") from error
            points[label] = OperatingPoint.model_validate({kind: share, "sources": sources})
    return points


def own_rows(data: Path, split: Any, *, whole: bool, why: str) -> list[Example]:
    """The rows of a site's file: the part `split`, or the `whole`. `why` completes the error message."""
    from parley.training.data.decisions import read_part

    own = read_part(data, None if whole else split, why=why)
    for note in own.notes:
        typer.echo(f"Note: {note}", err=True)
    part = "rows" if whole else f"rows of the {split} part"
    typer.echo(f"{data}: {len(own.examples):,} {part}", err=True)
    return own.examples


def suggest_whole(data: Path, figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Suggest --whole for labels that were skipped for too few rows but have enough in the whole file."""
    from parley.training.data.decisions import read_own
    from parley.training.evaluation.operating_points import FEWEST

    everything = read_own(data, None).examples
    enough = []
    for label in (label for label, of in figures.items() if "left" in of or "probabilities_left" in of):
        known = _truths(everything, label)
        if min(positive := sum(known), negative := len(known) - sum(known)) >= FEWEST:
            of = ("with a side", "without") if label == "stance" else ("positive", "negative")
            enough.append(f"{label} ({positive} {of[0]}, {negative} {of[1]})")
    if enough:
        typer.echo(
            f"The whole file has enough rows for {', '.join(enough)}: --whole uses them all. "
            "Use it only if no run has trained on this file."
        )


def _truths(examples: Sequence[Example], label: str) -> list[bool]:
    """For each row that has the label whether it is positive; for stance, whether it takes a side."""
    if label == "stance":
        return [e.stance != "none" for e in examples if e.stance is not None]
    values = (e.off_topic if label == "off_topic" else e.labels.get(label) for e in examples)
    return [value >= 0.5 for value in values if value is not None]
