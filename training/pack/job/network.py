"""The network on packed rows, with the same weights and names as parley.training.network.network.Network.

Rows are concatenated without padding: linear layers see only real tokens, attention sees a padded view.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]
WINDOW, WINDOW_STEP = 32, 16
"""As in parley.training.network.network; a test compares the two networks' answers."""


class Packed:
    """Concatenated rows of token ids, and each token's place in a view padded to the longest row."""

    def __init__(self, ids: Array, lengths: Array, contexts: Array | None, device: str) -> None:
        """`lengths` are the tokens per row; a row's first `contexts` tokens have type 0, the others 1."""
        rows, width = len(lengths), int(lengths.max())
        starts = np.cumsum(lengths) - lengths
        place = np.arange(width)
        inside = place < lengths[:, None]
        types = np.zeros_like(inside) if contexts is None else place >= contexts[:, None]

        def put(values: Array) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(device, non_blocking=True)

        self.shape = (rows, width)
        self.even = bool(int(lengths.min()) == width)
        """Whether all rows have the same length, so that the padded view needs no padding."""
        self.ids = put(ids.astype(np.int64))
        self.lengths, self.starts = put(lengths.astype(np.int64)), put(starts.astype(np.int64))
        self.mask = put(inside)
        self.index = put(np.where(inside, starts[:, None] + place, 0).ravel().astype(np.int64))
        self.back = put(np.flatnonzero(inside).astype(np.int64))
        self.places = put(np.broadcast_to(place, inside.shape)[inside].astype(np.int64))
        self.rows = put(np.repeat(np.arange(rows), lengths).astype(np.int64))
        self.types = put(types[inside].astype(np.int64))

    def padded(self, values: Tensor) -> Tensor:
        """Reshapes (tokens, n) to (rows, longest, n)."""
        values = values if self.even else values.index_select(0, self.index)
        return values.view(*self.shape, -1)


class PackedNetwork:
    """parley.training.network.network.Network on packed rows, with the same weights, names and answers.

    `shapes` has each encoder's layers, heads, eps and activation: "encoder" reads comments and articles,
    "pair_encoder" a comment after its context.
    """

    def __init__(
        self, weights: dict[str, Tensor], shapes: Mapping[str, Mapping[str, Any]], *, half: bool = False
    ) -> None:
        """With `half`, the encoders compute in bfloat16; the heads never do."""
        self.weights, self._shapes, self._half = weights, shapes, half
        self.dropout = 0.0
        """The probability of dropout after each attention and each feed-forward block."""

    def encode(self, encoder: str, packed: Packed) -> Tensor:
        """The last layer's hidden state of each token, (tokens, width), in full precision."""
        shape, at = self._shapes[encoder], f"{encoder}.embeddings"
        embedded = (
            F.embedding(packed.ids, self.weights[f"{at}.word_embeddings.weight"])
            + F.embedding(packed.places, self.weights[f"{at}.position_embeddings.weight"])
            + F.embedding(packed.types, self.weights[f"{at}.token_type_embeddings.weight"])
        )
        with torch.autocast(embedded.device.type, torch.bfloat16, enabled=self._half):
            hidden = self._norm(embedded, f"{at}.LayerNorm", shape["eps"])
            for number in range(shape["layers"]):
                hidden = self._layer(hidden, packed, f"{encoder}.encoder.layer.{number}", shape)
        return hidden.float()

    def comments(self, packed: Packed) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the labels (rows, 8) and of each token (tokens,), and unit embeddings (rows, width)."""
        hidden = self.encode("encoder", packed)
        first, mean = self._pool(hidden, packed)
        weight, width = self.weights["comment_head.weight"], hidden.shape[-1]
        of_first = F.linear(first, weight[:, :width], self.weights["comment_head.bias"])
        of_mean = F.linear(mean, weight[:, width:])
        # The head is linear, so its output on a window's mean is the mean of its outputs on the tokens.
        parts = packed.padded(F.linear(hidden, weight[:, width:])) * packed.mask[..., None]
        logits = of_first + torch.maximum(of_mean, _highest_window(parts, packed))
        spans = F.linear(hidden, self.weights["span_head.weight"], self.weights["span_head.bias"])
        return logits, spans.squeeze(-1), F.normalize(mean, dim=-1)

    def pairs(self, packed: Packed) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of stance (rows, 3), off-topic (rows,) and reply (rows, 3)."""
        both = torch.cat(self._pool(self.encode("pair_encoder", packed), packed), -1)
        stance, off_topic = (
            torch.tanh(self._linear(both, name)) for name in ("stance_hidden", "off_topic_hidden")
        )
        logit = self._linear(off_topic, "off_topic_head").squeeze(-1)
        return self._linear(stance, "stance_head"), logit, self._linear(stance, "reply_head")

    def _layer(self, x: Tensor, packed: Packed, name: str, shape: Mapping[str, Any]) -> Tensor:
        prefix, (rows, width) = f"{name}.attention.self", packed.shape
        weight, bias = (
            torch.cat([self.weights[f"{prefix}.{part}.{of}"] for part in ("query", "key", "value")])
            for of in ("weight", "bias")
        )
        split = packed.padded(F.linear(x, weight, bias)).view(rows, width, 3, shape["heads"], -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        scores = (query / math.sqrt(query.shape[-1])) @ key.transpose(-1, -2)
        if not packed.even:
            scores = scores + torch.where(packed.mask, 0.0, -1e4).to(scores.dtype)[:, None, None, :]
        read = (scores.softmax(-1, dtype=scores.dtype) @ value).transpose(1, 2).reshape(rows * width, -1)
        read = read if packed.even else read.index_select(0, packed.back)
        x = x + self._dropped(self._linear(read, f"{name}.attention.output.dense"))
        x = self._norm(x, f"{name}.attention.output.LayerNorm", shape["eps"])
        inner = self._linear(x, f"{name}.intermediate.dense")
        inner = F.gelu(inner) if shape["activation"] == "gelu" else F.relu(inner)
        x = x + self._dropped(self._linear(inner, f"{name}.output.dense"))
        return self._norm(x, f"{name}.output.LayerNorm", shape["eps"])

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout) if self.dropout else x

    def _pool(self, hidden: Tensor, packed: Packed) -> tuple[Tensor, Tensor]:
        """For each row, the first token's hidden state and the mean over all tokens."""
        total = hidden.new_zeros(packed.shape[0], hidden.shape[-1]).index_add(0, packed.rows, hidden)
        return hidden.index_select(0, packed.starts), total / packed.lengths[:, None]

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str, eps: float) -> Tensor:
        gain, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return F.layer_norm(x, x.shape[-1:], gain, bias, eps)


def _highest_window(parts: Tensor, packed: Packed) -> Tensor:
    """(rows, n): the highest mean of `parts` (rows, longest, n) over a window; -inf for rows without one."""
    rows, longest, labels = parts.shape
    highest = parts.new_full((rows, labels), -torch.inf)
    if longest <= WINDOW:
        return highest
    sums = F.pad(parts.cumsum(1), (0, 0, 1, 0))
    for start in range(0, longest - WINDOW_STEP, WINDOW_STEP):
        end = min(start + WINDOW, longest)
        count = (packed.lengths - start).clamp(1, end - start)
        mean = (sums[:, end] - sums[:, start]) / count[:, None]
        counts = (packed.lengths > start + WINDOW_STEP)[:, None]
        highest = torch.where(counts, torch.maximum(highest, mean), highest)
    return highest
