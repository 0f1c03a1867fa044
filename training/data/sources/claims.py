"""Stance of written arguments, sentences and articles towards a claim, a motion or a headline."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from parley.training.data.examples import Example
from parley.training.data.files import table
from parley.training.data.registry import Split, part, source

_HOUSE = re.compile(r"^This house (?:believes that |would )?", re.IGNORECASE)


@source(
    "ibm30k",
    folder="stance/IBM30k",
    licence="none stated",
    commercial=False,
    note="crowd-written arguments on 71 motions, split by motion; no label none, so cap it",
)
def ibm30k(folder: Path, split: Split) -> Iterator[Example]:
    """Reads raw_{train,val,test}_all_onecol.csv."""
    name = {"train": "train", "dev": "val", "test": "test"}[split]
    for row in table(folder / f"raw_{name}_all_onecol.csv"):
        target, stance = row["Target 1"], row["Stance 1"].lower()
        yield Example(text=row["Tweet"], source="ibm30k", target=target, stance=stance, group=target)


@source(
    "iam",
    folder="stance/IAM",
    licence="none stated",
    commercial=False,
    note="claims found in articles, towards a question; no label none",
)
def iam(folder: Path, split: Split) -> Iterator[Example]:
    """Reads {train,dev,test}.txt, tab-separated without a header: C, question, claim, article, 1 or -1."""
    header = ("kind", "target", "text", "article", "stance")
    for row in table(folder / f"{split}.txt", delimiter="\t", header=header, quoting=3):
        stance = "favor" if row["stance"].strip() == "1" else "against"
        target = row["target"].strip().rstrip("?") + "?"
        yield Example(text=row["text"], source="iam", target=target, stance=stance, group=target)


@source(
    "perspectrum",
    folder="stance/Perspectrum",
    licence="CC BY-SA 4.0",
    commercial=True,
    note="short perspectives on claims, with paraphrases; no label none",
)
def perspectrum(folder: Path, split: Split) -> Iterator[Example]:
    """Reads perspectrum_with_answers_v1.0.json, perspective_pool_v1.0.json and dataset_split_v1.0.json."""
    splits = _json(folder / "dataset_split_v1.0.json")
    pool = {row["pId"]: row["text"] for row in _json(folder / "perspective_pool_v1.0.json")}
    stances = {"SUPPORT": "favor", "UNDERMINE": "against"}
    for claim in _json(folder / "perspectrum_with_answers_v1.0.json"):
        if splits[str(claim["cId"])] != split:
            continue
        target = claim["text"]
        for cluster in claim["perspectives"]:
            stance = stances.get(cluster["stance_label_3"])
            for number in cluster["pids"] if stance else ():
                yield Example(
                    text=pool[number], source="perspectrum", target=target, stance=stance, group=target
                )


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@source(
    "ibm_claims",
    folder="stance/IBM-ClaimStance",
    licence="none stated",
    commercial=False,
    note="claims from Wikipedia towards a motion, and towards what the motion is about",
)
def ibm_claims(folder: Path, split: Split) -> Iterator[Example]:
    """Reads claim_stance_dataset_v1.clean.csv; dev is a tenth of the motions in its train part.

    If a motion is against its subject (a ban), the stance towards the subject is the opposite one.
    """
    for row in table(folder / "claim_stance_dataset_v1.clean.csv"):
        if ("test" if row["split"] == "test" else part(row["topicText"])) != split:
            continue
        pro = row["claims.stance"] == "PRO"
        motion = _HOUSE.sub("", row["topicText"])
        for target, favors in ((motion, pro), (row["topicTarget"], pro == (row["topicSentiment"] == "1"))):
            yield Example(
                text=row["claims.claimCorrectedText"],
                source="ibm_claims",
                target=target,
                stance="favor" if favors else "against",
                group=row["topicText"],
            )


@source(
    "gwsd",
    folder="stance/MAGPIE",
    licence="none stated",
    commercial=False,
    note="sentences of news on global warming",
)
def gwsd(folder: Path, split: Split) -> Iterator[Example]:
    """Reads 128_GWSD/preprocessed.csv; the only target is the statement that raters were asked about."""
    stances = {"0": "none", "1": "favor", "2": "against"}
    for row in table(folder / "128_GWSD" / "preprocessed.csv"):
        if part(row["text"], dev=0.1, test=0.1) == split:
            target = "Global warming is a serious concern"
            yield Example(text=row["text"], source="gwsd", target=target, stance=stances[row["label"]])


@source(
    "fnc1",
    folder="stance/FNC-1",
    licence="Apache-2.0",
    commercial=True,
    note="articles, not comments, towards a headline; cap it low",
)
def fnc1(folder: Path, split: Split) -> Iterator[Example]:
    """Reads train_stances_reconstructed.csv with train_bodies.csv; competition_test_* for test.

    Dev is a tenth of the articles. "discuss" and "unrelated" both become none.
    """
    stances = {"agree": "favor", "disagree": "against"}
    names = ("competition_test_bodies", "competition_test_stances")
    bodies, pairs = names if split == "test" else ("train_bodies", "train_stances_reconstructed")
    text = {row["Body ID"]: row["articleBody"] for row in table(folder / f"{bodies}.csv")}
    for row in table(folder / f"{pairs}.csv"):
        if split == "test" or part(row["Body ID"]) == split:
            stance = stances.get(row["Stance"], "none")
            body, target = text[row["Body ID"]], row["Headline"]
            yield Example(text=body, source="fnc1", target=target, stance=stance, group=row["Body ID"])
