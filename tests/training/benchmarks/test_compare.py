"""Artifacts side by side, in miniature."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks import compare


def test_artifacts_are_measured_on_the_same_rows_and_stay_as_they_are(
    config_file: Path,
    data_dir: Path,
    tiny_artifact: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = shutil.copytree(tiny_artifact, tmp_path / "other")
    before = (other / "calibration.json").read_bytes()
    call = ["compare", str(config_file), str(tiny_artifact), str(other), "--data-dir", str(data_dir)]
    monkeypatch.setattr("sys.argv", [*call, "--dev-rows", "40"])
    compare.main()
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert head == f"| dev rows | {tiny_artifact} | {other} |"
    found = {
        name: cells for name, *cells in (row.strip("| ").split(" | ") for row in rows) if len(cells) == 2
    }
    assert {"toxicity AUC", "replies under headlines", "stance of vast, side"} <= found.keys()
    assert all(one == two for one, two in found.values())
    assert (other / "calibration.json").read_bytes() == before
