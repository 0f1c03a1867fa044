"""`parley policy check`, `parley policy try`, and the trial behind the latter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from parley.model.comment import Comment, Prediction
from parley.model.labels import ABUSE
from parley.service.commands.policy import app
from parley.service.dumps.reading.record import RawRow, Record
from parley.service.policy.decision import Policy
from parley.service.policy.trial import BATCH, scores_of, try_policy

POLICY = "rules:\n  - {code: toxic, when: abuse.toxicity, at_least: 0.5, action: reject}\n"


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(POLICY, encoding="utf-8")
    return file


def predict(comments: Sequence[Comment]) -> list[Prediction]:
    """Predicts each comment to be as toxic as its text says."""
    return [
        Prediction(
            id=c.id,
            abuse=dict.fromkeys(ABUSE, 0.0) | {"toxicity": float(c.text)},
            spam=0.0,
            off_topic=None,
            stance=None,
        )
        for c in comments
    ]


def refuse(comments: Sequence[Comment]) -> list[Prediction]:
    raise AssertionError("rows with scores must not be scored again")


def scored(toxicity: float, row: int = 1) -> Record:
    extra = {"abuse": dict.fromkeys(ABUSE, 0.01) | {"toxicity": toxicity}, "spam": 0.02, "off_topic": None}
    return Record(text="some words", row=row, line=row, extra=extra)


def test_trial_counts_and_keeps_the_closest_calls(policy_file: Path) -> None:
    scores = [0.1, 0.99, 0.51, 0.7, 0.52, 0.49]
    rows = [Record(text=str(score), row=row) for row, score in enumerate(scores, start=1)]
    trial = try_policy(Policy.load(policy_file), [*rows, RawRow(problem="empty", row=7)], predict, examples=2)
    assert trial.actions == {"approve": 2, "reject": 4}
    assert [example.text for example in trial.rules["toxic"].examples] == ["0.51", "0.52"]
    assert [example.text for example in trial.rules["toxic"].below] == ["0.49", "0.1"]
    assert (trial.comments, trial.scored_before, [row.row for row in trial.bad]) == (6, 0, [7])


def test_trial_uses_the_scores_that_rows_already_have(policy_file: Path) -> None:
    trial = try_policy(Policy.load(policy_file), [scored(0.9), scored(0.1, row=2)], refuse)
    assert trial.actions == {"approve": 1, "reject": 1}
    assert trial.scored_before == 2


def test_trial_keeps_the_order_beyond_one_batch(policy_file: Path) -> None:
    rows = [Record(text="0.9" if row % 2 else "0", row=row) for row in range(2 * BATCH + 1)]
    trial = try_policy(Policy.load(policy_file), rows, predict)
    assert trial.actions == {"approve": BATCH + 1, "reject": BATCH}


def test_scores_of_a_flat_row_and_of_one_without() -> None:
    flat = {f"abuse.{name}": "0.25" for name in ABUSE} | {"spam": "0.5", "off_topic": ""}
    found = scores_of(Record(text="x", row=1, extra=flat))
    assert found is not None
    assert (found.abuse["threat"], found.spam, found.off_topic) == (0.25, 0.5, None)
    assert scores_of(Record(text="x", row=1, extra=flat | {"abuse.threat": "?"})) is None
    assert scores_of(Record(text="x", row=1, extra={"abuse": "none", "spam": 0.5})) is None


def test_check_shows_the_rules(policy_file: Path, tiny_artifact: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(policy_file), "--model", str(tiny_artifact)])
    assert result.exit_code == 0
    assert "abuse.toxicity is at least 0.5" in result.output
    assert "mine is valid: 1 rules" in result.output


def test_check_refuses_a_bad_file(policy_file: Path, tiny_artifact: Path) -> None:
    policy_file.write_text(POLICY.replace("at_least", "atleast"), encoding="utf-8")
    result = CliRunner().invoke(app, ["check", str(policy_file), "--model", str(tiny_artifact)])
    assert result.exit_code == 2
    assert "did you mean 'at_least'" in result.output


def test_try_on_a_scored_dump_and_on_a_plain_one(
    policy_file: Path, tmp_path: Path, tiny_artifact: Path
) -> None:
    dump = tmp_path / "scored.jsonl"
    rows = [
        {"text": f"row \x1b[31m {s}", "abuse": dict.fromkeys(ABUSE, s), "spam": 0.1} for s in (0.6, 0.7, 0.1)
    ]
    lines = [json.dumps(row) for row in (*rows, {"text": "not scored yet"}, {"text": ""})]
    dump.write_text("\n".join(lines), encoding="utf-8")
    result = CliRunner().invoke(app, ["try", str(policy_file), str(dump), "--model", str(tiny_artifact)])
    assert result.exit_code == 0, result.exception
    assert "3 comments already had scores, 1 were scored now." in result.output
    assert "1 rows can't be used; the first is in line or row 5: the text is empty" in result.output
    assert "row ·[31m 0.6" in result.output


def test_try_names_a_missing_dump_and_ends_with_1_on_nothing(
    policy_file: Path, tmp_path: Path, tiny_artifact: Path
) -> None:
    model = ["--model", str(tiny_artifact)]
    result = CliRunner().invoke(app, ["try", str(policy_file), str(tmp_path / "none.csv"), *model])
    assert result.exit_code == 2
    assert "Error: " in result.output
    empty = tmp_path / "empty.csv"
    empty.write_text("text\n", encoding="utf-8")
    assert CliRunner().invoke(app, ["try", str(policy_file), str(empty), *model]).exit_code == 1
