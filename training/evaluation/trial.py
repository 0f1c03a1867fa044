"""A copy of an artifact for trying calibrations and thresholds, and helpers for fitting them.

with Trial.of(artifact) as trial:
    trial.calibration["reply"]["scale"] = 2.0
    predictions = trial.ask(examples, "dev rows")       as they would be served
    trial.keep(artifact)
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.model.artifact import Artifact
from parley.model.classifier import Classifier
from parley.model.comment import Prediction
from parley.model.engine import Engine, Outputs
from parley.model.text.tokenization import Tokens
from parley.training.console import progress
from parley.training.data.examples import Example
from parley.training.evaluation.served_path import predict
from parley.training.json_files import write_json

EDGE = 1e-6
Floats = NDArray[np.float64]


class Remembering(Engine):
    """An engine that caches its outputs, since calibrations are tried on the same rows repeatedly."""

    def __init__(self, *onnx_files: Path) -> None:
        super().__init__(*onnx_files)
        self._outputs: dict[tuple[str, bytes], NDArray[np.float32]] = {}

    def start(self, rows: Sequence[Tokens], *outputs: str) -> Callable[[], Outputs]:
        """As `Engine.start`; a row that lacks one of the outputs is run for all of them."""
        keys = [blake2b(np.array([row.ids, row.types]).tobytes(), digest_size=16).digest() for row in rows]
        new = {
            key: row
            for key, row in zip(keys, rows, strict=True)
            if any((output, key) not in self._outputs for output in outputs)
        }
        running = super().start(list(new.values()), *outputs)

        def await_outputs() -> Outputs:
            for output, values in running().items():
                self._outputs.update(zip(((output, key) for key in new), values, strict=True))
            return {output: [self._outputs[output, key] for key in keys] for output in outputs}

        return await_outputs


class Trial:
    """A copy of an artifact, which itself stays unchanged until `keep`."""

    def __init__(self, copy: Artifact) -> None:
        self._artifact = copy
        self._engine = Remembering(*copy.network_files)
        self.calibration: dict[str, Any] = copy.calibration
        self.thresholds: dict[str, float] = copy.thresholds

    @classmethod
    @contextmanager
    def of(cls, artifact: Artifact) -> Iterator[Trial]:
        """Copy the artifact's serving files. They are not linked, since that needs privileges on Windows."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Artifact(Path(folder))
            for file in artifact.served_files:
                shutil.copyfile(file, copy.path / file.name)
            yield cls(copy)

    def ask(
        self,
        examples: Sequence[Example],
        doing: str,
        *,
        calibration: dict[str, Any] | None = None,
        thresholds: dict[str, float] | None = None,
    ) -> list[Prediction]:
        """The copy's predictions, with parts of the calibration or the thresholds overridden."""
        if not examples:
            return []
        write_json(self._artifact.calibration_file, self.calibration | (calibration or {}))
        write_json(self._artifact.thresholds_file, self.thresholds | (thresholds or {}))
        classifier = Classifier(self._artifact, engine=self._engine)
        with progress(len(examples), doing) as advance:
            return predict(classifier, examples, on_progress=advance)

    def keep(self, artifact: Artifact) -> None:
        """Write the copy's calibration and thresholds into `artifact`, each file atomically."""
        for file, values in (
            (artifact.calibration_file, self.calibration),
            (artifact.thresholds_file, self.thresholds),
        ):
            write_json(file, values)


def weights_of(examples: Sequence[Example]) -> Floats:
    """Row weights that give all sources equal weight; their mean is 1."""
    rows = Counter(e.source for e in examples)
    return np.array([len(examples) / (len(rows) * rows[e.source]) for e in examples])


def log_odds(probabilities: Floats) -> Floats:
    """The logits of `probabilities`, kept finite."""
    p = np.clip(probabilities, EDGE, 1 - EDGE)
    return np.log(p / (1 - p))


def best_threshold(truth: NDArray[np.bool_], scores: Floats, weights: Floats) -> float:
    """The threshold, in hundredths, with the best weighted F1."""

    def f1(threshold: float) -> float:
        flagged = scores >= threshold
        hits = weights[truth & flagged].sum()
        return float(2 * hits / max(weights[truth].sum() + weights[flagged].sum(), 1e-9))

    return float(max(np.round(np.arange(0.05, 0.96, 0.01), 2), key=f1))
