"""A site's own file: read as exported, always split the same way, refused with the wrong line's number."""

from __future__ import annotations

from pathlib import Path

import pytest

from parley.service.store.feedback import TRAINING_COLUMNS
from parley.training.data.decisions import KNOWN, UNUSED, read_own, read_part
from parley.training.errors import DataError


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_every_column_of_a_feedback_export_is_known() -> None:
    assert set(TRAINING_COLUMNS) <= {*KNOWN, *UNUSED}


def test_reads_labels_article_and_stance_and_leaves_the_rest_missing(tmp_path: Path) -> None:
    file = write(
        tmp_path / "own.csv",
        "id,text,toxicity,spam,off_topic,article.title,article.text,target,stance,mood",
        '1,"Two lines,\none comment",0.8,,no,Park plan,Trees go.,,favor,glad',
        "2,Second,,Yes,1,,,,,",
        "3,,1,,,,,,,",
        "4,Third,,,,,,new trams,Against,",
    )
    first, second, third = read_own(file, None).examples
    assert first.text == "Two lines,\none comment"
    assert (first.labels, first.off_topic, first.article) == ({"toxicity": 0.8}, 0.0, "Park plan\nTrees go.")
    assert (first.stance, first.target) == ("favor", "Park plan"), (
        "the title is the target where none is given"
    )
    assert (second.labels, second.off_topic) == ({"spam": 1.0}, None), (
        "off_topic without an article is not a label"
    )
    assert (third.stance, third.target, third.labels) == ("against", "new trams", {})
    notes = " ".join(read_own(file, None).notes)
    assert "1 rows have off_topic" in notes
    assert "columns not used: mood" in notes


def test_a_text_stays_in_its_part_when_the_file_grows(tmp_path: Path) -> None:
    lines = [f"Comment number {i},{i % 2}" for i in range(400)]
    small = write(tmp_path / "small.csv", "text,toxicity", *lines[:200])
    large = write(
        tmp_path / "large.csv", "text,toxicity", *lines[200:], *(f"{x.upper()}" for x in lines[:200])
    )
    parts = {p: {e.text.lower() for e in read_own(small, p).examples} for p in ("train", "dev", "test")}
    grown = {p: {e.text.lower() for e in read_own(large, p).examples} for p in ("train", "dev", "test")}
    assert sum(map(len, parts.values())) == 200
    for part, texts in parts.items():
        assert texts <= grown[part], "case changes nothing"
        assert len(texts) >= 15, part


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["comment,toxicity", "a,1"], "no column named text"),
        (["text,toxicity"], "no rows"),
        (["text,toxicity", "a,1", "b,very bad"], r"row 3: toxicity must be a number from 0 to 1"),
        (["text,toxicity", "a,1.5"], "row 2: toxicity must be"),
        (["text,toxicity", "a,nan"], "row 2: toxicity must be"),
        (["text,stance", "a,favor"], "a stance needs a target"),
        (["text,stance,target", "a,maybe,trams"], "stance must be one of favor, against, none"),
        (["text,toxicity", "a,"], "no labelled rows"),
        (["text,toxcity", "a,1"], r"column 'toxcity': did you mean 'toxicity'\? Rename the column"),
        (["text,Toxicity,spam", "a,1,0"], "column 'Toxicity': did you mean 'toxicity'"),
        (["text,offtopic,article_title", "a,1,T"], "column 'offtopic': did you mean 'off_topic'"),
        (["text,spam,article_title", "a,1,T"], "column 'article_title': did you mean 'article.title'"),
    ],
)
def test_what_cannot_be_used_is_refused(lines: list[str], message: str, tmp_path: Path) -> None:
    file = write(tmp_path / "own.csv", *lines)
    with pytest.raises(DataError, match=message) as refused:
        read_part(file, None, why="to train on")
    assert "very bad" not in str(refused.value), "a cell may be a reader's text"


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="parley feedback export"):
        read_own(tmp_path / "none.csv", None)
