"""Turns examples into padded tensors: tokenised once into a `datasets.Dataset`, batched by similar length.

Examples with the same comment become one row, so that the comment is read once for up to `QUESTIONS` examples
with a target, an article or a parent. A batch has three groups of rows:
    comment   each row's comment                                                for the comment encoder
    context   the articles and targets of these comments, each once             for the comment encoder
    pair      the comment after target, title or parent, one per question       for the pair encoder
A pair row has labels for stance, off-topic or both, or for reply. Missing labels are NaN (in `stance` and
`reply` UNKNOWN) and masked in the loss. With a teacher's answers (parley.training.fit.distillation) the batch
also has `teacher`: labels (rows, 8), cosines (articles, then targets) and stances (pairs with a stance, 3).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.utils.data import Sampler

from parley.model.labels import COMMENT_LABELS, REPLIES
from parley.model.text.context import Context, pair_context, reply_context
from parley.model.text.plain import PlainText, plain_text
from parley.model.text.tokenization import Tokenizer, Tokens
from parley.training.data.examples import SIDES, Example
from parley.training.fit.distillation import Answers
from parley.training.network.padding import pad

MISSING = math.nan
UNKNOWN = -1
QUESTIONS = 3
"""The most examples with a context per row; a comment with more of them gets more rows."""


def tokenise(
    examples: Sequence[Example],
    *,
    comments: Tokenizer,
    contexts: Tokenizer,
    pairs: Tokenizer,
    answers: Answers | None = None,
) -> Dataset:
    """Token ids and labels of every comment, with `length` in tokens for grouping.

    The three tokenizers differ only in their limits: training reads the first window of a comment.
    """
    rows = list(_merge(examples))
    plain = [plain_text(row[0].text) for row in rows]
    windows = [w[0] for w in comments.comments([p.text for p in plain])]
    articles = _ids(contexts, (e.article for e in examples if e.article is not None))
    targets = _ids(contexts, (e.target for e in examples if e.target is not None))
    columns = (
        _columns(row, text, window, articles, targets, pairs) | _taught(row, answers)
        for row, text, window in zip(rows, plain, windows, strict=True)
    )
    return Dataset.from_list(list(columns))


def _merge(examples: Sequence[Example]) -> Iterator[list[Example]]:
    """Group examples by text, at most QUESTIONS with an article, a target or a parent."""
    by_text: dict[str, list[Example]] = {}
    for example in examples:
        by_text.setdefault(example.text, []).append(example)
    for same in by_text.values():
        asking = [e for e in same if e.article is not None or e.stance is not None or e.reply is not None]
        rest = [e for e in same if e.article is None and e.stance is None and e.reply is None]
        for start in range(0, max(len(asking), 1), QUESTIONS):
            yield asking[start : start + QUESTIONS] + (rest if start == 0 else [])


def _ids(tokenizer: Tokenizer, texts: Iterable[str]) -> dict[str, list[int]]:
    unique = list(dict.fromkeys(texts))
    return {
        text: tokens.ids
        for text, tokens in zip(unique, tokenizer.articles([plain_text(t).text for t in unique]), strict=True)
    }


def _columns(
    row: Sequence[Example],
    plain: PlainText,
    window: Tokens,
    articles: dict[str, list[int]],
    targets: dict[str, list[int]],
    pairs: Tokenizer,
) -> dict[str, Any]:
    labels = {label: value for e in reversed(row) for label, value in e.labels.items()}
    about, aimed = _questions(row)
    asked = [*aimed, *(e for e in about if e.stance is None)]
    answering = [e for e in row if e.reply is not None]
    contexts = [*map(pair_context_of, asked), *map(reply_context_of, answering)]
    sides = pairs.pairs([(context, plain.text) for context in contexts])
    return {
        "comment": window.ids,
        "labels": [labels.get(label, MISSING) for label in COMMENT_LABELS],
        "weight": next((e.weight for e in row if e.labels), 1.0),
        "spans": span_labels(next((e.spans for e in row if e.spans is not None), None), plain, window),
        "articles": [articles[e.article or ""] for e in about],
        "off_topic": [e.off_topic for e in about],
        "article_weights": [e.weight for e in about],
        "targets": [targets[e.target or ""] for e in aimed],
        "pairs": [side.ids for side in sides],
        "pair_types": [side.types for side in sides],
        "stances": [_place(SIDES, e.stance) for e in asked] + [UNKNOWN] * len(answering),
        "pair_off_topic": [MISSING if e.off_topic is None else e.off_topic for e in asked]
        + [MISSING] * len(answering),
        "replies": [UNKNOWN] * len(asked) + [_place(REPLIES, e.reply) for e in answering],
        "pair_weights": [e.weight for e in (*asked, *answering)],
        "length": len(window) + sum(map(len, sides)),
    }


def _place(names: Sequence[str], name: str | None) -> int:
    return UNKNOWN if name is None else names.index(name)


def pair_context_of(example: Example) -> Context:
    """The context that precedes the comment in a pair row for stance and off-topic."""
    article = plain_text(example.article or "").text
    return pair_context(plain_text(example.target or "").text or None, article or None)


def reply_context_of(example: Example) -> Context:
    """The context that precedes the comment in a pair row for the reply."""
    return reply_context(plain_text(example.parent or "").text)


def _questions(row: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """The examples labelled for off-topic, and those labelled for stance."""
    about = [e for e in row if e.article is not None and e.off_topic is not None]
    return about, [e for e in row if e.target is not None and e.stance is not None]


def _taught(row: Sequence[Example], answers: Answers | None) -> dict[str, Any]:
    if answers is None:
        return {}
    text, (about, aimed) = row[0].text, _questions(row)
    return {
        "taught_labels": answers.labels(text),
        "taught_articles": [answers.cosine(text, e.article or "") for e in about],
        "taught_targets": [answers.cosine(text, e.target or "") for e in aimed],
        "taught_stances": [answers.stance(text, e.target or "", e.article or "") for e in aimed],
    }


def span_labels(spans: Sequence[tuple[int, int]] | None, plain: PlainText, tokens: Tokens) -> list[float]:
    """1.0 for tokens in a toxic span, 0.0 for others, NaN for special tokens; [] without annotation.

    `spans` are in characters of the text as sent; `tokens` are those of its `plain` text.
    """
    if spans is None:
        return []
    places = [None if start == end else plain.original_span(start, end) for start, end in tokens.offsets]
    return [
        MISSING if place is None else float(any(place[0] < end and start < place[1] for start, end in spans))
        for place in places
    ]


@dataclass(frozen=True, slots=True)
class Collator:
    """Collates rows of `tokenise` into one batch, as the module docstring describes."""

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The batch of `rows`, padded to the longest."""
        contexts: dict[tuple[int, ...], int] = {}

        def flat(name: str) -> list[Any]:
            return [value for row in rows for value in row[name]]

        def places(name: str) -> tuple[Tensor, Tensor]:
            """For each article or target, its row and its index in `context`."""
            of = [i for i, row in enumerate(rows) for _ in row[name]]
            place = [contexts.setdefault(tuple(ids), len(contexts)) for ids in flat(name)]
            return torch.tensor(of, dtype=torch.int64), torch.tensor(place, dtype=torch.int64)

        comment = pad([r["comment"] for r in rows])
        spans = np.full(tuple(comment["input_ids"].shape), np.nan, dtype=np.float32)
        for i, row in enumerate(rows):
            spans[i, : len(row["spans"])] = row["spans"]
        article_rows, article = places("articles")
        target_rows, target = places("targets")
        batch: dict[str, Any] = {
            "comment": comment,
            "labels": _floats([r["labels"] for r in rows]),
            "weight": _floats([r["weight"] for r in rows]),
            "spans": torch.from_numpy(spans),
            "article_rows": article_rows,
            "article": article,
            "off_topic": _floats(flat("off_topic")),
            "article_weight": _floats(flat("article_weights")),
            "target_rows": target_rows,
            "target": target,
            "stance": torch.tensor(flat("stances"), dtype=torch.int64),
            "pair_off_topic": _floats(flat("pair_off_topic")),
            "reply": torch.tensor(flat("replies"), dtype=torch.int64),
            "pair_weight": _floats(flat("pair_weights")),
        }
        if "taught_labels" in rows[0]:
            batch["teacher"] = {
                "labels": _floats([r["taught_labels"] for r in rows]),
                "cosines": _floats([*flat("taught_articles"), *flat("taught_targets")]),
                "stances": _floats(flat("taught_stances")),
            }
        if contexts:
            batch["context"] = pad(list(contexts))
        if len(batch["stance"]):
            batch["pair"] = pad(flat("pairs"), flat("pair_types"))
        return batch


def _floats(values: Sequence[Any]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


class LengthGroupedSampler(Sampler[int]):
    """A shuffled order in which neighbours have similar lengths; it depends on seed and epoch alone.

    The sampler of transformers uses the global random state, so a resumed run would see another order in its
    second epoch.
    """

    def __init__(
        self, lengths: Sequence[int], *, batch_size: int, seed: int, batches_a_group: int = 50
    ) -> None:
        self._lengths = np.asarray(lengths)
        self._group = batch_size * batches_a_group
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Reshuffle; called by the Trainer before each epoch."""
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
            # A short batch stays last: earlier it would shift the boundaries of all batches after it.
            whole = len(group) // self._batch_size
            for i in [*rng.permutation(whole), *range(whole, len(batches))]:
                yield from (int(x) for x in batches[i])
