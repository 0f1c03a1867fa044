"""The export: an artifact exported again is the same, and what can't be exported is refused."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="training's code needs the train extra")

import numpy as np
import onnx
import onnxruntime
import torch
from transformers import RobertaConfig

from parley.model import Artifact, Classifier, Comment
from parley.model.labels import ABUSE
from parley.model.text.tokenization import Tokenizer, Tokens
from parley.training.errors import BaseModelError, RunError
from parley.training.network.export import export_artifact
from parley.training.network.graph import Part, build, observe
from parley.training.network.network import Network
from parley.training.network.weights import read_weights

COMMENTS = [Comment(text="You are stupid, stop it"), Comment(text="good", target="the new road")]
PARTS: tuple[Part, ...] = ("comments", "pairs")


def test_the_network_is_read_back_from_its_export(tiny_artifact: Path, tmp_path: Path) -> None:
    """Int8 weights quantise to themselves: exported again, the integers and the scores are the same."""
    network = Network.from_artifact(Artifact(tiny_artifact)).eval()
    again = Artifact(tmp_path / "again")
    export_artifact(
        network,
        again,
        tokenizer_file=Artifact(tiny_artifact).tokenizer_file,
        name="again",
        version="0.0.1",
        max_tokens=96,
        stride=16,
        training={},
    )
    once, twice = network.state_dict(), Network.from_artifact(again).state_dict()
    for name, weights in once.items():
        torch.testing.assert_close(twice[name], weights, atol=1e-6, rtol=1e-5)
    before, after = (Classifier.load(a).predict(COMMENTS) for a in (tiny_artifact, again.path))
    for one, other in zip(before, after, strict=True):
        assert [one.abuse[a] for a in ABUSE] == pytest.approx([other.abuse[a] for a in ABUSE], abs=0.02)


def test_a_float_network_is_read_back_as_it_was(tiny_artifact: Path, tmp_path: Path) -> None:
    network = Network.from_artifact(Artifact(tiny_artifact)).eval()
    for part in PARTS:
        file = tmp_path / f"{part}.onnx"
        onnx.save(build(network, part), file)
        for name, weights in read_weights(file, network.state_dict()).items():
            assert torch.equal(weights, network.state_dict()[name])


def test_another_onnx_cannot_be_a_base(tiny_artifact: Path, tmp_path: Path) -> None:
    artifact = Artifact(Path(shutil.copytree(tiny_artifact, tmp_path / "artifact")))
    model = onnx.load(artifact.pairs_file)
    del model.metadata_props[:]
    onnx.save(model, artifact.pairs_file)
    with pytest.raises(BaseModelError, match=r"pairs\.onnx was not written by this version of Parley"):
        Network.from_artifact(artifact)
    artifact.pairs_file.write_bytes(b"of another time")
    with pytest.raises(BaseModelError, match=r"pairs\.onnx can't be read"):
        Network.from_artifact(artifact)


def test_integers_stay_in_seven_bits(tiny_artifact: Path) -> None:
    artifact = Artifact(tiny_artifact)
    for file, layers in ((artifact.comments_file, 2 * 6), (artifact.pairs_file, 2 * 6 + 2)):
        constants = onnx.load(file).graph.initializer
        weights = [onnx.numpy_helper.to_array(c) for c in constants if c.name.endswith(".int8")]
        assert len(weights) == layers
        assert all(-64 < w.min() < w.max() < 64 for w in weights)


@pytest.mark.parametrize("part", PARTS)
def test_a_layer_that_reads_nothing_has_a_range(tiny_artifact: Path, part: Part) -> None:
    network = Network.from_artifact(Artifact(tiny_artifact)).eval()
    ranges = observe(network, part, [])
    assert all(low == high == 0.0 for low, high in ranges.values())
    onnx.checker.check_model(build(network, part))
    assert build(network, part, ranges=ranges).graph.node


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_a_channel_far_wider_than_the_others_costs_them_no_precision(
    tiny_artifact: Path, activation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = Artifact(tiny_artifact)
    network = _with_activation(activation, Network.from_artifact(artifact))
    tokenizer = Tokenizer(artifact.tokenizer_file, max_tokens=96, stride=16)
    rows = tokenizer.articles(["good", "You are stupid, stop it", "the new road, and the old bridge"])

    def gap() -> float:
        found = []
        for graph in (
            build(network, "comments"),
            build(network, "comments", ranges=observe(network, "comments", rows)),
        ):
            session = onnxruntime.InferenceSession(graph.SerializeToString())
            found.append(np.concatenate([session.run(["embedding"], _fed(row))[0] for row in rows]))
        return float(np.abs(found[0] - found[1]).mean())

    before = gap()
    stack: Any = network.encoder.encoder
    layer = stack.layer[0]
    with torch.no_grad():  # one channel is 100 for any input; its effect is subtracted again
        layer.intermediate.dense.weight[3] = 0.0
        layer.intermediate.dense.bias[3] = 100.0
        layer.output.dense.weight[:, 3] = layer.output.dense.weight.abs().amax(1)
        layer.output.dense.bias -= 100.0 * layer.output.dense.weight[:, 3]
    split = gap()
    monkeypatch.setattr("parley.training.network.graph.WIDE", 1000.0)
    assert split < 1.5 * before < gap()


def _with_activation(name: str, network: Network) -> Network:
    """The network as if its bases had this activation in their feed-forward layers."""
    config, pair_config = copy.deepcopy(network.config), copy.deepcopy(network.pair_config)
    config.hidden_act = pair_config.hidden_act = name
    other = Network(config, pair_config)
    other.load_state_dict(network.state_dict())
    return other.eval()


def _fed(row: Tokens) -> dict[str, np.ndarray]:
    return {"input_ids": np.array([row.ids]), "token_type_ids": np.array([row.types])}


def test_quantisation_includes_relu(tiny_artifact: Path, tmp_path: Path) -> None:
    network = _with_activation("relu", Network.from_artifact(Artifact(tiny_artifact)))
    again = Artifact(tmp_path / "relu")
    export_artifact(  # compares torch, float and int8
        network,
        again,
        tokenizer_file=Artifact(tiny_artifact).tokenizer_file,
        name="relu",
        version="0.0.1",
        max_tokens=96,
        stride=16,
        training={},
    )
    for file, part in ((again.comments_file, PARTS[0]), (again.pairs_file, PARTS[1])):
        operators = {node.op_type for node in onnx.load(file).graph.node}
        assert not operators & {"Gelu", "Relu"}
        assert "Relu" in {node.op_type for node in build(network, part).graph.node}
    assert Network.from_artifact(again).pair_config.hidden_act == "relu"


def test_another_encoder_is_refused() -> None:
    config = RobertaConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    with pytest.raises(RunError, match="roberta"):
        build(Network(config), "pairs")
