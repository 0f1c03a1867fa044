"""The model card: written from the artifact's own files, so that it only states what was measured.

write_card(Artifact.open("model/artifacts/parley-minilm"))
"""

from __future__ import annotations

from typing import Any

from parley.model.artifact import Artifact
from parley.training.console import cell
from parley.training.errors import RunError
from parley.training.evaluation.aims import against_aims

WEAK = {
    "threat": "few strong rows in any public corpus; most of its rows are made up",
    "severe_toxicity": "very few human labels",
    "sexually_explicit": "few labels, and none of news comments",
}

LEADING = ("macro_f1", "character_f1", "auc")
"""A row's main figure: the first of these that it has."""


def write_card(artifact: Artifact) -> None:
    """Write the artifact's README.md. Raises RunError if it was not evaluated yet."""
    if not artifact.evaluation_file.is_file():
        raise RunError(f"{artifact.path} was not evaluated yet: run parley evaluate {artifact.path} --save")
    artifact.card_file.write_text(_text(artifact), encoding="utf-8")


TEMPLATE = """\
# {name} {version}

Small transformers (base: {base}) that label reader comments for abuse, spam, off-topic and stance.
Written by `parley evaluate --save` from artifact.json and evaluation.json beside it; no figure was typed.

## Meant for

English comments under news articles: to order a moderator's queue and to explain why. It is no judge: a
site's policy decides, and the one that comes with Parley only observes. Other languages get guesses.

## Weak spots

{weak}
- Off-topic is measured on comments put under other articles, and on made-up comments under made-up stories;
  real readers write in more ways beside the point.
- Stance is read from the beginning of a long comment, and a side is named only where it is likely right: see
  how often that is under "named sides". Sarcasm turns it round; of a plain question it should be none.
- `stories` and `story_comments` are dev rows, on which thresholds were set as well.

## Against the aims

{aims}

## Figures

{date}, through the served int8 path; 95 % bootstrap intervals, seed {seed}.
{tests}
## Trained on

| source | licence as stated | rows | weight | dropped: in a test or dev set |
|---|---|---|---|---|
{sources}

Made rows: {made}. Epochs: {epochs}; seed {training_seed}; code at commit {commit}.{started}{points}

## Int8 against full precision

{parity}.{figures_kept}
"""


def _text(artifact: Artifact) -> str:
    info, report = artifact.info, artifact.read_evaluation()
    training = info["training"]
    config = training["config"]
    return TEMPLATE.format(
        name=info["name"],
        version=info["version"],
        base=config["base"],
        weak="\n".join(f"- **{label}**: {why}." for label, why in WEAK.items()),
        date=report["created"][:10],
        seed=report["seed"],
        aims=_aims(report),
        tests="\n".join(_test(name, test) for name, test in report["tests"].items()),
        sources="\n".join(
            f"| {name} | {of['licence']} | {of['train']} | {of['weight']} | {of['leaks_train']} |"
            for name, of in training["sources"].items()
        ),
        made=", ".join(f"{count} {name}" for name, count in training["made"].items()),
        epochs=config["optimiser"]["epochs"],
        training_seed=config["seed"],
        commit=info["commit"],
        started=_started(training) + _taught(training),
        points=_points(config),
        figures_kept=_int8(report),
        parity=", ".join(f"{name.replace('_', ' ')} {value}" for name, value in info["parity"].items()),
    )


def _started(training: dict[str, Any]) -> str:
    """The artifact that the last stage of training started from, if any."""
    if not (first := training.get("started_from")):
        return ""
    return (
        f" The last stage went on from {first['name']} {first['version']} (commit {first['commit']}): "
        "sources that it didn't read again stand as that one read them."
    )


def _taught(training: dict[str, Any]) -> str:
    """The teacher, and its training data."""
    return "".join(
        f" It learnt from the answers of {of['name']} {of['version']} too (base {of['base']}, commit "
        f"{of['commit']}), which was trained on {', '.join(of['sources'])}."
        for of in training.get("teachers", ())
    )


def _points(config: dict[str, Any]) -> str:
    """The operating points of the run's configuration; sources with no rows above were read for them."""
    parts = []
    for label, point in config.get("thresholds", {}).items():
        kind, share = next((k, point[k]) for k in ("precision", "queue", "false_positives") if point[k])
        of = (
            f" of dev rows without the label, in each of {', '.join(point['sources'])}"
            if point["sources"]
            else ""
        )
        parts.append(f"{label} {kind.replace('_', ' ')} {share:g}{of}")
    return f" Operating points: {'; '.join(parts)}." if parts else ""


