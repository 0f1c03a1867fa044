"""The loss of one batch: the sum of its tasks' losses, each over the examples that have its label.

comment   binary cross-entropy, soft targets, summed over an example's known labels
span      binary cross-entropy over the tokens of annotated comments
off_topic binary cross-entropy on the scaled cosine of article and comment
contrast  InfoNCE (van den Oord et al. 2018) between comments and the articles of the batch
stance    cross-entropy over favor, against, none; the cosine of target and comment is added to the logits
geometry  how far the cosines of the batch's comments and contexts have gone from the untuned encoder's: every
          comment beside every article and target, labelled or not (Tung & Mori 2019, similarity-preserving
          knowledge distillation)
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training.config import LossWeights
from training.network import Network

TEMPERATURE = 0.05
GEOMETRY = 20.0
"""What a squared difference of two cosines counts: one of 0.2 costs as much as a wrong label."""


def multitask_loss(
    network: Network, batch: dict[str, Any], weights: LossWeights, *, untuned: Network | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum, and each task's own mean loss (only of tasks the batch has labels for).

    `untuned` is asked for the geometry, which is left out without it.
    """
    logits, span_logits, embedding, _ = network(**batch["comment"])
    weight = batch["weight"]
    parts: dict[str, Tensor] = {}

    known = ~batch["labels"].isnan()
    if known.any():
        cells = F.binary_cross_entropy_with_logits(logits, batch["labels"].nan_to_num(), reduction="none")
        parts["comment"] = (cells * known).sum(-1).mul(weight).sum() / known.any(-1).sum()
    known = ~batch["spans"].isnan()
    if known.any():
        cells = F.binary_cross_entropy_with_logits(span_logits, batch["spans"].nan_to_num(), reduction="none")
        parts["span"] = cells[known].mean()

    if "context" in batch:
        context = network(**batch["context"])[2]
        if len(batch["article_rows"]):
            parts |= _topic_losses(network, batch, embedding, context)
        if len(batch["pair_rows"]):
            cosine = (embedding[batch["pair_rows"]] * context[batch["target"]]).sum(-1, keepdim=True)
            sides = network(**batch["pair"])[3] + network.relatedness * cosine
            losses = F.cross_entropy(sides, batch["stance"], reduction="none")
            parts["stance"] = (losses * batch["pair_weight"]).mean()
        if untuned is not None:
            with torch.no_grad():
                old = untuned(**batch["comment"])[2] @ untuned(**batch["context"])[2].T
            parts["geometry"] = GEOMETRY * F.mse_loss(embedding @ context.T, old)

    total = torch.stack([getattr(weights, name) * part for name, part in parts.items()]).sum()
    return total, {name: part.detach() for name, part in parts.items()}


def _topic_losses(
    network: Network, batch: dict[str, Any], embedding: Tensor, context: Tensor
) -> dict[str, Tensor]:
    rows, article, wrong = batch["article_rows"], batch["article"], batch["off_topic"]
    cosine = (embedding[rows] * context[article]).sum(-1)
    logit = network.off_topic_scale * cosine + network.off_topic_bias
    losses = F.binary_cross_entropy_with_logits(logit, wrong, reduction="none")
    parts = {"off_topic": (losses * batch["article_weight"]).mean()}
    true = wrong == 0
    candidates = article.unique()
    if true.any() and len(candidates) > 1:
        scores = embedding[rows[true]] @ context[candidates].T / TEMPERATURE
        answer = (candidates == article[true].unsqueeze(-1)).int().argmax(-1)
        parts["contrast"] = F.cross_entropy(scores, answer)
    return parts
