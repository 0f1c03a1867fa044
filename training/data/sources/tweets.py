"""Stance in tweets: short, with hashtags, on politicians, a war and health policy.

The targets within a corpus are related, so its rows form one group: a tweet about one target is not reliably
`none` towards another.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from parley.training.data.examples import Example
from parley.training.data.files import table, unmark
from parley.training.data.registry import Split, part, source

_FILE = {"train": "train", "dev": "val", "test": "test"}


def _rows(
    name: str, path: Path, *, targets: tuple[str, ...] = ("1",), encoding: str = "utf-8-sig"
) -> Iterator[Example]:
    """The rows of a file in the layout these corpora share: Tweet, then Target N and Stance N."""
    for row in table(path, encoding=encoding):
        text = unmark(row["Tweet"])
        for number in targets:
            target, stance = row[f"Target {number}"].strip(), row[f"Stance {number}"].strip().lower()
            if text and target and stance:
                yield Example(text=text, source=name, target=target, stance=stance, group=name)


@source(
    "covid_stance",
    folder="stance/COVID19-Stance",
    licence="none stated",
    commercial=False,
    note="masks, school closures, stay-at-home orders, Fauci",
)
def covid_stance(folder: Path, split: Split) -> Iterator[Example]:
    """Reads raw_{train,val,test}_all_onecol.csv."""
    return _rows("covid_stance", folder / f"raw_{_FILE[split]}_all_onecol.csv")


@source(
    "pstance",
    folder="stance/PStance",
    licence="MIT (code)",
    commercial=False,
    note="Trump, Biden, Sanders; no label none, so cap it",
)
def pstance(folder: Path, split: Split) -> Iterator[Example]:
    """Reads raw_{train,val,test}_all_onecol.csv."""
    return _rows("pstance", folder / f"raw_{_FILE[split]}_all_onecol.csv")


@source(
    "multi_target",
    folder="stance/MultiTarget2016",
    licence="MIT",
    commercial=True,
    note="two candidates of 2016 per tweet: the same text for one and against the other",
)
def multi_target(folder: Path, split: Split) -> Iterator[Example]:
    """Reads raw_{train,val,test}_all_onecol.csv, which has each tweet once per target."""
    return _rows("multi_target", folder / f"raw_{_FILE[split]}_all_onecol.csv")


@source(
    "ruw",
    folder="stance/RUW",
    licence="none stated",
    commercial=False,
    note="Russia and Ukraine; a quarter or more of the rows in favor of Russia are wrong",
)
def ruw(folder: Path, split: Split) -> Iterator[Example]:
    """Reads raw_{train,val,test}_Russia_Ukraine.csv, both targets of each tweet."""
    path = folder / f"raw_{_FILE[split]}_Russia_Ukraine.csv"
    return _rows("ruw", path, targets=("1", "2"), encoding="latin-1")


@source(
    "vaccine_lies",
    folder="stance/MAGPIE",
    licence="none stated",
    commercial=False,
    note="tweets towards false claims on vaccines; noisy",
)
def vaccine_lies(folder: Path, split: Split) -> Iterator[Example]:
    """Reads 127_VaccineLies/preprocessed.csv; split by claim. No stance and not relevant both become none."""
    stances = {"0": "none", "1": "none", "2": "favor", "3": "against"}
    for row in table(folder / "127_VaccineLies" / "preprocessed.csv"):
        target, text = row["target"].strip(), unmark(row["text"])
        if text and part(target, dev=0.1, test=0.1) == split:
            stance = stances[row["label"]]
            yield Example(text=text, source="vaccine_lies", target=target, stance=stance, group=target)
