"""Runs the exported network: rows of tokens in, one array a row out, in the order of the rows.

    engine = Engine(Path("artifact/model.onnx"))
    engine.run(tokenizer.articles(["A title"]), "embedding")["embedding"][0]      array of shape (width,)

Each row is run alone, and as many rows at once as there are threads. The int8 network sets the range of its
activations by what it is run on, padding included: in a batch, a score would depend on the comments beside
it. Alone, a row always scores the same, and a small network loses little speed by it. There is no GPU path:
the operators of dynamic int8 (DynamicQuantizeLinear, MatMulInteger on unsigned activations) have no CUDA
kernels.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from model.errors import ArtifactError
from model.tokenization import Tokens


class Engine:
    """An ONNX Runtime session on the CPU. Threads that wait for work sleep."""

    def __init__(self, onnx_file: Path, *, threads: int | None = None) -> None:
        """`threads`: rows run at once; None is one for every core. Raises ArtifactError."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(onnx_file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors share no public base
            raise ArtifactError(f"{onnx_file} can't be loaded: {error}; copy the artifact again") from error
        self._pool = ThreadPoolExecutor(threads or available_cores(), thread_name_prefix="engine")

    def run(self, rows: Sequence[Tokens], *outputs: str) -> dict[str, list[NDArray[np.float32]]]:
        """The named outputs, each a list with one array a row: (labels,), (width,), or (tokens,) for spans.

        Rows of the same ids are run once.
        """
        keys = [(*row.ids, *row.types) for row in rows]
        unique = dict(zip(keys, rows, strict=True))
        longest_first = sorted(unique, key=len, reverse=True)

        def run_row(key: tuple[int, ...]) -> list[Any]:
            return self._session.run(list(outputs), _inputs(unique[key]))  # type: ignore[no-any-return]

        found = dict(zip(longest_first, self._pool.map(run_row, longest_first), strict=True))
        return {name: [found[key][i][0] for key in keys] for i, name in enumerate(outputs)}


def available_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _inputs(row: Tokens) -> dict[str, NDArray[np.int64]]:
    ids = np.array([row.ids], dtype=np.int64)
    return {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.array([row.types], dtype=np.int64),
    }
