"""The network in torch: windows in which nothing can hide, padding, and what it starts from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training's code needs the train extra")

import torch
from safetensors.torch import save_file
from torch import Tensor

from parley.model import Artifact
from parley.training.errors import BaseModelError
from parley.training.network.network import (
    COMMENT_OUTPUTS,
    PAIR_OUTPUTS,
    WINDOW,
    WINDOW_STEP,
    Network,
    _encode,
    _mean,
)
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
    inputs = pad(rows)
    values = (*network.comments(**inputs), *network.pairs(**inputs))
    return dict(zip((*COMMENT_OUTPUTS, *PAIR_OUTPUTS), values, strict=True))


def test_padding_changes_nothing(network: Network, rows: list[list[int]]) -> None:
    together = outputs(network, rows)
    for i, row in enumerate(rows):
        alone = outputs(network, [row])
        for name in together:
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


@torch.no_grad()
def test_an_older_artifact_is_a_base(network: Network, tmp_path: Path) -> None:
    """Its single network becomes both encoders: what it knew about comments and stance stays."""
    new = ("pair_encoder", "off_topic_h", "reply_head")
    state = {
        name: values.clone() for name, values in network.state_dict().items() if not name.startswith(new)
    }
    save_file(state, tmp_path / "model.safetensors")
    values = network.config.to_diff_dict() | {"model_type": "bert"}
    (tmp_path / "encoder.json").write_text(json.dumps(values))
    (tmp_path / "artifact.json").write_text(json.dumps({"format": 2}))
    begun = Network.from_base(str(tmp_path)).eval()
    rows = [[5, 6, 7], [8, 9, 10, 11]]
    found, before = outputs(begun, rows), outputs(network, rows)
    for name in COMMENT_OUTPUTS:
        assert torch.equal(found[name], before[name])
    hidden, mask = _encode(network.encoder, **pad(rows))
    both = torch.cat([hidden[:, 0], _mean(hidden, mask)], -1)
    stance = network.stance_head(torch.tanh(network.stance_hidden(both)))
    assert torch.equal(found["stance_logits"], stance)
    assert torch.equal(found["reply_logits"], stance)
    assert found["off_topic_logits"].tolist() == [0.0, 0.0]
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(BaseModelError, match="training can't start from it"):
        Network.from_base(str(tmp_path))


def test_a_pair_base_replaces_the_pair_encoder(tiny_artifact: Path, base: Path) -> None:
    old, new = (
        Network.from_artifact(Artifact(tiny_artifact)),
        Network.from_base(str(tiny_artifact), str(base)),
    )
    assert new.pair_config.hidden_size != old.pair_config.hidden_size
    fresh, mine, other = new.state_dict(), old.state_dict(), Network.from_base(str(base)).state_dict()
    for name, weights in fresh.items():
        if name.startswith("pair_encoder"):
            assert torch.equal(weights, other[name])
        elif name.startswith(("encoder", "comment_head", "span_head", "off_topic_scale", "off_topic_bias")):
            assert torch.equal(weights, mine[name])
