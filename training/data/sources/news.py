"""Comments from news sites, labelled for abuse: toxic_spans, C3 and Impermium.

This is the kind of text that Parley serves, so the negatives in C3 and Impermium matter as much as the
positives: without them, the network would learn that comments on news are toxic.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from parley.training.data.examples import Example
from parley.training.data.files import table, unescape
from parley.training.data.registry import Split, part, source

Spans = tuple[tuple[int, int], ...]
_TSD: dict[str, Split] = {"tsd_train": "train", "tsd_trial": "dev", "tsd_test": "test"}


@source(
    "toxic_spans",
    folder="abuse/toxic_spans",
    licence="CC0",
    commercial=True,
    note="Civil Comments selected as toxic; rater shares by sub-type; spans",
)
def toxic_spans(folder: Path, split: Split, *, floor: float = 0.3) -> Iterator[Example]:
    """Reads DERIVED_civil_multilabel_16k.csv, tsd_{train,trial,test}.csv, annotations.csv and spans.csv.

    The comments were judged toxic before raters marked spans, so few marks mean "nothing to highlight" as
    often as "not toxic". Toxicity therefore runs from `floor` (no rater marks a span) to 1 (every rater
    does). The split is that of SemEval-2021 task 5.
    """
    gold = {
        row["text"]: _runs(json.loads(row["spans"]), len(row["text"]))
        for name in _TSD
        for row in table(folder / f"{name}.csv")
    }
    marked = _marks(folder)
    splits: dict[str, Split] = {"trial": "dev", "test": "test"}
    for row in table(folder / "DERIVED_civil_multilabel_16k.csv"):
        if splits.get(row["semeval_split"], "train") != split:
            continue
        text, share = row["comment_text"], float(row["any_span"])
        spans = gold.get(text)
        if spans is None:
            majority = _majority(marked[row["comment_id"]], float(row["n_raters"]), len(text))
            spans = majority if majority or share == 0.0 else None
        labels = {
            "toxicity": floor + (1.0 - floor) * share,
            "insult": float(row["insult"]),
            "profanity": float(row["obscene"]),
            "identity_attack": float(row["identity_attack"]),
            "threat": float(row["threat"]),
        }
        yield Example(text=text, source="toxic_spans", labels=labels, spans=spans)


def _marks(folder: Path) -> dict[str, list[set[int]]]:
    """By comment id, the set of characters marked by each annotation that marks any."""
    comment = {row["annotation"]: row["comment_id"] for row in table(folder / "annotations.csv")}
    marks: dict[str, set[int]] = defaultdict(set)
    for row in table(folder / "spans.csv"):
        marks[row["annotation"]].update(range(int(row["start"]), int(row["end"])))
    by_comment: dict[str, list[set[int]]] = defaultdict(list)
    for annotation, characters in marks.items():
        by_comment[comment[annotation]].append(characters)
    return by_comment


def _majority(marks: list[set[int]], raters: float, length: int) -> Spans:
    """The runs of characters that more than half of the raters marked."""
    votes = Counter(place for characters in marks for place in characters)
    return _runs((place for place, count in votes.items() if count > raters / 2), length)


def _runs(characters: Iterable[int], length: int) -> Spans:
    """Groups character positions into maximal (start, end) runs within a text of `length`."""
    runs: list[tuple[int, int]] = []
    for place in sorted(c for c in set(characters) if c < length):
        if runs and runs[-1][1] == place:
            runs[-1] = (runs[-1][0], place + 1)
        else:
            runs.append((place, place + 1))
    return tuple(runs)


@source(
    "c3",
    folder="offtopic/C3",
    licence="none stated",
    commercial=False,
    note="Globe and Mail comments, crowd toxicity 1 to 4; news-style negatives",
)
def c3(folder: Path, split: Split) -> Iterator[Example]:
    """Reads C3_anonymized.csv; split by article.

    The mean level becomes the probability that a reader calls it toxic: 1 (not toxic) is 0, 2 (mildly toxic)
    is 0.5, 3 (toxic) or more is 1. If every rater chose 1, the sub-types are 0 as well. Spam is always 0: the
    comments passed the paper's moderation.
    """
    for row in table(folder / "C3_anonymized.csv"):
        if part(row["article_id"], dev=0.1, test=0.1) != split:
            continue
        level, raters = float(row["crowd_toxicity_level"]), float(row["njudgements_toxicity_expt"])
        labels = {"toxicity": min(1.0, (level - 1.0) / 2.0), "spam": 0.0}
        if level == 1.0:
            labels |= dict.fromkeys(("severe_toxicity", "insult", "identity_attack", "threat"), 0.0)
        else:
            labels["insult"] = min(1.0, _votes(row["toxicity_characteristics"], "personal_attack") / raters)
        slice_ = "level 1" if level == 1.0 else "above 1"
        yield Example(
            text=row["comment_text"].strip(),
            source="c3",
            labels=labels,
            group=row["article_id"],
            slice=slice_,
        )


def _votes(counts: str, name: str) -> int:
    """How many raters chose `name` in a cell like "abusive:3\\nteasing:1"."""
    pairs = (line.rpartition(":") for line in counts.splitlines())
    return next((int(count) for key, _, count in pairs if key == name), 0)


@source(
    "impermium",
    folder="abuse/impermium_insults",
    licence="none stated",
    commercial=False,
    note="news-site comments, insults to other participants; noisy",
)
def impermium(folder: Path, split: Split) -> Iterator[Example]:
    """Reads train.csv (Insult, Date, Comment with literal escapes); a tenth each for dev and test."""
    for row in table(folder / "train.csv"):
        text = unescape(row["Comment"].strip().removeprefix('"').removesuffix('"')).strip()
        if text and part(text, dev=0.1, test=0.1) == split:
            yield Example(text=text, source="impermium", labels={"insult": float(row["Insult"])})
