"""Packs a training into one folder that runs anywhere with torch and numpy, and unpacks its result.

python -m parley.training.pack configs/training/fifth.yaml -o job --stages entailment sides topic
python job/job.py --share 0.01       try whether it runs
python job/job.py                    run it, here or wherever you copy the folder
python -m parley.training.pack configs/training/fifth.yaml --unpack job --run-dir runs/fifth
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from parley.model.errors import ModelError
from parley.training.errors import TrainingError


def main() -> None:
    """Write a job, or unpack its result."""
    parser = argparse.ArgumentParser(
        prog="python -m parley.training.pack",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="a training YAML with stages")
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="write the job into this folder")
    either.add_argument(
        "--unpack", type=Path, nargs="+", metavar="FOLDER", help="unpack the results in these folders"
    )
    parser.add_argument("--stages", nargs="+", default=[], help="with -o: only these stages")
    parser.add_argument(
        "--after",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="with -o: start from the results in these folders, which had other stages of this YAML",
    )
    parser.add_argument(
        "--run-dir", type=Path, help="with --unpack: folder for the artifact and metrics (default: runs/NAME)"
    )
    parser.add_argument("--data-dir", type=Path, default=Path("../shared/data"), help="default: %(default)s")
    given = parser.parse_args()
    if given.unpack and (given.stages or given.after):
        parser.error("--stages and --after go with -o: a packed folder already has its stages and weights")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        _run(given)
    except (TrainingError, ModelError) as error:
        sys.exit(f"Error: {error}")


def _run(given: argparse.Namespace) -> None:
    from parley.training.fit.config import load_config

    config = load_config(given.config)
    if given.output is not None:
        from parley.training.pack.packing import pack

        plan = pack(
            config, data_dir=given.data_dir, folder=given.output, stages=given.stages, after=given.after
        )
        size = sum(file.stat().st_size for file in given.output.rglob("*") if file.is_file())
        print(json.dumps(plan["counts"], indent=2))
        print(f"{given.output}: {size / 1e6:.1f} MB. Next: python {given.output / 'job.py'}")
        return
    from parley.training.pack.unpacking import unpack

    run_dir = given.run_dir or Path("runs") / given.config.stem
    artifact = unpack(config, given.unpack, data_dir=given.data_dir, run_dir=run_dir)
    print(f"Artifact: {artifact.path}   Metrics: {run_dir / 'metrics.json'}")


if __name__ == "__main__":
    main()
