"""Turns text into token ids: the tokenisation shared by training, evaluation, HTTP and dumps.

Three kinds of input:
    comment   [CLS] comment [SEP]             in overlapping windows, so that nothing hides beyond the limit
    article   [CLS] title. lede [SEP]         cut at the limit: an article says early what it is about
    pair      [CLS] context [SEP] comment [SEP]   both cut to fit; a context of two parts has [SEP] between
              them (see parley.model.text.context)
A teacher of another kind (MPNet) has its own special tokens in place of [CLS] and [SEP].

Disguises are undone first (parley.model.text.disguise) and emoji spelt out (parley.model.text.emoji); offsets
refer to the original text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from parley.model.errors import ArtifactError
from parley.model.text.blanks import rejoin
from parley.model.text.context import Context
from parley.model.text.disguise import Rarity, in_disguise, undisguise
from parley.model.text.emoji import has_emoji, spell_out
from parley.model.text.plain import Runs
from parley.model.text.wordpiece import Split, WordPiece

_NOWHERE = (0, 0)
CONTEXT_SHARE = 2 / 3
"""The largest share of a pair row for the context; if the row is short, its parts are cut further."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """One row for the encoder. `offsets` are (start, end) in characters; (0, 0) for special tokens."""

    ids: list[int]
    types: list[int]
    offsets: list[tuple[int, int]]
    cut: bool = False
    """Whether the end of the text was cut off and is in no other window."""

    def __len__(self) -> int:
        return len(self.ids)


def undo_disguises(text: str, rarity: Rarity) -> list[Runs]:
    """The rewriting steps that undo the disguises in `text`, in order; none for most text."""
    steps: list[Runs] = []
    if in_disguise(text):
        steps.append(undisguise(text, rarity))
        text = steps[-1].text()
    joined = rejoin(text, rarity)
    return steps if joined.text() == text else [*steps, joined]


class Tokenizer:
    """Tokenises with the artifact's `tokenizer.json`; methods take and return lists in the same order."""

    def __init__(self, path: Path, *, max_tokens: int, stride: int) -> None:
        """Raises ArtifactError if the file can't be read as BERT's WordPiece."""
        try:
            self._pieces = WordPiece.read(path)
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{path} is not a tokenizer: {error}") from error
        self._special = self._pieces.special
        self.max_tokens = max_tokens
        self.stride = stride

    def comments(self, texts: Sequence[str]) -> list[list[Tokens]]:
        """The windows of each comment, at least one even if it is empty; neighbours share `stride` tokens."""
        return [self._windows(text) for text in texts]

    def articles(self, texts: Sequence[str]) -> list[Tokens]:
        """One row per article (or per target read alone), cut at `max_tokens`."""
        return [self._row(self._split(text), self.max_tokens) for text in texts]

    def pairs(self, pairs: Sequence[tuple[Context, str]]) -> list[Tokens]:
        """One row per (context, comment) pair; the comment is cut if both don't fit.

        Offsets refer to the text that a token is from. `cut` doesn't count an article that follows a target.
        """
        return [self._pair(context, self._split(comment)) for context, comment in pairs]

    def _split(self, text: str) -> Split:
        """The ids and places of the pieces of `text`, with disguises undone."""
        steps = undo_disguises(text, self._pieces.rarity)
        text = steps[-1].text() if steps else text
        if has_emoji(text):
            steps.append(spell_out(text))
            text = steps[-1].text()
        ids, places = self._pieces.split(text)
        for step in reversed(steps):
            places = [step.back(*place) for place in places]
        return ids, places

    def _windows(self, text: str) -> list[Tokens]:
        ids, places = self._split(text)
        room = self.max_tokens - 2
        last = max(len(ids) - self.stride, 1)  # a window from here on would have nothing new
        starts = range(0, last, room - self.stride)
        return [self._row((ids[i : i + room], places[i : i + room]), self.max_tokens) for i in starts]

    def _pair(self, context: Context, comment: Split) -> Tokens:
        between = [self._special.end] * self._special.doubled
        special = 1 + len(context) + len(between) * (len(context) - 1)
        room = int(self.max_tokens * CONTEXT_SHARE) - special
        share = min(1.0, room / max(sum(part.tokens for part in context), 1))
        ids, places, cut = [self._special.begin], [_NOWHERE], False
        for i, part in enumerate(context):
            limit = max(int(part.tokens * share), 1)
            of_part, at = self._split(part.text)
            before = between if i else []
            ids += [*before, *of_part[:limit], self._special.end]
            places += [*(_NOWHERE for _ in before), *at[:limit], _NOWHERE]
            cut = cut or (i == 0 and len(of_part) > limit)
        of_comment, at = comment
        room = self.max_tokens - len(ids) - len(between) - 1
        second = [*between, *of_comment[:room], self._special.end]
        return Tokens(
            [*ids, *second],
            [0] * len(ids) + [0 if self._special.doubled else 1] * len(second),
            [*places, *(_NOWHERE for _ in between), *at[:room], _NOWHERE],
            cut or len(of_comment) > room,
        )

    def _row(self, split: Split, limit: int) -> Tokens:
        ids, places = split
        room = limit - 2
        return Tokens(
            [self._special.begin, *ids[:room], self._special.end],
            [0] * (min(len(ids), room) + 2),
            [_NOWHERE, *places[:room], _NOWHERE],
            len(ids) > room,
        )
