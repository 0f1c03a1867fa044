"""How good the labels are on news stories and functional cases, next to release 0.4.0.

    python -m benchmarks.news [ARTIFACT] [--data-dir ../shared/data] [--json OUT]

Runs the served int8 network. All texts are in the repository; with C3 in the data folder, insults are hidden
in its long comments as well. Thresholds were fitted on the stories' dev pairs too, so this compares
artifacts; judging one takes other stories. `parley evaluate` includes the same figures. Those of 0.4.0,
measured by this code, are in benchmarks/news-0.4.0.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from parley.model import Article, Classifier, Comment
from parley.model.artifact import DEFAULT
from parley.model.comment import Predictor
from parley.training.data.preparation import SourceSpec, load
from parley.training.data.sources import SOURCES
from parley.training.evaluation.aims import NEWS, AimResult, against
from parley.training.evaluation.evaluate import figures_of
from parley.training.evaluation.figures import value
from parley.training.evaluation.served_path import predict
from parley.training.evaluation.suite import SUITE

BASELINE = Path(__file__).with_name("news-0.4.0.json")
TESTS = (
    *("stories", "story_comments", "story_replies", "stance_cases", "abuse_cases", "hidden_insults"),
    *("harmless_long", "c3"),
)
EXAMPLE = Comment(
    text="Close it already. Whoever still wants cars on that bridge is a complete idiot.",
    article=Article(title="Council votes to close Old Mill Bridge to cars"),
    target="closing the bridge to cars",
)
"""The README's example: in favor of closing the bridge, insulting, on topic."""


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("artifact", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--data-dir", type=Path, default=Path("../shared/data"))
    parser.add_argument("--threads", type=int, help="default: every core")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here as well")
    given = parser.parse_args()
    classifier = Classifier.load(given.artifact, threads=given.threads)
    report = measure(classifier, classifier.thresholds, given.data_dir)
    report["artifact"] = {name: classifier.info[name] for name in ("name", "version")}
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    show(report, json.loads(BASELINE.read_text(encoding="utf-8")), Console())


def measure(
    classifier: Predictor, thresholds: Mapping[str, float], data_dir: Path, names: tuple[str, ...] = TESTS
) -> dict[str, Any]:
    """The figures for each aim on news and each function of the cases, and the answers to the example."""
    tests: dict[str, Any] = {}
    for name in names:
        if not SOURCES[name].locate(data_dir):
            continue
        examples = load([SourceSpec(name=name)], data_dir, SUITE[name].split)
        checks = dict(SUITE[name].checks)
        if name == "c3":  # used here only for its long comments
            examples = [e for e in examples if len(e.text.split()) >= 200]
            checks.pop("harmless flagged")
        rows = list(zip(examples, predict(classifier, examples), strict=True))
        tests[name] = figures_of(rows, checks, classifier, thresholds, intervals=True)
    reached = [row for aim in NEWS if (row := against(aim, {"tests": tests})) is not None]
    return {
        "figures": [_as_json(row) for row in reached],
        "functions": {
            name: {part: _accuracy(of) for part, of in tests[name]["slices"].items()}
            for name in ("stance_cases", "abuse_cases")
            if name in tests
        },
        "example": _example(classifier, thresholds),
    }


def _as_json(row: AimResult) -> dict[str, Any]:
    figure = row.figure if isinstance(row.figure, dict) else {"value": row.figure}
    return {
        "what": row.what,
        "measured": row.measured,
        **{name: None if number is None else round(number, 4) for name, number in figure.items()},
        "reach": row.reach,
        "reached": row.reached,
    }


def _accuracy(labels: Mapping[str, Any]) -> float | None:
    """The accuracy on the label that the cases test."""
    of = labels.get("stance") or labels.get("toxicity") or {}
    number = value(of.get("accuracy"))
    return None if number is None else round(number, 4)


def _example(classifier: Predictor, thresholds: Mapping[str, float]) -> dict[str, bool]:
    (answer,) = classifier.predict([EXAMPLE])
    assert answer.stance is not None
    assert answer.off_topic is not None
    return {
        "favors the closing": answer.stance.label == "favor",
        "toxic": answer.abuse["toxicity"] >= thresholds["toxicity"],
        "insult": answer.abuse["insult"] >= thresholds["insult"],
        "on topic": answer.off_topic < thresholds["off_topic"],
    }


def show(report: Mapping[str, Any], baseline: Mapping[str, Any], console: Console) -> None:
    """Print the table: each figure with its interval, next to the baseline's and the aim."""
    known = {(row["what"], row["measured"]): row for row in baseline["figures"]}
    versions = [of.get("artifact", {}).get("version", "?") for of in (baseline, report)]
    table = Table("what", "measured on", *versions, "reach")
    for row in report["figures"]:
        before = known.get((row["what"], row["measured"]), {})
        mark = {True: "[green]", False: "[red]", None: ""}[row["reached"]]
        table.add_row(row["what"], row["measured"], _shown(before), mark + _shown(row), row["reach"])
    for name, right in report["example"].items():
        before = "right" if baseline["example"][name] else "wrong"
        table.add_row("the README's example", name, before, "right" if right else "[red]wrong", "right")
    for name, of in report["functions"].items():
        for function, share in of.items():
            before = baseline["functions"].get(name, {}).get(function)
            table.add_row(name, f"{function}: accuracy", _shown({"value": before}), _shown({"value": share}))
    console.print(table)


def _shown(row: Mapping[str, Any]) -> str:
    if row.get("value") is None:
        return ""
    interval = f" ({row['low']:.2f}–{row['high']:.2f})" if "low" in row else ""
    return f"{row['value']:.3f}{interval}"


if __name__ == "__main__":
    main()
