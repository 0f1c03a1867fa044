"""A release's aims and whether it reached them: the first table of the report and the model card.

for row in against_aims(report):        # tests that were not scored have no row
    print(row.what, row.figure, row.reach, row.reached)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from parley.training.evaluation.figures import value
from parley.training.evaluation.suite import SUITE

FEWEST = 20
"""The fewest rows of each class for a test to count for a label."""
SYNTHETIC = ("unintended_bias", "disguised", "abuse_cases", "hidden_insults", "harmless_long")
"""Tests with synthetic texts, which don't measure calibration."""
Report = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Aim:
    """The figure is at `path` under "tests", or computed by `of`. Without `reach` it is only reported."""

    what: str
    measured: str
    reach: float | None
    path: tuple[str, ...] = ()
    of: Callable[[Report], Any] | None = None
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class AimResult:
    """An aim with its figure and those of other systems (None if they have none)."""

    what: str
    measured: str
    figure: Any
    reach: str
    reached: bool | None
    beside: dict[str, float | None]


def _stance(what: str, test: str, figure: str, reach: float | None, *, part: str = "all") -> Aim:
    names = {"macro_f1": "three-class macro-F1", "two_sided_f1": "mean F1 of favor and against"}
    measured = f"{test}, {part}: {names.get(figure, 'accuracy of favor against against')}"
    return Aim(what, measured, reach, (test, "slices", part, "stance", figure))


def _area(what: str, test: str, label: str, reach: float | None) -> Aim:
    return Aim(what, f"{test}: AUC", reach, (test, "slices", "all", label, "auc"))


def _harmless(what: str, test: str) -> Aim:
    path = (test, "checks", "harmless flagged", "flagged")
    return Aim(what, f"{test}: false positives at the threshold", 0.05, path, at_most=True)


def _bias(group: str) -> Aim:
    path = ("unintended_bias", "checks", "identity terms", "lowest", group, "auc")
    return Aim("bias over identity terms", f"unintended_bias: lowest {group} AUC", 0.90, path)


def _above_tfidf(test: str) -> Callable[[Report], float | None]:
    """By how much the AUC exceeds that of TF-IDF: the smallest margin over labels with enough rows."""

    def margin(report: Report) -> float | None:
        result = report["tests"].get(test, {})
        other = _at(result, ("beside", "tfidf", "slices", "all")) or {}
        gaps = [
            value(of["auc"]) - other[label]["auc"]
            for label, of in _at(result, ("slices", "all"), {}).items()
            if "auc" in of and _both_classes(of) and "auc" in other.get(label, {})
        ]
        return min(gaps, default=None)

    return margin


def _calibration(trained_on: bool) -> Callable[[Report], float | None]:
    """Toxicity's calibration error, averaged over the tests of corpora trained on, or of the others."""

    def error(report: Report) -> float | None:
        known = report["artifact"].get("trained_on", ())
        errors = [
            of["calibration_error"]
            for name, test in report["tests"].items()
            if name not in SYNTHETIC and (name in known) is trained_on
            if _both_classes(of := test["slices"]["all"].get("toxicity", {}))
        ]
        return sum(errors) / len(errors) if errors else None

    return error


def _gap_of_aims(report: Report) -> float | None:
    """The largest gap between int8 and float on the same rows, over the figures that have an aim."""
    gaps = []
    for test, _, *figure in (aim.path for aim in AIMS if aim.path[1:2] == ("slices",)):
        beside = _at(report["tests"], (test, "beside", "float"))
        own, full = (value(_at(beside, (of, *figure))) for of in ("own", "slices"))
        if own is not None and full is not None:
            gaps.append(abs(own - full))
    return max(gaps, default=None)


def _largest_gap(report: Report) -> float | None:
    largest = report.get("int8", {}).get("largest")
    return float(largest[0][0]) if largest else None


