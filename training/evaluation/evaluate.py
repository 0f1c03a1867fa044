"""Scores an artifact on the test sets through the serving code, with an interval for each figure.

    evaluation = evaluate(Artifact.open(DEFAULT), {"robtest": examples, ...})
    evaluation.report        for `-o`, `--save` and the model card
    evaluation.rows          the rows behind the report, with their texts, for the worst errors

The report, as JSON:
    {"artifact": {name, version, commit, trained_on}, "created", "seed",
     "tests": {SOURCE: {"licence", "rows", "shows", "news",
                        "slices": {SLICE: {LABEL: figures}},     "all", and the source's own slices
                        "cuts": {CUT: {LABEL: figures}},         by length, and rows that name an identity
                        "checks": {CHECK: figures},              bias, swaps, disguises: see evaluation.checks
                        "beside": {SYSTEM: {"rows", "slices": ..., "checks": ...,
                                            "own": {SLICE: ...}}}}},     the artifact's, on the same rows
     "pooled": {"news" | "other": {LABEL: figures}},             all tests of that kind together
     "names": figures                                            first names swapped in the same sentence
     "int8": {"largest": [[GAP, FIGURE], ...], "within": share}} int8 against float, if float was scored
Figures are described in `parley.training.evaluation.figures`. The systems compared with (float, untuned,
tfidf: parley.training.evaluation.baselines) have the same tree without intervals. BESIDE limits the rows that
the networks among them score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from parley.model.artifact import Artifact
from parley.model.classifier import Classifier
from parley.model.comment import Predictor
from parley.training.data.decisions import OWN
from parley.training.data.examples import Example
from parley.training.data.sources import SOURCES
from parley.training.evaluation.checks import Check, Tested, cuts, names_swapped
from parley.training.evaluation.figures import SEED, Row, judge
from parley.training.evaluation.served_path import predict
from parley.training.evaluation.suite import SUITE, TESTS, Test, draw, trained_on

__all__ = ["SEED", "TESTS", "Evaluation", "evaluate"]

BESIDE = {"float": 4_000, "untuned": 1_000}
"""The most rows of a test, drawn by the seed, that another network scores."""
SMALLEST, FEWEST = 200, 20
"""The fewest rows, and rows of each class, to compare int8 with float: with fewer, one row makes a gap."""
TOLERANCE = 0.005
"""The allowed difference between a figure in int8 and in float."""
GAPS = ("auc", "average_precision", "macro_f1", "side_accuracy", "none_auc", "character_f1", "accuracy")
"""The figures compared between int8 and float; figures at a threshold would jump with a single score."""
_OWN = Test(shows="your own labelled comments", news=True)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A report, and the rows it was computed from."""

    report: dict[str, Any]
    rows: dict[str, list[Row]]
    thresholds: dict[str, float]


def evaluate(
    artifact: Artifact,
    tests: Mapping[str, Sequence[Example]],
    *,
    beside: Mapping[str, Predictor] | None = None,
    threads: int | None = None,
    on_progress: Callable[[int], object] | None = None,
) -> Evaluation:
    """The figures of `artifact` and of the other systems in `beside` on `tests` (examples by source name)."""
    classifier = Classifier.load(artifact.path, threads=threads)
    thresholds, info = classifier.thresholds, artifact.info
    report: dict[str, Any] = {
        "artifact": {key: info[key] for key in ("name", "version", "commit")}
        | {"trained_on": [spec.name for spec in trained_on(artifact)]},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": SEED,
        "tests": {},
    }
    rows: dict[str, list[Row]] = {}
    for name, examples in tests.items():
        test = _test(name)
        rows[name] = _ask(classifier, examples, on_progress)
        report["tests"][name] = {
            "licence": SOURCES[name].licence if name in SOURCES else "the site's own",
            "rows": len(examples),
            "most": dict(test.most),
            "shows": test.shows,
            "news": test.news,
            **figures_of(rows[name], test.checks, classifier, thresholds, intervals=True),
            "cuts": {cut: judge(of, thresholds) for cut, of in cuts(rows[name]).items()},
            "beside": {
                system: _beside(system, other, rows[name], test, thresholds, on_progress)
                for system, other in (beside or {}).items()
            },
        }
    report["pooled"] = _pooled(rows, report["tests"], thresholds)
    report["names"] = names_swapped(lambda e: predict(classifier, e), thresholds["toxicity"])
    if "float" in (beside or {}):
        report["int8"] = _int8_gaps(report["tests"])
    return Evaluation(report, rows, thresholds)


