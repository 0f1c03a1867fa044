"""Operating points, and the search for the thresholds that meet them.

    OperatingPoint(precision=0.9)            the lowest threshold at which nine in ten flagged rows are right
    OperatingPoint(queue=0.05)               the lowest that flags at most one comment in twenty
    OperatingPoint(false_positives=0.05)     the lowest that flags at most one harmless comment in twenty
    OperatingPoint(false_positives=0.05, sources=("c3", "unhealthy"))      the same in each of these sources
    find_threshold("toxicity", point, rows)        {"threshold": 0.81, ...}, or {"left": why there is none}
    find_threshold("stance", NAMED_SIDES, rows)    the same for the probability from which a side is named

What raters call toxic differs between corpora, and so does the share of harmless rows flagged. Without named
sources, a share of false positives weights all alike, and the others are shares of all rows; with named ones,
the share holds in each of them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from parley.model.labels import OFF_TOPIC, STANCES
from parley.training.data.examples import Example
from parley.training.data.sources import get
from parley.training.errors import SourceError
from parley.training.evaluation import metrics
from parley.training.evaluation.figures import Row, truths

FEWEST = 20
"""The fewest rows of a kind to measure a share or fit a probability."""
CURVE = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Further thresholds for which reports show the share flagged."""
STANCE = "stance"
NO_SIDE = 1.0
"""The stance threshold at which no side is named."""
Floats = NDArray[np.float64]


class OperatingPoint(BaseModel):
    """An operating point: one of three shares. A queue's can't name `sources`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    precision: float | None = Field(default=None, gt=0, le=1)
    queue: float | None = Field(default=None, gt=0, le=1)
    false_positives: float | None = Field(default=None, gt=0, le=1)
    sources: tuple[str, ...] = ()

    @field_validator("sources")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(dict.fromkeys(get(name).name for name in names))
        except SourceError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _one(self) -> OperatingPoint:
        shares = (self.precision, self.queue, self.false_positives)
        if sum(share is not None for share in shares) != 1:
            raise ValueError(
                "give one of precision, queue, false_positives: a threshold has one operating point"
            )
        if self.sources and self.queue is not None:
            raise ValueError("sources go with precision and false_positives; a queue is that of all dev rows")
        return self


NAMED_SIDES = OperatingPoint(precision=0.8)
"""Where a side is named, unless a configuration says otherwise: its threshold is that of the likeliest side's
probability."""


def sources_named(points: Mapping[str, OperatingPoint]) -> list[str]:
    """The sources that any of the operating points names."""
    return list(dict.fromkeys(name for point in points.values() for name in point.sources))


def find_threshold(
    label: str, point: OperatingPoint, rows: Sequence[Row], others: Sequence[Row] = ()
) -> dict[str, Any]:
    """The label's threshold at `point`, with figures on `rows`; or "left", the reason why there is none.

    `others` are rows of further sources, used only by operating points that name them.
    """
    if label == STANCE:
        return _name_sides(point, [*rows, *others] if point.sources else rows)
    every = np.array([s for _, p in rows if (s := p.score(label)) is not None])
    known = truths(rows, label)
    truth, scores = (np.array(column) for column in zip(*known, strict=True)) if known else ([], [])
    truth, scores = np.asarray(truth) >= 0.5, np.asarray(scores)
    if point.false_positives is not None:
        chosen = _spare(label, point, [*rows, *others])
    elif point.queue is not None:
        chosen = _budget(point.queue, every)
    else:
        chosen = _precise(label, point, [*rows, *others] if point.sources else rows)
    if "left" in chosen:
        return chosen
    threshold = chosen["threshold"]
    shares = {"queue": float((every >= threshold).mean())} if len(every) else {}
    return shares | (metrics.at_threshold(truth, scores, threshold) if len(truth) else {}) | chosen


def _lowest(scores: Floats, weights: Floats, share: float) -> float:
    """The lowest threshold that scores with at most `share` of the total weight (1) reach."""
    order = np.argsort(-scores, kind="stable")
    over = np.flatnonzero(np.cumsum(weights[order]) > share + 1e-9)
    return round(float(scores[order][over[0]]) + 1e-6, 6) if len(over) else 0.0  # scores have six places


def _even(scores: Floats) -> Floats:
    return np.full(len(scores), 1.0 / len(scores))


def _budget(share: float, every: Floats) -> dict[str, Any]:
    if not len(every):
        return {"left": "no row has a score for it"}
    return {"threshold": _lowest(every, _even(every), share)}


def _precise(label: str, point: OperatingPoint, rows: Sequence[Row]) -> dict[str, Any]:
    """The lowest threshold with that precision: in all rows, or in those of each source named."""
    thresholds = []
    for of, part in _parts(point, rows):
        truth, scores = np.array(truths(part, label)).reshape(-1, 2).T
        if (truth >= 0.5).sum() < FEWEST:
            return {"left": f"fewer than {FEWEST} positives{of}: too few to measure precision"}
        threshold, best = _lowest_precise(point.precision or 0.0, truth >= 0.5, scores)
        if threshold is None:
            return {"left": f"no threshold has that precision{of}: the best is {best:.2f}"}
        thresholds.append(threshold)
    return {"threshold": max(thresholds)}


def _name_sides(point: OperatingPoint, rows: Sequence[Row]) -> dict[str, Any]:
    """As `_precise`, for the likeliest stance where it is a side; NO_SIDE if no threshold has the precision.

    "named" is the share of rows in which a side is named, "right" the share of these in which it is right. A
    source without `none` can't show how often a side is seen where there is none, so it doesn't count.
    """
    stances = defaultdict(set)
    for example, _ in rows:
        stances[example.source].add(example.stance)
    rows = [(e, p) for e, p in rows if stances[e.source] >= set(STANCES) and e.stance and p.stance]
    thresholds = []
    for of, part in _parts(point, rows):
        right, scores = _sides(part)
        if len(right) < FEWEST:
            return {"left": f"fewer than {FEWEST} sides{of}, in sources that have all three stances"}
        threshold, _ = _lowest_precise(point.precision or 0.0, right, scores)
        thresholds.append(NO_SIDE if threshold is None else threshold)
    right, scores = _sides(rows)
    named = scores >= max(thresholds)
    return {
        "threshold": max(thresholds),
        "named": float(named.sum() / len(rows)),
        "right": float(right[named].mean()) if named.any() else None,
    }


def _parts(point: OperatingPoint, rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """The rows of each source that `point` names, with " of SOURCE"; or all rows."""
    if not point.sources:
        return [("", list(rows))]
    return [(f" of {name}", [row for row in rows if row[0].source == name]) for name in point.sources]


def _sides(rows: Sequence[Row]) -> tuple[NDArray[np.bool_], Floats]:
    """Whether the likeliest side is right, and its probability, in rows where no other stance is likelier."""
    given = [(e.stance, s.likeliest, s) for e, p in rows if (s := p.stance) and s.likeliest != "none"]
    right = np.array([stance == likeliest for stance, likeliest, _ in given], dtype=bool)
    return right, np.array([getattr(s, likeliest) for _, likeliest, s in given])


def _lowest_precise(share: float, right: NDArray[np.bool_], scores: Floats) -> tuple[float | None, float]:
    """The lowest threshold at which that share of the scores that reach it is right, and the best share."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # Rows with equal scores are flagged together, and a handful of rows says nothing about precision.
    enough = np.append(np.diff(scores[order]) != 0, True) & (np.arange(len(order)) >= FEWEST - 1)
    reached = np.flatnonzero((hits >= share) & enough)
    return (float(scores[order][reached[-1]]) if len(reached) else None), float(hits[enough].max())


