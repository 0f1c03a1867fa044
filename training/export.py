"""A trained network to an artifact: half-precision weights, int8 ONNX, tokenizer, facts.

    parity = export_artifact(network, artifact, tokenizer_file=..., name="mine", version="0.1.0", ...)

Calibration starts at what training learnt and thresholds at 0.5; `training.calibrate` fits both on dev data.
"""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer as TokenizerFile
from torch import Tensor
from transformers import PreTrainedModel

from model.artifact import FORMAT, Artifact
from model.labels import ABUSE, COMMENT_LABELS, OFF_TOPIC, SPAM, STANCES
from model.tokenization import Tokenizer, Tokens
from training.batches import pad
from training.errors import RunError
from training.network import OUTPUTS, Network

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
FLOAT_TOLERANCE = 1e-3
"""Float ONNX against torch: more than rounding is a broken export."""
INT8_COSINE = 0.97
"""Lowest mean cosine of int8 and float embeddings; below it, the quantised network is another network."""

PARITY_TEXTS = (
    "The council should have asked the people who live there first.",
    "What a load of rubbish, you clearly never read past the headline!",
    "Buy cheap watches at my channel, link in bio",
    "ok",
    "I agree with most of this, though the numbers on page two look wrong to me and nobody noticed.",
)


def export_artifact(
    network: Network,
    artifact: Artifact,
    *,
    tokenizer_file: Path,
    name: str,
    version: str,
    max_tokens: int,
    stride: int,
    training: dict[str, Any],
    texts: Sequence[str] = PARITY_TEXTS,
) -> dict[str, float]:
    """Writes the artifact's files and returns how far int8 stands from full precision on `texts`.

    `training` says how the network came to be (configuration, sources). Raises RunError where the exported
    network is not the trained one.
    """
    artifact.path.mkdir(parents=True, exist_ok=True)
    network = network.eval().float().to("cpu")
    network.save(artifact)
    save_tokenizer(tokenizer_file, artifact.tokenizer_file)
    with tempfile.TemporaryDirectory() as folder:
        full = Path(folder) / "full.onnx"
        to_onnx(network, full)
        _quantise(full, artifact.onnx_file)
        rows = Tokenizer(artifact.tokenizer_file, max_tokens=max_tokens, stride=stride).articles(texts)
        parity = _compare(network, full, artifact.onnx_file, rows)
    info = {
        "format": FORMAT,
        "name": name,
        "version": version,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "labels": {"comment": COMMENT_LABELS, "abuse": ABUSE, "stance": STANCES},
        "max_tokens": max_tokens,
        "stride": stride,
        "training": training,
        "parity": parity,
    }
    _write(artifact.info_file, info)
    start_calibration(network, artifact)
    _write(artifact.thresholds_file, dict.fromkeys((*ABUSE, SPAM, OFF_TOPIC, "span"), 0.5))
    return parity


def save_tokenizer(source: Path, target: Path) -> None:
    """The base's tokenizer without its own padding and truncation: `model.tokenization` sets them."""
    tokenizer = TokenizerFile.from_file(str(source))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(target))


def to_onnx(network: Network, file: Path) -> None:
    """Writes `network` (on the CPU, in evaluation mode) as a float ONNX; see `model.artifact`."""
    ids = torch.tensor([[2, 3, 4, 5], [2, 3, 4, 0]])
    inputs = (ids, (ids != 0).long(), torch.zeros_like(ids))
    axes = {name: {0: "rows", 1: "tokens"} for name in (*INPUTS, "span_logits")}
    axes |= {name: {0: "rows"} for name in ("comment_logits", "embedding", "stance_logits")}
    _attention(network, "eager")
    with warnings.catch_warnings(), torch.no_grad():
        # The tracing exporter is deprecated, but ONNX Runtime 1.32 doesn't fuse the newer one's graph
        # (docs/experiments.md).
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            inputs,
            str(file),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
    _attention(network, "sdpa")


def _attention(network: Network, name: str) -> None:
    """ONNX Runtime knows the pattern of "eager" attention; torch runs "sdpa" faster."""
    encoder = network.encoder
    assert isinstance(encoder, PreTrainedModel)
    encoder.set_attn_implementation(name)


def _quantise(full: Path, file: Path) -> None:
    """Weights to int8 per channel, in seven bits of range: processors without VNNI would overflow."""
    logging.getLogger().setLevel(max(logging.getLogger().level, logging.WARNING))
    quantize_dynamic(
        full,
        file,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def _compare(network: Network, full: Path, int8: Path, rows: Sequence[Tokens]) -> dict[str, float]:
    sessions = [
        onnxruntime.InferenceSession(str(f), providers=["CPUExecutionProvider"]) for f in (full, int8)
    ]
    float_gap, logit_gap, cosines = 0.0, 0.0, []
    for row in rows:  # one at a time, as served
        inputs = pad([row.ids], [row.types])
        with torch.no_grad():
            expected = dict(zip(OUTPUTS, network(**inputs), strict=True))
        in_full, in_int8 = (dict(zip(OUTPUTS, _run(s, inputs), strict=True)) for s in sessions)
        float_gap = max(float_gap, *(float(np.abs(in_full[o] - expected[o].numpy()).max()) for o in OUTPUTS))
        logit_gap = max(logit_gap, float(np.abs(in_int8["comment_logits"] - in_full["comment_logits"]).max()))
        cosines.append(float((in_int8["embedding"] * in_full["embedding"]).sum()))
    parity = {
        "float_max_difference": round(float_gap, 6),
        "int8_max_logit_difference": round(logit_gap, 4),
        "int8_mean_embedding_cosine": round(float(np.mean(cosines)), 5),
    }
    if float_gap > FLOAT_TOLERANCE or parity["int8_mean_embedding_cosine"] < INT8_COSINE:
        raise RunError(f"the exported network is not the trained one: {parity}; nothing was released")
    return parity


def _run(session: onnxruntime.InferenceSession, inputs: dict[str, Tensor]) -> list[Any]:
    return list(session.run(list(OUTPUTS), {name: tensor.numpy() for name, tensor in inputs.items()}))


def start_calibration(network: Network, artifact: Artifact) -> None:
    """Writes the calibration that training itself has learnt: logits as they are."""
    same = {"scale": 1.0, "bias": 0.0}
    values = {
        "comment": dict.fromkeys(COMMENT_LABELS, same),
        "span": same,
        "off_topic": {
            "scale": network.off_topic_scale.item(),
            "bias": network.off_topic_bias.item(),
            "brief_scale": 0.0,
            "brief_bias": 0.0,
        },
        "stance": {"scale": 1.0, "relatedness": network.relatedness.tolist(), "bias": [0.0] * len(STANCES)},
    }
    _write(artifact.calibration_file, values)


def _commit() -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def _write(file: Path, values: dict[str, Any]) -> None:
    file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
