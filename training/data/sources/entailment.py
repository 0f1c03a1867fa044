"""Entailment: does a premise entail a hypothesis? Stance is asked in the same form, with far fewer rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from parley.training.data.examples import NOT_ENTAILED, Example
from parley.training.data.files import json_lines
from parley.training.data.registry import Split, part, source

_STANCES = {
    "entailment": "favor",
    "contradiction": "against",
    "neutral": "none",
    "not_entailment": NOT_ENTAILED,
}
_LEFT_OUT = {"add_one_rte", "med", "qnli", "control", "mpe", "healthver_test"}
"""Sets skipped: made from templates, with questions as premises, of whole pages, or with markup in texts."""
_NOISY = {"joci", "climate_fever"}
_ENDS = (".", "!", "?", '"')


@source(
    "nli",
    folder="nli",
    licence="that of each set; sets that forbid commercial use are left out",
    commercial=False,
    note="20 sets of premises and hypotheses; entailment is favor, contradiction is against",
)
def nli(folder: Path, split: Split) -> Iterator[Example]:
    """Reads DERIVED_nli_en.jsonl.gz except the sets' test rows; dev is a hundredth of the premises.

    Noisy sets have weight 0.5. A hypothesis always ends with punctuation, which marks it as a claim.
    """
    if split == "test":
        return
    for row in json_lines(folder / "DERIVED_nli_en.jsonl.gz"):
        if row["nc"] or row["split"] == "test" or row["src"] in _LEFT_OUT:
            continue
        premise, hypothesis = row["premise"].strip(), row["hypothesis"].strip()
        stance = _STANCES[row["label"]]
        if not (premise and hypothesis) or part(premise, dev=0.01) != split:
            continue
        if split == "dev" and stance == NOT_ENTAILED:
            continue  # two of the three answers may be right, so it can't be measured
        yield Example(
            text=premise,
            source="nli",
            target=hypothesis if hypothesis.endswith(_ENDS) else f"{hypothesis}.",
            stance=stance,
            weight=0.5 if row["src"] in _NOISY else 1.0,
            group=premise,
            slice=row["src"],
        )
