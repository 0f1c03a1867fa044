"""Turns the result of a packed job into an artifact: exported, calibrated, with its training record.

unpack(load_config("configs/training/fifth.yaml"), [Path("job")], data_dir=..., run_dir=Path("runs/fifth"))
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from parley.model.artifact import Artifact
from parley.training.errors import RunError
from parley.training.evaluation.calibration import calibrate
from parley.training.fit.config import TrainConfig
from parley.training.fit.history import history
from parley.training.fit.plan import read
from parley.training.json_files import write_json
from parley.training.network.export import export_artifact
from parley.training.network.network import Network, base_artifact, base_tokenizer
from parley.training.pack.job.run import read_weights
from parley.training.pack.packing import PLAN, digest


def unpack(config: TrainConfig, folders: Sequence[Path], *, data_dir: Path, run_dir: Path) -> Artifact:
    """Write run_dir/artifact and run_dir/metrics.json from the results in `folders`, packed from `config`.

    Raises RunError if a folder has no result, or was packed from another configuration.
    """
    if (run_dir / "artifact").exists():
        raise RunError(f"{run_dir} already has an artifact: give another --run-dir")
    plans = [_plan(config, folder) for folder in folders]
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
        training=history(
            base_artifact(config.base), config=config.model_dump(mode="json"), **prepared.counts
        ),
    )
    dev = calibrate(artifact, prepared.dev, points=config.thresholds, others=prepared.threshold_rows)
    packed = [{key: plan[key] for key in ("stages", "counts")} for plan in plans]
    write_json(run_dir / "metrics.json", {"packed": packed, "parity": parity, "dev": dev})
    return artifact


def trained(config: TrainConfig, folders: Sequence[Path]) -> Network:
    """The configuration's base network with the weights from `folders`."""
    network = Network.from_base(config.base, config.pair_base)
    state = network.state_dict()
    for folder in folders:
        weights = result(folder)
        if unknown := sorted(weights.keys() - state.keys()):
            raise RunError(f"{folder} has a weight that {config.base} doesn't have: {unknown[0]}")
        state |= weights
    network.load_state_dict(state)
    with torch.no_grad():
        network.relatedness.zero_()  # the job trained stance without cosines; calibration fits their weight
    return network.eval()


def result(folder: Path) -> dict[str, Tensor]:
    """The weights after the job: those it trained, and the rest as packed."""
    files = sorted(folder.glob("result-*.npz"))
    if not files:
        raise RunError(f"{folder} has no result: run python {folder / 'job.py'} to the end first")
    weights = read_weights(folder / "weights.npz")
    for file in files:
        with np.load(file) as arrays:
            weights |= {name: torch.from_numpy(arrays[name].astype(np.float32)) for name in arrays}
    return weights


def _plan(config: TrainConfig, folder: Path) -> dict[str, Any]:
    file = folder / PLAN
    if not file.is_file():
        raise RunError(f"{folder} has no {PLAN}: give the folder that -o wrote and the job ran in")
    plan: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if plan["config"] != digest(config):
        raise RunError(f"{folder} was packed from another configuration: unpack it with that one")
    return plan
