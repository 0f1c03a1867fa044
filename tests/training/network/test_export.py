"""The export: an artifact written anew is the same one, and what can't be written is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training's code needs the train extra")

import numpy as np
import onnx
import onnxruntime
import torch
from transformers import RobertaConfig

from parley.model import Artifact, ArtifactError, Classifier, Comment
from parley.model.labels import ABUSE
from parley.model.text.tokenization import Tokenizer, Tokens
from parley.training.errors import RunError
from parley.training.network.export import export_again
from parley.training.network.graph import build, observe
from parley.training.network.network import Network

COMMENTS = [Comment(text="You are stupid, stop it"), Comment(text="good", target="the new road")]


def test_an_artifact_of_an_older_format_is_written_anew(tiny_artifact: Path, tmp_path: Path) -> None:
    artifact = Artifact(Path(shutil.copytree(tiny_artifact, tmp_path / "artifact")))
    before = Classifier.load(artifact.path).predict(COMMENTS)
    artifact.onnx_file.write_bytes(b"of another time")
    artifact.info_file.write_text(json.dumps(artifact.info | {"format": 1}))
    kept = {file.name: file.read_bytes() for file in artifact.path.iterdir()}
    with pytest.raises(ArtifactError, match=r"python -m parley\.training\.network\.export .*artifact"):
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
    assert all(low == high == 0.0 for low, high in ranges.values())
    onnx.checker.check_model(build(network))
    assert build(network, ranges=ranges).graph.node


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_a_channel_far_wider_than_the_others_costs_them_nothing(
    tiny_artifact: Path, activation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = Artifact(tiny_artifact)
    network = Network.from_artifact(artifact).eval()
    network.set_activation(activation)
    tokenizer = Tokenizer(artifact.tokenizer_file, max_tokens=96, stride=16)
    rows = tokenizer.articles(["good", "You are stupid, stop it", "the new road, and the old bridge"])

    def gap() -> float:
        found = []
        for graph in (build(network), build(network, ranges=observe(network, rows))):
            session = onnxruntime.InferenceSession(graph.SerializeToString())
            found.append(np.concatenate([session.run(["embedding"], _fed(row))[0] for row in rows]))
        return float(np.abs(found[0] - found[1]).mean())

    before = gap()
    layer = network.encoder.encoder.layer[0]
    with torch.no_grad():  # one channel is 100 whatever is read; what comes of it is taken off again
        layer.intermediate.dense.weight[3] = 0.0
        layer.intermediate.dense.bias[3] = 100.0
        layer.output.dense.weight[:, 3] = layer.output.dense.weight.abs().amax(1)
        layer.output.dense.bias -= 100.0 * layer.output.dense.weight[:, 3]
    split = gap()
    monkeypatch.setattr("parley.training.network.graph.WIDE", 1000.0)
    assert split < 1.2 * before < gap()


def _fed(row: Tokens) -> dict[str, np.ndarray]:
    return {"input_ids": np.array([row.ids]), "token_type_ids": np.array([row.types])}


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
