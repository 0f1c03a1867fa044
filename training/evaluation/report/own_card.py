"""The card of a model fine-tuned on a site's own comments, written by `parley train --data`.

write_own_card(artifact, base=base, found=metrics)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parley.model.artifact import Artifact
from parley.training.console import cell

TEMPLATE = """\
# {name} {version}

{base} fine-tuned on a site's own labelled comments. Written by `parley train --data` from the run's
metrics.json; no figure was typed, and no comment is quoted.

## Trained on

{train:,} rows of a file of the site's own (SHA-256 `{digest}`), labels: {labels}. Kept apart:
{dev:,} rows to calibrate on, {test:,} to judge by. What the file says nothing of was held to the base's
answers.

## On the site's own comments

The part not trained on, before (the base) and after.

{own}

## What it kept

On the same comments, against the base: how far scores moved, and what share of comments its thresholds now
decide otherwise. A label that the file doesn't teach should hardly move.

{kept}

## Thresholds

| label | threshold |
|---|---|
{thresholds}

Meant for what the base is meant for, and weak where it is: see the base's own card.
"""


def write_own_card(artifact: Artifact, *, base: Artifact, found: Mapping[str, Any], digest: str) -> None:
    """Write the artifact's README.md from the result of `fine_tune_on`."""
    rows = found["rows"]
    text = TEMPLATE.format(
        name=artifact.info["name"],
        version=artifact.info["version"],
        base=f"{base.info['name']} {base.info['version']}",
        digest=digest,
        labels=", ".join(label for label, of in found["kept"].items() if of["taught"]),
        own=_changes(found["own"]),
        kept=_kept(found["kept"]),
        thresholds="\n".join(f"| {label} | {at:.3f} |" for label, at in artifact.thresholds.items()),
        **rows,
    )
    artifact.card_file.write_text(text, encoding="utf-8")


def _changes(both: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for label, after in both["after"].items():
        before = both["before"].get(label, {})
        for name in ("macro_f1", "character_f1", "auc", "calibration_error"):
            if name in after:
                figures = f"{cell(before.get(name))} | {cell(after[name])}"
                lines.append(f"| {label} | {after['rows']} | {name.replace('_', ' ')} | {figures} |")
    if not lines:
        return "No row of that part has a label."
    return "\n".join(["| label | rows | figure | before | after |", "|---|---|---|---|---|", *lines])


def _kept(kept: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        f"| {label} | {'yes' if of['taught'] else 'no'} | {of['moved']:.3f} | {100 * of['flipped']:.1f} % |"
        for label, of in kept.items()
    ]
    head = ["| label | taught | mean move | decided otherwise |", "|---|---|---|---|"]
    return "\n".join([*head, *lines])
