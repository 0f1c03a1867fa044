"""Text to token ids: the one tokenisation that training, evaluation, HTTP and dumps share.

Three kinds of input, all for the same encoder:
    comment   [CLS] comment [SEP]             in overlapping windows, so that nothing hides past the limit
    article   [CLS] title. lede [SEP]         cut at the limit: an article says what it is about early
    pair      [CLS] target [SEP] comment [SEP]   the comment cut at the limit

Emoji are spelt out first (model.emoji); offsets are of the text as given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Encoding
from tokenizers import Tokenizer as _Tokenizer

from model.emoji import has_emoji, spell_out
from model.errors import ArtifactError
from model.text import Runs

TARGET_TOKENS = 64
"""A target longer than this, or than two thirds of a short row, is cut, so that the comment has room."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """One row for the encoder. `offsets` are (start, end) in characters of the text, (0, 0) if special."""

    ids: list[int]
    types: list[int]
    offsets: list[tuple[int, int]]
    cut: bool = False
    """Whether the end of the text did not fit, and no further window holds it."""

    def __len__(self) -> int:
        return len(self.ids)


class Tokenizer:
    """Wraps the artifact's `tokenizer.json`; every method is list in, list out, in the same order.

    Not thread-safe.
    """

    def __init__(self, path: Path, *, max_tokens: int, stride: int) -> None:
        try:
            self._tokenizer = _Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises bare Exception
            raise ArtifactError(f"{path} is not a tokenizer: {error}") from error
        self._tokenizer.no_padding()
        self.max_tokens = max_tokens
        self.stride = stride

    def comments(self, texts: Sequence[str]) -> list[list[Tokens]]:
        """Windows of each comment, at least one even for an empty text; neighbours share `stride` tokens."""
        spelt = {i: spell_out(text) for i, text in enumerate(texts) if has_emoji(text)}
        encodings = self._encode(
            [spelt[i].text() if i in spelt else text for i, text in enumerate(texts)],
            self.max_tokens,
            stride=self.stride,
        )
        windows = [[_tokens(e), *(_tokens(o) for o in e.overflowing)] for e in encodings]
        for i, runs in spelt.items():
            windows[i] = [replace(w, offsets=[_back(runs, *o) for o in w.offsets]) for w in windows[i]]
        return windows

    def articles(self, texts: Sequence[str]) -> list[Tokens]:
        """One row an article (or a target read alone), cut at `max_tokens`; offsets of the text spelt out."""
        return [_tokens(e, cut=bool(e.overflowing)) for e in self._encode(_spelt(texts), self.max_tokens)]

    def pairs(self, pairs: Sequence[tuple[str, str]]) -> list[Tokens]:
        """One row a (target, comment) pair; the comment gives way where both don't fit.

        Offsets are of the texts spelt out.
        """
        pairs = list(zip(_spelt([t for t, _ in pairs]), _spelt([c for _, c in pairs]), strict=True))
        short = self._encode([target for target, _ in pairs], min(TARGET_TOKENS, self.max_tokens * 2 // 3))
        fitting = [
            (target[: max(end for _, end in e.offsets)] if e.overflowing else target, comment)
            for e, (target, comment) in zip(short, pairs, strict=True)
        ]
        encodings = self._encode(fitting, self.max_tokens, strategy="only_second")
        return [
            _tokens(e, cut=bool(e.overflowing or target.overflowing))
            for e, target in zip(encodings, short, strict=True)
        ]

    def _encode(
        self, inputs: Sequence[str] | Sequence[tuple[str, str]], limit: int, **cut: Any
    ) -> list[Encoding]:
        # One tokenizer for all: its vocabulary takes 20 MB and a while to read.
        self._tokenizer.enable_truncation(limit, **cut)
        return self._tokenizer.encode_batch(list(inputs))


def _spelt(texts: Sequence[str]) -> list[str]:
    return [spell_out(text).text() if has_emoji(text) else text for text in texts]


def _back(runs: Runs, start: int, end: int) -> tuple[int, int]:
    return runs.back(start, end) if start < end else (0, 0)


def _tokens(encoding: Encoding, *, cut: bool = False) -> Tokens:
    return Tokens(encoding.ids, encoding.type_ids, encoding.offsets, cut)


def content_tokens(row: Tokens) -> int:
    """Tokens of a row's text, special ones left out."""
    return sum(start < end for start, end in row.offsets)