_NAMED = ("stories", "checks", "named sides")
_OWN = ("stories", "checks", "own story against")
_LABELLED = ("stories", "checks", "off-topic as labelled")
_KINDS = ("story_comments", "checks", "flagged")
_KEPT = ("hidden_insults", "checks", "kept among harmless words")
_KEPT_C3 = ("c3", "checks", "insults in long comments")

NEWS = (
    _stance("stance on news, which side", "stories", "side_accuracy", 0.72, part="plain"),
    _stance("stance on news, which side", "stories", "side_accuracy", 0.62, part="finer"),
    _stance("stance on news", "stories", "macro_f1", 0.58),
    Aim("stance on news, named sides", "stories: share of them right", 0.80, (*_NAMED, "precision")),
    Aim("stance on news, named sides", "stories: share of sides named", 0.30, (*_NAMED, "share_of_sides")),
    Aim(
        "stance, explicit cases",
        "stance_cases: accuracy",
        0.90,
        ("stance_cases", "slices", "all", "stance", "accuracy"),
    ),
    Aim("off-topic, own story", "stories: AUC against its twin", 0.88, (*_OWN, "twin")),
    Aim("off-topic, own story", "stories: AUC against another", 0.97, (*_OWN, "other")),
    Aim("off-topic as labelled", "stories: AUC", 0.90, (*_LABELLED, "auc")),
    Aim(
        "off-topic as labelled",
        "stories: share of on-topic comments called off-topic",
        0.05,
        (*_LABELLED, "false_positive_rate"),
        at_most=True,
    ),
    Aim("off-topic as labelled", "stories: share of off-topic comments found", 0.5, (*_LABELLED, "recall")),
    _area("abuse on news", "story_comments", "toxicity", 0.90),
    _area("threats on news", "story_comments", "threat", 0.90),
    Aim("abuse quoted", "story_comments: called abusive", 0.20, (*_KINDS, "quote", "flagged"), at_most=True),
    Aim("harsh words", "story_comments: called abusive", 0.08, (*_KINDS, "harsh", "flagged"), at_most=True),
    _area("abuse, pairs alike in wording", "abuse_cases", "toxicity", None),
    Aim(
        "insult among 400 harmless words", "hidden_insults: kept of those found alone", 0.90, (*_KEPT, "kept")
    ),
    Aim("insult among 400 harmless words", "long comments of c3: kept", 0.90, (*_KEPT_C3, "kept")),
    Aim(
        "long harmless comments",
        "harmless_long: called abusive",
        None,
        ("harmless_long", "slices", "all", "toxicity", "false_positive_rate"),
    ),
    Aim("the harmless words alone", "hidden_insults: called abusive", None, (*_KEPT, "frames_flagged")),
    Aim(
        "the harmless words alone", "long comments of c3: called abusive", None, (*_KEPT_C3, "frames_flagged")
    ),
    Aim(
        "replies on news",
        "story_replies: macro-F1",
        None,
        ("story_replies", "slices", "all", "reply", "macro_f1"),
    ),
)
"""Aims on stories and cases in the repository (and on long comments of c3)."""

