"""Reduces forgetting: where a row has no label, the network is kept near its starting point.

A frozen copy of the starting network also reads each text of a batch ("learning without forgetting", Li &
Hoiem 2016). Labels are learnt as usual; for missing labels, texts without annotated spans, the embedding and
the unlabelled parts of pair rows, the starting network's answer is the target. No old corpus is needed.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from parley.training.data.examples import Example
from parley.training.fit.batches import UNKNOWN
from parley.training.network.network import Network

EMBEDDING = 10.0
"""Weight of one minus the cosine of new and old embedding: 0.1 costs as much as a wrong label."""

PAIR_PARTS = (
    "pair_encoder",
    "stance_hidden",
    "stance_head",
    "off_topic_hidden",
    "off_topic_head",
    "reply_head",
)

TARGETS = (
    "the government",
    "a higher tax",
    "public schools",
    "immigration",
    "new housing",
    "the police",
    "climate policy",
    "free speech",
    "cars in the city",
    "the economy",
    "vaccination",
    "gun control",
)
"""Targets for comments without one, so that the stance head doesn't forget either."""


def frozen(network: Network) -> Network:
    """A frozen copy of `network`."""
    start = copy.deepcopy(network).eval()
    for parameter in start.parameters():
        parameter.requires_grad_(False)
    return start


def to_keep(examples: Sequence[Example]) -> list[Example]:
    """One unlabelled pair per comment, of weight 0: only the starting network's answer is its target."""
    return list(_to_keep(examples))


def leave_pairs(network: Network, examples: Sequence[Example]) -> None:
    """Freeze the pair encoder and its heads if there are no labelled pairs, so that they forget nothing."""
    if any(e.weight and (e.stance or e.reply or e.off_topic is not None) for e in examples):
        return
    for part in PAIR_PARTS:
        network.get_submodule(part).requires_grad_(False)


def _to_keep(examples: Sequence[Example]) -> Iterator[Example]:
    targets = itertools.cycle(TARGETS)
    for example in {e.text: e for e in examples if e.stance is None}.values():
        target = example.target or next(targets)
        # The stance is a placeholder, which weight 0 removes from the loss.
        row = replace(example, labels={}, off_topic=None, reply=None, spans=None)
        yield replace(row, target=target, stance="none", weight=0.0)


def keep_loss(network: Network, start: Network, batch: dict[str, Any]) -> Tensor:
    """How far the answers of `network` are from those of `start` where `batch` has no labels."""
    logits, spans, embedding = network.comments(**batch["comment"])
    with torch.no_grad():
        old_logits, old_spans, old_embedding = start.comments(**batch["comment"])
    parts = [EMBEDDING * _distance(embedding, old_embedding)]
    if (lacking := batch["labels"].isnan()).any():
        parts.append(_cross_entropy(logits, old_logits)[lacking].mean())
    marked = (~batch["spans"].isnan()).any(-1, keepdim=True)
    if (unmarked := batch["comment"]["attention_mask"].bool() & ~marked).any():
        parts.append(_cross_entropy(spans, old_spans)[unmarked].mean())
    if "context" in batch:
        with torch.no_grad():
            old_context = start.comments(**batch["context"])[2]
        parts.append(EMBEDDING * _distance(network.comments(**batch["context"])[2], old_context))
    if "pair" in batch:
        parts += _pairs_kept(network, start, batch)
    return torch.stack(parts).sum()


def _pairs_kept(network: Network, start: Network, batch: dict[str, Any]) -> list[Tensor]:
    """The losses of pair rows on the answers that have no label; weight 0 means that no label counts."""
    if not network.stance_head.weight.requires_grad:
        return []
    with torch.no_grad():
        old_sides, old_off_topic, old_reply = start.pairs(**batch["pair"])
    sides, off_topic, reply = network.pairs(**batch["pair"])
    weightless, parts = batch["pair_weight"] == 0, []
    if (unlabelled := weightless | (batch["stance"] == UNKNOWN)).any():
        parts.append(F.cross_entropy(sides[unlabelled], old_sides[unlabelled].softmax(-1)))
    if (unlabelled := weightless | batch["pair_off_topic"].isnan()).any():
        parts.append(_cross_entropy(off_topic[unlabelled], old_off_topic[unlabelled]).mean())
    if (unlabelled := weightless | (batch["reply"] == UNKNOWN)).any():
        parts.append(F.cross_entropy(reply[unlabelled], old_reply[unlabelled].softmax(-1)))
    return parts


def _distance(new: Tensor, old: Tensor) -> Tensor:
    return (1 - (new * old).sum(-1)).mean()


def _cross_entropy(logits: Tensor, old: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, old.sigmoid(), reduction="none")
