"""The model card: written from the artifact's own files, so that it can't say what wasn't measured.

write_card(Artifact.open("model/artifacts/parley-minilm"))
"""

from __future__ import annotations

from typing import Any

from model.artifact import Artifact
from training.errors import RunError

WEAK = {
    "threat": "few strong rows in any public corpus",
    "severe_toxicity": "very few human labels",
    "sexually_explicit": "few labels, and none of news comments",
}


def write_card(artifact: Artifact) -> None:
    """Writes README.md of the artifact. Raises RunError where it was not evaluated yet."""
    if not artifact.evaluation_file.is_file():
        raise RunError(f"{artifact.path} was not evaluated yet: run parley evaluate {artifact.path} --save")
    artifact.card_file.write_text(_text(artifact), encoding="utf-8")


TEMPLATE = """\
# {name} {version}

One small transformer (base: {base}) that labels reader comments for abuse, spam, off-topic and stance.
Written by `parley evaluate --save` from artifact.json and evaluation.json beside it; no figure was typed.

## Meant for

English comments under news articles: to order a moderator's queue and to explain why. It is no judge: a
site's policy decides, and the one that comes with Parley only observes. Other languages get guesses.

## Weak spots

{weak}
- Off-topic is measured on comments put under other debates' articles, which is easier than what readers
  really write beside the point.
- Stance is read from the beginning of a long comment, and sarcasm turns it round.

## Figures

{date}, through the served int8 path; 95 % bootstrap intervals, seed {seed}.
{tests}
## Trained on

| source | licence as stated | rows | weight | dropped: in a test or dev set |
|---|---|---|---|---|
{sources}

Made negatives: {made}. Epochs: {epochs}; seed {training_seed}; code at commit {commit}.

## Int8 against full precision

{parity}.
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
        tests="\n".join(_test(name, test) for name, test in report["tests"].items()),
        sources="\n".join(
            f"| {name} | {of['licence']} | {of['train']} | {of['weight']} | {of['leaks_train']} |"
            for name, of in training["sources"].items()
        ),
        made=", ".join(f"{count} {name}" for name, count in training["made"].items()),
        epochs=config["optimiser"]["epochs"],
        training_seed=config["seed"],
        commit=info["commit"],
        parity=", ".join(f"{name.replace('_', ' ')} {value}" for name, value in info["parity"].items()),
    )


def _test(name: str, test: dict[str, Any]) -> str:
    rows = [
        f"| {part} | {label} | {of['rows']} | {of.get('positives', '')} | {_figure(of)} | {_threshold(of)} |"
        for part, labels in test["slices"].items()
        for label, of in labels.items()
    ]
    head = [
        f"\n### {name}\n\n{test['rows']} rows; licence: {test['licence']}.\n",
        "| slice | label | rows | positives | figure | at the threshold |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows, ""])


def _figure(figures: dict[str, Any]) -> str:
    for name in ("macro_f1", "character_f1", "auc"):
        if name in figures:
            value = figures[name]
            text = f"{name.replace('_', '-')} {value['value']:.3f} ({value['low']:.3f}–{value['high']:.3f})"
            if name == "macro_f1":
                if side := figures["side_accuracy"]:
                    text += f"; favor or against right: {side['value']:.3f}"
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
