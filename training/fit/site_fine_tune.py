"""Make it yours: fine-tunes an artifact on a site's own labelled comments, and measures what else changed.

    report = fine_tune_on(Path("decisions.csv"), base=Artifact.open(DEFAULT), run_dir=Path("runs/mine"))

1. Train on the file's training part, staying near the starting network where a row has no label
   (parley.training.fit.forgetting).
2. Keep the starting calibration, but refit labels with enough rows in the calibration part. 3. Compare before
and after on the test part and, if they are on disk, on dev rows of the old corpora; and measure
   how many answers changed: labels that the site didn't train should not move.
"""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parley.model.artifact import Artifact
from parley.model.classifier import Classifier
from parley.model.labels import OFF_TOPIC, SPAM
from parley.training.data.decisions import OWN, read_own, read_part
from parley.training.data.examples import Example
from parley.training.data.preparation import SourceSpec, load
from parley.training.data.sources import SOURCES
from parley.training.errors import SourceError
from parley.training.evaluation import metrics
from parley.training.evaluation.calibration import calibrate
from parley.training.evaluation.figures import judge
from parley.training.evaluation.report.own_card import write_own_card
from parley.training.evaluation.served_path import known, predict
from parley.training.fit.config import Optimiser, Recipe, TokenLimits
from parley.training.fit.forgetting import TARGETS, frozen, to_keep
from parley.training.fit.history import history
from parley.training.fit.run import claim, fine_tune
from parley.training.json_files import write_json
from parley.training.network.export import export_artifact
from parley.training.network.network import Network

log = logging.getLogger(__name__)

OLD_ROWS = 200
"""The most dev rows of each old corpus to evaluate before and after."""


class OwnRun(Recipe):
    """A run on a site's own rows: `base` is the starting artifact's folder, `data` the file's SHA-256."""

    base: str
    data: str


def recipe_for(base: Artifact, *, epochs: float, learning_rate: float, seed: int) -> Recipe:
    """A gentle recipe: the base's token limits, small batches, a low learning rate."""
    most = int(base.info["max_tokens"])
    tokens = TokenLimits(
        serve=most,
        stride=base.info["stride"],
        comment=min(128, most),
        context=min(64, most),
        pair=min(160, most),
    )
    optimiser = Optimiser(epochs=epochs, batch_size=16, learning_rate=learning_rate, head_factor=2.0)
    return Recipe(seed=seed, tokens=tokens, optimiser=optimiser)


def fine_tune_on(
    data: Path,
    *,
    base: Artifact,
    run_dir: Path,
    name: str | None = None,
    epochs: float = 3.0,
    learning_rate: float = 3e-5,
    seed: int = 13,
    data_dir: Path | None = None,
    resume: bool = False,
) -> dict[str, Any]:
    """Write run_dir/artifact with its card, and run_dir/metrics.json, whose values are returned.

    Keys: "notes" on the file; "rows" by part; "own", figures {"before", "after"} on its test part; "old", the
    same on each old corpus; "kept", how far the answers moved; "train", "parity" and "calibration" as in a
    run of `parley train`. Raises DataError, RunError, BaseModelError.
    """
    own = read_part(data, "train", why="to train on")
    dev, test = (read_own(data, part).examples for part in ("dev", "test"))
    network = Network.from_artifact(base)
    recipe = recipe_for(base, epochs=epochs, learning_rate=learning_rate, seed=seed)
    digest = sha256(data.read_bytes()).hexdigest()
    claim(OwnRun(base=str(base.path), data=digest, **dict(recipe)), run_dir, resume)

    torch.manual_seed(seed)
    train = own.examples
    examples = [*train, *to_keep(train)]
    losses = fine_tune(network, recipe, examples, base.tokenizer_file, run_dir=run_dir, start=frozen(network))
    artifact = Artifact(run_dir / "artifact")
    parity = export_artifact(
        network,
        artifact,
        tokenizer_file=base.tokenizer_file,
        name=name or f"{base.info['name']}-own",
        version=base.info["version"],
        max_tokens=recipe.tokens.serve,
        stride=recipe.tokens.stride,
        training=_history(base, recipe, train=len(train), dev=len(dev), digest=digest),
    )
    for file in (base.calibration_file, base.thresholds_file):
        shutil.copy(file, artifact.path)
    calibration = calibrate(artifact, dev) if dev else {}
    before, after = Classifier.load(base.path), Classifier.load(artifact.path)
    report = {
        "notes": own.notes,
        "rows": {"train": len(train), "dev": len(dev), "test": len(test)},
        "train": losses,
        "parity": parity,
        "calibration": calibration,
        "own": _both(before, after, test),
        "old": {name: _both(before, after, rows) for name, rows in _old(base, data_dir, seed).items()},
        "kept": kept(before, after, test or dev or train, taught=_taught(train)),
    }
    write_json(run_dir / "metrics.json", report)
    write_own_card(artifact, base=base, found=report, digest=digest)
    return report


