"""Runs the exported network: rows of tokens in, one array a row out, in the order of the rows.

    engine = Engine(Path("artifact/model.onnx"))
    engine.run(tokenizer.articles(["A title"]), "embedding")["embedding"][0]      array of shape (width,)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from model.errors import ArtifactError
from model.tokenization import Tokens

BATCH_TOKENS = 4096
"""Tokens of one run, padding included: enough to keep the cores busy, little enough for their caches."""
PER_TOKEN = frozenset({"span_logits"})


class Engine:
    """An ONNX Runtime session on the CPU, or on a CUDA device where the installed onnxruntime has one."""

    def __init__(self, onnx_file: Path, *, threads: int | None = None) -> None:
        """`threads` a run may use; None means every core this process may run on. Raises ArtifactError."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or available_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that wait for work must not burn the cores of a site's own machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        usable = onnxruntime.get_available_providers()
        wanted = [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in usable]
        try:
            self._session = onnxruntime.InferenceSession(str(onnx_file), options, providers=wanted)
        except Exception as error:  # onnxruntime's errors share no public base
            raise ArtifactError(f"{onnx_file} can't be loaded: {error}; copy the artifact again") from error

    def run(self, rows: Sequence[Tokens], *outputs: str) -> dict[str, list[NDArray[np.float32]]]:
        """The named outputs, each a list with one array a row; those of `PER_TOKEN` as long as their row.

        Rows of the same ids are run once. Rows run next to others of like length, padded to the longest.
        """
        first: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
        places = [first.setdefault((tuple(row.ids), tuple(row.types)), i) for i, row in enumerate(rows)]
        found: dict[str, list[Any]] = {name: [None] * len(rows) for name in outputs}
        for batch in _batches(rows, sorted(first.values(), key=lambda i: -len(rows[i]))):
            values = self._session.run(list(outputs), _inputs([rows[i] for i in batch]))
            for name, value in zip(outputs, values, strict=True):
                for i, row in zip(batch, value, strict=True):
                    found[name][i] = row[: len(rows[i])].copy() if name in PER_TOKEN else row
        return {name: [values[i] for i in places] for name, values in found.items()}


def available_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _batches(rows: Sequence[Tokens], longest_first: Sequence[int]) -> Iterator[list[int]]:
    start = 0
    while start < len(longest_first):
        size = max(1, BATCH_TOKENS // len(rows[longest_first[start]]))
        yield list(longest_first[start : start + size])
        start += size


def _inputs(rows: Sequence[Tokens]) -> dict[str, NDArray[np.int64]]:
    shape = len(rows), max(map(len, rows))
    ids, mask, types = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row.ids
        mask[i, : len(row)] = 1
        types[i, : len(row)] = row.types
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
