"""Wikipedia talk-page comments labelled for Jigsaw's 2018 challenge, and tests derived from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from parley.training.data.examples import Example
from parley.training.data.files import table
from parley.training.data.registry import Split, part, source

_NAMES = {
    "toxic": "toxicity",
    "severe_toxic": "severe_toxicity",
    "obscene": "profanity",
    "threat": "threat",
    "insult": "insult",
    "identity_hate": "identity_attack",
}
_LICENCE = "annotation CC0, text CC BY-SA 3.0"


@source(
    "jigsaw_binary",
    folder="abuse/jigsaw_DERIVED_multilabel",
    licence=_LICENCE,
    commercial=True,
    note="toxic or not; those rows of the merged corpora that are in no test set",
)
def jigsaw_binary(folder: Path, split: Split) -> Iterator[Example]:
    """Reads jigsaw_binary_union.csv without the rows of RobTest and the unintended-bias test."""
    for row in table(folder / "jigsaw_binary_union.csv"):
        if row["src"] in ("khanhhk", "ak") and part(row["text"], dev=0.05) == split:
            labels = {"toxicity": float(row["toxic"])}
            yield Example(text=row["text"], source="jigsaw_binary", labels=labels)


@source(
    "jigsaw_multilabel",
    folder="abuse/jigsaw_DERIVED_multilabel",
    licence=_LICENCE,
    commercial=True,
    note="the six labels of 2018; threat and severe_toxic are rare",
)
def jigsaw_multilabel(folder: Path, split: Split) -> Iterator[Example]:
    """Reads jigsaw_multilabel_real.csv. Test: rows of the challenge's test set and a fifth of the rest."""
    for row in table(folder / "jigsaw_multilabel_real.csv"):
        text = row["comment_text"]
        test_side = row["src"] in ("nimmo_x_testlabels", "ibm_test_sample")
        if ("test" if test_side else part(text, dev=0.1, test=0.2)) == split:
            labels = {ours: float(row[theirs]) for theirs, ours in _NAMES.items()}
            yield Example(text=text, source="jigsaw_multilabel", labels=labels)


@source(
    "robtest",
    folder="abuse/jigsaw_robtest",
    licence="MIT (repository)",
    commercial=True,
    note="test of toxicity, balanced",
)
def robtest(folder: Path, split: Split) -> Iterator[Example]:
    """Reads test.csv, which has no header: text, label. Test only."""
    if split == "test":
        for row in table(folder / "test.csv", header=("text", "toxic")):
            yield Example(text=row["text"], source="robtest", labels={"toxicity": float(row["toxic"])})