def _history(base: Artifact, recipe: Recipe, *, train: int, dev: int, digest: str) -> dict[str, Any]:
    """The artifact's training record: its base's history, and the site's rows as another source."""
    mine = {
        "licence": "the site's own",
        "commercial": True,
        "weight": 1.0,
        "train": train,
        "dev": dev,
        "leaks_train": 0,
        "leaks_dev": 0,
    }
    record = history(base, config=recipe.model_dump(mode="json"), sources={OWN: mine}, made={})
    return record | {"data_sha256": digest}


def _taught(train: Sequence[Example]) -> set[str]:
    taught = {*known(train)}
    if any(e.off_topic is not None for e in train):
        taught.add(OFF_TOPIC)
    if any(e.stance for e in train):
        taught.add("stance")
    return taught


def _both(before: Classifier, after: Classifier, rows: Sequence[Example]) -> dict[str, Any]:
    return {
        when: judge(list(zip(rows, predict(system, rows), strict=True)), system.thresholds, intervals=False)
        for when, system in (("before", before), ("after", after))
    }


def _old(base: Artifact, data_dir: Path | None, seed: int) -> Mapping[str, list[Example]]:
    """A few dev rows of each corpus that the base was trained on, if it is on disk."""
    corpora = {}
    for values in base.info["training"].get("config", {}).get("sources", []):
        spec = SourceSpec(name=values["name"], options=values["options"])
        if data_dir is None or not SOURCES[spec.name].locate(data_dir):
            continue
        try:
            rows = load([spec], data_dir, "dev")
        except SourceError as error:
            log.warning("%s", error)
            continue
        if rows:
            corpora[spec.name] = random.Random(seed).sample(rows, min(OLD_ROWS, len(rows)))
    return corpora


def kept(
    before: Classifier, after: Classifier, rows: Sequence[Example], *, taught: set[str]
) -> dict[str, dict[str, Any]]:
    """How far the answers on `rows` moved, by label.

    "moved" is the mean absolute difference of scores, "flipped" the share of rows whose decision at the
    threshold (or whose likeliest stance) changed; "taught" says whether the site's rows had the label.
    """
    asked = [
        replace(e, target=e.target or TARGETS[i % len(TARGETS)], stance="none") for i, e in enumerate(rows)
    ]
    old, new = predict(before, asked), predict(after, asked)
    figures: dict[str, dict[str, Any]] = {}
    for label in (*old[0].abuse, SPAM, OFF_TOPIC):
        both = [(p.score(label), q.score(label)) for p, q in zip(old, new, strict=True)]
        pairs = np.array([pair for pair in both if None not in pair], dtype=np.float64)
        if len(pairs):
            was, now = pairs[:, 0], pairs[:, 1]
            flipped = (was >= before.thresholds[label]) != (now >= after.thresholds[label])
            figures[label] = {"moved": float(np.abs(was - now).mean()), "flipped": float(flipped.mean())}
    sides = [(p.stance, q.stance) for p, q in zip(old, new, strict=True) if p.stance and q.stance]
    if sides:
        gaps = [abs(a.favor - b.favor) + abs(a.against - b.against) + abs(a.none - b.none) for a, b in sides]
        figures["stance"] = {
            "moved": float(np.mean(gaps)) / 2,
            "flipped": float(np.mean([a.label != b.label for a, b in sides])),
        }
    spans = [
        metrics.character_f1(*([(s.start, s.end) for s in of.spans] for of in pair))
        for pair in zip(old, new, strict=True)
    ]
    figures["span"] = {
        "moved": 1.0 - float(np.mean(spans)),
        "flipped": float(np.mean([f < 1 for f in spans])),
    }
    return {label: {"taught": label in taught, **of} for label, of in figures.items()}
