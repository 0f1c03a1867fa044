"""Examples to padded tensors: tokenised once into a `datasets.Dataset`, collated into batches of like length.

One batch holds three groups of rows for the one encoder:
    comment   every example's comment
    context   the articles and targets that these comments name, each once
    pair      (target, comment) where the example has a stance
A label that an example lacks is NaN (or -1 for stance) and masked in the loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.utils.data import Sampler

from model.labels import COMMENT_LABELS, STANCES
from model.tokenization import Tokenizer, Tokens
from training.examples import Example

MISSING = math.nan
CHUNK = 2000


def tokenise(examples: Sequence[Example], *, comments: Tokenizer, contexts: Tokenizer, pairs: Tokenizer) -> Dataset:
    """Token ids and labels of every example, one row each, with `length` for grouping.

    The three tokenizers differ in their limits only: training reads the first window of a comment.
    """

    def rows() -> Iterator[dict[str, Any]]:
        for start in range(0, len(examples), CHUNK):
            chunk = examples[start : start + CHUNK]
            windows = [w[0] for w in comments.comments([e.text for e in chunk])]
            articles = iter(contexts.articles([e.article for e in chunk if e.article is not None]))
            aimed = [e for e in chunk if e.target is not None and e.stance is not None]
            targets = iter(contexts.articles([e.target or "" for e in aimed]))
            sides = iter(pairs.pairs([(e.target or "", e.text) for e in aimed]))
            for example, window in zip(chunk, windows, strict=True):
                stance = example.stance is not None and example.target is not None
                row = {
                    "comment": window.ids,
                    "article": next(articles).ids if example.article is not None else [],
                    "target": next(targets).ids if stance else [],
                    "labels": [example.labels.get(label, MISSING) for label in COMMENT_LABELS],
                    "spans": span_labels(example.spans, window),
                    "stance": STANCES.index(example.stance) if stance and example.stance else -1,
                    "off_topic": MISSING if example.off_topic is None else example.off_topic,
                    "weight": example.weight,
                }
                pair = next(sides) if stance else Tokens([], [], [])
                row |= {"pair": pair.ids, "pair_types": pair.types}
                yield row | {"length": len(window) + len(pair)}

    return Dataset.from_list(list(rows()))


def span_labels(spans: Sequence[tuple[int, int]] | None, tokens: Tokens) -> list[float]:
    """1.0 for each token that overlaps a toxic span, 0.0 for others, NaN for special tokens; [] if not annotated."""
    if spans is None:
        return []
    return [
        MISSING if start == end else float(any(start < e and s < end for s, e in spans))
        for start, end in tokens.offsets
    ]


def pad(rows: Sequence[Sequence[int]], types: Sequence[Sequence[int]] | None = None) -> dict[str, Tensor]:
    """Encoder inputs (rows, longest) for rows of ids; token type 0 where `types` is not given."""
    width = max(len(r) for r in rows)
    ids, mask, kinds = (np.zeros((len(rows), width), dtype=np.int64) for _ in range(3))
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
        if types is not None:
            kinds[i, : len(row)] = types[i]
    names = ("input_ids", "attention_mask", "token_type_ids")
    return {name: torch.from_numpy(a) for name, a in zip(names, (ids, mask, kinds), strict=True)}


@dataclass(frozen=True, slots=True)
class Collator:
    """Rows of `tokenise` to one batch; see the module docstring."""

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        contexts: dict[tuple[int, ...], int] = {}

        def index(ids: Sequence[int]) -> int:
            return contexts.setdefault(tuple(ids), len(contexts)) if ids else -1

        article, target = ([index(r[name]) for r in rows] for name in ("article", "target"))
        comment = pad([r["comment"] for r in rows])
        spans = np.full(tuple(comment["input_ids"].shape), np.nan, dtype=np.float32)
        for i, row in enumerate(rows):
            spans[i, : len(row["spans"])] = row["spans"]
        aimed = [i for i, r in enumerate(rows) if r["stance"] >= 0]
        batch: dict[str, Any] = {
            "comment": comment,
            "article": torch.tensor(article),
            "target": torch.tensor(target),
            "labels": torch.tensor([r["labels"] for r in rows], dtype=torch.float32),
            "spans": torch.from_numpy(spans),
            "off_topic": torch.tensor([r["off_topic"] for r in rows], dtype=torch.float32),
            "weight": torch.tensor([r["weight"] for r in rows], dtype=torch.float32),
            "aimed": torch.tensor(aimed, dtype=torch.int64),
            "stance": torch.tensor([rows[i]["stance"] for i in aimed], dtype=torch.int64),
        }
        if contexts:
            batch["context"] = pad(list(contexts))
        if aimed:
            batch["pair"] = pad([rows[i]["pair"] for i in aimed], [rows[i]["pair_types"] for i in aimed])
        return batch


class LengthGroupedSampler(Sampler[int]):
    """A shuffled order in which neighbours are of like length; a pure function of seed and epoch.

    transformers has one of the same name, which draws from the global random state: a resumed run would then see
    another order in its second epoch.
    """

    def __init__(self, lengths: Sequence[int], *, batch_size: int, seed: int, batches_a_group: int = 50) -> None:
        self._lengths = np.asarray(lengths)
        self._group = batch_size * batches_a_group
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng((self._seed, self._epoch))
        order = rng.permutation(len(self._lengths))
        for start in range(0, len(order), self._group):
            group = order[start : start + self._group]
            group = group[np.argsort(-self._lengths[group], kind="stable")]
            batches = [group[i : i + self._batch_size] for i in range(0, len(group), self._batch_size)]
            # A short last batch stays last: an early one would shift every batch behind it.
            whole = len(group) // self._batch_size
            for i in [*rng.permutation(whole), *range(whole, len(batches))]:
                yield from (int(x) for x in batches[i])
