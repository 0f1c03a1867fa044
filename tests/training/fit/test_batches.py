"""From examples to batches: one row per comment, labels in place, an order that a resumed run repeats."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from parley.model.labels import COMMENT_LABELS
from parley.model.text.context import pair_context, reply_context
from parley.model.text.tokenization import Tokenizer
from parley.training.data.examples import Example
from parley.training.fit.batches import QUESTIONS, UNKNOWN, Collator, LengthGroupedSampler, tokenise
from parley.training.fit.config import LossWeights
from parley.training.fit.loss import multitask_loss, side_losses
from parley.training.network.network import Network

TOXICITY, INSULT = COMMENT_LABELS.index("toxicity"), COMMENT_LABELS.index("insult")


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> Tokenizer:
    return Tokenizer(base / "tokenizer.json", max_tokens=32, stride=0)


def rows(tokenizer: Tokenizer, *examples: Example) -> list[dict[str, Any]]:
    return list(tokenise(examples, comments=tokenizer, contexts=tokenizer, pairs=tokenizer))


def test_one_comment_is_one_row_with_all_its_labels(tokenizer: Tokenizer) -> None:
    asked = [Example(text="good plan", source="x", target=f"the {n}", stance="favor") for n in "abcd"]
    made = rows(
        tokenizer,
        *asked,
        Example(text="good plan", source="x", labels={"toxicity": 0.25}),
        Example(text="other", source="y", article="the city park", off_topic=1.0),
    )
    assert [row["stances"] for row in made] == [[0] * QUESTIONS, [0] * (len(asked) - QUESTIONS), [UNKNOWN]]
    assert made[0]["labels"][TOXICITY] == 0.25
    assert math.isnan(made[0]["labels"][INSULT]), "a missing label is masked, never guessed"
    assert math.isnan(made[1]["labels"][TOXICITY]), "a label counts once"
    assert made[2]["off_topic"] == made[2]["pair_off_topic"] == [1.0]


def test_one_pair_row_has_stance_and_off_topic_and_another_the_reply(tokenizer: Tokenizer) -> None:
    example = Example(
        text="good plan",
        source="x",
        target="the park",
        stance="not_entailed",
        article="The city\nA lede.",
        off_topic=0.0,
        parent="bad plan",
        reply="disagree",
    )
    (row,) = rows(tokenizer, example)
    assert (row["stances"], row["pair_off_topic"][0], row["replies"]) == ([3, UNKNOWN], 0.0, [UNKNOWN, 1])
    assert math.isnan(row["pair_off_topic"][1])
    contexts = [pair_context("the park", "The city\nA lede."), reply_context("bad plan")]
    served = tokenizer.pairs([(context, "good plan") for context in contexts])
    assert row["pairs"] == [tokens.ids for tokens in served]
    assert row["pair_types"] == [tokens.types for tokens in served]


def test_not_entailed_is_any_side_but_favor() -> None:
    sides = torch.tensor([[2.0, 0.5, -1.0]]).expand(4, 3)
    losses = side_losses(sides, torch.arange(4))
    chances = (-losses).exp()
    assert chances[:3].sum().item() == pytest.approx(1.0)
    assert chances[3].item() == pytest.approx((chances[1] + chances[2]).item())


def test_spans_follow_the_text_as_sent(tokenizer: Tokenizer) -> None:
    text = "you\u200b id\u200biot now"
    start = text.index("id")
    (row,) = rows(tokenizer, Example(text=text, source="x", spans=((start, start + 6),)))
    marked = [label for label in row["spans"] if not math.isnan(label)]
    assert marked == [0.0, 1.0, 0.0]
    assert math.isnan(row["spans"][0])
    assert math.isnan(row["spans"][-1])
    assert rows(tokenizer, Example(text=text, source="x"))[0]["spans"] == []


def test_missing_labels_do_not_move_the_loss(tokenizer: Tokenizer, base: Path) -> None:
    network = Network.from_base(str(base)).eval()
    known = Example(text="good plan", source="x", labels={"toxicity": 1.0})
    alone = Collator()(rows(tokenizer, known))
    beside = Collator()(rows(tokenizer, known, Example(text="bad", source="y")))
    losses = [multitask_loss(network, batch, LossWeights()) for batch in (alone, beside)]
    assert losses[0][0].item() == pytest.approx(losses[1][0].item(), abs=1e-5)
    assert set(losses[0][1]) == {"comment"}


def test_every_task_reaches_its_head(tokenizer: Tokenizer, base: Path) -> None:
    network = Network.from_base(str(base))
    examples = [
        Example(text="good plan", source="x", target="a plan", stance="favor", labels={"spam": 0.0}),
        Example(text="bad road", source="x", article="the road", off_topic=0.0, spans=((0, 3),)),
        Example(text="new school", source="x", article="the school", off_topic=0.0),
        Example(text="no plan", source="x", parent="a plan", reply="none"),
    ]
    loss, parts = multitask_loss(network, Collator()(rows(tokenizer, *examples)), LossWeights())
    torch.autograd.backward(loss)
    assert set(parts) == {"comment", "span", "off_topic", "cosine", "contrast", "stance", "reply"}
    for name, p in network.named_parameters():
        assert p.grad is not None, name
        assert torch.isfinite(p.grad).all()


def test_the_geometry_loss_is_zero_until_the_encoder_changes(tokenizer: Tokenizer, base: Path) -> None:
    network, untuned = (Network.from_base(str(base)).eval() for _ in range(2))
    weights = LossWeights(comment=0, stance=0, geometry=1.0)
    batch = Collator()(
        rows(
            tokenizer,
            Example(text="good plan", source="x", target="a plan", stance="favor"),
            Example(text="bad road", source="x", article="the road", off_topic=0.0),
        )
    )
    _, parts = multitask_loss(network, batch, weights, untuned=untuned)
    assert parts["geometry"].item() == pytest.approx(0.0, abs=1e-6)
    with torch.no_grad():
        for parameter in network.encoder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    _, parts = multitask_loss(network, batch, weights, untuned=untuned)
    assert parts["geometry"].item() > 0.001
    assert "geometry" not in multitask_loss(network, batch, weights)[1]


def test_order_groups_similar_lengths_and_depends_on_seed_and_epoch() -> None:
    lengths = [(7 * n) % 90 for n in range(500)]
    sampler = LengthGroupedSampler(lengths, batch_size=8, seed=1)
    first = list(sampler)
    assert sorted(first) == list(range(500))
    spread = [max(b) - min(b) for b in _batches([lengths[i] for i in first], 8)]
    assert sum(spread) / len(spread) < 5
    sampler.set_epoch(1)
    second = list(sampler)
    assert second != first
    again = LengthGroupedSampler(lengths, batch_size=8, seed=1)
    again.set_epoch(1)
    assert list(again) == second


def _batches(values: list[int], size: int) -> list[list[int]]:
    return [values[i : i + size] for i in range(0, len(values), size)]
