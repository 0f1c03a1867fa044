"""Corpora for testing only: bias by identity term and dialect, context, sharp but allowed remarks.

Also the functional cases in the repository (training/data/cases).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from parley.training.data.examples import Example
from parley.training.data.files import json_lines, table
from parley.training.data.registry import Split, source


@source(
    "unintended_bias",
    folder="abuse/unintended_bias",
    licence="Apache-2.0",
    commercial=True,
    note="bias test: Wikipedia comments and templates over identity terms",
)
def unintended_bias(folder: Path, split: Split) -> Iterator[Example]:
    """Reads toxicity_nonfuzzed_testset.csv, bias_madlibs_77k.csv and intersectional_madlibs.csv as slices."""
    if split != "test":
        return
    for name, file, text, label, toxic in (
        ("nonfuzzed", "toxicity_nonfuzzed_testset.csv", "comment", "toxic", "True"),
        ("madlibs", "bias_madlibs_77k.csv", "Text", "Label", "BAD"),
        ("intersectional", "intersectional_madlibs.csv", "phrase", "toxicity", "toxic"),
    ):
        for row in table(folder / file):
            labels = {"toxicity": float(row[label] == toxic)}
            yield Example(text=row[text], source="unintended_bias", labels=labels, slice=name)


@source(
    "twitter_aae_dialect",
    folder="abuse/twitter_aae_dialect",
    licence="none stated",
    commercial=False,
    note="bias test by dialect: Davidson's tweets, African-American English or not",
)
def twitter_aae_dialect(folder: Path, split: Split) -> Iterator[Example]:
    """Reads test.csv; the slice is the strict dialect label, AAE or SAE."""
    if split == "test":
        for row in table(folder / "test.csv"):
            labels = {"toxicity": float(row["label"])}
            slice_ = row["dialect_strict"]
            yield Example(text=row["tweet"], source="twitter_aae_dialect", labels=labels, slice=slice_)


@source(
    "context_toxicity",
    folder="abuse/context_toxicity",
    licence="Apache-2.0",
    commercial=True,
    note="test of false positives: few toxic rows, judged with and without the parent",
)
def context_toxicity(folder: Path, split: Split) -> Iterator[Example]:
    """Reads gc.csv (raters saw the parent), gn.csv (they didn't) and cat_small.csv (labels in context)."""
    if split != "test":
        return
    for name, label in (("gc", "label"), ("gn", "label"), ("cat_small", "label_ic")):
        for row in table(folder / f"{name}.csv"):
            labels = {"toxicity": float(row[label])}
            yield Example(text=row["text"], source="context_toxicity", labels=labels, slice=name)


@source(
    "unhealthy",
    folder="abuse/unhealthy",
    licence="CC BY-NC-SA 4.0",
    commercial=False,
    note="sharp but allowed remarks under news: a test, and dev rows for thresholds; never trained on",
)
def unhealthy(folder: Path, split: Split) -> Iterator[Example]:
    """Reads val.csv (dev) and test.csv. A hostile comment is toxic, any other healthy one is not."""
    if split == "train":
        return
    for row in table(folder / ("test.csv" if split == "test" else "val.csv")):
        healthy, hostile = row["healthy"] == "1", row["hostile"] == "1"
        labels = {"toxicity": 0.0} if healthy and not hostile else {"toxicity": 1.0} if hostile else {}
        slice_ = "healthy" if healthy else "unhealthy"
        yield Example(text=row["comment"], source="unhealthy", labels=labels, slice=slice_)


@source(
    "stance_cases",
    folder="cases",
    licence="Apache-2.0",
    commercial=True,
    note="functional test of stance: 16 functions; written for Parley",
)
def stance_cases(folder: Path, split: Split) -> Iterator[Example]:
    """Reads stance_cases.jsonl; the slice is the function."""
    for row in json_lines(folder / "stance_cases.jsonl") if split == "test" else ():
        yield Example(
            text=row["text"],
            source="stance_cases",
            article=row["title"],
            target=row["target"],
            stance=row["label"],
            slice=row["function"],
        )


@source(
    "abuse_cases",
    folder="cases",
    licence="Apache-2.0",
    commercial=True,
    note="functional test of abuse: pairs with similar wording, one of them abusive; written for Parley",
)
def abuse_cases(folder: Path, split: Split) -> Iterator[Example]:
    """Reads abuse_cases.jsonl; the slice is the function."""
    for row in json_lines(folder / "abuse_cases.jsonl") if split == "test" else ():
        labels = {name: float(row[name]) for name in ("toxicity", "insult", "threat")}
        yield Example(text=row["text"], source="abuse_cases", labels=labels, slice=row["function"])


@source(
    "hidden_insults",
    folder="cases",
    licence="Apache-2.0",
    commercial=True,
    note="insults, threats and polite abuse, to be hidden among harmless words; written for Parley",
)
def hidden_insults(folder: Path, split: Split) -> Iterator[Example]:
    """Reads hidden_insults.jsonl, each text on its own; the slice is its kind."""
    for row in json_lines(folder / "hidden_insults.jsonl") if split == "test" else ():
        labels = {"toxicity": 1.0}
        yield Example(text=row["text"], source="hidden_insults", labels=labels, slice=row["kind"])


@source(
    "harmless_long",
    folder="cases",
    licence="Apache-2.0",
    commercial=True,
    note="harmless comments of 225 words and more, alone and joined in pairs; written for Parley",
)
def harmless_long(folder: Path, split: Split) -> Iterator[Example]:
    """Reads harmless_long.jsonl; the slice is `alone`, or `joined` for two comments in one."""
    texts = [row["text"] for row in json_lines(folder / "harmless_long.jsonl")] if split == "test" else []
    for kind, of in (
        ("alone", texts),
        ("joined", [f"{a} {b}" for a, b in pairwise(texts)]),
    ):
        for text in of:
            yield Example(text=text, source="harmless_long", labels={"toxicity": 0.0}, slice=kind)
