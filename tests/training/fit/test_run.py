"""A whole run in miniature: train, kill, resume, export, calibrate, evaluate, describe."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from parley.model import Artifact, Classifier, Comment
from parley.service.commands.cli import add_plugins
from parley.service.commands.cli import app as commands
from parley.training.errors import RunError
from parley.training.evaluation.operating_points import OperatingPoint
from parley.training.evaluation.suite import trained_on
from parley.training.fit.config import load_config
from parley.training.fit.run import claim, train
from parley.training.network.network import Network

PARLEY = [sys.executable, "-m", "parley.service.commands.cli"]


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    add_plugins(commands)


def same_weights(a: Artifact, b: Artifact) -> bool:
    mine, other = (Network.from_artifact(x).state_dict() for x in (a, b))
    return all(mine[name].allclose(other[name], atol=2e-3) for name in mine)


@pytest.fixture(scope="module")
def run_folder(values: dict[str, Any], data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a completed run: to read, or to copy."""
    folder = tmp_path_factory.mktemp("trained")
    file = folder / "mini.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    train(load_config(file), data_dir=data_dir, run_dir=folder / "run")
    return folder / "run"


@pytest.fixture
def trained(run_folder: Path, tmp_path: Path) -> Artifact:
    """A copy of that run's artifact."""
    return Artifact.open(shutil.copytree(run_folder / "artifact", tmp_path / "trained"))


def test_killed_and_resumed_is_as_if_uninterrupted(
    config_file: Path, run_folder: Path, data_dir: Path, tmp_path: Path
) -> None:
    config = load_config(config_file)
    killed = tmp_path / "killed"
    command = [*PARLEY, "train", str(config_file), "--data-dir", str(data_dir), "--run-dir", str(killed)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while not list(killed.glob("checkpoint-*/trainer_state.json")) and time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "metrics.json").exists()

    resumed = train(config, data_dir=data_dir, run_dir=killed, resume=True)
    metrics = [json.loads((run / "metrics.json").read_text()) for run in (run_folder, killed)]
    assert metrics[0]["train"]["global_step"] == metrics[1]["train"]["global_step"]
    for name, value in metrics[0]["train"].items():
        if name.startswith("loss"):
            assert metrics[1]["train"][name] == pytest.approx(value, rel=0.02), name
    assert same_weights(Artifact.open(run_folder / "artifact"), resumed)


def test_a_run_learns_and_its_artifact_is_served(run_folder: Path, trained: Artifact) -> None:
    state = json.loads(next(run_folder.glob("checkpoint-*/trainer_state.json")).read_text())
    losses = [entry["loss"] for entry in state["log_history"] if "loss" in entry]
    assert losses[-1] < losses[0]
    assert trained.info["training"]["sources"]["c3"]["licence"]
    prediction = Classifier.load(trained.path).predict(
        [Comment(text="You fool, sit down.", target="a plan")]
    )[0]
    assert prediction.stance is not None
    assert set(prediction.abuse) == set(trained.info["labels"]["abuse"])


def test_a_second_stage_keeps_the_record_of_the_first(
    config_file: Path, trained: Artifact, data_dir: Path, tmp_path: Path
) -> None:
    values, first = yaml.safe_load(config_file.read_text()), trained
    values |= {"base": str(first.path), "name": "second", "sources": [{"name": "vast", "cap": 2}]}
    values["optimiser"]["epochs"] = 1
    config_file.write_text(yaml.safe_dump(values))
    second = train(load_config(config_file), data_dir=data_dir, run_dir=tmp_path / "second")
    before, after = first.info["training"], second.info["training"]
    assert set(after["sources"]) == set(before["sources"])
    assert after["sources"]["c3"] == before["sources"]["c3"]
    assert after["sources"]["vast"]["train"] < before["sources"]["vast"]["train"]
    assert after["config"]["base"] == before["config"]["base"], "the encoder, not a folder on this machine"
    assert {spec.name: spec.cap for spec in trained_on(second)}["vast"] == 2
    assert {spec.name for spec in trained_on(second)} == {spec.name for spec in trained_on(first)}
    assert after["started_from"] == {k: first.info[k] for k in ("name", "version", "created", "commit")}

    first.info_file.write_text(json.dumps(first.info | {"version": "9.9.9"}))
    with pytest.raises(RunError, match=r"9\.9\.9 .* restore that"):
        train(load_config(config_file), data_dir=data_dir, run_dir=tmp_path / "second", resume=True)


def test_a_share_of_the_base_stays_in_the_result(
    config_file: Path, trained: Artifact, data_dir: Path, tmp_path: Path
) -> None:
    values, first = yaml.safe_load(config_file.read_text()), trained
    values["optimiser"] |= {"epochs": 1, "save_steps": 50}
    for share, near in ((0.0, False), (0.999, True)):
        second = values | {"base": str(first.path), "base_share": share}
        config_file.write_text(yaml.safe_dump(second))
        mixed = train(load_config(config_file), data_dir=data_dir, run_dir=tmp_path / str(share))
        assert same_weights(first, mixed) == near
    config_file.write_text(yaml.safe_dump(values | {"base_share": 0.3}))
    with pytest.raises(RunError, match="base_share needs a base that is an artifact"):
        train(load_config(config_file), data_dir=data_dir, run_dir=tmp_path / "none")
    assert not (tmp_path / "none").exists(), "the folder is free for the corrected configuration"


