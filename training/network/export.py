"""Exports a trained network as an artifact: two ONNX files (int8; float for MPNet), tokenizer and metadata.

    parity = export_artifact(network, artifact, tokenizer_file=..., name="mine", version="0.1.0", ...)

Calibration starts with unchanged logits and thresholds of 0.5; `parley.training.evaluation.calibration` fits
both on dev data. The int8 ranges (see `parley.training.network.graph`) are measured on the texts below. Their
content hardly matters: the widest values occur in the same few places of the network for any text.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from tokenizers import Tokenizer as TokenizerFile

from parley.model.artifact import FORMAT, Artifact
from parley.model.labels import ABUSE, COMMENT_LABELS, OFF_TOPIC, REPLIES, SPAM, STANCES
from parley.model.text.context import pair_context
from parley.model.text.tokenization import Tokenizer, Tokens
from parley.training.errors import RunError
from parley.training.json_files import write_json
from parley.training.network.graph import INPUTS, Part, bears_int8, build, config_of, observe
from parley.training.network.network import COMMENT_OUTPUTS, PAIR_OUTPUTS, Network
from parley.training.network.padding import pad

FLOAT_TOLERANCE = 1e-3
"""The largest allowed difference between float ONNX and torch: beyond rounding, the export is broken."""
INT8_COSINE = 0.97
"""The lowest allowed mean cosine of int8 and float embeddings; below it, quantisation broke the network."""

SAMPLE_TEXTS = (
    "ok",
    "Why?",
    "THIS IS A DISGRACE!!!",
    "😂😂😂 😡 👏🏽",
    "Buy cheap watches at my channel, link in bio",
    "What a load of rubbish, you clearly never read past the headline!",
    "The council should have asked the people who live there first.",
    "Subscribe!!! http://example.org/?a=1&b=2 and win 1000$ @everyone #free",
    "I agree with most of this, though the numbers on page two look wrong to me and nobody noticed.",
    "So the mayor lied. Again. And you lot will vote for her again, because you never learn, do you?",
    "Das ist doch Unsinn, wer hat das geschrieben? Et puis quoi encore, on paie déjà assez d'impôts.",
    "Это неправда. 这不是真的。 これは本当ではない。 هذا غير صحيح",
    "aaaaaaaaaaaaa lol lol lol hahahahaha ...... ?????? ------ 1 2 3 4 5 6 7 8 9 10",
    "When the bridge closed last winter my way to work went from ten minutes to an hour, the shops on our "
    "side lost half of their customers, and the only answer we had from the town hall was a leaflet. Now "
    "they say that it will take another two years and cost three times as much. I have paid my taxes here "
    "for forty years. I would like to know who signed that contract, who checked it, and why not one of them "
    "has lost their job. My neighbour, who is an engineer, wrote to them twice about it; nobody called.",
)
"""Texts for measuring int8 ranges and their distance from float: short, long, loud, foreign, repetitive."""
SAMPLE_CONTEXT = pair_context("the new bridge", "Council closes the old bridge for two years")


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
) -> dict[str, float]:
    """Write the artifact's files and return how far its ONNX is from full precision on SAMPLE_TEXTS.

    `training` is the training record (configuration, sources). Raises RunError if the exported network
    differs too much from the trained one.
    """
    artifact.path.mkdir(parents=True, exist_ok=True)
    network = network.eval().float().to("cpu")
    configs = {"comments": network.config, "pairs": network.pair_config}
    encoders = {part: c.to_diff_dict() | {"model_type": c.model_type} for part, c in configs.items()}
    write_json(artifact.encoder_file, encoders)
    save_tokenizer(tokenizer_file, artifact.tokenizer_file)
    tokenizer = Tokenizer(artifact.tokenizer_file, max_tokens=max_tokens, stride=stride)
    parity = _write_onnx(network, artifact, tokenizer)
    info = {
        "format": FORMAT,
        "name": name,
        "version": version,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "labels": {"comment": COMMENT_LABELS, "abuse": ABUSE, "stance": STANCES, "reply": REPLIES},
        "max_tokens": max_tokens,
        "stride": stride,
        "training": training,
        "parity": parity,
    }
    write_json(artifact.info_file, info)
    start_calibration(network, artifact)
    write_json(artifact.thresholds_file, dict.fromkeys((*ABUSE, SPAM, OFF_TOPIC, "stance", "span"), 0.5))
    return parity


def save_tokenizer(source: Path, target: Path) -> None:
    """Copy the base's tokenizer without its padding and truncation, which `parley.model.text` sets."""
    tokenizer = TokenizerFile.from_file(str(source))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(target))


