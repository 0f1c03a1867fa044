"""The training YAML, parsed once into a typed object that refuses unknown keys.

    config = load_config("configs/training/base.yaml")
Every key is explained in that file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from parley.model.labels import COMMENT_LABELS, OFF_TOPIC
from parley.training.data.preparation import AUGMENTED, Asked, SourceSpec, Swaps
from parley.training.errors import ConfigError
from parley.training.evaluation.operating_points import STANCE, OperatingPoint
from parley.training.fit.stages import Stage, check_stages


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TokenLimits(_Strict):
    """Token limits: `serve` and `stride` are written into the artifact, the others apply to training."""

    serve: int = Field(default=256, ge=16, le=512)
    stride: int = Field(default=64, ge=0, le=256)
    comment: int = Field(default=128, ge=16, le=512)
    context: int = Field(default=64, ge=8, le=512)
    pair: int = Field(default=160, ge=16, le=512)


class LossWeights(_Strict):
    """The weight of each task's loss (see parley.training.fit.loss)."""

    comment: float = Field(default=1.0, ge=0)
    span: float = Field(default=1.0, ge=0)
    off_topic: float = Field(default=1.0, ge=0)
    reply: float = Field(default=1.0, ge=0)
    cosine: float = Field(default=1.0, ge=0)
    contrast: float = Field(default=0.3, ge=0)
    stance: float = Field(default=1.0, ge=0)
    geometry: float = Field(default=0.0, ge=0)


class Optimiser(_Strict):
    """AdamW with linear decay. `head_factor` multiplies the learning rate of the heads.

    `dropout` is the encoder's (None: as in its configuration); without dropout, a step takes a third less
    time on a CPU. `frozen_layers` freezes that many of the lowest layers, and the embeddings if it is above
    0.
    """

    epochs: float = Field(default=2.0, gt=0)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=6e-5, gt=0)
    head_factor: float = Field(default=5.0, gt=0)
    warmup: float = Field(default=0.06, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    save_steps: int = Field(default=200, ge=1)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    frozen_layers: int = Field(default=0, ge=0)


class Teacher(Asked):
    """A larger network whose answers are soft targets besides the labels (parley.training.fit.distillation).

    `stance`, `labels` and `cosine` weight these kinds of answers in the loss.
    """

    artifact: str
    stance: float = Field(default=1.0, ge=0)
    labels: float = Field(default=1.0, ge=0)
    cosine: float = Field(default=1.0, ge=0)
    temperature: float = Field(default=2.0, gt=0)


class Recipe(_Strict):
    """Fine-tuning settings that don't depend on the data."""

    seed: int = 13
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    tokens: TokenLimits = TokenLimits()
    losses: LossWeights = LossWeights()
    optimiser: Optimiser = Optimiser()


def _label(name: str) -> str:
    if name not in (known := (*COMMENT_LABELS, OFF_TOPIC, STANCE)):
        raise ValueError(f"unknown label; labels are {', '.join(known)}")
    return name


class TrainConfig(Recipe):
    """One training run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    note: str = ""
    """How the run differed from this configuration; the model card repeats it."""
    base: str
    pair_base: str | None = None
    base_share: float = Field(default=0.0, ge=0, lt=1)
    fraction: float = Field(default=1.0, gt=0, le=1)
    swaps: Swaps = Swaps()
    teacher: Teacher | None = None
    thresholds: dict[Annotated[str, AfterValidator(_label)], OperatingPoint] = Field(default_factory=dict)
    sources: list[SourceSpec] = Field(min_length=1)
    stages: list[Stage] = Field(default_factory=list)

    @model_validator(mode="after")
    def _consistent(self) -> TrainConfig:
        if (point := self.thresholds.get(STANCE)) and point.precision is None:
            raise ValueError("thresholds.stance: give a precision, the share of named sides that are right")
        check_stages(self.stages, sources=[spec.name for spec in self.sources], made=sorted(AUGMENTED))
        return self


def load_config(path: Path | str) -> TrainConfig:
    """The configuration at `path`. Raises ConfigError naming the line, the key, the problem and the fix."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        tree = yaml.compose(text)
        values = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}; give the path of a training YAML such as configs/training/base.yaml"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path} must hold keys such as name, base and sources; start from configs/training/base.yaml"
        )
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        problems = "\n".join(_explain(path, tree, e["loc"], e["msg"], e["type"]) for e in error.errors())
        raise ConfigError(problems) from error


def _explain(path: Path, tree: yaml.Node | None, loc: tuple[int | str, ...], message: str, kind: str) -> str:
    place = ".".join(str(part) for part in loc if part != "[key]")
    if kind == "extra_forbidden":
        message = f"unknown key; known here: {', '.join(_known_keys(loc))}"
    return f"{path}:{_line(tree, loc)}: {place}: {message}"


def _known_keys(loc: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = TrainConfig
    for part in loc[:-1]:
        if part in model.model_fields:  # otherwise it is an index or a label
            annotation = model.model_fields[str(part)].annotation
            for inner in (annotation, *get_args(annotation)):  # also inside a list, a mapping or an optional
                if isinstance(inner, type) and issubclass(inner, BaseModel):
                    model = inner
    return sorted(model.model_fields)


def _line(node: yaml.Node | None, loc: tuple[int | str, ...]) -> int:
    """The 1-based line of the deepest part of `loc` that the file has."""
    line = 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            entries = [(key, value) for key, value in node.value if key.value == part]
            if not entries:
                break
            key, node = entries[0]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
