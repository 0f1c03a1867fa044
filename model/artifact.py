"""The saved folder of a model, and the one class that knows its file names.

    artifact.json       name, version, labels, token limits, training settings and data
    comments.onnx       the int8 network that reads comments and articles
    pairs.onnx          the int8 network that reads a comment after its context
    encoder.json        the transformers configurations of their encoders, for fine-tuning
    tokenizer.json      the tokenizer
    calibration.json    how logits become probabilities (see `parley.model.calibration`)
    thresholds.json     the score from which each label counts as present
    evaluation.json     the report that `parley evaluate` wrote
    README.md           the model card, generated from artifact.json and evaluation.json

The networks' inputs are `input_ids` and `token_type_ids`, int64 (rows, tokens), rows of equal length without
padding. Outputs of comments.onnx:
    comment_logits   (rows, 8)        labels in the order of `parley.model.labels.COMMENT_LABELS`
    span_logits      (rows, tokens)   for each token, toxic or not
    embedding        (rows, width)    mean over tokens, L2 norm 1
Outputs of pairs.onnx:
    stance_logits    (rows, 3)        in the order of `parley.model.labels.STANCES`
    off_topic_logits (rows,)          high: off topic
    reply_logits     (rows, 3)        in the order of `parley.model.labels.REPLIES`
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
"""The format of Parley 0.4: one network for all rows, no replies. It can be trained from, but not served."""
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
        """The ONNX graph that reads comments and articles on their own."""
        return self.path / "comments.onnx"

    @property
    def pairs_file(self) -> Path:
        """The ONNX graph that reads a comment after its context."""
        return self.path / "pairs.onnx"

    @property
    def encoder_file(self) -> Path:
        """The configurations of both encoders."""
        return self.path / "encoder.json"

    @property
    def tokenizer_file(self) -> Path:
        """The tokenizer, in the format of Hugging Face's `tokenizers`."""
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
        """The figures of the evaluation, from which the card is generated."""
        return self.path / "evaluation.json"

    @property
    def card_file(self) -> Path:
        """The model card."""
        return self.path / "README.md"

    @property
    def network_files(self) -> tuple[Path, Path]:
        """The files of both networks."""
        return self.comments_file, self.pairs_file

    @property
    def served_files(self) -> tuple[Path, ...]:
        """The files that serving reads."""
        return (
            self.info_file,
            *self.network_files,
            self.tokenizer_file,
            self.calibration_file,
            self.thresholds_file,
        )

    @classmethod
    def open(cls, path: Path | str, *, older: bool = False) -> Artifact:
        """The artifact at `path`, once the files that serving needs are checked.

        `older` also accepts OLDER_FORMAT. Raises ArtifactError naming the missing file or the unknown format.
        """
        artifact = cls(Path(path))
        if not artifact.path.is_dir():
            raise ArtifactError(
                f"{path} is not a folder: an artifact is the folder that `parley train` saves "
                "(artifact.json, comments.onnx, ...)"
            )
        its_format = artifact.info.get("format") if artifact.info_file.is_file() else None
        if its_format == OLDER_FORMAT and older:
            return artifact
        if its_format == OLDER_FORMAT:
            raise ArtifactError(
                f"{artifact.info_file} has format {its_format}, of Parley 0.4, which can't be served: "
                "give it to `parley train` as the base, or use the shipped artifact"
            )
        missing = [file.name for file in artifact.served_files if not file.is_file()]
        if missing:
            raise ArtifactError(f"{path} is incomplete: {', '.join(missing)} missing; copy the folder again")
        if its_format != FORMAT:
            raise ArtifactError(
                f"{artifact.info_file} has format {its_format}, and this version of Parley reads format "
                f"{FORMAT}: install the version that saved it"
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
        """`calibration.json`. Raises ArtifactError if it is missing or not JSON."""
        return self._read(self.calibration_file)

    @property
    def thresholds(self) -> dict[str, float]:
        """`thresholds.json`. Raises ArtifactError if it is missing or not JSON."""
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
