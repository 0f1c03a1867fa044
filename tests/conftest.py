"""What the tests share: a tiny artifact, really exported by training's own code, and a classifier on it."""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings

from parley.model import Artifact, Classifier

# The same examples in every run, on machines of any speed.
settings.register_profile(
    "parley",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("parley")

# A service without keys answers for the names of this machine only; "testserver" is not one of them.
TestClient.__init__.__defaults__ = ("http://localhost", *(TestClient.__init__.__defaults__ or ())[1:])

WORDS = (  # noqa: SIM905
    "a about agree all an and are article as at be because but by can city comment council could did do "
    "does done down every fact few first for from get give go good great had has have he her here his "
    "how i idea idiot if in is it just know left less like line little made make many me money more "
    "most much my never new news no not now of off old on one only or other our out over own paper park "
    "pay people plan point read really reply right road said same say school see she should so some "
    "stop story stupid such take tax than thank that the their them then there these they thing think "
    "this those time to too town trash true two under up us very vote want was watch we well went were "
    "what when where which who why will with work world would wrong year yes you your"
).split()
"""A vocabulary of common words; other words are spelled out in characters."""
PIECES = [*string.ascii_lowercase, *string.digits, "e", "ing", "ed", "er", "s", "ly", "tion"]


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The default data folder of the tests' services, in place of the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("data")
        patch.setenv("XDG_DATA_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tiny_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny untrained artifact: two layers, 32 wide, windows of 96 tokens that share 16."""
    torch = pytest.importorskip("torch", reason="training's code needs the train extra")
    from transformers import BertConfig

    from parley.training.network.export import export_artifact
    from parley.training.network.network import Network

    folder = tmp_path_factory.mktemp("tiny")
    tokenizer_file = folder / "base-tokenizer.json"
    vocabulary = write_tokenizer(tokenizer_file)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        initializer_range=0.2,
    )
    artifact = Artifact(folder / "artifact")
    export_artifact(
        Network(config),
        artifact,
        tokenizer_file=tokenizer_file,
        name="tiny",
        version="0.0.1",
        max_tokens=96,
        stride=16,
        training={},
    )
    return artifact.path


@pytest.fixture(scope="session")
def classifier(tiny_artifact: Path) -> Classifier:
    """The tiny artifact, loaded. Its scores mean nothing, but are computed like any other artifact's."""
    return Classifier.load(tiny_artifact, threads=2)


def write_tokenizer(file: Path) -> int:
    """Save a WordPiece tokenizer like BERT's; returns the size of its vocabulary."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import TemplateProcessing

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [*special, *characters, *WORDS, *(f"##{piece}" for piece in PIECES)]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    tokenizer.save(str(file))
    return len(vocabulary)
