"""Relevance judged by people: tests of off_topic that don't rely on swapped pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from parley.training.data.augmentation.pairs import headlines, swapped
from parley.training.data.examples import Example
from parley.training.data.files import table, unmark
from parley.training.data.registry import Split, source

_QUESTION_ANSWERING = "questions and answers from a Qatar forum, judged for relevance; test only"


@source(
    "appropriateness",
    folder="offtopic/appropriateness",
    licence="none stated",
    commercial=False,
    note="arguments on an issue, each rated for missing relevance by three experts; test only",
)
def appropriateness(folder: Path, split: Split) -> Iterator[Example]:
    """Reads appropriateness_corpus_mean.csv; off_topic is the share of experts who miss relevance."""
    if split != "test":
        return
    for row in table(folder / "appropriateness_corpus_mean.csv"):
        article = row["issue"].strip().rstrip(":").strip()
        off_topic = float(row["Missing Relevance"])
        yield Example(
            text=row["post_text"],
            source="appropriateness",
            article=article,
            off_topic=off_topic,
            group=article,
        )


@source(
    "cqa2015",
    folder="offtopic/SemEval2015-Task3-cQA",
    licence="none stated",
    commercial=False,
    note=_QUESTION_ANSWERING,
)
def cqa2015(folder: Path, split: Split) -> Iterator[Example]:
    """Reads CQA-QL-{devel,test}.xml; dialogue counts as off topic too, in a separate slice."""
    if split != "test":
        return
    values = {"Good": 0.0, "Potential": 0.5, "Dialogue": 1.0, "Bad": 1.0}
    for name in ("devel", "test"):
        for question in ElementTree.parse(folder / f"CQA-QL-{name}.xml").getroot().iter("Question"):
            article = _joined(question.findtext("QSubject"), question.findtext("QBody"))
            for comment in question.iter("Comment"):
                text, label = unmark(comment.findtext("CBody") or ""), comment.get("CGOLD", "")
                if text and label in values:
                    yield Example(
                        text=text,
                        source="cqa2015",
                        article=article,
                        off_topic=values[label],
                        group=question.get("QID"),
                        slice=label,
                    )


@source(
    "forum_pairs",
    folder="offtopic/SemEval2015-Task3-cQA",
    licence="none stated",
    commercial=False,
    note="test of off-topic on a forum never trained on: good answers under their own question and others",
)
def forum_pairs(folder: Path, split: Split) -> Iterator[Example]:
    """Reads the files of cqa2015: each answer judged good, and pairs with swapped questions and headlines."""
    good = [
        replace(e, source="forum_pairs", slice="true pair")
        for e in cqa2015(folder, split)
        if e.off_topic == 0.0
    ]
    yield from good
    yield from swapped(good, seed=0, headlines=headlines(folder.parents[1], split))


@source(
    "cqa2017",
    folder="offtopic/SemEval2017-cQA-subtaskA",
    licence="none stated",
    commercial=False,
    note=_QUESTION_ANSWERING,
)
def cqa2017(folder: Path, split: Split) -> Iterator[Example]:
    """Reads VAL-BASE.csv and TEST-BASE.csv (the column `feature` is the question's subject)."""
    if split != "test":
        return
    values = {"Good": 0.0, "PotentiallyUseful": 0.5, "Bad": 1.0}
    for name in ("VAL", "TEST"):
        for row in table(folder / f"{name}-BASE.csv"):
            article, text = _joined(row["feature"], row["question"]), unmark(row["answer"])
            if text and article and row["labels"] in values:
                yield Example(
                    text=text,
                    source="cqa2017",
                    article=article,
                    off_topic=values[row["labels"]],
                    group=article,
                    slice=row["labels"],
                )


def _joined(title: str | None, body: str | None) -> str:
    return f"{unmark(title or '')}\n{unmark(body or '')}".strip()
