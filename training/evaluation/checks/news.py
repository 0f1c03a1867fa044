"""Checks of comments on news: named sides, off-topic in similar stories, kinds of abuse, hidden insults."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from parley.model.labels import OFF_TOPIC
from parley.training.data.examples import Example, reworded
from parley.training.data.registry import HERE
from parley.training.data.sources import read
from parley.training.evaluation import metrics
from parley.training.evaluation.checks import Check, Tested, flagged
from parley.training.evaluation.figures import Row, figure, judge

SIDES = ("favor", "against")
AROUND = 200
"""The number of harmless words before a hidden insult, and after it."""


def named_sides(tested: Tested) -> dict[str, Any]:
    """How often a named side (`stance.label`) is right, and for what share of comments with a side one is
    named.

    Naming a side where there is none counts as wrong.
    """
    rows = [(e, p.stance.label) for e, p in tested.rows if e.stance and p.stance]
    named = [(e, label) for e, label in rows if label in SIDES]
    sided = [label in SIDES for e, label in rows if e.stance != "none"]
    result: dict[str, Any] = {"rows": len(rows), "named": len(named)}
    right = [float(e.stance == label) for e, label in named]
    for name, values in (("precision", right), ("share_of_sides", sided)):
        if values:
            result[name] = figure(metrics.mean, np.array(values, dtype=float), intervals=tested.intervals)
    return result | {"share": len(named) / len(rows) if rows else None}


def own_against(tested: Tested) -> dict[str, Any]:
    """Off-topic AUC of comments under their own story against the same comments under its twin or another."""
    kinds: dict[str | None, list[Row]] = defaultdict(list)
    for row in tested.rows:
        kinds[row[0].slice].append(row)
    aucs = {}
    for kind in ("twin", "other"):
        rows = [*kinds["own"], *kinds[kind]]
        figures = judge(rows, tested.thresholds, intervals=tested.intervals).get(OFF_TOPIC, {})
        if "auc" in figures:
            aucs[kind] = figures["auc"]
    return aucs


def as_labelled(tested: Tested) -> dict[str, Any]:
    """Off-topic against its labels, with the article and no target; each comment counts once."""
    rows = {
        (e.text, e.article): replace(e, target=None, stance=None)
        for e, _ in tested.rows
        if e.stance and e.off_topic is not None
    }
    asked = list(zip(rows.values(), tested.predict(list(rows.values())), strict=True))
    figures = judge(asked, tested.thresholds, intervals=tested.intervals).get(OFF_TOPIC, {})
    return {name: of for name, of in figures.items() if name != "reliability"}


def flagged_kinds(tested: Tested) -> dict[str, Any]:
    """The share of each slice whose toxicity reaches the threshold."""
    kinds: dict[str, list[Row]] = defaultdict(list)
    for row in tested.rows:
        kinds[row[0].slice or "other"].append(row)
    threshold = tested.thresholds["toxicity"]
    return {kind: flagged(of, threshold, intervals=tested.intervals) for kind, of in sorted(kinds.items())}


def insults_kept(tested: Tested) -> dict[str, Any]:
    """Of the insults detected alone, the share also detected between two long harmless comments."""
    return _kept(tested, [e for e, _ in tested.rows], _texts("harmless_long", "alone"))


def insults_kept_in(slice_: str) -> Check:
    """Like `insults_kept`, with insults hidden in the long comments of a harmless slice of the test."""

    def check(tested: Tested) -> dict[str, Any]:
        frames = [e.text for e, _ in tested.rows if e.slice == slice_ and len(e.text.split()) >= AROUND]
        if len(frames) < 2:
            return {}
        insults = [Example(text=t, source="hidden_insults") for t in _texts("hidden_insults", None)]
        return _kept(tested, insults, frames)

    return check


def _texts(source: str, slice_: str | None) -> list[str]:
    return [e.text for e in read(source, HERE, "test") if slice_ in (None, e.slice)]


def _kept(tested: Tested, insults: Sequence[Example], frames: Sequence[str]) -> dict[str, Any]:
    """How many insults are detected alone, and between the end of one harmless text and the start of another.

    Also how many of the harmless texts are flagged without an insult.
    """
    words = [text.split() for text in frames]
    hidden = []
    for i, insult in enumerate(insults):
        before, after = words[2 * i % len(words)], words[(2 * i + 1) % len(words)]
        text = " ".join((*before[-AROUND:], insult.text, *islice(after, AROUND)))
        hidden.append(reworded(insult, text, slice="hidden"))
    bare = [
        reworded(insult, " ".join((*a[-AROUND:], *b[:AROUND])), slice="frame")
        for insult, a, b in zip(insults, words, [*words[1:], words[0]], strict=False)
    ]
    threshold = tested.thresholds["toxicity"]
    alone, around, frame = (
        np.array([p.abuse["toxicity"] >= threshold for p in tested.predict(rows)])
        for rows in (insults, hidden, bare)
    )
    kept = (
        figure(metrics.mean, around[alone].astype(float), intervals=tested.intervals) if alone.any() else None
    )
    return {
        "rows": len(insults),
        "found_alone": float(alone.mean()),
        "found_hidden": float(around.mean()),
        "kept": kept,
        "frames": len(frame),
        "frames_flagged": float(frame.mean()),
    }
