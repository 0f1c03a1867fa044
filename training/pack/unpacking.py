"""Turns the result of a packed job into an artifact: exported, calibrated, with its training record.

unpack(load_config("configs/training/fifth.yaml"), [Path("job")], data_dir=..., run_dir=Path("runs/fifth"))
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from parley.model.artifact import Artifact
from parley.model.labels import OFF_TOPIC
from parley.training.errors import RunError
from parley.training.evaluation.calibration import calibrate
from parley.training.evaluation.operating_points import STANCE
from parley.training.fit.config import TrainConfig
from parley.training.fit.history import history
from parley.training.fit.plan import read
from parley.training.json_files import write_json
from parley.training.network.export import export_artifact
from parley.training.network.network import Network, base_artifact, base_tokenizer
from parley.training.pack.results import plan_of, trained

_OF_PAIRS = (OFF_TOPIC, STANCE)
"""The thresholds of what the pair encoder answers."""


def unpack(config: TrainConfig, folders: Sequence[Path], *, data_dir: Path, run_dir: Path) -> Artifact:
    """Write run_dir/artifact and run_dir/metrics.json from the results in `folders`, packed from `config`.

    Where the base is an artifact and no stage trained its comment encoder, abuse, spam and spans stay what
    they were: its file, calibration and thresholds are taken over.
    Raises RunError if a folder has no result, or was packed from another configuration.
    """
    if (run_dir / "artifact").exists():
        raise RunError(f"{run_dir} already has an artifact: give another --run-dir")
    plans = [plan_of(config, folder) for folder in folders]
    base = base_artifact(config.base)
    network = trained(config, folders)
    if config.base_share:
        network.mix(Network.from_base(config.base, config.pair_base), config.base_share)
    prepared = read(config, data_dir=data_dir)
    artifact = Artifact(run_dir / "artifact")
    parity = export_artifact(
        network,
        artifact,
        tokenizer_file=base_tokenizer(config.base),
        name=config.name,
        version=config.version,
        max_tokens=config.tokens.serve,
        stride=config.tokens.stride,
        training=history(base, config=config.model_dump(mode="json"), **prepared.counts),
    )
    rows, points = prepared.dev, config.thresholds
    same_format = base is not None and base.info["format"] == artifact.info["format"]
    if base is not None and same_format and not any("encoder" in plan["encoders"] for plan in plans):
        _keep_comments(artifact, base)
        rows = [replace(e, labels={}, spans=None) for e in rows]
        points = {label: point for label, point in points.items() if label in _OF_PAIRS}
    dev = calibrate(artifact, rows, points=points, others=prepared.threshold_rows)
    packed = [{key: plan[key] for key in ("stages", "counts")} for plan in plans]
    write_json(run_dir / "metrics.json", {"packed": packed, "parity": parity, "dev": dev})
    return artifact


def _keep_comments(artifact: Artifact, base: Artifact) -> None:
    """Take over the comment encoder of `base`: writing it to int8 anew would change every score a little."""
    shutil.copyfile(base.comments_file, artifact.comments_file)
    kept = {part: base.calibration[part] for part in ("comment", "span")}
    write_json(artifact.calibration_file, artifact.calibration | kept)
    thresholds = {label: of for label, of in base.thresholds.items() if label not in _OF_PAIRS}
    write_json(artifact.thresholds_file, artifact.thresholds | thresholds)
