"""Releases side by side, from a repository's history."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.releases import FILE, main


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_each_version_has_a_column_and_what_it_reached_is_bold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True)

    def report(version: str, **aucs: float) -> None:
        tests = {name: {"slices": {"all": {label: {"auc": auc}}}} for name, auc, label in _rows(aucs)}
        file = tmp_path / FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"artifact": {"version": version}, "tests": tests}), encoding="utf-8")
        git("add", "-A")
        git("commit", "-m", version)

    git("init")
    report("0.1.0", robtest=0.5)
    report("0.1.0", robtest=0.96)
    report("0.2.0", robtest=0.985, debates=0.9)
    monkeypatch.setattr("sys.argv", ["releases", "--repository", str(tmp_path)])
    main()
    assert capsys.readouterr().out.splitlines() == [
        "| what | measured on | 0.1.0 | 0.2.0 | to reach |",
        "|---|---|---|---|---|",
        "| off-topic, debates held out | debates: AUC |  | 0.900 | ≥ 0.97 |",
        "| toxicity | robtest: AUC | 0.960 | **0.985** | ≥ 0.965 |",
    ]


def _rows(aucs: dict[str, float]) -> list[tuple[str, float, str]]:
    return [(name, auc, "toxicity" if name == "robtest" else "off_topic") for name, auc in aucs.items()]
