"""The export: an artifact written anew is the same one, and what can't be written is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training's code needs the train extra")

import onnx
from transformers import RobertaConfig

from model import Artifact, ArtifactError, Classifier, Comment
from model.labels import ABUSE
from training.errors import RunError
from training.export import export_again
from training.graph import build, observe
from training.network import Network

COMMENTS = [Comment(text="You are stupid, stop it"), Comment(text="good", target="the new road")]


def test_an_artifact_of_an_older_format_is_written_anew(tiny_artifact: Path, tmp_path: Path) -> None:
    artifact = Artifact(Path(shutil.copytree(tiny_artifact, tmp_path / "artifact")))
    before = Classifier.load(artifact.path).predict(COMMENTS)
    artifact.onnx_file.write_bytes(b"of another time")
    artifact.info_file.write_text(json.dumps(artifact.info | {"format": 1}))
    kept = {file.name: file.read_bytes() for file in artifact.path.iterdir()}
    with pytest.raises(ArtifactError, match=r"python -m training\.export .*artifact"):
        Classifier.load(artifact.path)
    export_again(artifact)
    after = Classifier.load(artifact.path).predict(COMMENTS)
    for one, other in zip(before, after, strict=True):
        assert [one.abuse[a] for a in ABUSE] == pytest.approx([other.abuse[a] for a in ABUSE], abs=0.02)
    changed = {name for name, data in kept.items() if (artifact.path / name).read_bytes() != data}
    assert changed == {"artifact.json", "model.onnx"}


def test_integers_stay_in_seven_bits(tiny_artifact: Path) -> None:
    graph = onnx.load(Artifact(tiny_artifact).onnx_file).graph
    weights = [onnx.numpy_helper.to_array(c) for c in graph.initializer if c.name.endswith(".int8")]
    assert len(weights) == 2 * 6 + 1
    assert all(-64 < w.min() < w.max() < 64 for w in weights)


def test_a_layer_that_reads_nothing_has_a_range(tiny_artifact: Path) -> None:
    network = Network.from_artifact(Artifact(tiny_artifact)).eval()
    ranges = observe(network, [])
    assert set(ranges.values()) == {(0.0, 0.0)}
    onnx.checker.check_model(build(network))
    assert build(network, ranges=ranges).graph.node


def test_int8_gets_relu_for_nothing(tiny_artifact: Path, tmp_path: Path) -> None:
    artifact = Artifact(Path(shutil.copytree(tiny_artifact, tmp_path / "artifact")))
    network = Network.from_artifact(artifact).eval()
    network.set_activation("relu")
    network.save(artifact)
    export_again(artifact)  # compares torch, float and int8
    operators = {node.op_type for node in onnx.load(artifact.onnx_file).graph.node}
    assert not operators & {"Gelu", "Relu"}
    assert "Relu" in {node.op_type for node in build(network).graph.node}


def test_another_encoder_is_refused() -> None:
    config = RobertaConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    with pytest.raises(RunError, match="roberta"):
        build(Network(config))