AIMS = (
    *NEWS,
    Aim("replies", "debagreement: macro-F1", 0.60, ("debagreement", "slices", "all", "reply", "macro_f1")),
    _stance("stance, targets never seen", "vast", "macro_f1", 0.74, part="zero-shot"),
    _stance("stance, targets seen", "vast", "macro_f1", 0.71, part="few-shot"),
    _stance("stance, which side", "vast", "side_accuracy", 0.75),
    Aim(
        "stance, words of feeling swapped",
        "vast_sentswap: accuracy of the side lost",
        0.05,
        ("vast_sentswap", "checks", "swapped", "lost"),
        at_most=True,
    ),
    _stance("stance, tweets", "covid_stance", "macro_f1", None),
    _stance("stance, tweets on politicians", "pstance", "two_sided_f1", None),
    _stance("stance, threads", "mt_csd", "two_sided_f1", None),
    _stance("stance, noisy labels", "ruw", "macro_f1", None),
    _area("off-topic, debates held out", "debates", "off_topic", 0.97),
    _area("off-topic, a site held out", "forum_pairs", "off_topic", 0.85),
    _area("off-topic, replies under headlines", "thread_headlines", "off_topic", 0.85),
    _area("off-topic as people judge it", "appropriateness", "off_topic", 0.75),
    _area("toxicity", "robtest", "toxicity", 0.965),
    Aim("sub-types", "toxic_spans: least AUC above TF-IDF", 0.05, of=_above_tfidf("toxic_spans")),
    Aim("sub-types", "jigsaw_multilabel: least AUC above TF-IDF", 0.05, of=_above_tfidf("jigsaw_multilabel")),
    Aim(
        "hate with emoji",
        "hatemoji: accuracy",
        0.80,
        ("hatemoji", "slices", "all", "identity_attack", "accuracy"),
    ),
    _harmless("harsh but allowed", "unhealthy"),
    _harmless("harsh but allowed", "impermium"),
    _harmless("harmless", "c3"),
    Aim(
        "spans",
        "toxic_spans: character F1",
        0.66,
        ("toxic_spans", "slices", "all", "spans", "character_f1"),
    ),
    _area("spam, a video held out", "youtube_spam", "spam", 0.985),
    Aim("calibration, corpora trained on", "toxicity: ECE", 0.03, of=_calibration(True), at_most=True),
    Aim("calibration, other corpora", "toxicity: ECE", 0.10, of=_calibration(False), at_most=True),
    *(_bias(group) for group in ("subgroup", "bpsn", "bnsp")),
    Aim(
        "bias by dialect",
        "twitter_aae_dialect: ratio of false positives",
        1.5,
        ("twitter_aae_dialect", "checks", "dialect", "ratio"),
        at_most=True,
    ),
    Aim(
        "abuse in disguise",
        "disguised: recall kept",
        0.95,
        ("disguised", "checks", "recall kept", "all", "kept"),
    ),
    Aim("int8 against float", "largest gap of a figure above", 0.005, of=_gap_of_aims, at_most=True),
    Aim("int8 against float", "largest gap of any figure, slices too", 0.005, of=_largest_gap, at_most=True),
)


def against_aims(report: Report) -> list[AimResult]:
    """A row for each aim with a figure in `report`; a site's own rows have no aims."""
    if not SUITE.keys() & report["tests"].keys():
        return []
    return [row for aim in AIMS if (row := against(aim, report)) is not None]


def against(aim: Aim, report: Report) -> AimResult | None:
    """One aim with its figure in `report`, or None."""
    figure = aim.of(report) if aim.of else _at(report["tests"], aim.path)
    if figure is None:
        return None
    number = value(figure)
    reached = None if aim.reach is None or number is None else _within(number, aim)
    reach = "" if aim.reach is None else f"{'≤' if aim.at_most else '≥'} {aim.reach:g}"
    return AimResult(aim.what, aim.measured, figure, reach, reached, _beside(report, aim))


def _within(number: float, aim: Aim) -> bool:
    reach = aim.reach or 0.0
    return number <= reach if aim.at_most else number >= reach


def _beside(report: Report, aim: Aim) -> dict[str, float | None]:
    """For an aim with a path: the figures of other systems and, if known, of a majority answer."""
    if not aim.path:
        return {}
    test, *rest = aim.path
    figures = {system: value(_at(of, rest)) for system, of in report["tests"][test].get("beside", {}).items()}
    majority = _at(report["tests"][test], [*rest[:-1], "majority", rest[-1]])
    return {**figures, "majority": 0.5 if rest[-1] == "auc" else majority}


def _at(tree: Any, path: Any, missing: Any = None) -> Any:
    for name in path:
        if not isinstance(tree, Mapping) or tree.get(name) is None:
            return missing
        tree = tree[name]
    return tree


def _both_classes(of: Mapping[str, Any]) -> bool:
    return bool(min(of.get("positives", 0), of.get("rows", 0) - of.get("positives", 0)) >= FEWEST)
