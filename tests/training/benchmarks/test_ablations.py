"""A run's ablations in miniature."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from benchmarks import ablations
from parley.training.fit.config import load_config

CONFIGS = Path(__file__).parents[3] / "configs" / "training"


def test_every_variant_differs_from_the_reference() -> None:
    configs = [load_config(CONFIGS / name) for name in ("second.yaml", "distil.yaml", "fourth.yaml")]
    for name, changes in ablations.VARIANTS.items():
        same = [ablations.vary(config, changes) == config for config in configs]
        assert all(same) == (name == ablations.REFERENCE), name
    varied = ablations.vary(configs[0], ablations.VARIANTS["VAST alone for stance"])
    assert {s.name for s in varied.sources} == {s.name for s in configs[0].sources} - {"ukp", "arc"}


def test_a_table_of_runs_that_resumes_where_it_stopped(
    config_file: Path,
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tiny = yaml.safe_load(config_file.read_text())
    tiny["optimiser"] |= {"epochs": 1, "save_steps": 50}
    config_file.write_text(yaml.safe_dump(tiny))
    call = ["ablations", str(config_file), "--data-dir", str(data_dir), "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr("sys.argv", [*call, "--only", "reference", "--fraction", "0.5", "--dev-rows", "40"])
    ablations.main()
    head, rule, row = first = table(capsys.readouterr().out)
    assert set(rule) == {"|", "-"}
    assert row.startswith("| reference | ")
    assert row.count("|") == head.count("|")
    monkeypatch.setattr(ablations, "train", None)  # finished runs are not repeated
    ablations.main()
    assert table(capsys.readouterr().out) == first


def table(out: str) -> list[str]:
    """The table's lines, without the losses that the Trainer prints between them."""
    return [line for line in out.splitlines() if line.startswith("|")]
