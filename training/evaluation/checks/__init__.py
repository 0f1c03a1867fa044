"""Checks of particular test sets, in addition to figures by label: bias, dialect, swapped and disguised
words.

A check is a function of `Tested` and returns its figures as JSON; `parley.training.evaluation.suite` assigns
the checks to tests.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from parley.model.comment import Prediction
from parley.model.labels import OFF_TOPIC
from parley.training.data.augmentation.counterfactuals import quotation
from parley.training.data.augmentation.pairs import cut
from parley.training.data.examples import Example, reworded
from parley.training.data.identities import terms_in
from parley.training.evaluation import metrics
from parley.training.evaluation.figures import Row, figure, judge, truths, value

FEWEST = 20
"""The fewest rows of each class for the AUC of a group."""
NEGATED = ("no {}", "opposition to {}", "disapproval of {}")
"""Negated targets. The first two are in training, the last is not."""
AFFIRMED = ("support for {}", "approval of {}")
"""Paraphrased targets. The first is in training."""
QUOTED = {
    "complained of": (
        'I reported whoever wrote "{}".',
        'Nobody deserves to be told "{}".',
        'Moderators, why is "{}" still standing here?',
    ),
    "agreed with": ('"{}" Well said!', 'Here is what I think of you: "{}".', 'It bears repeating: "{}"'),
}
"""Comments that quote another. Those that complain are harmless whatever they quote. None is in training."""


@dataclass(frozen=True, slots=True)
class Tested:
    """The rows of one test; `predict` runs the same model on altered rows."""

    rows: Sequence[Row]
    thresholds: Mapping[str, float]
    predict: Callable[[Sequence[Example]], list[Prediction]]
    intervals: bool = True


Check = Callable[[Tested], dict[str, Any]]


def flagged(rows: Sequence[Row], threshold: float, *, intervals: bool) -> dict[str, Any]:
    """The share of rows whose toxicity reaches the threshold."""
    named = [p.abuse["toxicity"] >= threshold for _, p in rows]
    share = figure(metrics.mean, np.array(named, dtype=float), intervals=intervals) if named else None
    return {"rows": len(rows), "flagged": share}


def harmless_flagged(slice_: str | None) -> Check:
    """False positives of toxicity on harmless comments: those of a slice, or all negatives."""

    def check(tested: Tested) -> dict[str, Any]:
        harmless = [
            row
            for row in tested.rows
            if (row[0].slice == slice_ if slice_ else all(v < 0.5 for v in row[0].labels.values()))
            and row[0].labels
        ]
        return flagged(harmless, tested.thresholds["toxicity"], intervals=tested.intervals)

    return check


def identity_auc(*slices: str) -> Check:
    """Subgroup, BPSN and BNSP AUC of toxicity for each identity term (Borkan et al. 2019).

    They tell how well a term's rows are ranked among themselves (subgroup), its harmless rows against other
    toxic ones (BPSN), and its toxic rows against other harmless ones (BNSP).
    """

    def check(tested: Tested) -> dict[str, Any]:
        rows = [row for row in tested.rows if row[0].slice in slices]
        truth, scores = (
            (np.array(c) for c in zip(*truths(rows, "toxicity"), strict=True)) if rows else ([], [])
        )
        toxic = np.asarray(truth) >= 0.5
        places: dict[str, list[int]] = defaultdict(list)
        for i, (example, _) in enumerate(rows):
            for term in terms_in(example.text):
                places[term].append(i)
        terms = {}
        for term in sorted(places):
            inside = np.zeros(len(rows), dtype=bool)
            inside[places[term]] = True
            if min((inside & toxic).sum(), (inside & ~toxic).sum()) >= FEWEST:
                groups = {"subgroup": inside, "bpsn": inside != toxic, "bnsp": inside == toxic}
                terms[term] = {
                    "rows": int(inside.sum()),
                    **{name: metrics.auc(toxic[of], np.asarray(scores)[of]) for name, of in groups.items()},
                }
        lowest = {}
        for name in ("subgroup", "bpsn", "bnsp") if terms else ():
            term = min(terms, key=lambda t: terms[t][name])
            lowest[name] = {"term": term, "auc": terms[term][name]}
        return {"lowest": lowest, "terms": terms}

    return check


def dialect_gap(tested: Tested) -> dict[str, Any]:
    """False positives of toxicity by dialect, and the ratio of African-American English to the other."""
    rates = {}
    for dialect in ("AAE", "SAE"):
        harmless = [r for r in tested.rows if r[0].slice == dialect and r[0].labels["toxicity"] < 0.5]
        rates[dialect] = flagged(harmless, tested.thresholds["toxicity"], intervals=tested.intervals)
    aae, sae = (value(rates[d]["flagged"]) for d in ("AAE", "SAE"))
    return rates | {"ratio": aae / sae if aae is not None and sae else None}


def sentiment_swapped(tested: Tested) -> dict[str, Any]:
    """The accuracy of the side before and after the swap, and the share of comments whose side stays."""
    side: dict[str, dict[str | None, list[bool]]] = {
        "original": defaultdict(list),
        "swapped": defaultdict(list),
    }
    right: dict[str, list[bool]] = {"original": [], "swapped": []}
    for example, prediction in tested.rows:
        if prediction.stance and example.slice in side:
            favor = _favors(prediction)
            side[example.slice][example.group].append(favor)
            right[example.slice].append(favor == (example.stance == "favor"))
    before, after = (float(np.mean(right[s])) if right[s] else None for s in ("original", "swapped"))
    same = [
        a == b
        for group, sides in side["original"].items()
        for a, b in zip(sides, side["swapped"].get(group, []), strict=False)
    ]
    return {
        "original": before,
        "swapped": after,
        "lost": before - after if before is not None and after is not None else None,
        "same side": float(np.mean(same)) if same else None,
    }


def target_worded(forms: Sequence[str], *, turns: bool) -> Check:
    """Whether the side follows a reworded target: it `turns` with "no X", but not with "support for X"."""

    def check(tested: Tested) -> dict[str, Any]:
        rows = [(e, p) for e, p in tested.rows if p.stance and e.target and e.stance != "none"]
        result: dict[str, Any] = {"rows": len(rows)}
        before = np.array([_favors(p) for _, p in rows])
        truth = np.array([(e.stance == "favor") != turns for e, _ in rows])
        for form in forms if rows else ():
            asked = tested.predict([replace(e, target=form.format(e.target)) for e, _ in rows])
            after = np.array([_favors(p) for p in asked])
            figures = {"turned": before != after, "side_accuracy": after == truth}
            result[form.format("X")] = {
                name: figure(metrics.mean, values.astype(float), intervals=tested.intervals)
                for name, values in figures.items()
            }
        return result

    return check


def _favors(prediction: Prediction) -> bool:
    return prediction.stance is not None and prediction.stance.favor > prediction.stance.against


def disguise_kept(tested: Tested) -> dict[str, Any]:
    """Recall of toxicity on disguised comments relative to their originals, in total and by kind."""
    rows = [row for row in tested.rows if row[0].made_from and row[0].labels.get("toxicity", 0.0) >= 0.5]
    plain = tested.predict([replace(e, text=e.made_from or "", spans=None) for e, _ in rows])
    threshold = tested.thresholds["toxicity"]
    flags: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for (example, disguised), as_written in zip(rows, plain, strict=True):
        both = (as_written.abuse["toxicity"] >= threshold, disguised.abuse["toxicity"] >= threshold)
        flags["all"].append(both)
        flags[example.slice or "other"].append(both)
    return {kind: _kept(of) for kind, of in flags.items()}


def _kept(flags: Sequence[tuple[bool, bool]]) -> dict[str, Any]:
    plain, disguised = (float(np.mean(column)) for column in zip(*flags, strict=True))
    return {
        "rows": len(flags),
        "recall_plain": plain,
        "recall_disguised": disguised,
        "kept": disguised / plain if plain else None,
    }


def abuse_quoted(tested: Tested) -> dict[str, Any]:
    """The share of toxic comments flagged as they are, quoted to complain (should be 0), quoted to agree."""
    toxic = [row for row in tested.rows if row[0].labels.get("toxicity", 0.0) >= 0.5]
    kinds = {"as written": toxic}
    for kind, frames in QUOTED.items():
        texts = [frames[i % len(frames)].format(quotation(e.text)) for i, (e, _) in enumerate(toxic)]
        rows = [reworded(e, text, slice=kind) for (e, _), text in zip(toxic, texts, strict=True)]
        kinds[kind] = list(zip(rows, tested.predict(rows), strict=True))
    threshold = tested.thresholds["toxicity"]
    return {kind: flagged(rows, threshold, intervals=tested.intervals) for kind, rows in kinds.items()}


def context_cut(tested: Tested) -> dict[str, Any]:
    """Off-topic when only the title of the article is known, not its description."""
    rows = [e for e, _ in tested.rows if e.off_topic is not None and e.article]
    titles = [replace(e, article=(e.article or "").splitlines()[0], labels={}, stance=None) for e in rows]
    cut = list(zip(titles, tested.predict(titles), strict=True))
    figures = judge(cut, tested.thresholds, intervals=tested.intervals).get(OFF_TOPIC, {})
    return {name: figures[name] for name in ("rows", "positives", "auc") if name in figures}


def comment_cut(tested: Tested) -> dict[str, Any]:
    """Off-topic on comments cut to a sentence or 5 to 25 words, to see whether short ones look off-topic."""
    rows = [e for e, _ in tested.rows if e.off_topic is not None and e.article]
    short = [replace(e, text=cut(e.text, random.Random(e.text)), labels={}, stance=None) for e in rows]
    scored = list(zip(short, tested.predict(short), strict=True))
    figures = judge(scored, tested.thresholds, intervals=tested.intervals).get(OFF_TOPIC, {})
    names = ("rows", "positives", "auc", "calibration_error", "false_positive_rate")
    return {name: figures[name] for name in names if name in figures}


def against_each_kind(tested: Tested) -> dict[str, Any]:
    """Off-topic AUC of true pairs against each kind of augmented pair: headline, other, near debate."""
    kinds: dict[str | None, list[Row]] = defaultdict(list)
    for row in tested.rows:
        kinds[row[0].slice].append(row)
    true = kinds.pop("true pair", [])
    by_kind = {
        kind: judge([*true, *rows], tested.thresholds, intervals=tested.intervals).get(OFF_TOPIC, {})
        for kind, rows in sorted(kinds.items(), key=str)
    }
    return {str(kind): figures["auc"] for kind, figures in by_kind.items() if "auc" in figures}


def any_rater(tested: Tested) -> dict[str, Any]:
    """Off-topic where at least one rater said so, instead of the majority."""
    rows = [(replace(e, off_topic=float(bool(e.off_topic))), p) for e, p in tested.rows]
    figures = judge(rows, tested.thresholds, intervals=tested.intervals).get(OFF_TOPIC, {})
    return {name: figures[name] for name in ("rows", "positives", "auc") if name in figures}


NAMES = (
    *("Emily", "Greg", "Lakisha", "Jamal", "Mohammed", "Aisha", "Mei", "Hiroshi", "Priya", "Raj"),
    *("Sofia", "Mateo", "Olga", "Dmitri", "Rivka", "Yusuf", "Chidi", "Ngozi", "Anna", "Lars"),
)
SENTENCES = (
    "{} wrote a long letter to the editor about this.",
    "I agree with {}, the numbers don't add up.",
    "Has {} ever been to that part of town?",
    "{} should read the article again before answering.",
    "What {} says here is nonsense, and everyone knows it.",
    "My neighbour {} pays more tax than this company.",
    "Thank you, {}, for saying what many of us think.",
    "{} is wrong about the school board, sorry.",
    "Somebody tell {} that the bridge was closed for a reason.",
    "I would vote for {} tomorrow.",
)


def names_swapped(
    predict: Callable[[Sequence[Example]], list[Prediction]], threshold: float
) -> dict[str, float]:
    """Counterfactuals: how far the toxicity of a sentence moves if only a first name changes."""
    texts = [Example(text=s.format(n), source="names") for s in SENTENCES for n in NAMES]
    scores = np.array([p.abuse["toxicity"] for p in predict(texts)]).reshape(len(SENTENCES), len(NAMES))
    flags = scores >= threshold
    return {
        "sentences": len(SENTENCES),
        "names": len(NAMES),
        "mean_spread": float((scores.max(1) - scores.min(1)).mean()),
        "largest_spread": float((scores.max(1) - scores.min(1)).max()),
        "flipped": float((flags.any(1) & ~flags.all(1)).mean()),
    }


WORD = re.compile(r"\w+")
LENGTHS = ((20, "up to 20 words"), (80, "21 to 80 words"), (10**9, "over 80 words"))


def cuts(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by length in words, and those that name an identity."""
    parts: dict[str, list[Row]] = {name: [] for _, name in LENGTHS}
    for row in rows:
        words = len(WORD.findall(row[0].text))
        parts[next(name for most, name in LENGTHS if words <= most)].append(row)
    parts["names an identity"] = [r for r in rows if r[0].labels and terms_in(r[0].text)]
    return {name: of for name, of in parts.items() if of and len(of) < len(rows)}
