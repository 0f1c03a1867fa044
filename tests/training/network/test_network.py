"""The network in torch: windows that let nothing hide, padding, the heads that an older artifact lacks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training's code needs the train extra")

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from parley.model import Artifact
from parley.training.network.network import OUTPUTS, WINDOW, WINDOW_STEP, Network
from parley.training.network.padding import pad

LENGTHS = (2, 16, 17, 31, 32, 33, 48, 49, 50, 90)


@pytest.fixture(scope="module")
def network(tiny_artifact: Path) -> Network:
    return Network.from_artifact(Artifact(tiny_artifact)).eval()


@pytest.fixture(scope="module")
def rows() -> list[list[int]]:
    random = torch.Generator().manual_seed(5)
    return [torch.randint(5, 200, (n,), generator=random).tolist() for n in LENGTHS]


@torch.no_grad()
def outputs(network: Network, rows: list[list[int]]) -> dict[str, Tensor]:
    return dict(zip(OUTPUTS, network(**pad(rows)), strict=True))


def test_padding_changes_nothing(network: Network, rows: list[list[int]]) -> None:
    together = outputs(network, rows)
    for i, row in enumerate(rows):
        alone = outputs(network, [row])
        for name in OUTPUTS:
            found = together[name][i, : len(row)] if name == "span_logits" else together[name][i]
            torch.testing.assert_close(found, alone[name][0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_comment_is_judged_by_its_worst_window(network: Network, rows: list[list[int]]) -> None:
    for row in rows:
        hidden = network.encoder(**pad([row])).last_hidden_state[0]
        starts = [a for a in range(0, len(row), WINDOW_STEP) if len(row) > a + WINDOW_STEP]
        parts = [hidden, *(hidden[a : a + WINDOW] for a in starts)]
        logits = [network.comment_head(torch.cat([hidden[0], part.mean(0)])) for part in parts]
        expected = torch.stack(logits).amax(0)
        torch.testing.assert_close(outputs(network, [row])["comment_logits"][0], expected)
        assert (len(row) <= WINDOW) == torch.allclose(expected, logits[0], atol=1e-5)


def test_an_older_artifact_gets_the_heads_it_lacks(tiny_artifact: Path, tmp_path: Path) -> None:
    artifact = Artifact(Path(shutil.copytree(tiny_artifact, tmp_path / "artifact")))
    state = load_file(artifact.weights_file)
    new = ("off_topic_hidden", "off_topic_head", "reply_head")
    old = {name: values for name, values in state.items() if not name.startswith(new)}
    save_file(old, artifact.weights_file)
    network = Network.from_artifact(artifact).eval()
    assert torch.equal(network.off_topic_hidden.weight, network.stance_hidden.weight)
    found = outputs(network, [[5, 6, 7]])
    assert torch.equal(found["reply_logits"], found["stance_logits"])
    assert found["off_topic_logits"].tolist() == [0.0]
