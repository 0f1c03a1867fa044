"""One training run, top to bottom: sources, examples, network, fine-tune, export, calibrate.

    parley train configs/training/base.yaml            (or: train(config, data_dir=..., run_dir=...))

A run folder contains:
    config.yaml     the configuration as it was read
    base.json       the artifact it started from, if its base is an artifact
    examples.json   rows by source and split, and rows dropped as leaks
    checkpoint-N/   the newest checkpoints; `--resume` continues from the last
    teacher/        the teacher's answers, if there is a teacher (parley.training.fit.distillation)
    metrics.json    losses, dev figures, seconds, parity of the exported network
    artifact/       the result, ready to serve
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
import yaml
from datasets import Dataset
from pydantic import ValidationError
from torch import Tensor
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from parley.model.artifact import Artifact
from parley.model.text.tokenization import Tokenizer
from parley.training.data.examples import Example
from parley.training.errors import RunError
from parley.training.evaluation.calibration import calibrate
from parley.training.evaluation.suite import draw
from parley.training.fit.batches import Collator, LengthGroupedSampler, tokenise
from parley.training.fit.config import Recipe, Teacher, TrainConfig
from parley.training.fit.distillation import Answers, ask, open_teacher
from parley.training.fit.forgetting import frozen, keep_loss, leave_pairs
from parley.training.fit.history import history, which
from parley.training.fit.loss import multitask_loss
from parley.training.fit.plan import read
from parley.training.json_files import write_json
from parley.training.network.export import export_artifact
from parley.training.network.graph import check_kind
from parley.training.network.network import Network, base_artifact, base_tokenizer, first_base
from parley.training.network.precision import faster_in_bfloat16

log = logging.getLogger(__name__)


class MultiTaskTrainer(Trainer):
    """transformers' Trainer with our loss, our order of rows and a higher learning rate for the heads."""

    def __init__(
        self,
        *args: Any,
        config: Recipe,
        start: Network | None,
        untuned: Network | None,
        teacher: Teacher | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._config = config
        self._start, self._untuned, self._teacher = start, untuned, teacher
        self._parts: dict[str, list[Tensor]] = {}

    def compute_loss(  # type: ignore[override]
        self,
        model: Network,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Tensor:
        """The loss of one batch; its parts are logged."""
        with self.accelerator.autocast():  # accelerate wraps only `forward`, which the network doesn't have
            loss, parts = multitask_loss(
                model, inputs, self._config.losses, untuned=self._untuned, teacher=self._teacher
            )
            if self._start is not None:
                kept = keep_loss(model, self._start, inputs)
                loss, parts["keep"] = loss + kept, kept.detach()
        for name, part in parts.items():
            self._parts.setdefault(name, []).append(part)
        return loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log the mean of each part of the loss since the last log as well."""
        for name, values in self._parts.items():
            logs[f"loss_{name}"] = round(torch.stack(values).mean().item(), 5)
        self._parts.clear()
        super().log(logs, *args, **kwargs)

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> LengthGroupedSampler:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        assert isinstance(dataset, Dataset)
        return LengthGroupedSampler(
            dataset["length"], batch_size=self.args.train_batch_size, seed=self._config.seed
        )

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW, with a separate learning rate for the heads, and no weight decay for biases and norms."""
        if self.optimizer is None:
            optimiser = self._config.optimiser
            groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
            for name, parameter in cast(Network, self.model).named_parameters():
                if not parameter.requires_grad:
                    continue
                rate = optimiser.learning_rate * (
                    1.0 if name.startswith(("encoder.", "pair_encoder.")) else optimiser.head_factor
                )
                decay = optimiser.weight_decay if parameter.ndim > 1 else 0.0
                groups.setdefault((rate, decay), []).append(parameter)
            self.optimizer = torch.optim.AdamW(
                [{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()],
                fused=True,
            )
        return self.optimizer


def train(
    config: TrainConfig, *, data_dir: Path, run_dir: Path, resume: bool = False, most_dev: int | None = None
) -> Artifact:
    """Run `config` and return the artifact. `resume` continues from the run's last checkpoint.

    `most_dev`: the most dev rows for calibration, drawn with the evaluation's seed (None: all).
    """
    if config.stages:
        raise RunError(
            "this configuration has stages, which run as a portable job: "
            "python -m parley.training.pack CONFIG -o FOLDER (docs/training.md)"
        )
    if config.base_share and base_artifact(config.base) is None:
        raise RunError("base_share needs a base that is an artifact: an encoder has no heads to share")
    claim(config, run_dir, resume)
    _hold_to_base(config.base, run_dir)

    if config.teacher is not None and not resume:
        open_teacher(config.teacher.artifact)  # fail now rather than after a minute of reading
    prepared = read(config, data_dir=data_dir)
    write_json(run_dir / "examples.json", prepared.counts)
    answers = None
    if config.teacher is not None:
        folder, half = run_dir / "teacher", _half(config)
        answers = ask(config.teacher, prepared.train, limits=config.tokens, folder=folder, half=half)

    torch.manual_seed(config.seed)
    network = Network.from_base(config.base, config.pair_base)
    check_kind(network.config)
    tokenizer_file = base_tokenizer(config.base)
    began = time.monotonic()
    untuned = frozen(Network.from_base(first_base(config.base))) if config.losses.geometry else None
    losses = fine_tune(
        network,
        config,
        prepared.train,
        tokenizer_file,
        run_dir=run_dir,
        untuned=untuned,
        answers=answers,
    )

    network.eval().float().to("cpu")
    if config.base_share:
        network.mix(Network.from_base(config.base, config.pair_base), config.base_share)
    artifact = Artifact(run_dir / "artifact")
    parity = export_artifact(
        network,
        artifact,
        tokenizer_file=tokenizer_file,
        name=config.name,
        version=config.version,
        max_tokens=config.tokens.serve,
        stride=config.tokens.stride,
        training=history(
            base_artifact(config.base),
            config=config.model_dump(mode="json"),
            teacher=None if answers is None else answers.teacher,
            **prepared.counts,
        ),
    )
    rows, others = (
        of if most_dev is None else draw(of, most_dev) for of in (prepared.dev, prepared.threshold_rows)
    )
    dev = calibrate(artifact, rows, points=config.thresholds, others=others)
    write_json(
        run_dir / "metrics.json",
        {"train": losses, "seconds": round(time.monotonic() - began), "parity": parity, "dev": dev},
    )
    return artifact


def fine_tune(
    network: Network,
    config: Recipe,
    examples: Sequence[Example],
    tokenizer_file: Path,
    *,
    run_dir: Path,
    start: Network | None = None,
    untuned: Network | None = None,
    answers: Answers | None = None,
) -> dict[str, float]:
    """Fine-tune `network` in place, from the last checkpoint if there is one; returns the last losses.

    It is kept near the answers of `start`, a frozen network (see parley.training.fit.forgetting), and near
    the cosines of `untuned` and a teacher's `answers` (see parley.training.fit.loss), where these are given.
    """
    limits = config.tokens
    comments, contexts, pairs = (
        Tokenizer(tokenizer_file, max_tokens=n, stride=0)
        for n in (limits.comment, limits.context, limits.pair)
    )
    dataset = tokenise(examples, comments=comments, contexts=contexts, pairs=pairs, answers=answers)
    log.info("%d examples, %d tokens", len(dataset), sum(dataset["length"]))
    if config.optimiser.dropout is not None:
        network.set_dropout(config.optimiser.dropout)
    network.freeze(config.optimiser.frozen_layers)
    if start is not None:
        leave_pairs(network, examples)
    trainer = MultiTaskTrainer(
        model=network,
        args=_arguments(config, run_dir, steps=len(dataset) // config.optimiser.batch_size),
        data_collator=Collator(),
        train_dataset=dataset,
        config=config,
        start=start,
        untuned=untuned,
        teacher=None if answers is None else answers.weights,
    )
    result = trainer.train(resume_from_checkpoint=_last_checkpoint(run_dir))
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    last = {k: v for k, v in (history[-1] if history else {}).items() if k.startswith("loss")}
    return {"global_step": result.global_step, "mean_loss": result.training_loss, **last}


def _last_checkpoint(run_dir: Path) -> str | None:
    checkpoint: str | None = get_last_checkpoint(str(run_dir))  # type: ignore[no-untyped-call]
    return checkpoint


def _arguments(config: Recipe, run_dir: Path, *, steps: int) -> TrainingArguments:
    optimiser = config.optimiser
    return TrainingArguments(
        output_dir=str(run_dir),
        num_train_epochs=optimiser.epochs,
        per_device_train_batch_size=optimiser.batch_size,
        learning_rate=optimiser.learning_rate,
        warmup_steps=int(optimiser.warmup * optimiser.epochs * steps),
        lr_scheduler_type="linear",
        max_grad_norm=1.0,
        bf16=_half(config),
        use_cpu=not torch.cuda.is_available(),
        seed=config.seed,
        data_seed=config.seed,
        save_steps=optimiser.save_steps,
        save_total_limit=2,
        logging_steps=min(50, optimiser.save_steps),
        report_to="none",
        remove_unused_columns=False,
        disable_tqdm=None,
    )


def _half(config: Recipe) -> bool:
    return config.precision == "bfloat16" or (config.precision == "auto" and faster_in_bfloat16())


def claim(config: Recipe, run_dir: Path, resume: bool) -> None:
    """Create the run folder, or check that a resumed run has the same configuration. Raises RunError.

    Keys missing from the folder's configuration count as default: the file may predate them.
    """
    saved = run_dir / "config.yaml"
    if resume:
        if not saved.is_file():
            raise RunError(f"{run_dir} has no run to resume; omit --resume to start one")
        if differing := _differing(config, yaml.safe_load(saved.read_text(encoding="utf-8"))):
            raise RunError(
                f"{run_dir} was started with another configuration ({saved}: {differing}); "
                "use that, or another --run-dir"
            )
        return
    if saved.is_file():
        raise RunError(f"{run_dir} already has a run: add --resume to continue it, or give another --run-dir")
    run_dir.mkdir(parents=True, exist_ok=True)
    values = config.model_dump(mode="json")
    saved.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _hold_to_base(base: str, run_dir: Path) -> None:
    """Record the artifact that the run starts from. Raises RunError if it has been replaced since."""
    artifact, file = base_artifact(base), run_dir / "base.json"
    if artifact is None:
        return
    now = which(artifact)
    if not file.is_file():
        write_json(file, now)
    elif (then := json.loads(file.read_text(encoding="utf-8"))) != now:
        raise RunError(
            f"{base} is now {now['name']} {now['version']} of {now['created']}, and the run started from "
            f"{then['name']} {then['version']} of {then['created']}: restore that, or start another run"
        )


def _differing(config: Recipe, values: Any) -> str:
    """The keys whose saved values differ from `config`, defaults filled in on both sides; "" if none do."""
    try:
        saved = type(config).model_validate(values)
    except ValidationError as error:
        return f"{error.error_count()} keys can't be read"
    return ", ".join(key for key in type(config).model_fields if getattr(saved, key) != getattr(config, key))
