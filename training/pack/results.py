"""What a packed job left: its plan, its result, and the network with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from parley.training.errors import RunError
from parley.training.fit.config import TrainConfig
from parley.training.network.network import Network
from parley.training.pack.job.run import read_weights

PLAN = "plan.json"


def digest(config: TrainConfig) -> str:
    """A hash of what the job depends on: all of the configuration but what only unpacking reads."""
    values = config.model_dump(mode="json", exclude={"note", "base_share", "thresholds"})
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


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


def plan_of(config: TrainConfig, folder: Path) -> dict[str, Any]:
    """The plan in `folder`. Raises RunError if there is none, or it is that of another configuration."""
    file = folder / PLAN
    if not file.is_file():
        raise RunError(f"{folder} has no {PLAN}: give the folder that -o wrote and the job ran in")
    plan: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if plan["config"] != digest(config):
        raise RunError(f"{folder} was packed from another configuration: use that one")
    return plan
