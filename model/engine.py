"""Runs the exported networks: rows of tokens in, one array per row out, in order.

    engine = Engine(artifact.comments_file, artifact.pairs_file)
    engine.run(tokenizer.articles(["A title"]), "embedding")["embedding"][0]      array of shape (width,)

Rows of equal length run together, and as many such batches at once as there are threads. Nothing is padded,
the int8 ranges are fixed, and all sums are per row (see `parley.training.network.graph`), so a row's scores
are the same to the bit, alone or in any batch. There is no GPU path: MatMulIntegerToFloat has no CUDA kernel.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from parley.model.errors import ArtifactError
from parley.model.text.tokenization import Tokens

BATCH_TOKENS = 384
"""The most tokens per batch (unless one row is longer): they fit into the caches with a layer's weights."""
NICE = 5
"""Niceness of the threads, on Linux: batches take slightly longer, so that requests are answered at once."""
NICE_BESIDE = 10
"""Niceness of a second engine."""

Outputs = dict[str, list[NDArray[np.float32]]]


class Engine:
    """ONNX Runtime sessions on the CPU that share threads. Idle threads sleep."""

    def __init__(self, *onnx_files: Path, threads: int | None = None) -> None:
        """`threads` is the number of batches run at a time (None: one per core). Raises ArtifactError."""
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}
        for file in onnx_files:
            session = _load(file)
            self._sessions |= dict.fromkeys((output.name for output in session.get_outputs()), session)
        self._pool = _pool(threads or available_cores(), NICE)

    def beside(self) -> Engine:
        """A second engine on the same sessions, with one thread of lower priority."""
        engine = copy(self)
        engine._pool = _pool(1, NICE_BESIDE)
        return engine

    def run(self, rows: Sequence[Tokens], *outputs: str) -> Outputs:
        """The named outputs of one network, each a list with one array per row.

        Equal rows are run once.
        """
        return self.start(rows, *outputs)()

    def start(self, rows: Sequence[Tokens], *outputs: str) -> Callable[[], Outputs]:
        """Start running `rows` in parallel; returns a function that waits for `run`'s result."""
        keys = [(*row.ids, *row.types) for row in rows]
        batches = list(_batches(dict(zip(keys, rows, strict=True))))
        running = [self._pool.submit(self._run, batch, outputs) for batch in batches]

        def await_outputs() -> Outputs:
            by_row = {
                key: values
                for batch, future in zip(batches, running, strict=True)
                for key, *values in zip(batch, *future.result(), strict=True)
            }
            return {name: [by_row[key][i] for key in keys] for i, name in enumerate(outputs)}

        return await_outputs

    def _run(self, batch: dict[tuple[int, ...], Tokens], outputs: tuple[str, ...]) -> list[Any]:
        fed = {
            "input_ids": np.array([row.ids for row in batch.values()], dtype=np.int64),
            "token_type_ids": np.array([row.types for row in batch.values()], dtype=np.int64),
        }
        return self._sessions[outputs[0]].run(list(outputs), fed)  # type: ignore[no-any-return]


def _load(file: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no public base class
        raise ArtifactError(f"{file} can't be loaded: {error}; copy the artifact again") from error


def _pool(threads: int, nice: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="engine", initializer=_give_way, initargs=(nice,))


def _give_way(nice: int) -> None:
    """Give this thread a lower priority than others of the process, such as those that answer requests."""
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it; then all threads are equal
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)


def available_cores() -> int:
    """The number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _batches(rows: dict[tuple[int, ...], Tokens]) -> Iterator[dict[tuple[int, ...], Tokens]]:
    """Batches of rows of equal length, the longest first, so that no thread is left with a long one."""
    longest_first = sorted(rows, key=len, reverse=True)
    for length, of_length in groupby(longest_first, key=len):
        keys = list(of_length)
        size = max(1, BATCH_TOKENS // (length // 2))
        for start in range(0, len(keys), size):
            yield {key: rows[key] for key in keys[start : start + size]}