def to_onnx(network: Network, artifact: Artifact) -> None:
    """Write `network` (on the CPU, in evaluation mode) as float ONNX; see `parley.model.artifact`."""
    for part, file in _files(artifact).items():
        onnx.save(build(network, part), file)


def _files(artifact: Artifact) -> dict[Part, Path]:
    return {"comments": artifact.comments_file, "pairs": artifact.pairs_file}


def _write_onnx(network: Network, artifact: Artifact, tokenizer: Tokenizer) -> dict[str, float]:
    """Write each part, in int8 if its encoder tolerates that; returns the largest differences over both."""
    rows: dict[Part, list[Tokens]] = {
        "comments": tokenizer.articles(SAMPLE_TEXTS),
        "pairs": tokenizer.pairs([(SAMPLE_CONTEXT, text) for text in SAMPLE_TEXTS]),
    }
    parity: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for part, file in _files(artifact).items():
            full = build(network, part)
            if not bears_int8(config_of(network, part)):
                onnx.save(full, file)
                gaps = {"float_max_difference": _float_gap(network, part, file, rows[part])}
            else:
                onnx.save(build(network, part, ranges=observe(network, part, rows[part])), file)
                onnx.save(full, float_file := Path(folder) / "full.onnx")
                gaps = _compare(network, part, float_file, file, rows[part])
            parity |= {name: max(gap, parity.get(name, gap)) for name, gap in gaps.items()}
    return _checked(parity)


def _compare(
    network: Network, part: Part, full: Path, int8: Path, rows: Sequence[Tokens]
) -> dict[str, float]:
    """How far the part's int8 outputs are from the float ones, and the float ones from torch."""
    sessions, outputs = [_session(file) for file in (full, int8)], _outputs(part)
    gaps: dict[str, list[float]] = {name: [] for name in outputs}
    for row in rows:
        in_full, in_int8 = (dict(zip(outputs, _run(s, part, row), strict=True)) for s in sessions)
        for name in outputs:
            gaps[name].append(float(np.abs(in_int8[name] - in_full[name]).max()))
        if part == "comments":
            gaps["embedding"][-1] = float((in_int8["embedding"] * in_full["embedding"]).sum())
    parity = {"float_max_difference": _float_gap(network, part, full, rows)}
    if part == "pairs":
        return parity | {"int8_max_pair_logit_difference": round(max(max(of) for of in gaps.values()), 4)}
    return parity | {
        "int8_max_logit_difference": round(max(gaps["comment_logits"]), 4),
        "int8_mean_embedding_cosine": round(float(np.mean(gaps["embedding"])), 5),
    }


def _outputs(part: Part) -> tuple[str, ...]:
    return COMMENT_OUTPUTS if part == "comments" else PAIR_OUTPUTS


def _float_gap(network: Network, part: Part, full: Path, rows: Sequence[Tokens]) -> float:
    """The largest difference between any output of the part's float ONNX and torch's."""
    session, gap = _session(full), 0.0
    read = network.comments if part == "comments" else network.pairs
    for row in rows:
        with torch.no_grad():
            expected = read(**pad([row.ids], [row.types]))
        actual = _run(session, part, row)
        gap = max(gap, *(float(np.abs(a - e.numpy()).max()) for a, e in zip(actual, expected, strict=True)))
    return round(gap, 6)


def _checked(parity: dict[str, float]) -> dict[str, float]:
    cosine = parity.get("int8_mean_embedding_cosine", 1.0)
    if parity["float_max_difference"] > FLOAT_TOLERANCE or cosine < INT8_COSINE:
        raise RunError(f"the exported network differs too much from the trained one ({parity}): don't use it")
    return parity


def _session(file: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


def _run(session: onnxruntime.InferenceSession, part: Part, row: Tokens) -> list[Any]:
    fed = dict(zip(INPUTS, (np.array([row.ids]), np.array([row.types])), strict=True))
    return list(session.run(list(_outputs(part)), fed))


def start_calibration(network: Network, artifact: Artifact) -> None:
    """Write the initial calibration: unchanged logits, and the relatedness that training learnt."""
    same = {"scale": 1.0, "bias": 0.0}
    values = {
        "comment": dict.fromkeys(COMMENT_LABELS, same),
        "span": same,
        "off_topic": {"pair": 1.0, "cosine": 0.0, "bias": 0.0},
        "stance": {"scale": 1.0, "relatedness": network.relatedness.tolist(), "bias": [0.0] * len(STANCES)},
        "reply": {"scale": 1.0, "bias": [0.0] * len(REPLIES)},
    }
    write_json(artifact.calibration_file, values)


def _commit() -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None
