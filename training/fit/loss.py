"""The loss of one batch: the weighted sum of its tasks' losses, each over the examples that have its label.

comment   binary cross-entropy with soft targets, summed over an example's known labels span      binary
cross-entropy over the tokens of annotated comments cosine    binary cross-entropy for off-topic on the scaled
cosine of article and comment contrast  InfoNCE (van den Oord et al. 2018) between comments and the articles
of the batch stance    cross-entropy over favor, against, none of a pair row, with the cosine of target and
comment added to
          the logits; over favor and not favor if a premise is only known not to entail its hypothesis
off_topic binary cross-entropy of a pair row
reply     cross-entropy over agree, disagree, none of a pair row
geometry  squared difference between the cosines of the batch's comments and contexts and those of the untuned
          encoder: every comment with every article and target, labelled or not (Tung & Mori 2019,
          similarity-preserving knowledge distillation)

With a teacher (parley.training.fit.distillation), its answers to the same questions, labelled or not, are
soft targets (Hinton, Vinyals & Dean 2015, Distilling the Knowledge in a Neural Network): the logits of both
are divided by a temperature, and the loss is multiplied by its square, so that gradients keep their size.
teacher_stance  Kullback-Leibler divergence over the three sides teacher_labels  binary cross-entropy on the
labels of a comment teacher_cosine  squared difference of the cosines of a comment with its articles and
targets

A pair of weight 0 has no label: only a teacher's answer is its target.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from parley.training.fit.batches import UNKNOWN
from parley.training.fit.config import LossWeights, Teacher
from parley.training.network.network import Network

TEMPERATURE = 0.05
GEOMETRY = 20.0
"""Weight of the squared difference of two cosines: a difference of 0.2 costs as much as a wrong label."""


def multitask_loss(
    network: Network,
    batch: dict[str, Any],
    weights: LossWeights,
    *,
    untuned: Network | None = None,
    teacher: Teacher | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum, and the mean loss of each task that has labels in the batch.

    The geometry loss needs `untuned` and is omitted without it. With a `teacher`, the batch has its answers.
    """
    logits, span_logits, embedding = network.comments(**batch["comment"])
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

    taught = {} if teacher is None else _label_loss(logits, batch["teacher"], teacher.temperature)
    aimed = embedding.new_zeros(0)
    if "context" in batch:
        context = network.comments(**batch["context"])[2]
        about = (embedding[batch["article_rows"]] * context[batch["article"]]).sum(-1)
        aimed = (embedding[batch["target_rows"]] * context[batch["target"]]).sum(-1)
        if len(about):
            parts |= _topic_losses(network, batch, about, embedding, context)
        if teacher is not None:
            taught["cosine"] = GEOMETRY * F.mse_loss(torch.cat([about, aimed]), batch["teacher"]["cosines"])
        if untuned is not None:
            with torch.no_grad():
                old = untuned.comments(**batch["comment"])[2] @ untuned.comments(**batch["context"])[2].T
            parts["geometry"] = GEOMETRY * F.mse_loss(embedding @ context.T, old)
    if "pair" in batch and (teacher is not None or batch["pair_weight"].any()):
        sides, off_topic, reply = network.pairs(**batch["pair"])
        asked = batch["stance"] != UNKNOWN
        sides = sides[asked] + network.relatedness * aimed.unsqueeze(-1)
        parts |= _pair_losses(batch, sides, off_topic, reply)
        if teacher is not None and len(sides):
            taught["stance"] = _stance_loss(sides, batch["teacher"], teacher.temperature)

    weighed = [getattr(weights, name) * part for name, part in parts.items()]
    weighed += [getattr(teacher, name) * part for name, part in taught.items()]
    parts |= {f"teacher_{name}": part for name, part in taught.items()}
    return torch.stack(weighed).sum(), {name: part.detach() for name, part in parts.items()}


def _mean(losses: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean over the rows that have a label."""
    return (losses * weight).sum() / (weight > 0).sum().clamp(min=1)


def _label_loss(logits: Tensor, answers: dict[str, Tensor], temperature: float) -> dict[str, Tensor]:
    """The mean over comments with a teacher's answer, summed over their labels."""
    asked = ~answers["labels"].isnan().any(-1)
    if not asked.any():
        return {}
    soft = (answers["labels"][asked] / temperature).sigmoid()
    cells = F.binary_cross_entropy_with_logits(logits[asked] / temperature, soft, reduction="none")
    return {"labels": temperature**2 * cells.sum(-1).mean()}


def _stance_loss(sides: Tensor, answers: dict[str, Tensor], temperature: float) -> Tensor:
    new, old = (x.div(temperature).log_softmax(-1) for x in (sides, answers["stances"]))
    return temperature**2 * F.kl_div(new, old, reduction="batchmean", log_target=True)


def _pair_losses(batch: dict[str, Any], sides: Tensor, off_topic: Tensor, reply: Tensor) -> dict[str, Tensor]:
    """`sides` has only the rows with a stance, the other logits have every pair row."""
    parts = {}
    weight = batch["pair_weight"]
    if (known := batch["stance"] != UNKNOWN).any():
        parts["stance"] = _mean(side_losses(sides, batch["stance"][known]), weight[known])
    if (known := ~batch["pair_off_topic"].isnan()).any():
        labels = batch["pair_off_topic"][known]
        losses = F.binary_cross_entropy_with_logits(off_topic[known], labels, reduction="none")
        parts["off_topic"] = _mean(losses, weight[known])
    if (known := batch["reply"] != UNKNOWN).any():
        losses = F.cross_entropy(reply[known], batch["reply"][known], reduction="none")
        parts["reply"] = _mean(losses, weight[known])
    return parts


def side_losses(sides: Tensor, stance: Tensor) -> Tensor:
    """The cross-entropy of each row; the last of SIDES, not entailed, means any side but the first."""
    chances = sides.log_softmax(-1)
    chances = torch.cat([chances, chances[:, 1:].logsumexp(-1, keepdim=True)], -1)
    return -chances.gather(1, stance.unsqueeze(-1)).squeeze(-1)


def _topic_losses(
    network: Network, batch: dict[str, Any], cosine: Tensor, embedding: Tensor, context: Tensor
) -> dict[str, Tensor]:
    rows, article, labels = batch["article_rows"], batch["article"], batch["off_topic"]
    logit = network.off_topic_scale * cosine + network.off_topic_bias
    losses = F.binary_cross_entropy_with_logits(logit, labels, reduction="none")
    parts = {"cosine": _mean(losses, batch["article_weight"])}
    true = labels == 0
    candidates = article.unique()
    if true.any() and len(candidates) > 1:
        scores = embedding[rows[true]] @ context[candidates].T / TEMPERATURE
        answer = (candidates == article[true].unsqueeze(-1)).int().argmax(-1)
        parts["contrast"] = F.cross_entropy(scores, answer)
    return parts
