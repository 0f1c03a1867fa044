"""Exports an artifact as a folder that `transformers` loads: two encoders, heads, tokenizer and README.

    export(Artifact.open("model/artifacts/parley-minilm"), Path("parley-minilm"))

    FOLDER/                  the comment encoder: AutoModel.from_pretrained(FOLDER)
        config.json, model.safetensors, heads.safetensors, tokenizer.json, tokenizer_config.json
        pairs/               the pair encoder: AutoModel.from_pretrained(FOLDER, subfolder="pairs")
        calibration.json, thresholds.json          turn logits into probabilities, and those into labels
        README.md            for a model hub: what the model is and how to read the heads, then the model card

The weights are the artifact's int8 weights, dequantised to half precision.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from string import Template
from typing import Any

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from parley.model.artifact import Artifact
from parley.model.labels import COMMENT_LABELS, OFF_TOPIC, REPLIES, STANCES
from parley.training.errors import RunError
from parley.training.network.graph import PARTS, Part
from parley.training.network.network import Network

_SPECIAL = {
    "unk_token": ("[UNK]", "<unk>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "pad_token": ("[PAD]", "<pad>"),
    "mask_token": ("[MASK]", "<mask>"),
}
_README = Path(__file__).with_name("readme.md")


def export(artifact: Artifact, folder: Path, *, overwrite: bool = False) -> None:
    """Write `folder`. Raises BaseModelError, and RunError if it isn't empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not overwrite:
        raise RunError(f"{folder} is not empty: give another folder, or --overwrite")
    network = Network.from_artifact(artifact).eval()
    tokenizer = _tokenizer(artifact)
    places: dict[Part, Path] = {"comments": folder, "pairs": folder / "pairs"}
    for part, place in places.items():
        place.mkdir(parents=True, exist_ok=True)
        encoder, heads = PARTS[part]
        module: Any = getattr(network, encoder)
        module.to(torch.float16).save_pretrained(place)
        save_file(_heads(network, heads), place / "heads.safetensors", metadata={"format": "pt"})
        tokenizer.save_pretrained(place)
    for file in (artifact.calibration_file, artifact.thresholds_file):
        shutil.copyfile(file, folder / file.name)
    (folder / "README.md").write_text(_readme(artifact), encoding="utf-8")


def _heads(network: nn.Module, names: tuple[str, ...]) -> dict[str, Tensor]:
    return {
        name: weights.to(torch.float16).contiguous()
        for name, weights in network.state_dict().items()
        if name.split(".")[0] in names
    }


def _tokenizer(artifact: Artifact) -> PreTrainedTokenizerFast:
    known = json.loads(artifact.tokenizer_file.read_text(encoding="utf-8"))["model"]["vocab"]
    special = {kind: token for kind, tokens in _SPECIAL.items() for token in tokens if token in known}
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_file=str(artifact.tokenizer_file), model_max_length=artifact.info["max_tokens"], **special
    )


def _readme(artifact: Artifact) -> str:
    info = artifact.info
    front = {
        "license": "apache-2.0",
        "language": info.get("languages", ["en"]),
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["moderation", "toxicity", "stance-detection", "off-topic", "news-comments", "parley"],
        "model_name": f"{info['name']} {info['version']}",
    }
    text = Template(_README.read_text(encoding="utf-8")).substitute(
        name=info["name"],
        version=info["version"],
        max_tokens=info["max_tokens"],
        labels=", ".join(COMMENT_LABELS),
        stances=", ".join(STANCES),
        replies=", ".join(REPLIES),
        off_topic=OFF_TOPIC,
    )
    card = artifact.card_file.read_text(encoding="utf-8") if artifact.card_file.is_file() else ""
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n{text}" + (f"\n{card}" if card else "")
