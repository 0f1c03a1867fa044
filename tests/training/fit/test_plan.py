"""A dry run counts what a run would read, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from parley.service.commands.cli import add_plugins
from parley.service.commands.cli import app as commands
from parley.training.data.preparation import prepare
from parley.training.fit.config import load_config
from parley.training.fit.plan import plan


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    add_plugins(commands)


def test_a_plan_counts_what_a_run_reads(config_file: Path, data_dir: Path) -> None:
    config = load_config(config_file)
    found = plan(config, data_dir=data_dir)
    prepared = prepare(config.sources, data_dir=data_dir, swaps=config.swaps, seed=config.seed)
    assert found["sources"] == prepared.counts["sources"]
    assert found["labels"]["youtube_spam"] == {"spam": prepared.counts["sources"]["youtube_spam"]["train"]}
    assert found["labels"]["debates"]["off_topic"] == sum(e.off_topic is not None for e in prepared.train)
    assert 0 < found["rows"] <= len(prepared.train)
    assert found["steps"] == round(6 * found["rows"] / 4)
    assert found["tokens"] > found["rows"]


def test_the_dry_run_prints_it_and_writes_nothing(
    config_file: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["train", str(config_file), "--data-dir", str(data_dir), "--dry-run"]
    result = CliRunner().invoke(commands, command)
    assert result.exit_code == 0, result.output
    for shown in ("toxic_spans", "CC0", "off_topic", "steps", "leaks"):
        assert shown in result.output
    assert not (tmp_path / "runs").exists()


def test_the_dry_run_needs_a_yaml(tmp_path: Path) -> None:
    rows = tmp_path / "own.csv"
    rows.write_text("text,toxicity\nfine,0\n", encoding="utf-8")
    result = CliRunner().invoke(commands, ["train", "--data", str(rows), "--dry-run"])
    assert result.exit_code == 2
    assert "--dry-run goes with a YAML" in " ".join(result.output.replace("│", " ").split())
