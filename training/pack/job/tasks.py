"""The tasks of a stage: rows of one kind, their batches and their loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .network import Array, Packed, PackedNetwork

TEMPERATURE = 0.05
UNKNOWN = -1
"""The value of an unlabelled stance, reply or token; unlabelled labels and off_topic are NaN."""


@dataclass
class Task:
    """Rows of one kind, `read` as "pairs", "replies", "comments" or "contrast".

    A batch has `rows` of them, and the task has a batch at every `every`-th step.
    """

    name: str
    read: str
    rows: int
    every: int
    arrays: dict[str, Array]
    losses: Mapping[str, float]
    device: str
    places: Array = field(init=False)
    """The rows to draw from: all of them, or a share."""

    def __post_init__(self) -> None:
        self.places = np.arange(len(self.arrays["lengths"]))
        self._starts = {}
        for name in {"lengths", "article_lengths"} & self.arrays.keys():
            lengths = self.arrays[name].astype(np.int64)
            self._starts[name] = np.cumsum(lengths) - lengths

    def take_share(self, share: float, rng: np.random.Generator) -> None:
        """Draw from a random share of the rows, at least one batch."""
        count = max(self.rows, round(len(self.places) * share))
        self.places = np.sort(rng.permutation(self.places)[:count])

    def batches(self, seed: int, epoch: int) -> list[Array]:
        """One epoch's rows in batches, in a shuffled order.

        Rows of equal length share batches, which need no padding; the remainders are batched by similar
        length.
        """
        rng = np.random.default_rng((seed, epoch))
        order = rng.permutation(self.places)
        order = order[np.argsort(self.arrays["lengths"][order], kind="stable")]
        _, starts = np.unique(self.arrays["lengths"][order], return_index=True)
        even, left = [], []
        for group in np.split(order, starts[1:]):
            whole = len(group) - len(group) % self.rows
            even += np.split(group[:whole], range(self.rows, whole, self.rows)) if whole else []
            left.append(group[whole:])
        rest = np.concatenate(left)
        batches = even + [rest[i : i + self.rows] for i in range(0, len(rest), self.rows)]
        return [batches[i] for i in rng.permutation(len(batches))]

    def loss(self, network: PackedNetwork, batch: Array) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted loss of a batch, and its parts."""
        if self.read == "contrast":
            parts = self._contrast(network, batch)
        elif self.read == "comments":
            parts = self._comments(network, batch)
        else:
            parts = self._pairs(network, batch)
        total = torch.stack([self.losses[name] * part for name, part in parts.items()]).sum()
        return total, {f"{self.name}.{name}": part.detach() for name, part in parts.items()}

    def _pairs(self, network: PackedNetwork, batch: Array) -> dict[str, Tensor]:
        """Each label's mean loss over the batch; a row without the label counts as 0."""
        stance, off_topic, reply = network.pairs(self._packed(batch, "contexts"))
        weight, parts = self._values("weight", batch), {}
        side = self._values("stance", batch, torch.int64)
        if (known := side != UNKNOWN).any():
            chances = stance.log_softmax(-1)
            # The last side, "not entailed", means any side but the first.
            chances = torch.cat([chances, chances[:, 1:].logsumexp(-1, keepdim=True)], -1)
            losses = -chances.gather(1, side.clamp(min=0)[:, None]).squeeze(1)
            parts["stance"] = (losses * weight * known).mean()
        labels = self._values("off_topic", batch)
        if (known := ~labels.isnan()).any():
            losses = F.binary_cross_entropy_with_logits(off_topic, labels.nan_to_num(), reduction="none")
            parts["off_topic"] = (losses * weight * known).mean()
        replies = self._values("reply", batch, torch.int64)
        if (known := replies != UNKNOWN).any():
            losses = F.cross_entropy(reply, replies.clamp(min=0), reduction="none")
            parts["reply"] = (losses * weight * known).mean()
        return parts

    def _comments(self, network: PackedNetwork, batch: Array) -> dict[str, Tensor]:
        logits, spans, _ = network.comments(self._packed(batch))
        labels, weight = self._values("labels", batch), self._values("weight", batch)
        known = ~labels.isnan()
        cells = F.binary_cross_entropy_with_logits(logits, labels.nan_to_num(), reduction="none") * known
        parts = {"comment": (cells.sum(-1) * weight).sum() / known.any(-1).sum().clamp(min=1)}
        marks = torch.from_numpy(self._flat("spans", "lengths", batch)).to(self.device)
        if (known := marks != UNKNOWN).any():
            parts["span"] = F.binary_cross_entropy_with_logits(spans[known], marks[known].float())
        return parts

    def _contrast(self, network: PackedNetwork, batch: Array) -> dict[str, Tensor]:
        """Losses for picking the comment's article among the batch's, and for off-topic from the cosines."""
        articles, places = np.unique(self.arrays["article"][batch], return_inverse=True)
        contexts = self._flat("article_ids", "article_lengths", articles)
        lengths = self.arrays["article_lengths"][articles].astype(np.int64)
        _, _, context = network.comments(Packed(contexts, lengths, None, self.device))
        _, _, embedding = network.comments(self._packed(batch))
        cosines = embedding @ context.T
        place = torch.from_numpy(places).to(self.device)
        true = F.one_hot(place, len(articles)).float()
        scale, bias = network.weights["off_topic_scale"], network.weights["off_topic_bias"]
        weight = torch.where(true > 0, 1.0, 1.0 / max(1, len(articles) - 1))
        return {
            "contrast": F.cross_entropy(cosines / TEMPERATURE, place),
            "cosine": 2 * F.binary_cross_entropy_with_logits(cosines * scale + bias, 1 - true, weight=weight),
        }

    def fill(self, network: PackedNetwork) -> Array:
        """The labels, with missing ones filled in by `network`, so that it keeps what it knows."""
        labels = self.arrays["labels"].astype(np.float32)
        order = self.places[np.argsort(self.arrays["lengths"][self.places], kind="stable")]
        with torch.no_grad():
            for start in range(0, len(order), 64):
                batch = order[start : start + 64]
                scores = network.comments(self._packed(batch))[0].sigmoid().cpu().numpy()
                labels[batch] = np.where(np.isnan(labels[batch]), scores, labels[batch])
        return labels

    def _packed(self, batch: Array, contexts: str | None = None) -> Packed:
        lengths = self.arrays["lengths"][batch].astype(np.int64)
        of_context = None if contexts is None else self.arrays[contexts][batch].astype(np.int64)
        return Packed(self._flat("ids", "lengths", batch), lengths, of_context, self.device)

    def _flat(self, name: str, lengths: str, rows: Array) -> Array:
        """The values of the flat array `name` for `rows`, concatenated."""
        counts = self.arrays[lengths][rows].astype(np.int64)
        shift = self._starts[lengths][rows] - (np.cumsum(counts) - counts)
        return np.asarray(self.arrays[name][np.repeat(shift, counts) + np.arange(counts.sum())])

    def _values(self, name: str, batch: Array, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.from_numpy(self.arrays[name][batch]).to(self.device, dtype)