def _aims(report: dict[str, Any]) -> str:
    """The aims that were measured, reached or not, with what the baselines get."""
    rows = against_aims(report)
    systems = list(dict.fromkeys(system for row in rows for system in row.beside))
    words = {True: "yes", False: "**no**", None: ""}
    lines = [
        f"| {row.what} | {row.measured} | {cell(row.figure)} | {row.reach} | {words[row.reached]} | "
        + "".join(f"{cell(row.beside.get(system))} | " for system in systems)
        for row in rows
    ]
    head = "".join(f"{system} | " for system in systems)
    return "\n".join(
        [
            f"| what | measured on | figure | to reach | reached | {head}",
            "|---" * (5 + len(systems)) + "|",
            *lines,
        ]
    )


def _int8(report: dict[str, Any]) -> str:
    if not (found := report.get("int8")) or not found["figures"]:
        return ""
    gap, name = found["largest"][0]
    share = 100 * found["within"]
    return (
        f" Of {found['figures']} figures above, {share:.1f} % differ by at most {found['tolerance']}; "
        f"the largest gap is {gap:.4f} ({name})."
    )


def _test(name: str, test: dict[str, Any]) -> str:
    others = list(test.get("beside", {}))  # reports of older versions have neither this nor checks
    rows = [
        f"| {part} | {label} | {of['rows']} | {of.get('positives', '')} | {_figure(of)} | "
        + "".join(f"{_other(test['beside'][other], part, label, of)} | " for other in others)
        + f"{_threshold(of)} |"
        for part, labels in test["slices"].items()
        for label, of in labels.items()
    ]
    shows = f"{test['shows'].capitalize()}. " if test.get("shows") else ""
    head = [
        f"\n### {name}\n\n{shows}{test['rows']} rows{_drawn(test)}; licence: {test['licence']}.\n",
        "| slice | label | rows | positives | figure | "
        + "".join(f"{other} | " for other in others)
        + "at the threshold |",
        "|---" * (6 + len(others)) + "|",
    ]
    checks = [f"- {check}: {_check(found)}" for check, found in test.get("checks", {}).items()]
    return "\n".join([*head, *rows, *(["", *checks] if checks else []), ""])


def _drawn(test: dict[str, Any]) -> str:
    """Which rows were scored, if not all."""
    most = [f"at most {count} of {part}" for part, count in test.get("most", {}).items()]
    fewer = [
        f"{name} on {of['rows']}"
        for name, of in test.get("beside", {}).items()
        if of.get("rows", test["rows"]) < test["rows"]
    ]
    return "".join(f"; {words}" for words in (*most, *fewer))


def _other(other: dict[str, Any], part: str, label: str, mine: dict[str, Any]) -> str:
    """The other system's value of this row's main figure."""
    name = next((n for n in LEADING if n in mine), "")
    number = other["slices"].get(part, {}).get(label, {}).get(name)
    return "" if number is None else f"{number:.3f}"


def _check(found: dict[str, Any]) -> str:
    """A check's figures on one line; long lists (each identity term) stay in evaluation.json."""
    parts = []
    for name, value in found.items():
        if name == "terms":
            continue
        if isinstance(value, dict) and "value" in value:
            value = f"{value['value']:.3f} ({value['low']:.3f}–{value['high']:.3f})"
        elif isinstance(value, dict):
            value = f"({_check(value)})"
        elif isinstance(value, float):
            value = f"{value:.3f}"
        if value is not None:
            parts.append(f"{name.replace('_', ' ')} {value}")
    return ", ".join(parts)


def _figure(figures: dict[str, Any]) -> str:
    for name in LEADING:
        if name in figures:
            value = figures[name]
            text = f"{name.replace('_', '-')} {value['value']:.3f} ({value['low']:.3f}–{value['high']:.3f})"
            if name == "macro_f1":
                if side := figures.get("side_accuracy"):
                    text += f"; favor or against right: {side['value']:.3f}"
                if "none_auc" in figures:
                    text += f"; none AUC {figures['none_auc']:.3f}"
            return text + (
                f"; ECE {figures['calibration_error']:.3f}" if "calibration_error" in figures else ""
            )
    return f"one class only; ECE {figures['calibration_error']:.3f}"


def _threshold(figures: dict[str, Any]) -> str:
    if "threshold" not in figures:
        return ""
    return (
        f"{figures['threshold']:.2f}: precision {figures['precision']:.2f}, recall {figures['recall']:.2f}, "
        f"false positives {100 * figures['false_positive_rate']:.1f} %"
    )
