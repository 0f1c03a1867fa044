"""The stages of a training that runs as a portable job: `stages:` in a training YAML.

A stage trains on a few tasks at once. A task trains one thing on one kind of row:
    pairs      stance and off-topic of a comment after its context       the pair encoder
    replies    whether a comment agrees with its parent                  the pair encoder
    comments   abuse, spam and spans                                     the comment encoder
    contrast   which of the batch's articles is the comment's own        the comment encoder
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Read = Literal["pairs", "replies", "comments", "contrast"]
PAIR_READS = ("pairs", "replies")


class Task(BaseModel):
    """Rows of some sources, and some kinds of augmented rows, for training one thing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    read: Read
    sources: list[str] = Field(default_factory=list, description="sources whose rows it uses")
    made: list[str] = Field(default_factory=list, description="kinds of augmented rows it uses")
    cap: int | None = Field(default=None, ge=1, description="the most rows to use, drawn by the seed")
    sideless: float = Field(
        default=1.0, ge=0, le=1, description="share to keep of on-topic pairs with stance none: most have it"
    )
    article: bool = Field(
        default=True, description="false leaves the article out of pairs, which then train stance alone"
    )
    target: bool = Field(
        default=True,
        description="false leaves the target out of pairs, which then train off-topic alone",
    )
    on_topic: float | None = Field(
        default=None, gt=0, description="the most on-topic pairs for each off-topic one, drawn by the seed"
    )
    first_target: bool = Field(
        default=False, description="true uses each comment once, with the first of its targets"
    )
    rows: int = Field(default=32, ge=1, description="rows in a batch")
    every: int = Field(default=1, ge=1, description="steps from one batch of the task to the next")
    tokens: int = Field(default=128, ge=16, le=512, description="the most tokens in a row")
    fill: bool = Field(
        default=False,
        description="fill in missing labels with the answers of the network at the start of the stage",
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Task:
        if not (self.sources or self.made):
            raise ValueError(f"task {self.name!r} needs sources, made, or both")
        if not self.article and self.read != "pairs":
            raise ValueError(f"task {self.name!r}: article: false is for read: pairs")
        if not self.target and self.read != "pairs":
            raise ValueError(f"task {self.name!r}: target: false is for read: pairs")
        if not (self.target or self.article):
            raise ValueError(f"task {self.name!r}: a pair needs its article or its target")
        if self.on_topic is not None and self.read != "pairs":
            raise ValueError(f"task {self.name!r}: on_topic is for read: pairs")
        if self.first_target and self.read != "pairs":
            raise ValueError(f"task {self.name!r}: first_target is for read: pairs")
        if self.fill and self.read != "comments":
            raise ValueError(f"task {self.name!r}: fill is for read: comments")
        return self


class Stage(BaseModel):
    """Interleaved tasks; ends after `epochs` of the first task or after `minutes`, whichever comes first.

    The learning rate falls linearly to `final_rate` times its initial value. `dropout` is applied after each
    attention and each feed-forward block. With `average_steps`, the stage ends with the moving average of its
    weights over about that many steps (Polyak & Juditsky 1992).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    epochs: float | None = Field(default=None, gt=0)
    minutes: float | None = Field(default=None, gt=0)
    learning_rate: float = Field(default=1e-4, gt=0)
    final_rate: float = Field(default=0.1, ge=0, le=1)
    warmup_steps: int = Field(default=40, ge=1)
    head_factor: float = Field(default=4.0, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    frozen_layers: int = Field(default=1, ge=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    average_steps: int = Field(default=0, ge=0)
    tasks: list[Task] = Field(min_length=1)

    @model_validator(mode="after")
    def _makes_sense(self) -> Stage:
        if self.epochs is None and self.minutes is None:
            raise ValueError(f"stage {self.name!r} needs epochs or minutes, or it would never end")
        if self.tasks[0].every != 1:
            raise ValueError(
                f"stage {self.name!r}: its first task counts the epochs, so it must have every: 1"
            )
        return self

    @property
    def encoders(self) -> set[str]:
        """The encoders that the stage trains."""
        return {"pair_encoder" if task.read in PAIR_READS else "encoder" for task in self.tasks}


def check_stages(stages: list[Stage], sources: list[str], made: list[str]) -> None:
    """Raises ValueError if two tasks share a name, or one names a source or kind that isn't configured."""
    tasks = [task for stage in stages for task in stage.tasks]
    names = [task.name for task in tasks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two tasks are named {twice[0]!r}")
    for task in tasks:
        for kind, given, known in (("source", task.sources, sources), ("made", task.made, made)):
            if unknown := sorted(set(given) - set(known)):
                raise ValueError(f"task {task.name!r}: {kind} {unknown[0]!r} is not among {', '.join(known)}")
