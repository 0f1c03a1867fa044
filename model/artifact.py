"""The saved folder of a model, and the one class that knows its file names.

    artifact.json       name, version, labels, token limits, training settings and data
    comments.onnx       the int8 network that reads comments and articles
   pairs.onnx          the int8 network that reads a comment after what it is compared with
    encoder.json        their encoders' transformers configurations, to fine-tune from
    tokenizer.json      its tokenizer
    calibration.json    how logits become probabilities (see `parley.model.calibration`)
    thresholds.json     the score from which each label counts as present
    evaluation.json     the report that `parley evaluate` wrote
    README.md           the model card, written from the two above

Networks: from `input_ids`, `token_type_ids`, int64 (rows, tokens), rows of equal length without padding:
    comment_logits   (rows, 8)        labels in the order of `parley.model.labels.COMMENT_LABELS`
    span_logits      (rows, tokens)   toxic or not, each token
   embedding        (rows, width)    mean over tokens, L2 norm 1
    and for pair rows:
    stance_logits    (rows, 3)        order of `parley.model.labels.STANCES`
    off_topic_logits (rows,)          high: off topic
    reply_logits     (rows, 3)        order of `parley.model.labels.REPLIES`
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from parley.model.errors import ArtifactError

FORMAT = 3
OLDER_FORMAT = 2
"""Parley 0.4's: one network for all rows, no replies; a base for training that can't be served."""
DEFAULT = Path(str(resources.files("parley.model"))) / "artifacts" / "parley-minilm"
"""The trained artifact that comes with the package."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """The files of one artifact folder."""

    path: Path

    @property
    def info_file(self) -> Path:
        """Name, version, labels, sizes, licences, training data and commit."""
        return self.path / "artifact.json"

    @property
    def comments_file(self) -> Path:
        """The ONNX graph that reads a comment alone."""
        return self.path / "comments.onnx"

    @property
    def pairs_file(self) -> Path:
        """The ONNX graph that reads a comment with its article or target."""
        return self.path / "pairs.onnx"

    @property
    def encoder_file(self) -> Path:
        """The configurations of both encoders."""
        return self.path / "encoder.json"

    @property
    def tokenizer_file(self) -> Path:
        """The tokenizer as Hugging Face's `tokenizers` writes it."""
        return self.path / "tokenizer.json"

    @property
    def calibration_file(self) -> Path:
        """The parameters that calibrate the networks' outputs."""
        return self.path / "calibration.json"

    @property
    def thresholds_file(self) -> Path:
        """The threshold of each label at its operating point."""
        return self.path / "thresholds.json"

    @property
    def evaluation_file(self) -> Path:
        """The evaluation's figures, from which the card is written."""
        return self.path / "evaluation.json"

    @property
    def card_file(self) -> Path:
        """The model card."""
        return self.path / "README.md"

    @property
    def network_files(self) -> tuple[Path, Path]:
        """The networks."""
        return self.comments_file, self.pairs_file

    @property
    def served_files(self) -> tuple[Path, ...]:
        """What serving reads."""
        return (
            self.info_file,
            *self.network_files,
            self.tokenizer_file,
            self.calibration_file,
            self.thresholds_file,
        )

    @classmethod
    def open(cls, path: Path | str, *, older: bool = False) -> Artifact:
        """The artifact at `path`, after checking the files that serving needs; `older`: also of OLDER_FORMAT.

        Raises ArtifactError naming the missing file or the unknown format.
        """
        artifact = cls(Path(path))
        if not artifact.path.is_dir():
            raise ArtifactError(
                f"{path} is not a folder: an artifact is the folder that `parley train` saves "
                "(artifact.json, comments.onnx, ...)"
            )
        found = artifact.info.get("format") if artifact.info_file.is_file() else None
        if found == OLDER_FORMAT and older:
            return artifact
        if found == OLDER_FORMAT:
            raise ArtifactError(
                f"{artifact.info_file} has format {found}, of Parley 0.4: it can't be served, only "
                "trained on: give it to `parley train` as the base, or start from the shipped artifact"
            )
        missing = [file.name for file in artifact.served_files if not file.is_file()]
        if missing:
            raise ArtifactError(f"{path} is incomplete: {', '.join(missing)} missing; copy the folder again")
        if found != FORMAT:
            raise ArtifactError(
                f"{artifact.info_file} has format {found}, this Parley reads format {FORMAT}: "
                "install the Parley that saved it"
            )
        return artifact

    @property
    def info(self) -> dict[str, Any]:
        """`artifact.json`: format, name, version, labels, max_tokens, stride, training."""
        return self._read(self.info_file)

    @property
    def encoders(self) -> dict[str, Any]:
        """`encoder.json`: the configurations of "comments" and "pairs"."""
        return self._read(self.encoder_file)

    @property
    def calibration(self) -> dict[str, Any]:
        """Raises ArtifactError where the file is missing or no JSON."""
        return self._read(self.calibration_file)

    @property
    def thresholds(self) -> dict[str, float]:
        """Raises ArtifactError where the file is missing or no JSON."""
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
