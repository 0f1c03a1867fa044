"""The HTML report of an evaluation or a calibration: tables, plots, and the worst errors.

    write_report(Path("report.html"), evaluation)

It is one file and needs no network. It quotes comments, and nothing else that evaluation writes does: keep it
on the machine that has the comments.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parley.model.labels import OFF_TOPIC, STANCES
from parley.training.console import cell
from parley.training.errors import RunError
from parley.training.evaluation.aims import against_aims
from parley.training.evaluation.evaluate import Evaluation
from parley.training.evaluation.figures import Row
from parley.training.evaluation.operating_points import CURVE
from parley.training.evaluation.report import plots
from parley.training.evaluation.served_path import known

WORST = 8
"""The most errors shown of each kind, for each label of each test."""
HEADLINE = ("macro_f1", "character_f1", "auc", "accuracy")
"""The first of these that a label has is its main figure."""


@dataclass(frozen=True, slots=True)
class Error:
    """A comment that the model got wrong; errors are sorted by `sure`, the most confident first."""

    kind: str
    text: str
    about: str
    said: str
    sure: float


def write_report(path: Path, evaluation: Evaluation) -> None:
    """Write the report of an evaluation. Raises RunError if the extra `report` is missing."""
    report = evaluation.report
    tests = [
        {
            "name": name,
            **test,
            "table": list(table(test)),
            "reliability": plots.reliability(_bins(test["slices"]["all"]))
            if _bins(test["slices"]["all"])
            else "",
            "errors": {
                label: errors
                for label in _labels(rows)
                if (errors := worst(rows, label, evaluation.thresholds))
            },
        }
        for name, test in report["tests"].items()
        for rows in [evaluation.rows[name]]
    ]
    leading = [
        (f"{name}: {label} {_leading(figures)}", figures[_leading(figures)])
        for name, test in report["tests"].items()
        for label, figures in test["slices"]["all"].items()
        if isinstance(figures.get(_leading(figures)), dict)
    ]
    _write(
        path,
        "evaluation.html",
        report=report,
        aims=against_aims(report),
        tests=tests,
        overview=plots.intervals(leading) if leading else "",
        script=plots.script(),
    )


def write_calibration(path: Path, figures: Mapping[str, Any], *, name: str) -> None:
    """Write a report on reliability before and after a calibration."""
    bins = {
        label: {"before": of["reliability_before"], "after": of["reliability"]}
        for label, of in figures.items()
        if "reliability" in of
    }
    plot = plots.reliability(bins) if bins else ""
    _write(
        path, "calibration.html", name=name, figures=figures, curve=CURVE, plot=plot, script=plots.script()
    )


def table(test: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row for each slice, cut and label, with the figures of the artifact and of other systems."""
    for kind in ("slices", "cuts"):
        for part, labels in test[kind].items():
            for label, figures in labels.items():
                name = _leading(figures)
                yield {
                    "part": part,
                    "label": label,
                    "figures": figures,
                    "name": name.replace("_", "-"),
                    "leading": figures.get(name),
                    "majority": figures.get("majority", {}).get(name, 0.5 if name == "auc" else None),
                    "beside": {
                        system: of["slices"].get(part, {}).get(label, {}).get(name)
                        if kind == "slices"
                        else None
                        for system, of in test["beside"].items()
                    },
                }


def _leading(figures: Mapping[str, Any]) -> str:
    return next((name for name in HEADLINE if name in figures), "accuracy")


def _bins(labels: Mapping[str, Any]) -> dict[str, dict[str, plots.Bins]]:
    return {label: {"score": of["reliability"]} for label, of in labels.items() if "reliability" in of}


def _labels(rows: Sequence[Row]) -> list[str]:
    asked = [OFF_TOPIC] if any(e.off_topic is not None for e, _ in rows) else []
    return [*known(e for e, _ in rows), *asked, *(["stance"] if any(e.stance for e, _ in rows) else [])]


def worst(rows: Sequence[Row], label: str, thresholds: Mapping[str, float]) -> list[Error]:
    """The most confident errors, at most WORST of each kind."""
    errors = sorted(
        _stance_errors(rows) if label == "stance" else _errors(rows, label, thresholds), key=_surest
    )
    kinds = dict.fromkeys(error.kind for error in errors)
    return [error for kind in kinds for error in [e for e in errors if e.kind == kind][:WORST]]


def _surest(error: Error) -> float:
    return -error.sure


def _errors(rows: Sequence[Row], label: str, thresholds: Mapping[str, float]) -> Iterator[Error]:
    for example, prediction in rows:
        given = prediction.score(label)
        if label == OFF_TOPIC:
            truth, about = example.off_topic, example.article or ""
        else:
            truth, about = example.labels.get(label), ""
        if truth is None or given is None or (given >= thresholds[label]) == (truth >= 0.5):
            continue
        kind = "false positive" if truth < 0.5 else "false negative"
        yield Error(kind, example.text, about, f"score {given:.2f}, label {truth:.2f}", abs(given - truth))


def _stance_errors(rows: Sequence[Row]) -> Iterator[Error]:
    for example, prediction in rows:
        given = prediction.stance
        if given and example.stance and given.likeliest != example.stance:
            sure = max(getattr(given, name) for name in STANCES)
            kind = f"{example.stance}, mistaken for {given.likeliest}"
            yield Error(kind, example.text, example.target or "", f"{sure:.2f}", sure)


def _write(path: Path, template: str, **values: Any) -> None:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise RunError(
            "the HTML report needs plotly and jinja2: pip install 'parley-moderation[report]'"
        ) from error
    environment = Environment(
        loader=PackageLoader("parley.training.evaluation.report", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["number"] = cell
    text = environment.get_template(template).render(**values)
    # Readable only by the owner, since it quotes readers.
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
