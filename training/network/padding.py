"""Turns rows of token ids into the encoder's inputs, padded to the longest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def pad(rows: Sequence[Sequence[int]], types: Sequence[Sequence[int]] | None = None) -> dict[str, Tensor]:
    """The encoder's inputs (rows, longest) for rows of ids; without `types`, all token types are 0."""
    width = max(len(r) for r in rows)
    ids, mask, kinds = (np.zeros((len(rows), width), dtype=np.int64) for _ in range(3))
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
        if types is not None:
            kinds[i, : len(row)] = types[i]
    names = ("input_ids", "attention_mask", "token_type_ids")
    return {name: torch.from_numpy(a) for name, a in zip(names, (ids, mask, kinds), strict=True)}
