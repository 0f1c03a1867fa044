"""What fine-tuning on a site's own rows brings, with a corpus the artifact has not seen in the site's place.

    python -m benchmarks.make_it_yours --source ruddit --label toxicity --data-dir ../shared/data

Prints a Markdown table for docs/make-it-yours.md: figures on held-out rows before and after fine-tuning on
files of growing size, and how far the answers on everything else moved.
"""

from __future__ import annotations

import argparse
import csv
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from parley.model.artifact import DEFAULT, Artifact
from parley.training.data.examples import Example
from parley.training.data.sources import SPLITS, read
from parley.training.fit.site_fine_tune import fine_tune_on

UNTAUGHT = "other labels decided otherwise (the most)"


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--artifact", type=Path, default=DEFAULT, help="the artifact to start from")
    parser.add_argument("--source", default="ruddit", help="a corpus it was not trained on")
    parser.add_argument("--label", default="toxicity", help="the corpus's label to fine-tune on")
    parser.add_argument("--rows", type=int, nargs="+", default=[200, 1000, 4000], help="rows in each file")
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--data-dir", type=Path, default=Path("../shared/data"))
    given = parser.parse_args()
    base = Artifact.open(given.artifact)
    if given.source in {spec["name"] for spec in base.info["training"].get("config", {}).get("sources", [])}:
        parser.error(f"{given.artifact} was trained on {given.source}: choose another --source")
    every = (e for split in SPLITS for e in read(given.source, given.data_dir, split))
    rows = [e for e in every if given.label in e.labels]
    random.Random(0).shuffle(rows)
    print(f"| rows | of them to test | AUC before | after | ECE before | after | {UNTAUGHT} |")
    print("|---|---|---|---|---|---|---|")
    for line in table(base, rows, given.label, given.rows, given.epochs):
        print(line, flush=True)


def table(
    base: Artifact, rows: Sequence[Example], label: str, sizes: Sequence[int], epochs: float
) -> Iterator[str]:
    """A table row for each size; a smaller file is the beginning of a larger one."""
    with tempfile.TemporaryDirectory() as folder:
        for size in sorted({min(size, len(rows)) for size in sizes}):
            file = Path(folder) / f"{size}.csv"
            write(file, rows[:size], label)
            run = Path(folder) / str(size)
            report = fine_tune_on(file, base=base, run_dir=run, epochs=epochs)
            before, after = (report["own"][when][label] for when in ("before", "after"))
            moved = {name: of["flipped"] for name, of in report["kept"].items() if not of["taught"]}
            most = max(moved, key=moved.__getitem__)
            auc = [f"{of['auc']:.3f}" if "auc" in of else "one class" for of in (before, after)]
            ece = [f"{of['calibration_error']:.3f}" for of in (before, after)]
            yield (
                f"| {size} | {report['rows']['test']} | {auc[0]} | {auc[1]} | {ece[0]} | {ece[1]} "
                f"| {100 * moved[most]:.1f} % ({most}) |"
            )


def write(file: Path, rows: Sequence[Example], label: str) -> None:
    """The rows as a site's file would have them."""
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("text", label))
        writer.writerows((e.text, e.labels[label]) for e in rows)


if __name__ == "__main__":
    main()
