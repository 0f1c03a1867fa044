"""Offensive language on Reddit, Twitter and in chats: useful, but unlike comments on news."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

from parley.training.data.examples import Example
from parley.training.data.files import table, unmark
from parley.training.data.registry import Split, part, source

_DELETED = ("[deleted]", "[removed]", "")


@source(
    "hatexplain",
    folder="abuse/hatexplain",
    licence="MIT",
    commercial=True,
    note="tweets and Gab posts, hateful or offensive versus normal; lower case",
)
def hatexplain(folder: Path, split: Split) -> Iterator[Example]:
    """Reads hatexplain_processed.csv (tweet, label)."""
    for row in table(folder / "hatexplain_processed.csv"):
        if part(row["tweet"]) == split:
            labels = {"toxicity": float(row["label"])}
            yield Example(text=row["tweet"], source="hatexplain", labels=labels)


@source(
    "hasoc2019",
    folder="abuse/hasoc2019",
    licence="MIT (repository)",
    commercial=True,
    note="tweets: hateful, offensive, profane",
)
def hasoc2019(folder: Path, split: Split) -> Iterator[Example]:
    """Reads english_dataset.tsv (text, task_1, task_2)."""
    kinds = {
        "NONE": {"toxicity": 0.0, "identity_attack": 0.0, "profanity": 0.0},
        "HATE": {"toxicity": 1.0, "identity_attack": 1.0},
        "OFFN": {"toxicity": 1.0},
        "PRFN": {"toxicity": 1.0, "profanity": 1.0},
    }
    for row in table(folder / "english_dataset.tsv", delimiter="\t"):
        if part(row["text_id"]) == split and row["task_2"] in kinds:
            yield Example(text=unmark(row["text"]), source="hasoc2019", labels=kinds[row["task_2"]])


@source(
    "olid",
    folder="abuse/olid",
    licence="none stated",
    commercial=False,
    note="tweets: whether offensive, and whether aimed at a person",
)
def olid(folder: Path, split: Split) -> Iterator[Example]:
    """Reads olid-training-v1.0.tsv; testset-levela.tsv with labels-levela.csv for test."""
    if split == "test":
        header = ("id", "label")
        gold = {row["id"]: row["label"] for row in table(folder / "labels-levela.csv", header=header)}
        for row in table(folder / "testset-levela.tsv", delimiter="\t", quoting=3):
            labels = {"toxicity": float(gold[row["id"]] == "OFF")}
            yield Example(text=unmark(row["tweet"]), source="olid", labels=labels)
        return
    for row in table(folder / "olid-training-v1.0.tsv", delimiter="\t", quoting=3):
        if part(row["id"]) != split:
            continue
        offensive = row["subtask_a"] == "OFF"
        labels = {"toxicity": float(offensive)}
        if not offensive or row["subtask_b"] == "UNT" or row["subtask_c"] == "IND":
            labels["insult"] = float(offensive and row["subtask_c"] == "IND")
        yield Example(text=unmark(row["tweet"]), source="olid", labels=labels)


@source(
    "davidson",
    folder="abuse/davidson",
    licence="MIT",
    commercial=True,
    note="tweets collected with a lexicon of slurs; without the rows of the dialect test",
)
def davidson(folder: Path, split: Split) -> Iterator[Example]:
    """Reads labeled_data.csv. Rows in the test.csv or val.csv of twitter_aae_dialect are not trained on."""
    dialect = folder.parent / "twitter_aae_dialect"
    place: dict[str, Split] = {}
    for name, its in (("val", "dev"), ("test", "test")):
        place |= {row["Unnamed: 0"]: its for row in table(dialect / f"{name}.csv")}  # type: ignore[misc]
    if split == "test":
        return  # twitter_aae_dialect is the test
    for row in table(folder / "labeled_data.csv"):
        if place.get(row[""], "train") == split:
            raters, hate = float(row["count"]), float(row["hate_speech"])
            labels = {
                "identity_attack": hate / raters,
                "toxicity": (hate + float(row["offensive_language"])) / raters,
            }
            yield Example(text=unmark(row["tweet"]), source="davidson", labels=labels)


@source(
    "convabuse",
    folder="abuse/convabuse",
    licence="CC BY 4.0",
    commercial=True,
    note="messages to chatbots, severity and kind by experts; our best source on sexual harassment",
)
def convabuse(folder: Path, split: Split) -> Iterator[Example]:
    """Reads ConvAbuseEMNLP{train,valid,test}.csv; labels are shares of the experts who rated the message."""
    name = {"train": "train", "dev": "valid", "test": "test"}[split]
    for row in table(folder / f"ConvAbuseEMNLP{name}.csv"):
        text = row["user"].strip()
        judges = [
            k.partition("_")[0] for k, v in row.items() if k.endswith("is_abuse.1") and v not in ("", "nan")
        ]
        if not text or not judges:
            continue

        def share(*names: str, row: dict[str, str] = row, judges: list[str] = judges) -> float:
            return fmean(
                float(any(_yes(row.get(f"{judge}_{name}", "")) for name in names)) for judge in judges
            )

        abusive = share("is_abuse.-1", "is_abuse.-2", "is_abuse.-3")
        labels = {
            "toxicity": min(1.0, abusive + share("is_abuse.0") / 2.0),
            "severe_toxicity": share("is_abuse.-3"),
            "identity_attack": share("ableist", "homophobic", "racist", "sexist", "transphobic"),
            "sexually_explicit": share("sex_harassment"),
        }
        if not abusive:
            labels["insult"] = 0.0
        elif insult := share("intellectual"):
            labels["insult"] = insult
        yield Example(text=text, source="convabuse", labels=labels, group=row["conv_id"])


def _yes(cell: str) -> bool:
    return cell in ("1", "1.0")


@source(
    "wiki_automod",
    folder="abuse/wiki_ai_automod",
    licence="MIT",
    commercial=True,
    note="chat lines, and site descriptions that are sexually explicit or not",
)
def wiki_automod(folder: Path, split: Split) -> Iterator[Example]:
    """Reads toxic.csv, more_toxic.csv, non_toxic.csv and nsfw.csv (train.csv calls mere politics toxic)."""
    for name, label in (
        ("toxic", "toxicity"),
        ("more_toxic", "toxicity"),
        ("non_toxic", "toxicity"),
        ("nsfw", "sexually_explicit"),
    ):
        for row in table(folder / f"{name}.csv"):
            text = row["content"].strip()
            if text and row["rating"].strip() in ("0", "1") and part(text) == split:
                yield Example(
                    text=text, source="wiki_automod", labels={label: float(row["rating"])}, slice=name
                )


@source(
    "paradetox",
    folder="abuse/paradetox",
    licence="CC0",
    commercial=True,
    note="minimal pairs: a toxic sentence and the same put politely",
)
def paradetox(folder: Path, split: Split) -> Iterator[Example]:
    """Reads paradetox.tsv; both sentences of a pair are in the same split."""
    for row in table(folder / "paradetox.tsv", delimiter="\t", quoting=3):
        toxic = row["toxic"].strip()
        if not toxic or part(toxic) != split:
            continue
        for text, label in ((toxic, 1.0), (row["neutral1"].strip(), 0.0)):
            if text:
                yield Example(text=text, source="paradetox", labels={"toxicity": label}, group=toxic)


@source(
    "ruddit",
    folder="abuse/jigsaw_severity",
    licence="MIT (repository)",
    commercial=True,
    note="Reddit comments on a scale from supportive to offensive",
)
def ruddit(folder: Path, split: Split) -> Iterator[Example]:
    """Reads ruddit_with_text.csv; an offensiveness up to 0 (neutral) becomes 0, from 0.6 it becomes 1."""
    for row in table(folder / "ruddit_with_text.csv"):
        text = unmark(row["txt"])
        if text not in _DELETED and part(row["post_id"]) == split:
            score = min(1.0, max(0.0, float(row["offensiveness_score"]) / 0.6))
            yield Example(text=text, source="ruddit", labels={"toxicity": score}, group=row["post_id"])


@source(
    "snlp_detox",
    folder="abuse/snlp_detox",
    licence="none stated",
    commercial=False,
    note="sentences of comments, classified by machine; dev files only, since the test files overlap RobTest",
)
def snlp_detox(folder: Path, split: Split) -> Iterator[Example]:
    """Reads dev_toxic and dev_normal: one tokenised sentence per line."""
    for name, label in (("dev_toxic", 1.0), ("dev_normal", 0.0)):
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            text = re.sub(r" ([.,!?;:)])", r"\1", line.strip())
            if text and part(text) == split:
                yield Example(text=text, source="snlp_detox", labels={"toxicity": label})
