"""Reads the weights of a network back from its ONNX file, as written by parley.training.network.graph.

    state = read_weights(artifact.comments_file, network.state_dict())

Int8 weights are dequantised; quantising them again gives the same integers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

from parley.training.errors import BaseModelError

Stored = Mapping[str, NDArray[Any]]


def read_weights(file: Path, template: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights in `file`, with the names and shapes of `template`, a network's state.

    Raises BaseModelError for a file that can't be read or that this version of Parley did not write.
    """
    try:
        model = onnx.load(file)
    except Exception as error:  # protobuf's errors have no public base class
        raise BaseModelError(f"{file} can't be read: {error}; copy the artifact again") from error
    stored = {constant.name: numpy_helper.to_array(constant) for constant in model.graph.initializer}
    about = {item.key: item.value for item in model.metadata_props}
    if "encoder" not in about:
        raise BaseModelError(f"{file} was not written by this version of Parley: choose another base")
    encoder = f"{about['encoder']}."
    heads, scalars = json.loads(about["heads"]), json.loads(about["scalars"])
    state = {name: torch.tensor(values) for name, values in scalars.items()}
    for name, like in template.items():
        if name.startswith(encoder) or name.split(".")[0] in heads:
            state[name] = torch.from_numpy(_values(stored, name, tuple(like.shape)).copy())
    return state


def _values(stored: Stored, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    layer = name.removesuffix(".weight")
    if name.endswith("word_embeddings.weight"):
        values = stored["words"]
        if "word_scales" in stored:
            values = values.astype(np.float32) * stored["word_scales"]
    elif name.endswith("position_embeddings.weight"):
        values = stored["places"]
        # MPNet's first positions are for padding, which served rows don't have.
        values = np.concatenate([np.zeros((shape[0] - len(values), shape[1]), np.float32), values])
    elif name.endswith("relative_attention_bias.weight"):
        values = _by_bucket(stored["biases"], shape)
    elif name == "comment_head.weight":
        values = np.concatenate([stored["comment_head.first"], stored["comment_head.mean"]], axis=1)
    elif f"{layer}.int8" in stored:
        values = (stored[f"{layer}.int8"].astype(np.float32) * stored[f"{layer}.scales"]).T
    else:
        values = stored[name] if name in stored else stored[layer].T
    # The copies of split channels come after the original channels.
    return np.asarray(values, np.float32)[tuple(slice(size) for size in shape)]


def _by_bucket(biases: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """MPNet's attention bias by bucket of distances, from that by distance."""
    most = (biases.shape[1] + 1) // 2
    buckets = MPNetEncoder.relative_position_bucket(torch.arange(1 - most, most)).numpy()  # type: ignore[no-untyped-call]
    values = np.zeros(shape, np.float32)
    values[buckets] = biases.T
    return values
