"""Leaving each video out, in miniature."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from benchmarks import videos
from tests.training.mini_corpora import write_corpora


def test_each_video_is_left_out_in_its_turn(
    config_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data_dir = write_corpora(tmp_path / "data")
    with (data_dir / "abuse/youtube_spam_merged/YoutubeSpamMergedData.csv").open("a") as file:
        for number in range(24):
            video, spam = ("Psy", "Eminem")[number % 2], number // 2 % 2
            file.write(
                f"{video},{number},x,X,2013,{('Great song', 'Buy my mixtape')[spam]} {number},{spam}\n"
            )
    tiny = yaml.safe_load(config_file.read_text())
    tiny["optimiser"] |= {"epochs": 1, "save_steps": 50}
    monkeypatch.setattr(videos, "CONFIG", {k: tiny[k] for k in videos.CONFIG if k in tiny})
    call = ["videos", "--data-dir", str(data_dir), "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr("sys.argv", call)
    videos.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| Eminem", "| Psy"]
    for line in lines[2:]:
        auc, low, high = map(float, re.findall(r"0\.\d{3}|1\.000", line))
        assert low <= auc <= high
    monkeypatch.setattr(videos, "train", None)  # finished runs are not repeated
    videos.main()
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")] == lines
