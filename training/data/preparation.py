"""Turns a configuration's sources into a run's examples: capped, freed of test texts, augmented.

prepare([SourceSpec(name="c3", cap=5000)], data_dir=Path("../shared/data"), swaps=config.swaps, seed=13)
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from parley.training.data.augmentation.contexts import partly, turned, under_other_titles, without_lede
from parley.training.data.augmentation.counterfactuals import exchanged_identities, negated_targets, quoted
from parley.training.data.augmentation.disguise import disguised_copies
from parley.training.data.augmentation.explicit import explicit, related
from parley.training.data.augmentation.hidden import hidden
from parley.training.data.augmentation.pairs import (
    cut_short,
    headlines,
    swapped,
    unlabelled,
    unrelated_targets,
)
from parley.training.data.examples import Example
from parley.training.data.identities import terms_in
from parley.training.data.leaks import drop_leaks
from parley.training.data.sources import SOURCES, Split, get, read
from parley.training.errors import SourceError

log = logging.getLogger(__name__)

AUGMENTED = (
    "off_topic",
    "short",
    "stance_none",
    "negated",
    "identities",
    "quoted",
    "disguised",
    "titles",
    "explicit",
    "related",
    "hidden",
    "unlabelled",
)
"""The kinds of augmented rows, which are the keys of `Prepared.made`."""


class SourceSpec(BaseModel):
    """One entry of `sources:` in a training YAML."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="a source's name; `python -m parley.training.data` lists them")
    weight: float = Field(default=1.0, gt=0, description="weight of each of its rows in the loss")
    cap: int | None = Field(
        default=None, ge=1, description="the most training rows to use, drawn by the seed"
    )
    identities: int = Field(
        default=0,
        ge=0,
        description="the most harmless training rows that name an identity to use in addition to `cap`",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="options of the source's reader")

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            return get(name).name
        except SourceError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _takes(self) -> SourceSpec:
        known = get(self.name).options
        if unknown := sorted(self.options.keys() - set(known)):
            takes = ", ".join(known) or "none"
            raise ValueError(f"source {self.name!r} has no option {unknown[0]!r}; it takes {takes}")
        if self.identities and self.cap is None:
            raise ValueError(f"source {self.name!r} has no cap: set one, or remove identities (extra rows)")
        return self


class Swaps(BaseModel):
    """Data augmentation: each field is a share of the original rows, or a count where stated.

    Added rows: comments under another article (`off_topic`; `short`: cut short; `near` and `far`: under a
    similar or an unrelated title, for pairs with a beat) or with an unrelated target (`stance_none`); rows
    with one thing changed (`negated`, `identities`, `quoted`: see
    parley.training.data.augmentation.counterfactuals; `disguised`: see .disguise); statements that say their
    side (`explicit`, a count), also asked for another target of the same article (`related`, a count); abuse
    inside long comments (`hidden`, a count).

    Rows changed in place (see parley.training.data.augmentation.contexts): targets `turned` into their
    opposite, titles or targets removed (`untitled`, `untargeted`), ledes removed (`without_lede`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    off_topic: float = Field(default=1.0, ge=0)
    short: float = Field(default=0.0, ge=0)
    stance_none: float = Field(default=0.2, ge=0, le=1)
    negated: float = Field(default=0.0, ge=0, le=1)
    identities: float = Field(default=0.0, ge=0, le=1)
    quoted: float = Field(default=0.0, ge=0, le=1)
    disguised: float = Field(default=0.0, ge=0, le=1)
    near: float = Field(default=0.0, ge=0, le=1)
    far: float = Field(default=0.0, ge=0, le=1)
    explicit: int = Field(default=0, ge=0)
    related: int = Field(default=0, ge=0)
    hidden: int = Field(default=0, ge=0)
    turned: float = Field(default=0.0, ge=0, le=1)
    untitled: float = Field(default=0.0, ge=0, le=1)
    untargeted: float = Field(default=0.0, ge=0, le=1)
    without_lede: float = Field(default=0.0, ge=0, le=1)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The rows a run trains and calibrates on.

    `own` are the sources' training rows, `made` the augmented ones by kind (see `AUGMENTED`),
    `threshold_rows` the dev rows of sources that only an operating point names. `counts` has each source's
    rows, leaks and licence.
    """

    own: list[Example]
    made: dict[str, list[Example]]
    dev: list[Example]
    threshold_rows: list[Example]
    counts: dict[str, Any]

    @property
    def train(self) -> list[Example]:
        """All training rows: those of the sources, then the augmented ones."""
        return [*self.own, *chain(*self.made.values())]


def load(specs: Sequence[SourceSpec], data_dir: Path, split: Split, *, seed: int = 0) -> list[Example]:
    """The examples of `split` from each source in turn: weighted, training rows capped, leaks still in."""
    examples: list[Example] = []
    for spec in specs:
        rows = list(read(spec.name, data_dir, split, **spec.options))
        if split == "train" and not rows:
            raise SourceError(
                f"source {spec.name!r} has no rows to train on: remove it from the config's sources"
            )
        if split == "train" and spec.cap is not None and len(rows) > spec.cap:
            rng = random.Random(f"{seed}:{spec.name}")
            kept = set(rng.sample(range(len(rows)), spec.cap))
            if spec.identities:
                others = [i for i, row in enumerate(rows) if i not in kept and _names_identity(row)]
                kept |= set(rng.sample(others, min(len(others), spec.identities)))
            rows = [rows[i] for i in sorted(kept)]
        examples += rows if spec.weight == 1.0 else [replace(e, weight=e.weight * spec.weight) for e in rows]
    return examples


