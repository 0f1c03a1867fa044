"""The engine: results in the order of the rows, each as if its row were alone."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

import parley.model.engine
from parley.model import Artifact, ArtifactError
from parley.model.engine import Engine, available_cores
from parley.model.text.context import pair_context
from parley.model.text.tokenization import Tokenizer, Tokens

COMMENTS = ("comment_logits", "span_logits", "embedding")
PAIRS = ("stance_logits", "off_topic_logits", "reply_logits")
TEXTS = ["good", "the council should stop this stupid tax " * 8, "", "no", "why not read it", "good"]


@pytest.fixture(scope="module")
def engine(tiny_artifact: Path) -> Engine:
    artifact = Artifact(tiny_artifact)
    return Engine(artifact.comments_file, artifact.pairs_file, threads=2)


@pytest.fixture(scope="module")
def rows(tiny_artifact: Path) -> list[Tokens]:
    return Tokenizer(Artifact(tiny_artifact).tokenizer_file, max_tokens=96, stride=16).articles(TEXTS)


def test_every_row_has_its_outputs_in_order(engine: Engine, rows: list[Tokens]) -> None:
    together = engine.run(rows, *COMMENTS) | engine.run(rows, *PAIRS)
    assert list(together) == [*COMMENTS, *PAIRS]
    for i, row in enumerate(rows):
        assert together["comment_logits"][i].shape == (8,)
        assert together["span_logits"][i].shape == (len(row),)
        assert together["embedding"][i].shape == (32,)
        assert together["stance_logits"][i].shape == together["reply_logits"][i].shape == (3,)
        assert together["off_topic_logits"][i].shape == ()
        assert np.linalg.norm(together["embedding"][i]) == pytest.approx(1, abs=1e-5)
        alone = engine.run([row], *COMMENTS) | engine.run([row], *PAIRS)
        for name in together:
            assert np.array_equal(alone[name][0], together[name][i])
    logits = together["comment_logits"]
    assert np.array_equal(logits[0], logits[5])
    assert not np.array_equal(logits[0], logits[3])


def test_a_row_scores_the_same_to_the_bit_in_batches_of_any_size(
    engine: Engine, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("road", "tax", "idiot", "you", "vote", "no", "city", "why")
    texts = [" ".join(chosen) for chosen in permutations(words, 5)][::150]
    tokenizer = Tokenizer(Artifact(tiny_artifact).tokenizer_file, max_tokens=96, stride=16)
    rows = [
        *tokenizer.articles(texts),
        *tokenizer.pairs([(pair_context(words[0], None), text) for text in texts]),
    ]
    assert max(Counter(map(len, rows)).values()) > 10
    found = {}
    for size in (1, 24, 50, 10_000):
        monkeypatch.setattr(parley.model.engine, "BATCH_TOKENS", size)
        found[size] = engine.run(rows, *COMMENTS) | engine.run(rows, *PAIRS)
    for name in (*COMMENTS, *PAIRS):
        for i, alone in enumerate(found[1][name]):
            assert all(np.array_equal(alone, in_batch[name][i]) for in_batch in found.values())


def test_identical_rows_run_once(engine: Engine, rows: list[Tokens], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class Counting:
        def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            calls.append(inputs)
            answer: list[np.ndarray] = session.run(outputs, inputs)
            return answer

    session = engine._sessions["embedding"]
    monkeypatch.setitem(engine._sessions, "embedding", Counting())
    engine.run([rows[0]] * 50 + [rows[1]], "embedding")
    assert len(calls) == 2


def test_no_rows_give_no_results(engine: Engine) -> None:
    assert engine.run([], "embedding") == {"embedding": []}


def test_a_broken_network_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pairs.onnx"
    file.write_bytes(b"not a network")
    with pytest.raises(ArtifactError, match=r"pairs\.onnx can't be loaded: .*copy the artifact again"):
        Engine(file)


def test_cores_are_those_of_this_process() -> None:
    assert available_cores() >= 1