def _test(name: str) -> Test:
    return _OWN if name == OWN else SUITE.get(name, Test(shows=""))


def _beside(
    system: str,
    other: Predictor,
    own: Sequence[Row],
    test: Test,
    thresholds: Mapping[str, float],
    on_progress: Callable[[int], object] | None,
) -> dict[str, Any]:
    """The figures of another system for the labels that it predicts; the thresholds of baselines are 0.5.

    Networks score a sample of the rows and get no checks, which would score altered rows as well.
    """
    same = draw(own, BESIDE[system]) if system in BESIDE else own
    examples = [example for example, _ in same]
    mine = {part: judge(of, thresholds, intervals=False) for part, of in _slices(same)}
    if system != "float":
        thresholds = dict.fromkeys(thresholds, 0.5)
        examples = [replace(e, spans=None, labels={} if system == "untuned" else e.labels) for e in examples]
    asked = [
        e
        for e in examples
        if e.labels or e.spans is not None or e.stance or e.reply or e.off_topic is not None
    ]
    rows = _ask(other, asked, on_progress)
    if on_progress is not None:
        on_progress(len(own) - len(asked))
    return {
        "rows": len(asked),
        **figures_of(rows, test.checks if same is own else {}, other, thresholds, intervals=False),
        "own": mine,
    }


def _ask(
    system: Predictor, examples: Sequence[Example], on_progress: Callable[[int], object] | None
) -> list[Row]:
    return list(zip(examples, predict(system, examples, on_progress=on_progress), strict=True))


def figures_of(
    rows: Sequence[Row],
    checks: Mapping[str, Check],
    system: Predictor,
    thresholds: Mapping[str, float],
    *,
    intervals: bool,
) -> dict[str, Any]:
    """The figures of one test's rows by slice, and its checks, which run `system` on altered rows."""
    tested = Tested(rows, thresholds, lambda examples: predict(system, examples), intervals)
    judged = any(p.abuse for _, p in rows)
    results = {name: check(tested) for name, check in checks.items() if rows and (judged or _of_pairs(rows))}
    return {
        "slices": {part: judge(of, thresholds, intervals=intervals) for part, of in _slices(rows)},
        "checks": results,
    }


def _of_pairs(rows: Sequence[Row]) -> bool:
    """Whether the rows have off_topic labels and predictions."""
    return any(e.off_topic is not None and p.off_topic is not None for e, p in rows)


def _slices(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    yield "all", list(rows)
    for part in sorted({e.slice for e, _ in rows if e.slice}):
        yield part, [row for row in rows if row[0].slice == part]


def _pooled(
    rows: Mapping[str, Sequence[Row]], tests: Mapping[str, Any], thresholds: Mapping[str, float]
) -> dict[str, Any]:
    """The figures by label over all tests with comments on news, and over all others."""
    kinds = {"news": True, "other": False}
    pools = {
        kind: [row for name, of in rows.items() if tests[name]["news"] is news for row in of]
        for kind, news in kinds.items()
    }
    return {kind: judge(pool, thresholds) for kind, pool in pools.items() if pool}


def _int8_gaps(tests: Mapping[str, Any]) -> dict[str, Any]:
    """Int8 against float on the same rows: the largest gaps, and the share of gaps within TOLERANCE."""
    gaps = []
    for name, test in tests.items():
        beside = test["beside"]["float"]
        for part, labels in beside["own"].items():
            for label, figures in labels.items():
                positives = figures.get("positives", FEWEST)
                if figures["rows"] < SMALLEST or min(positives, figures["rows"] - positives) < FEWEST:
                    continue
                full = beside["slices"][part][label]
                gaps += [
                    (abs(figures[figure] - full[figure]), f"{name}, {part}: {label} {figure}")
                    for figure in GAPS
                    if figures.get(figure) is not None and full.get(figure) is not None
                ]
    gaps.sort(reverse=True)
    within = sum(gap <= TOLERANCE for gap, _ in gaps) / len(gaps) if gaps else None
    return {"tolerance": TOLERANCE, "within": within, "figures": len(gaps), "largest": gaps[:10]}
