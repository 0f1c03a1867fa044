"""Compares artifacts on the dev rows of a training configuration, to choose a release.

    python -m benchmarks.compare configs/training/fourth.yaml model/artifacts/parley-minilm runs/mine/artifact

A copy of each is calibrated on these rows first, so that none profits from its own thresholds. No test set is
read. Prints a Markdown table for docs/experiments/.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parley.model.artifact import Artifact
from parley.model.classifier import Classifier
from parley.model.comment import Prediction
from parley.model.labels import OFF_TOPIC
from parley.training.data.examples import Example
from parley.training.data.sources import read as read_source
from parley.training.evaluation.calibration import calibrate
from parley.training.evaluation.checks import AFFIRMED, NEGATED, Tested, abuse_quoted, target_worded
from parley.training.evaluation.figures import Row, judge
from parley.training.evaluation.served_path import predict
from parley.training.evaluation.suite import draw
from parley.training.fit.config import TrainConfig, load_config
from parley.training.fit.plan import read

FIGURES: dict[str, tuple[str, str]] = {
    "toxicity AUC": ("toxicity", "auc"),
    "insult AUC": ("insult", "auc"),
    "identity attack AUC": ("identity_attack", "auc"),
    "subgroup": ("toxicity", "subgroup_auc"),
    "BPSN": ("toxicity", "bpsn_auc"),
    "BNSP": ("toxicity", "bnsp_auc"),
    "off-topic AUC": ("off_topic whole", "auc"),
    "cut short": ("off_topic cut", "auc"),
    "replies under headlines": ("replies", "auc"),
    "stance macro-F1": ("stance", "macro_f1"),
    "which side": ("stance", "side_accuracy"),
    "span F1": ("span", "character_f1"),
    "turned by a negation": ("disapproval of X", "turned"),
    "found in a complaint": ("complained of", "flagged"),
}
"""Where to find each figure in the answer of `dev_figures`. Subgroup, BPSN and BNSP are toxicity AUCs over
the rows that name an identity. Replies are from the dev threads of `thread_headlines`. The last two are
checks in wordings that no training row has: stances that "disapproval of X" turns around, and toxic comments
flagged although a complaint merely quotes them."""
WORDED = ("no X", "opposition to X", "support for X", "approval of X")
"""Reworded targets in the table besides the one in FIGURES."""
STANCE_OF = "stance of "


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("config", type=Path, help="the training YAML whose dev rows are read")
    parser.add_argument("artifacts", type=Path, nargs="+", metavar="ARTIFACT")
    parser.add_argument("--dev-rows", type=int, default=5000, help="the most dev rows to measure on")
    parser.add_argument("--data-dir", type=Path, default=Path("../shared/data"))
    given = parser.parse_args()
    for folder in given.artifacts:
        Artifact.open(folder)  # fail now rather than after a minute of reading
    rows, replies = dev_rows(load_config(given.config), given.data_dir, given.dev_rows)
    figures = []
    for folder in given.artifacts:
        with tempfile.TemporaryDirectory() as empty:
            copy = shutil.copytree(folder, Path(empty) / folder.name)
            figures.append(dev_figures(Artifact.open(copy), rows, replies))
    print(compared([str(folder) for folder in given.artifacts], figures))


def dev_rows(config: TrainConfig, data_dir: Path, most: int) -> tuple[list[Example], list[Example]]:
    """At most `most` dev rows of `config`, and the dev threads' replies under headlines."""
    rows = draw(read(config.model_copy(update={"teacher": None}), data_dir=data_dir).dev, most)
    return rows, list(read_source("thread_headlines", data_dir, "dev"))


def dev_figures(artifact: Artifact, rows: Sequence[Example], replies: Sequence[Example]) -> dict[str, Any]:
    """Calibrate the artifact on `rows` in place, and return its figures on them and on `replies`.

    These are the figures of `parley.training.evaluation.calibration` by label, stance by source ("stance of
    vast"), reworded targets ("no X"), quoted abuse ("complained of", "agreed with") and off-topic for the
    replies ("replies").
    """
    figures = calibrate(artifact, rows)
    classifier = Classifier(artifact)

    def ask(examples: Sequence[Example]) -> list[Prediction]:
        return predict(classifier, examples)

    def judged(of: Sequence[Row]) -> dict[str, Any]:
        return judge(of, artifact.thresholds, intervals=False)

    scored = list(zip(rows, ask(rows), strict=True))
    sources: dict[str, list[Row]] = defaultdict(list)
    for row in scored:
        if row[0].stance:
            sources[row[0].source].append(row)
    tested = Tested(scored, artifact.thresholds, ask, intervals=False)
    return (
        figures
        | {f"{STANCE_OF}{source}": judged(of)["stance"] for source, of in sources.items()}
        | target_worded(NEGATED, turns=True)(tested)
        | target_worded(AFFIRMED, turns=False)(tested)
        | abuse_quoted(tested)
        | {"replies": judged(list(zip(replies, ask(replies), strict=True)))[OFF_TOPIC]}
    )


def compared(names: Sequence[str], reports: Sequence[Mapping[str, Any]]) -> str:
    """The Markdown table: a row for each figure, a column for each artifact."""
    figures = FIGURES | {f'side turned by "{form}"': (form, "turned") for form in WORDED}
    for part in sorted({part for of in reports for part in of if part.startswith(STANCE_OF)}):
        figures |= {f"{part}, macro-F1": (part, "macro_f1"), f"{part}, side": (part, "side_accuracy")}
    lines = [f"| dev rows | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for name, where in figures.items():
        lines.append(f"| {name} | {' | '.join(shown(of, *where) for of in reports)} |")
    return "\n".join(lines)


def shown(figures: Mapping[str, Any], part: str, name: str) -> str:
    """The figure as a table cell, empty if the dev rows can't give it."""
    value = figures.get(part, {}).get(name)
    return "" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