def _names_identity(example: Example) -> bool:
    """Whether the example names an identity and has only labels of 0."""
    return bool(example.labels and not any(example.labels.values()) and terms_in(example.text))


class Asked(BaseModel):
    """How many unlabelled pairs to draw for the teacher (`teacher:` in the training YAML)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pairs: int = Field(default=20_000, ge=0)
    articles: int = Field(default=5_000, ge=0)


def prepare(
    specs: Sequence[SourceSpec],
    *,
    data_dir: Path,
    swaps: Swaps,
    seed: int = 0,
    fraction: float = 1.0,
    teacher: Asked | None = None,
    threshold_sources: Sequence[str] = (),
) -> Prepared:
    """The training and dev examples of `specs`, without the texts of any test set, and augmented rows.

    The test sets are those of every registered source on disk, in `specs` or not. Test texts are dropped from
    dev; test and dev texts from training. A `fraction` below 1 samples the training rows and the pairs for
    the `teacher`, for a quick try. Thresholds also use the dev rows of `threshold_sources`: those not in
    `specs` are never trained on, and training texts are dropped from their dev rows.
    """
    tests = held_out(specs, data_dir)
    dev, dev_leaks = drop_leaks(load(specs, data_dir, "dev", seed=seed), tests)
    train, train_leaks = drop_leaks(load(specs, data_dir, "train", seed=seed), [*tests, *dev])
    beside = [
        SourceSpec(name=name) for name in threshold_sources if name not in {spec.name for spec in specs}
    ]
    others, other_leaks = drop_leaks(
        load(beside, data_dir, "dev", seed=seed), [*tests, *train] if beside else []
    )
    dev_leaks |= other_leaks
    log.info("dropped as leaks from train: %s; from dev: %s", train_leaks, dev_leaks)
    if fraction < 1.0:
        train = random.Random(seed).sample(train, max(1, round(len(train) * fraction)))
    titles = headlines(data_dir, "train")
    made = {
        "off_topic": swapped(train, seed=seed, share=swaps.off_topic, headlines=titles),
        "short": cut_short(train, seed=seed, share=swaps.short, headlines=titles),
        "stance_none": unrelated_targets(train, seed=seed, share=swaps.stance_none),
        "negated": negated_targets(train, seed=seed, share=swaps.negated),
        "identities": exchanged_identities(train, seed=seed, share=swaps.identities),
        "quoted": quoted(train, seed=seed, share=swaps.quoted),
        "disguised": disguised_copies(train, seed=seed, share=swaps.disguised),
        "titles": under_other_titles(train, seed=seed, near=swaps.near, far=swaps.far),
        "explicit": explicit(train, seed=seed, rows=round(swaps.explicit * fraction)),
        "related": related(train, seed=seed, rows=round(swaps.related * fraction)),
        "hidden": hidden(train, seed=seed, rows=round(swaps.hidden * fraction)),
    }
    if teacher is not None:
        pairs, articles = (round(count * fraction) for count in (teacher.pairs, teacher.articles))
        made["unlabelled"] = unlabelled(train, seed=seed, pairs=pairs, articles=articles)
    # An augmented text may happen to equal a test's.
    for name in ("short", "identities", "quoted", "disguised", "explicit", "related", "hidden"):
        made[name], made_leaks = drop_leaks(made[name], [*tests, *dev])
        log.info("dropped as leaks from the augmented %s rows: %s", name, made_leaks)
    train = partly(train, seed=seed, untitled=swaps.untitled, untargeted=swaps.untargeted)
    train = turned(train, seed=seed, share=swaps.turned)
    train = without_lede(train, seed=seed, share=swaps.without_lede)
    made["titles"] = without_lede(made["titles"], seed=seed, share=swaps.without_lede)
    made["explicit"] = turned(made["explicit"], seed=seed, share=swaps.turned)
    rows, dev_rows = (Counter(example.source for example in split) for split in (train, [*dev, *others]))
    counts = {
        spec.name: {
            "licence": get(spec.name).licence,
            "commercial": get(spec.name).commercial,
            "weight": spec.weight,
            "train": rows[spec.name],
            "dev": dev_rows[spec.name],
            "leaks_train": train_leaks.get(spec.name, 0),
            "leaks_dev": dev_leaks.get(spec.name, 0),
        }
        for spec in (*specs, *beside)
    }
    rows_made = {name: len(of) for name, of in made.items()}
    return Prepared(train, made, dev, others, {"sources": counts, "made": rows_made})


def held_out(specs: Sequence[SourceSpec], data_dir: Path) -> list[Example]:
    """The test examples of every registered source on disk; those in `specs` with their options."""
    options = {spec.name: spec.options for spec in specs}
    return [
        example
        for name, corpus in SOURCES.items()
        if corpus.locate(data_dir)
        for example in read(name, data_dir, "test", **options.get(name, {}))
    ]
