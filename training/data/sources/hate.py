"""Identity attacks (sexism, racism and the like), with negatives that name the same groups.

"Not hateful" doesn't mean "not abusive": a corpus gives toxicity labels only if its non-hateful rows are
harmless too. From positives alone, a network would learn to recognise the corpus, not abuse.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from parley.training.data.examples import Example
from parley.training.data.files import json_lines, table, unmark
from parley.training.data.registry import Split, part, source


@source(
    "edos",
    folder="abuse/edos",
    licence="CC0",
    commercial=True,
    note="sexism on Reddit and Gab, with a category for threats",
)
def edos(folder: Path, split: Split) -> Iterator[Example]:
    """Reads data_edos_labelled_aggregated.csv, which has a column for the split."""
    for row in table(folder / "data_edos_labelled_aggregated.csv"):
        if row["split"] != split:
            continue
        sexist, kind = row["label_sexist"] == "sexist", row["label_category"][:1]
        labels = {"identity_attack": float(sexist)}
        if sexist:
            labels["threat"] = float(kind == "1")
        yield Example(text=row["text"], source="edos", labels=labels)


@source(
    "hatemoji",
    folder="abuse/hatemoji",
    licence="CC BY 4.0",
    commercial=True,
    note="adversarial hate with emoji in contrasting pairs; HatemojiCheck is the test",
)
def hatemoji(folder: Path, split: Split) -> Iterator[Example]:
    """Reads HatemojiBuild_train.csv and _validation.csv, and HatemojiCheck_test.csv as the test."""
    files = {
        "train": "HatemojiBuild_train.csv",
        "dev": "HatemojiBuild_validation.csv",
        "test": "HatemojiCheck_test.csv",
    }
    for row in table(folder / files[split]):
        hateful = float(row["label_gold"])
        labels = {"identity_attack": hateful, "toxicity": hateful}
        if hateful and split != "test":
            labels["threat"] = float(row["type"] == "threateninglanguage")
        slice_ = row["functionality"] if split == "test" else None
        yield Example(text=row["text"], source="hatemoji", labels=labels, slice=slice_)


@source(
    "stormfront",
    folder="abuse/vicomtech_stormfront",
    licence="CC BY-SA 3.0 ES",
    commercial=True,
    note="sentences from a white-supremacist forum, most of them without hate",
)
def stormfront(folder: Path, split: Split) -> Iterator[Example]:
    """Reads stormfront_joined.csv, without sentences that can't be judged alone. Test: the corpus's own."""
    for row in table(folder / "stormfront_joined.csv"):
        place = "test" if row["split"] == "sampled_test" else part(row["file_id"].split("_")[0])
        if place == split and row["label"] in ("hate", "noHate"):
            hate = float(row["label"] == "hate")
            labels = {"identity_attack": hate, "toxicity": hate}
            yield Example(text=row["text"], source="stormfront", labels=labels)


@source(
    "gab",
    folder="abuse/gab_hate_corpus",
    licence="MIT (repository)",
    commercial=True,
    note="Gab posts: human degradation, calls for violence, vulgarity",
)
def gab(folder: Path, split: Split) -> Iterator[Example]:
    """Reads dev.jsonl (for train and dev) and test.jsonl."""
    for row in json_lines(folder / ("test.jsonl" if split == "test" else "dev.jsonl")):
        if split != "test" and part(str(row["text_id"])) != split:
            continue
        hate, violence, vulgar = row["hd"], row["cv"], row["vo"]
        labels = {"identity_attack": float(hate or violence), "threat": float(violence)}
        labels["toxicity"] = float(hate or violence or vulgar)
        yield Example(text=row["Text"], source="gab", labels=labels)


@source(
    "ethos",
    folder="abuse/ethos",
    licence="GPL-3.0",
    commercial=False,
    note="YouTube and Reddit, rater shares for hate and violence; copyleft, not counted as permissive",
)
def ethos(folder: Path, split: Split) -> Iterator[Example]:
    """Reads Ethos_Dataset_Binary.csv and, for the hateful part, Ethos_Dataset_Multi_Label.csv."""
    kinds = table(folder / "Ethos_Dataset_Multi_Label.csv", delimiter=";")
    violence = {row["comment"]: float(row["violence"]) for row in kinds}
    for row in table(folder / "Ethos_Dataset_Binary.csv", delimiter=";"):
        text = row["comment"]
        if part(text, dev=0.1, test=0.1) == split:
            labels = {"identity_attack": float(row["isHate"])}
            if text in violence:
                labels["threat"] = violence[text]
            yield Example(text=text, source="ethos", labels=labels)


@source(
    "reddit_misogyny",
    folder="abuse/reddit_misogyny",
    licence="MIT",
    commercial=True,
    note="expert labels in conversations; 699 misogynistic rows",
)
def reddit_misogyny(folder: Path, split: Split) -> Iterator[Example]:
    """Reads final_labels.csv, without rows whose cells are shifted. Dev is a tenth of its train part."""
    for row in table(folder / "final_labels.csv"):
        if (
            row["image"] not in ("", "Yes")
            or not row["body"].strip()
            or row["split"] not in ("train", "test")
        ):
            continue
        if ("test" if row["split"] == "test" else part(row["link_id"])) != split:
            continue
        misogynistic = row["level_1"] == "Misogynistic"
        labels = {"identity_attack": float(misogynistic)}
        if misogynistic:
            labels["threat"] = float(row["level_3"].startswith("Threatening"))
        yield Example(text=unmark(row["body"]), source="reddit_misogyny", labels=labels, group=row["link_id"])


@source(
    "implicit_hate",
    folder="abuse/safenlp",
    licence="MIT",
    commercial=True,
    note="tweets, lower case, some truncated; hate without slurs",
)
def implicit_hate(folder: Path, split: Split) -> Iterator[Example]:
    """Reads implicitHate.json, whose label is hate or neutral."""
    for row in json.loads((folder / "implicitHate.json").read_text(encoding="utf-8")):
        if part(row["text"]) == split:
            labels = {"identity_attack": float(row["label"] == "hate")}
            yield Example(text=row["text"], source="implicit_hate", labels=labels)


@source(
    "toxigen",
    folder="abuse/safenlp",
    licence="MIT",
    commercial=True,
    note="machine-written remarks on thirteen groups, rated 1 to 5 by people; balanced identity terms",
)
def toxigen(folder: Path, split: Split) -> Iterator[Example]:
    """Reads toxiGen.json; the mean rating, 1 to 5, is rescaled to 0 to 1 for identity_attack and toxicity."""
    for row in json.loads((folder / "toxiGen.json").read_text(encoding="utf-8")):
        text = row["text"].replace("_x000D_", "\n").strip()
        if text and part(text, dev=0.1, test=0.1) == split:
            score = min(1.0, max(0.0, (row["toxicity_score"] - 1.0) / 4.0))
            labels = {"identity_attack": score, "toxicity": score}
            yield Example(
                text=text, source="toxigen", labels=labels, slice=" and ".join(row["target_groups"])
            )
