"""Runs the job stage by stage, with checkpoints; see the folder's job.py.

A stage ends after its epochs (of its first task) or its minutes, whichever comes first; the learning rate
falls with whichever has progressed further. The embedding layer is not trained. Where a stage averages, the
next stage and the result start from the moving average of its weights.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .network import Array, PackedNetwork
from .tasks import Task

CHECKPOINT_SECONDS, PRINT_SECONDS = 240.0, 20.0
PART_BYTES = 15_000_000
"""The most bytes in one file of the result: machines lent for a job may limit the size of files."""


@dataclass
class State:
    """How far the job has come: the stage, its steps and seconds, and each task's epoch and batch."""

    stage: int = 0
    step: int = 0
    seconds: float = 0.0
    places: dict[str, tuple[int, int]] = field(default_factory=dict)


class Job:
    """Runs the plan in `folder`, from the start or from a checkpoint."""

    def __init__(
        self, folder: Path, *, resume: bool, share: float, minutes: float | None, half: bool
    ) -> None:
        self.folder = folder
        self.out = folder if share == 1 else folder / "trial"
        self.out.mkdir(exist_ok=True)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.plan: dict[str, Any] = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        _check(folder, self.plan["files"])
        planned = sum(stage["minutes"] or 0 for stage in self.plan["stages"])
        if minutes is not None and not planned:
            raise SystemExit("--minutes: the stages of this plan are limited by epochs, not by minutes")
        self.share, self.pace = share, share if minutes is None else minutes / planned
        weights = {name: w.to(self.device) for name, w in read_weights(folder / "weights.npz").items()}
        self.network = PackedNetwork(weights, self.plan["encoders"], half=half)
        self.state, self.optimiser_state = State(), None
        self.average: dict[str, Tensor] = {}
        """The moving average of the weights that the stage trains, if it averages."""
        self._interrupted = False
        saved = self.out / "checkpoint.pt"
        if resume and saved.is_file():
            values = torch.load(saved, map_location=self.device, weights_only=True)
            if values["share"] != share:
                raise SystemExit(f"{saved} was started with --share {values['share']}; resume with that")
            weights.update(values["weights"])
            self.state, self.optimiser_state = State(**values["state"]), values["optimiser"]
            self.average = values["average"]
        elif saved.is_file():
            raise SystemExit(
                f"{saved} has an unfinished job: add --resume to continue it, or delete it to start over"
            )

    def run(self) -> None:
        """Run every stage, then write the result. An interrupt ends it after a step, with a checkpoint."""
        for interrupt in (signal.SIGINT, signal.SIGTERM):
            signal.signal(interrupt, self._interrupt)
        for number in range(self.state.stage, len(self.plan["stages"])):
            stage = self.plan["stages"][number]
            self._train(stage, self._tasks(stage))
            self.state = State(stage=number + 1)
            self.optimiser_state, self.average = None, {}
            self._save(None)
        parts = write_result(self.out, {n: w for n, w in self.network.weights.items() if _trained(n)})
        print(f"done: {', '.join(parts)} in {self.out}", flush=True)

    def _interrupt(self, *_: Any) -> None:
        self._interrupted = True

    def _tasks(self, stage: Mapping[str, Any]) -> list[Task]:
        tasks = []
        for values in stage["tasks"]:
            with np.load(self.folder / f"rows-{values['name']}.npz") as file:
                arrays = dict(file)
            named = {key: values[key] for key in ("name", "read", "rows", "every")}
            task = Task(**named, arrays=arrays, losses=self.plan["losses"], device=self.device)
            if self.share < 1:
                task.take_share(self.share, np.random.default_rng(self.plan["seed"]))
            if values["fill"]:
                file_ = self.out / f"filled-{task.name}.npy"
                if self.state.step == 0 or not file_.is_file():
                    np.save(file_, task.fill(self.network))
                task.arrays["labels"] = np.load(file_)
            tasks.append(task)
        return tasks

    def _train(self, stage: Mapping[str, Any], tasks: Sequence[Task]) -> None:
        trained = self._parameters(stage, tasks)
        optimiser = torch.optim.AdamW(trained, lr=stage["learning_rate"], fused=True)
        if self.optimiser_state is not None:
            optimiser.load_state_dict(self.optimiser_state)
        drawn = {task.name: self._draw(task) for task in tasks}
        self.network.dropout = stage["dropout"]
        losses: dict[str, list[Tensor]] = defaultdict(list)
        began = time.monotonic() - self.state.seconds
        saved = printed = time.monotonic()
        rows = 0
        while (done := self._progress(stage, tasks[0])) < 1.0:
            step = self.state.step
            rate = (1 + (stage["final_rate"] - 1) * done) * min(1.0, (step + 1) / stage["warmup_steps"])
            for group in optimiser.param_groups:
                group["lr"] = stage["learning_rate"] * rate * group["factor"]
            optimiser.zero_grad()
            rows += self._add_gradients([task for task in tasks if step % task.every == 0], drawn, losses)
            torch.nn.utils.clip_grad_norm_([p for group in trained for p in group["params"]], 1.0)
            optimiser.step()
            self._add_to_average(stage, step)
            now = time.monotonic()
            self.state.step, self.state.seconds = step + 1, now - began
            if now - printed > PRINT_SECONDS:
                self._print(stage, done, rows / (now - printed), losses)
                printed, rows = now, 0
            if self._interrupted or now - saved > CHECKPOINT_SECONDS:
                self._save(optimiser)
                saved = now
            if self._interrupted:
                raise SystemExit("interrupted; --resume continues from here")
        self._print(stage, 1.0, rows / max(1e-9, time.monotonic() - printed), losses)
        self.network.dropout = 0.0
        with torch.no_grad():
            for name, mean in self.average.items():
                self.network.weights[name].copy_(mean)

    def _add_gradients(
        self,
        tasks: Sequence[Task],
        drawn: Mapping[str, Iterator[Array]],
        losses: Mapping[str, list[Tensor]],
    ) -> int:
        """Reads a batch of each task, notes its losses, and returns the number of rows."""
        rows = 0
        # Each step has its own seed, so that a resumed job drops out the same.
        torch.manual_seed(hash((self.plan["seed"], self.state.stage, self.state.step)) % 2**32)
        for task in tasks:
            batch = next(drawn[task.name])
            loss, parts = task.loss(self.network, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            rows += len(batch)
            for name, part in parts.items():
                losses[name].append(part)
        return rows

    def _add_to_average(self, stage: Mapping[str, Any], step: int) -> None:
        """Moves the average towards the weights: their mean at first, then over some `average_steps`."""
        if not stage["average_steps"]:
            return
        share = 1 / min(step + 1, stage["average_steps"])
        with torch.no_grad():
            for name, weight in self.network.weights.items():
                if weight.requires_grad:
                    self.average.setdefault(name, weight.detach().clone()).lerp_(weight, share)

    def _parameters(self, stage: Mapping[str, Any], tasks: Sequence[Task]) -> list[dict[str, Any]]:
        """Parameter groups of what the stage trains: the unfrozen layers of its encoders, and the heads."""
        read = {"encoder" if task.read in ("comments", "contrast") else "pair_encoder" for task in tasks}
        groups: dict[tuple[float, float], list[Tensor]] = defaultdict(list)
        for name, weight in self.network.weights.items():
            encoder, _, rest = name.partition(".")
            weight.requires_grad_(False)
            if encoder in self.plan["encoders"]:
                layer = rest.split(".")
                if encoder not in read or layer[0] != "encoder" or int(layer[2]) < stage["frozen_layers"]:
                    continue
                factor = 1.0
            else:
                factor = stage["head_factor"]
            decay = stage["weight_decay"] if weight.ndim > 1 else 0.0
            groups[factor, decay].append(weight.requires_grad_(True))
        return [{"params": of, "factor": f, "weight_decay": decay} for (f, decay), of in groups.items()]

    def _draw(self, task: Task) -> Iterator[Array]:
        """Batches from where the task left off, epoch after epoch."""
        epoch, place = self.state.places.get(task.name, (0, 0))
        while True:
            batches = task.batches(self.plan["seed"], epoch)
            for number in range(place, len(batches)):
                self.state.places[task.name] = (epoch, number + 1)
                yield batches[number]
            epoch, place = epoch + 1, 0

    def _progress(self, stage: Mapping[str, Any], task: Task) -> float:
        """The share of the stage that is done, by time or by epochs, whichever is further."""
        shares: list[float] = []
        if stage["minutes"]:
            shares.append(self.state.seconds / (60 * stage["minutes"] * self.pace))
        if stage["epochs"]:
            epoch, place = self.state.places.get(task.name, (0, 0))
            batches = math.ceil(len(task.places) / task.rows)
            shares.append((epoch * batches + place) / (batches * stage["epochs"]))
        return max(shares)

    def _print(
        self, stage: Mapping[str, Any], done: float, rate: float, losses: dict[str, list[Tensor]]
    ) -> None:
        left = f", {self.state.seconds * (1 - done) / done / 60:.1f} minutes left" if done else ""
        means = ", ".join(f"{n} {torch.stack(of).float().mean():.4f}" for n, of in sorted(losses.items()))
        print(
            f"{stage['name']}: {done:.0%}, step {self.state.step}, {rate:.0f} rows a second{left} | {means}",
            flush=True,
        )
        losses.clear()

    def _save(self, optimiser: torch.optim.Optimizer | None) -> None:
        values = {
            "weights": {name: w for name, w in self.network.weights.items() if _trained(name)},
            "optimiser": None if optimiser is None else optimiser.state_dict(),
            "average": self.average,
            "state": asdict(self.state),
            "share": self.share,
        }
        part = self.out / "checkpoint.part"
        torch.save(values, part)
        os.replace(part, self.out / "checkpoint.pt")


def _trained(name: str) -> bool:
    """Whether any stage may train the weight of this name."""
    return ".embeddings." not in name


def read_weights(file: Path) -> dict[str, Tensor]:
    """The weights by name, in full precision; int8 weights have a scale per row, under NAME|scale."""
    weights = {}
    with np.load(file) as arrays:
        for name in (name for name in arrays if not name.endswith("|scale")):
            scale = arrays.get(f"{name}|scale", np.float32(1))
            weights[name] = torch.from_numpy(np.asarray(arrays[name].astype(np.float32) * scale))
    return weights


def write_result(folder: Path, weights: Mapping[str, Tensor]) -> list[str]:
    """Write the weights in half precision as result-1.npz, ...; returns the names of the files."""
    parts: list[dict[str, Array]] = [{}]
    size = 0
    for name, weight in weights.items():
        values = weight.detach().to("cpu", torch.float16).numpy()
        if parts[-1] and size + values.nbytes > PART_BYTES:
            parts.append({})
            size = 0
        parts[-1][name] = values
        size += values.nbytes
    for number, part in enumerate(parts, 1):
        np.savez(folder / f"result-{number}.npz", **part)  # type: ignore[arg-type]
    return [f"result-{number}.npz" for number in range(1, len(parts) + 1)]


def _check(folder: Path, files: Mapping[str, str]) -> None:
    """Raises SystemExit if a file is not as it was packed."""
    for name, digest in files.items():
        file = folder / name
        if not file.is_file() or sha256(file.read_bytes()).hexdigest() != digest:
            raise SystemExit(f"{file} is missing or damaged: copy the folder again")


def main(folder: Path, arguments: Sequence[str] | None = None, *, half: bool) -> None:
    """Run the job in `folder` with the command line's options, with `half` in bfloat16."""
    parser = argparse.ArgumentParser(prog="job.py", description="Run the training packed in this folder.")
    parser.add_argument("--resume", action="store_true", help="continue from checkpoint.pt")
    parser.add_argument("--minutes", type=float, help="minutes for all stages, divided as in the plan")
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="share of the rows and of the time; results go into trial/",
    )
    given = parser.parse_args(arguments)
    if not 0 < given.share <= 1:
        parser.error("--share must be above 0 and at most 1")
    torch.set_float32_matmul_precision("high")
    print(f"computing in {'bfloat16' if half else 'float32'}, the faster one here", flush=True)
    Job(folder, resume=given.resume, share=given.share, minutes=given.minutes, half=half).run()
