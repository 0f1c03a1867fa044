"""`parley export`: what transformers loads answers as the artifact does, and the README's code runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch", reason="training's code needs the train extra")

import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer
from typer.testing import CliRunner

from parley.model import Artifact
from parley.model.text.tokenization import Tokenizer
from parley.training.cli import app
from parley.training.network.network import Network
from parley.training.network.padding import pad

TEXTS = ("You should read the new paper", "what a great plan for the city")


@pytest.fixture(scope="module")
def exported(tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "tiny"
    result = CliRunner().invoke(app, ["export", str(tiny_artifact), str(folder)])
    assert result.exit_code == 0, result.output
    return folder


@torch.no_grad()
def test_transformers_loads_both_encoders(tiny_artifact: Path, exported: Path) -> None:
    network = Network.from_artifact(Artifact(tiny_artifact)).eval()
    tokenizer = AutoTokenizer.from_pretrained(exported)
    assert tokenizer.model_max_length == 96
    assert tokenizer.pad_token == "[PAD]"
    inputs = dict(tokenizer(list(TEXTS), padding=True, return_tensors="pt"))
    ours = Tokenizer(Artifact(tiny_artifact).tokenizer_file, max_tokens=96, stride=16)
    assert torch.equal(inputs["input_ids"], pad([row.ids for row in ours.articles(TEXTS)])["input_ids"])
    for subfolder, encoder in (("", network.encoder), ("pairs", network.pair_encoder)):
        loaded = AutoModel.from_pretrained(exported, subfolder=subfolder, dtype=torch.float32).eval()
        assert type(loaded).__name__ == "BertModel"
        found, expected = (of(**inputs).last_hidden_state for of in (loaded, encoder))
        torch.testing.assert_close(found, expected, atol=0.02, rtol=0.01)
        heads = load_file(exported / subfolder / "heads.safetensors")
        state = network.state_dict()
        for name, weights in heads.items():
            torch.testing.assert_close(weights.float(), state[name], atol=1e-3, rtol=1e-3)


def test_the_readme_has_front_matter_and_its_code_runs(exported: Path) -> None:
    text = (exported / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    about = yaml.safe_load(front)
    assert about["license"] == "apache-2.0"
    assert about["language"] == ["en"]
    assert about["library_name"] == "transformers"
    assert body.startswith("# tiny 0.0.1")
    assert "$" not in body
    (code,) = re.findall(r"```python\n(.*?)```", body, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=exported.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"tensor\(0\.\d+\)\ntensor\(\[[012]\]\)\n", done.stdout)


def test_a_folder_that_is_not_empty_is_left_alone(tiny_artifact: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text("mine")
    call = ["export", str(tiny_artifact), str(tmp_path)]
    refused = CliRunner().invoke(app, call)
    assert refused.exit_code != 0
    assert "is not empty" in refused.output
    assert [file.name for file in tmp_path.iterdir()] == ["kept.txt"]
    assert CliRunner().invoke(app, [*call, "--overwrite"]).exit_code == 0
    assert kept.read_text() == "mine"
    assert (tmp_path / "config.json").is_file()


def test_a_folder_that_is_not_an_artifact_is_reported(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", str(tmp_path), str(tmp_path / "out")])
    assert result.exit_code != 0
    assert "is incomplete" in result.output
