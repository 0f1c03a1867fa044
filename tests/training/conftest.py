"""A tiny encoder to start from, and a training YAML for the miniature corpora."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import write_tokenizer
from tests.training.mini_corpora import write_corpora


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """For a tiny network, threads that wait at barriers are slower than a single one."""
    torch = pytest.importorskip("torch", reason="training needs the train extra")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # for the processes that a test starts
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpora(tmp_path_factory.mktemp("corpora"))


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random two-layer encoder and its tokenizer, as saved by transformers."""
    torch = pytest.importorskip("torch", reason="training needs the train extra")
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=write_tokenizer(folder / "tokenizer.json"),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def values(base: Path) -> dict[str, Any]:
    """The YAML of a run of a few dozen steps, with sources for every task."""
    return {
        "name": "mini",
        "version": "0.0.1",
        "base": str(base),
        "precision": "float32",
        "tokens": {"serve": 64, "stride": 8, "comment": 24, "context": 16, "pair": 32},
        "optimiser": {"epochs": 6, "batch_size": 4, "learning_rate": 0.003, "save_steps": 5},
        "sources": [{"name": name} for name in ("toxic_spans", "c3", "vast", "debates", "youtube_spam")],
    }


@pytest.fixture
def config_file(tmp_path: Path, values: dict[str, Any]) -> Path:
    """The file of `values`."""
    file = tmp_path / "mini.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return file
