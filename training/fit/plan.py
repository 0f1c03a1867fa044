"""What a training run would read, without running it: `parley train CONFIG --dry-run`.

plan(load_config("configs/training/base.yaml"), data_dir=Path("../shared/data"))["steps"]
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from parley.model.labels import OFF_TOPIC
from parley.model.text.tokenization import Tokenizer
from parley.training.data.examples import Example
from parley.training.data.preparation import Prepared, prepare
from parley.training.evaluation.operating_points import sources_named
from parley.training.fit.batches import tokenise
from parley.training.fit.config import TrainConfig
from parley.training.fit.distillation import Questions
from parley.training.network.network import base_tokenizer


def read(config: TrainConfig, *, data_dir: Path) -> Prepared:
    """The rows for training and calibrating `config`. Raises SourceError."""
    return prepare(
        config.sources,
        data_dir=data_dir,
        swaps=config.swaps,
        seed=config.seed,
        fraction=config.fraction,
        teacher=config.teacher,
        threshold_sources=sources_named(config.thresholds),
    )


def plan(config: TrainConfig, *, data_dir: Path) -> dict[str, Any]:
    """Read, tokenise and count the data of `config`.

    Keys: "sources" and "made" as in a run's `examples.json`; "labels", the training rows with each label by
    source, augmented rows included; "rows", "tokens" and "steps" of the training (a comment with up to three
    questions is one row); with a teacher, the number of questions it would be "asked". Raises the errors that
    the run would, except for a teacher that is not trained yet.
    """
    prepared = read(config, data_dir=data_dir)
    labels: dict[str, Counter[str]] = {spec.name: Counter() for spec in config.sources}
    for example in prepared.train:
        if example.weight:
            labels[example.source].update(_labels(example))
    file, limits = base_tokenizer(config.base), config.tokens
    comments, contexts, pairs = (
        Tokenizer(file, max_tokens=n, stride=0) for n in (limits.comment, limits.context, limits.pair)
    )
    dataset = tokenise(prepared.train, comments=comments, contexts=contexts, pairs=pairs)
    steps = config.optimiser.epochs * len(dataset) / config.optimiser.batch_size
    asked = {}
    if config.teacher is not None:
        questions = Questions.of(prepared.train, config.teacher)
        asked = {"asked": {name: len(of) for name, of in asdict(questions).items()}}
    return {
        **prepared.counts,
        "labels": {name: dict(of) for name, of in labels.items()},
        "rows": len(dataset),
        "tokens": sum(dataset["length"]),
        "steps": round(steps),
        **asked,
    }


def _labels(example: Example) -> list[str]:
    others = {
        "stance": example.stance,
        OFF_TOPIC: example.off_topic,
        "reply": example.reply,
        "spans": example.spans,
    }
    return [*example.labels, *(name for name, known in others.items() if known is not None)]