def _spare(label: str, point: OperatingPoint, rows: Sequence[Row]) -> dict[str, Any]:
    """The lowest threshold that keeps to the share of harmless rows, and in "by_source" its effect on each
    source.

    Entries have "source", "rows" ("harmless", or "so" for positive rows, whose share is recall), "count",
    "found" (the share flagged at the threshold) and "curve" (the shares at CURVE); those for harmless rows
    also have "alone", the threshold for this source alone.
    """
    share = point.false_positives or 0.0
    fewest = max(FEWEST, math.ceil(1 / share))  # with fewer, not a single one might be flagged
    harmless, so = _by_source(label, rows, point.sources)
    if few := [name for name in point.sources if len(harmless.get(name, ())) < fewest]:
        return {"left": f"fewer than {fewest} harmless dev rows of {', '.join(few)}"}
    harmless = {name: of for name, of in harmless.items() if len(of) >= fewest}
    if not harmless:
        return {"left": f"no source has {fewest} harmless dev rows"}
    alone = {name: _lowest(of, _even(of), share) for name, of in harmless.items()}
    if point.sources:
        threshold = max(alone.values())
    else:
        pooled, weights = (
            np.concatenate(parts)
            for parts in zip(*((of, _even(of)) for of in harmless.values()), strict=True)
        )
        threshold = _lowest(pooled, weights / len(harmless), share)
    return {
        "threshold": threshold,
        "by_source": [
            *(
                {**_shares(name, "harmless", of, threshold), "alone": alone[name]}
                for name, of in harmless.items()
            ),
            *(_shares(name, "so", of, threshold) for name, of in so.items() if len(of) >= FEWEST),
        ],
    }


def _by_source(
    label: str, rows: Sequence[Row], named: Sequence[str]
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """The scores of harmless rows by source (if any are `named`, only of these), and of positive rows by
    source.

    Harmless means that no rater gave the label. In a named source that doesn't have the label (Impermium has
    only insults), rows without any of its labels count as harmless.
    """
    judges = {example.source for example, _ in rows if _truth(example, label) is not None}
    harmless, so = defaultdict(list), defaultdict(list)
    for example, prediction in rows:
        truth, given, source = _truth(example, label), prediction.score(label), example.source
        if given is None:
            continue
        if truth is not None and truth >= 0.5:
            so[source].append(given)
        elif named and source not in named:
            continue
        elif truth == 0.0 or (
            source in named and source not in judges and example.labels and not any(example.labels.values())
        ):
            harmless[source].append(given)
    order = named or sorted(harmless)
    return {s: np.array(harmless[s]) for s in order}, {s: np.array(so[s]) for s in sorted(so)}


def _truth(example: Example, label: str) -> float | None:
    return example.off_topic if label == OFF_TOPIC else example.labels.get(label)


def _shares(source: str, rows: str, scores: Floats, threshold: float) -> dict[str, Any]:
    """The shares of the scores that reach the threshold and those of CURVE."""
    share, *curve = (float((scores >= t).mean()) for t in (threshold, *CURVE))
    return {"source": source, "rows": rows, "count": len(scores), "found": share, "curve": curve}
