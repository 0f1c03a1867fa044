"""The saved folder that is a model, and the one class that knows its file names.

    artifact.json       name, version, labels, token limits, how and from what it was trained
    model.onnx          the int8 network that is served
    model.safetensors   the same network in half precision, to fine-tune from
    encoder.json        the encoder's transformers configuration
    tokenizer.json      its tokenizer
    calibration.json    how logits become probabilities (see `parley.model.calibration`)
    thresholds.json     the score from which each label counts as present
    evaluation.json     the report that `parley evaluate` wrote
    README.md           the model card, written from the two above

Network (ONNX): `input_ids`, `token_type_ids`, int64 (rows, tokens), rows of equal length and no padding, give
    comment_logits (rows, 8)        labels in the order of `parley.model.labels.COMMENT_LABELS`
    span_logits    (rows, tokens)   toxic or not, each token
    embedding      (rows, width)    mean over tokens, L2 norm 1
    stance_logits  (rows, 3)        order of `parley.model.labels.STANCES`; meant for pair rows only
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from parley.model.errors import ArtifactError

FORMAT = 2
DEFAULT = Path(str(resources.files("parley.model"))) / "artifacts" / "parley-minilm"
"""The trained artifact that comes with the package."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """The files of one artifact folder."""

    path: Path

    @property
    def info_file(self) -> Path:
        return self.path / "artifact.json"

    @property
    def onnx_file(self) -> Path:
        return self.path / "model.onnx"

    @property
    def weights_file(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def encoder_file(self) -> Path:
        return self.path / "encoder.json"

    @property
    def tokenizer_file(self) -> Path:
        return self.path / "tokenizer.json"

    @property
    def calibration_file(self) -> Path:
        return self.path / "calibration.json"

    @property
    def thresholds_file(self) -> Path:
        return self.path / "thresholds.json"

    @property
    def evaluation_file(self) -> Path:
        return self.path / "evaluation.json"

    @property
    def card_file(self) -> Path:
        return self.path / "README.md"

    @classmethod
    def open(cls, path: Path | str) -> Artifact:
        """The artifact at `path`, its files checked for what serving needs.

        Raises ArtifactError naming the missing file or the unknown format.
        """
        artifact = cls(Path(path))
        if not artifact.path.is_dir():
            raise ArtifactError(
                f"{path} is not a folder: an artifact is the folder that `parley train` saves "
                "(artifact.json, model.onnx, ...)"
            )
        needed = (
            artifact.info_file,
            artifact.onnx_file,
            artifact.tokenizer_file,
            artifact.calibration_file,
            artifact.thresholds_file,
        )
        missing = [file.name for file in needed if not file.is_file()]
        if missing:
            raise ArtifactError(
                f"{path} is not a whole artifact: {', '.join(missing)} missing; copy the folder again"
            )
        found = artifact.info.get("format")
        if found != FORMAT:
            raise ArtifactError(
                f"{artifact.info_file} says format {found}, this Parley reads format {FORMAT}: "
                "install the Parley that saved it, or write it anew: "
                f"python -m parley.training.network.export {path}"
            )
        return artifact

    @property
    def info(self) -> dict[str, Any]:
        """`artifact.json`: format, name, version, labels, max_tokens, stride, training."""
        return self._read(self.info_file)

    @property
    def calibration(self) -> dict[str, Any]:
        return self._read(self.calibration_file)

    @property
    def thresholds(self) -> dict[str, float]:
        return self._read(self.thresholds_file)

    def read_evaluation(self) -> dict[str, Any]:
        """`evaluation.json`, as `parley evaluate` wrote it."""
        return self._read(self.evaluation_file)

    @staticmethod
    def _read(file: Path) -> dict[str, Any]:
        try:
            value = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{file} can't be read as JSON: {error}; copy the artifact again") from error
        if not isinstance(value, dict):
            raise ArtifactError(f"{file} must hold a JSON object; copy the artifact again")
        return value