def test_a_run_folder_is_not_reused_nor_resumed_with_another_config(
    config_file: Path, data_dir: Path, tmp_path: Path
) -> None:
    config = load_config(config_file)
    with pytest.raises(RunError, match="no run to resume"):
        train(config, data_dir=data_dir, run_dir=tmp_path / "run", resume=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump({"name": "other"}))
    with pytest.raises(RunError, match="add --resume"):
        train(config, data_dir=data_dir, run_dir=tmp_path / "run")
    with pytest.raises(RunError, match="another configuration"):
        train(config, data_dir=data_dir, run_dir=tmp_path / "run", resume=True)


def test_a_run_older_than_a_key_resumes_with_its_default(config_file: Path, tmp_path: Path) -> None:
    config, saved = load_config(config_file), tmp_path / "run" / "config.yaml"
    claim(config, saved.parent, resume=False)
    values = yaml.safe_load(saved.read_text())
    for key in ("thresholds", "teacher"):
        del values[key]
    del values["losses"]["geometry"], values["swaps"]["disguised"]
    saved.write_text(yaml.safe_dump(values))
    claim(config, saved.parent, resume=True)
    pointed = config.model_copy(update={"thresholds": {"toxicity": OperatingPoint(false_positives=0.05)}})
    with pytest.raises(RunError, match=r"config.yaml: thresholds\)"):
        claim(pointed, saved.parent, resume=True)
    claim(pointed, tmp_path / "other", resume=False)
    claim(pointed, tmp_path / "other", resume=True)
    values["sources"].pop()
    saved.write_text(yaml.safe_dump(values | {"fraction": 0.5}))
    with pytest.raises(RunError, match=r"fraction, sources\)"):
        claim(config, saved.parent, resume=True)
    saved.write_text(yaml.safe_dump(values | {"activation": None}))
    with pytest.raises(RunError, match="1 keys can't be read"):
        claim(config, saved.parent, resume=True)
    saved.write_text("")
    with pytest.raises(RunError, match="another configuration"):
        claim(config, saved.parent, resume=True)


def test_a_run_takes_the_operating_points_of_its_yaml(
    config_file: Path, data_dir: Path, tmp_path: Path
) -> None:
    """And `parley calibrate` with the same YAML finds the same threshold."""
    rows = [f"{i},Calm word {i}.,5.0,1.0,no_toxic:5" for i in range(300)]
    healthy = [f"Fair word {i},1,0" for i in range(40)]
    corpora = shutil.copytree(data_dir, tmp_path / "corpora")
    with (corpora / "offtopic/C3/C3_anonymized.csv").open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in rows))
    with (corpora / "abuse/unhealthy/val.csv").open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in healthy))
    point = {"false_positives": 0.25, "sources": ["c3", "unhealthy"]}
    values = yaml.safe_load(config_file.read_text()) | {"thresholds": {"toxicity": point}}
    values["optimiser"]["epochs"] = 0.5
    config_file.write_text(yaml.safe_dump(values))
    artifact = train(load_config(config_file), data_dir=corpora, run_dir=tmp_path / "run")
    dev = json.loads((tmp_path / "run" / "metrics.json").read_text())["dev"]["toxicity"]
    assert {of["source"]: of["found"] <= 0.25 for of in dev["by_source"]} == {"c3": True, "unhealthy": True}
    threshold = artifact.thresholds["toxicity"]
    assert threshold == dev["threshold"] == max(of["alone"] for of in dev["by_source"])
    training = artifact.info["training"]
    assert (training["sources"]["unhealthy"]["train"], training["sources"]["unhealthy"]["dev"]) == (0, 41)
    assert "unhealthy" not in {spec.name for spec in trained_on(artifact)}
    command = ["calibrate", str(artifact.path), str(config_file), "--data-dir", str(corpora)]
    for options, expected in (([], threshold), (["--queue-budget", "toxicity=1"], 0.0)):
        result = CliRunner().invoke(commands, [*command, *options])
        assert result.exit_code == 0, result.output
        assert artifact.thresholds["toxicity"] == pytest.approx(expected, abs=1e-4)
        assert ("alone: the threshold" in result.output) is (not options)


def test_evaluate_writes_report_and_card(trained: Artifact, data_dir: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    tests = [f"--test={name}" for name in ("vast", "toxic_spans", "debates", "robtest")]
    arguments = [
        "evaluate",
        str(trained.path),
        "--data-dir",
        str(data_dir),
        *tests,
        "-o",
        str(output),
        "--save",
    ]
    result = CliRunner().invoke(commands, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads(output.read_text())
    assert report == trained.read_evaluation()
    assert set(report["tests"]) == {"vast", "toxic_spans", "debates", "robtest"}
    stance = report["tests"]["vast"]["slices"]["all"]["stance"]
    assert stance["rows"] == sum(map(sum, stance["confusion"]))
    card = trained.card_file.read_text(encoding="utf-8")
    for of in report["tests"]["toxic_spans"]["slices"]["all"].values():
        if "auc" in of:
            assert f"{of['auc']['value']:.3f}" in card
    assert "### robtest" in card


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "missing.yaml"], "No such file"),
        (["evaluate", "nowhere"], "is not a folder"),
        (["calibrate", "nowhere", "CONFIG"], "is not a folder"),
    ],
)
def test_bad_calls_say_what_is_wrong(arguments: list[str], message: str, config_file: Path) -> None:
    arguments = [str(config_file) if a == "CONFIG" else a for a in arguments]
    result = CliRunner().invoke(commands, arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
