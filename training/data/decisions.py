"""Reads a site's own labelled comments: the CSV of `parley feedback export`, or any with these columns.

    text                           the comment; the other columns may be missing, or empty in a row
   article.title, article.text    its article
    target, stance                 favor, against or none towards the target (by default the article's title)
   toxicity, insult, spam, ...    a column for each label that was decided: from 0 (no) to 1 (yes), yes or no,
                                   true or false
    off_topic                      likewise, for the comment under its article

    own = read_own(Path("decisions.csv"), "train")

A text always belongs to the same part (training, calibration ("dev") or test), even as the file grows, so no
command evaluates on rows that another has trained on.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from parley.model.labels import COMMENT_LABELS, OFF_TOPIC, STANCES
from parley.training.data.examples import Example
from parley.training.data.files import table
from parley.training.data.leaks import fingerprint
from parley.training.data.registry import Split, part
from parley.training.errors import DataError

OWN = "own data"
"""The source name of a site's rows."""
DEV = TEST = 0.15
"""The shares of the texts for calibration and for testing."""
LABELS = (*COMMENT_LABELS, OFF_TOPIC)
KNOWN = ("text", "article.title", "article.text", "target", "stance", *LABELS)
UNUSED = ("id", "article.id", "article.url", "parent.text", "language")
"""Columns of an export that are not used here."""
_WORDS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}


@dataclass(frozen=True, slots=True)
class OwnData:
    """The examples of one part of a file, and notes on what could not be used."""

    examples: list[Example]
    notes: tuple[str, ...]


def read_own(path: Path, split: Split | None) -> OwnData:
    """The rows of `path` that are in `split` (None: all). Raises DataError."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; `parley feedback export -o {path}` writes one")
    rows = list(table(path))
    columns = list(rows[0]) if rows else []
    if "text" not in columns:
        raise DataError(
            f"{path}: {'no column named text' if rows else 'no rows'}; "
            f"a CSV with the columns text and labels ({', '.join(LABELS)}) is needed"
        )
    _refuse_misspelt(path, columns)
    notes = []
    if stray := [c for c in columns if c and c not in (*KNOWN, *UNUSED)]:
        notes.append(f"columns not used: {', '.join(stray)}; labels are {', '.join((*LABELS, 'stance'))}")
    examples, without_article = [], 0
    for line, row in enumerate(rows, start=2):
        text = row["text"].strip()
        if not text:
            continue
        example, skipped = _example(row, text, f"{path}: row {line}")
        without_article += skipped
        if split is None or part(fingerprint(text).hex(), dev=DEV, test=TEST) == split:
            examples.append(example)
    if without_article:
        notes.append(f"{without_article} rows have off_topic but no article.title: that label is skipped")
    return OwnData(examples, tuple(notes))


def _refuse_misspelt(path: Path, columns: Sequence[str | None]) -> None:
    """Raises DataError for a misspelt label column, which would go unnoticed until the model is in use."""
    missing = [name for name in KNOWN if name not in columns]
    for column in columns:
        if not column or column in (*KNOWN, *UNUSED):
            continue
        plain = re.sub(r"[\W_]+", "_", column.strip().lower()).strip("_")
        near = difflib.get_close_matches(plain, [name.replace(".", "_") for name in missing], 1, cutoff=0.87)
        if near:
            meant = next(name for name in missing if name.replace(".", "_") == near[0])
            raise DataError(
                f"{path}: column {column!r}: did you mean {meant!r}? Rename the column, or remove it"
            )


def read_part(path: Path, split: Split | None, *, why: str) -> OwnData:
    """As `read_own`, but raises DataError if no row has a label; `why` says what the rows are for."""
    own = read_own(path, split)
    if not any(e.labels or e.stance or e.off_topic is not None for e in own.examples):
        raise DataError(
            f"{path}: no labelled rows {why}; "
            + (
                "give more rows"
                if split is None or split == "train"
                else "give more rows, or --whole to use all"
            )
        )
    return own


def _example(row: dict[str, str], text: str, place: str) -> tuple[Example, bool]:
    """The row as an example, and whether its off_topic was skipped for lack of an article."""
    title = (row.get("article.title") or "").strip()
    article = "\n".join(part for part in (title, (row.get("article.text") or "").strip()) if part)
    labels = dict(_labels(row, place))
    off_topic = labels.pop(OFF_TOPIC, None)
    target = (row.get("target") or "").strip() or title
    stance = (row.get("stance") or "").strip().lower() or None
    if stance is not None and stance not in STANCES:
        raise DataError(f"{place}: stance must be one of {', '.join(STANCES)}, or empty")
    if stance is not None and not target:
        raise DataError(f"{place}: a stance needs a target or an article.title")
    example = Example(
        text=text,
        source=OWN,
        article=article or None,
        target=target or None,
        labels=labels,
        stance=stance,
        off_topic=off_topic if article else None,
    )
    return example, off_topic is not None and not article


def _labels(row: dict[str, str], place: str) -> Iterator[tuple[str, float]]:
    for label in LABELS:
        cell = (row.get(label) or "").strip().lower()
        if not cell:
            continue
        try:
            value = _WORDS.get(cell) if cell in _WORDS else float(cell)
        except ValueError:
            value = None
        if value is None or not 0.0 <= value <= 1.0:
            # The cell itself is not shown: in a shifted row it is a reader's text.
            raise DataError(
                f"{place}: {label} must be a number from 0 to 1, yes or no, true or false, "
                "or empty if nobody decided"
            )
        yield label, value
