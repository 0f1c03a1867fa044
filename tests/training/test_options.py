"""Options of the training commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from parley.training.options import suggest_whole

LEFT = {"left": "fewer than 20"}


@pytest.mark.parametrize(("rows", "suggested"), [(20, True), (19, False)])
@pytest.mark.parametrize(
    ("column", "values", "counts"),
    [
        ("toxicity", ("yes", "no"), "20 positive, 20 negative"),
        ("off_topic", ("1", "0"), "20 positive, 20 negative"),
        ("stance", ("against", "none"), "20 with a side, 20 without"),
    ],
)
def test_the_whole_file_is_suggested_where_it_has_enough_rows(
    rows: int,
    suggested: bool,
    column: str,
    values: tuple[str, str],
    counts: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [f"Comment {i} {value},The park,{value}" for value in values for i in range(rows)]
    data = tmp_path / "own.csv"
    data.write_text("\n".join([f"text,article.title,{column}", *lines]), encoding="utf-8")
    suggest_whole(data, {column: LEFT, "spam": LEFT, "threat": {"threshold": 0.5}})
    said = capsys.readouterr().out
    assert (f"{column} ({counts}): --whole" in said) == suggested
    assert "spam" not in said
    assert "threat" not in said
