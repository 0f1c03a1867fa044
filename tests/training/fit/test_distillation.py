"""A teacher with another architecture, by the same pipeline, and a student that moves towards its answers."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from parley.training.network.padding import pad

pytest.importorskip("torch", reason="training's code needs the train extra")

import torch
from transformers import MPNetConfig, MPNetModel

from parley.model import Artifact, Classifier, Comment
from parley.model.text.context import reply_context
from parley.model.text.tokenization import Tokenizer
from parley.service.commands.cli import add_plugins
from parley.service.commands.cli import app as commands
from parley.training.data.augmentation.pairs import unlabelled
from parley.training.data.examples import Example
from parley.training.data.preparation import prepare
from parley.training.errors import RunError
from parley.training.fit import distillation as distil
from parley.training.fit.batches import Collator, tokenise
from parley.training.fit.config import LossWeights, Teacher, TokenLimits, load_config
from parley.training.fit.distillation import Answers, Questions, ask, open_teacher
from parley.training.fit.loss import multitask_loss
from parley.training.fit.plan import plan
from parley.training.fit.run import train
from parley.training.network.export import export_artifact
from parley.training.network.network import Network
from tests.conftest import write_tokenizer

LIMITS = TokenLimits(serve=64, stride=8, comment=24, context=16, pair=32)


@pytest.fixture(scope="module")
def mpnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random two-layer MPNet and its tokenizer, as saved by transformers."""
    folder = tmp_path_factory.mktemp("mpnet")
    vocabulary = write_tokenizer(folder / "tokenizer.json")
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    pieces = [p for p in content["model"]["vocab"] if not p.startswith("[") or not p.endswith("]")]
    vocab = {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "[UNK]", *pieces])}
    content["model"]["vocab"] = vocab
    signs = {"cls": ["<s>", vocab["<s>"]], "sep": ["</s>", vocab["</s>"]]}
    content["post_processor"] = {
        "type": "RobertaProcessing",
        **signs,
        "trim_offsets": True,
        "add_prefix_space": False,
    }
    content["added_tokens"] = []
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    torch.manual_seed(5)
    config = MPNetConfig(
        vocab_size=vocabulary,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=32,
        max_position_embeddings=80,
        initializer_range=0.3,
        bos_token_id=vocab["<s>"],
        eos_token_id=vocab["</s>"],
    )
    MPNetModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def teacher(mpnet: Path, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("teacher")
    file = config_for(folder / "teacher.yaml", mpnet, epochs=1)
    return train(load_config(file), data_dir=data_dir, run_dir=folder / "run")


def config_for(file: Path, base: Path, *, epochs: float, **others: Any) -> Path:
    values = {
        "name": file.stem,
        "version": "0.0.1",
        "base": str(base),
        "precision": "float32",
        "tokens": LIMITS.model_dump(),
        "optimiser": {"epochs": epochs, "batch_size": 4, "learning_rate": 0.003, "save_steps": 20},
        "sources": [{"name": name} for name in ("toxic_spans", "c3", "vast", "debates", "youtube_spam")],
    }
    file.write_text(yaml.safe_dump(values | others), encoding="utf-8")
    return file


def test_a_teacher_is_an_artifact_like_any_other_but_in_float(teacher: Artifact) -> None:
    assert teacher.info["parity"].keys() == {"float_max_difference"}
    texts = ["You fool, sit down.", "ok", "a good plan for the city and " * 4]
    classifier = Classifier.load(teacher.path)
    alone = [classifier.predict([Comment(text=t, target="a plan")])[0] for t in texts]
    together = Classifier.load(teacher.path).predict([Comment(text=t, target="a plan") for t in texts])
    assert [p.to_dict() for p in alone] == [p.to_dict() for p in together]
    network = Network.from_artifact(teacher)
    assert network.config.model_type == "mpnet"


def test_the_second_text_of_mpnets_pair_follows_two_separators(mpnet: Path) -> None:
    from tokenizers import Tokenizer as Library

    library = Library.from_file(str(mpnet / "tokenizer.json"))
    ours = Tokenizer(mpnet / "tokenizer.json", max_tokens=32, stride=0)
    (row,) = ours.pairs([(reply_context("the new road"), "a good plan")])
    expected = library.encode("the new road", "a good plan")
    assert (row.ids, row.types) == (expected.ids, expected.type_ids)
    (long,) = ours.pairs([(reply_context("road"), "plan " * 50)])
    assert len(long) == 32
    assert long.cut
    assert ours.comments(["fine"])[0][0].ids == library.encode("fine").ids


def test_a_student_moves_towards_its_teacher(
    teacher: Artifact, base: Path, data_dir: Path, tmp_path: Path
) -> None:
    taught = {
        "teacher": {"artifact": str(teacher.path), "temperature": 1.0, "pairs": 40, "articles": 20},
        "losses": {"comment": 0, "span": 0, "off_topic": 0, "contrast": 0, "stance": 0},
    }
    config = load_config(config_for(tmp_path / "distil.yaml", base, epochs=8, **taught))
    student = train(config, data_dir=data_dir, run_dir=tmp_path / "run")
    (said,) = student.info["training"]["teachers"]
    assert said["name"] == "teacher"
    assert set(said["sources"]) == {"toxic_spans", "c3", "vast", "debates", "youtube_spam"}
    assert student.info["training"]["made"]["unlabelled"] > 20

    assert config.teacher is not None
    rows = prepare(
        config.sources, data_dir=data_dir, swaps=config.swaps, seed=config.seed, teacher=config.teacher
    ).train
    truth = _logits(teacher, rows, tmp_path / "a")
    torch.manual_seed(config.seed)
    before = _logits(_saved(Network.from_base(str(base)), student, tmp_path / "start"), rows, tmp_path / "b")
    after = _logits(student, rows, tmp_path / "c")
    for kind in ("labels", "stances", "cosines"):
        first, last = (np.abs(of[kind] - truth[kind]).mean() for of in (before, after))
        assert last < 0.8 * first, kind

    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {"loss_teacher_stance", "loss_teacher_labels", "loss_teacher_cosine"} <= metrics["train"].keys()


def _saved(network: Network, like: Artifact, folder: Path) -> Artifact:
    artifact = Artifact(folder)
    facts: dict[str, Any] = {
        "name": "start",
        "version": "0.0.1",
        "max_tokens": 64,
        "stride": 8,
        "training": {},
    }
    export_artifact(network, artifact, tokenizer_file=like.tokenizer_file, **facts)
    return artifact


def _logits(artifact: Artifact, rows: list[Example], folder: Path) -> dict[str, np.ndarray]:
    answers = ask(Teacher(artifact=str(artifact.path)), rows, limits=LIMITS, folder=folder)
    aimed = [(e.text, e.target or "", e.article or "") for e in rows if e.stance]
    softmax = torch.tensor([answers.stance(*pair) for pair in aimed]).softmax(-1)
    return {
        "labels": torch.tensor([answers.labels(e.text) for e in rows]).sigmoid().numpy(),
        "stances": softmax.numpy(),
        "cosines": np.array([answers.cosine(text, target) for text, target, _ in aimed]),
    }


@pytest.fixture
def examples() -> list[Example]:
    return [
        Example(text="a good plan", source="x", target="the plan", stance="favor"),
        Example(text="bad road", source="x", article="the road", off_topic=0.0),
        Example(text="you fool", source="x", labels={"insult": 1.0}),
    ]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows of each batch the teacher answered."""
    batches: list[int] = []
    inner = pad

    def spy(ids: Any, types: Any) -> Any:
        batches.append(len(ids))
        return inner(ids, types)

    monkeypatch.setattr(distil, "pad", spy)
    return batches


def test_saved_answers_are_not_computed_again(
    teacher: Artifact, examples: list[Example], asked: list[int], tmp_path: Path
) -> None:
    settings = Teacher(artifact=str(teacher.path))
    first = ask(settings, examples, limits=LIMITS, folder=tmp_path / "a")
    assert sum(asked) == 3 + 2 + 1
    asked.clear()
    gone = Teacher(artifact=str(tmp_path / "nowhere"))
    again = ask(gone, examples, limits=LIMITS, folder=tmp_path / "a")
    assert asked == []
    assert _answers_of(again, examples) == _answers_of(first, examples)
    assert again.teacher["name"] == "teacher"

    comments = np.load(tmp_path / "a" / "comments.npy", mmap_mode="r+")
    comments[1, -1] = np.nan  # cut off within a row
    comments.flush()
    repeated = ask(settings, examples, limits=LIMITS, folder=tmp_path / "a")
    assert asked == [1]
    assert _answers_of(repeated, examples) == _answers_of(first, examples)
    asked.clear()
    ask(settings, examples[:2], limits=LIMITS, folder=tmp_path / "a")
    assert sum(asked) == 2 + 2 + 1, "different questions are asked again"


def _answers_of(answers: Answers, examples: list[Example]) -> list[Any]:
    labels = [answers.labels(e.text) for e in examples]
    return [labels, answers.stance("a good plan", "the plan"), answers.cosine("bad road", "the road")]


def test_only_answers_with_a_weight_are_computed(examples: list[Example]) -> None:
    every = Questions.of(examples, Teacher(artifact="x"))
    assert every.comments == ["bad road", "a good plan", "you fool"]
    assert every.contexts == ["the road", "the plan"]
    assert every.pairs == [("a good plan", "the plan", "")]
    assert Questions.of(examples, Teacher(artifact="x", labels=0)).comments == ["bad road", "a good plan"]


def test_a_resumed_run_asks_the_teacher_nothing(
    teacher: Artifact, base: Path, data_dir: Path, tmp_path: Path, asked: list[int]
) -> None:
    taught = {"teacher": {"artifact": str(teacher.path), "pairs": 10, "articles": 5}}
    config = load_config(config_for(tmp_path / "distil.yaml", base, epochs=0.3, **taught))
    train(config, data_dir=data_dir, run_dir=tmp_path / "run")
    assert asked
    asked.clear()
    train(config, data_dir=data_dir, run_dir=tmp_path / "run", resume=True)
    assert asked == []


def test_pairs_for_a_teacher_are_new_and_carry_no_label() -> None:
    true = [
        Example(text=f"comment {i} on the {word}", source="x", target=f"the {word}", stance="favor")
        for i, word in enumerate(["road", "park", "school", "tax", "law"] * 4)
    ] + [
        Example(text=f"about {i} {word}", source="y", article=f"News of {word}", off_topic=0.0)
        for i, word in enumerate(["trains", "rain", "votes"])
    ]
    made = unlabelled(true, seed=1, pairs=40, articles=10)
    assert made == unlabelled(true, seed=1, pairs=40, articles=10)
    assert {e.weight for e in made} == {0.0}
    assert not any(e.labels or e.spans for e in made)
    judged = {(e.text, e.target or e.article) for e in true}
    pairs = [(e.text, e.target or e.article) for e in made]
    assert not judged & set(pairs)
    assert len(set(pairs)) == len(pairs)
    assert 20 < sum(e.target is not None for e in made) <= 40
    assert 4 < sum(e.article is not None for e in made) <= 10
    assert unlabelled([], seed=1, pairs=5, articles=5) == []


def test_the_dry_run_says_what_the_teacher_is_asked(base: Path, data_dir: Path, tmp_path: Path) -> None:
    taught = {"teacher": {"artifact": "not/trained/yet", "pairs": 10, "articles": 5}}
    file = config_for(tmp_path / "distil.yaml", base, epochs=1, **taught)
    found = plan(load_config(file), data_dir=data_dir)
    assert found["made"]["unlabelled"] > 0
    assert found["asked"]["pairs"] >= found["labels"]["vast"]["stance"]
    add_plugins(commands)
    command = ["train", str(file), "--data-dir", str(data_dir)]
    result = CliRunner().invoke(commands, [*command, "--dry-run"])
    assert "The teacher labels these once, before training" in result.output
    result = CliRunner().invoke(commands, [*command, "--run-dir", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "not/trained/yet is not a folder" in result.output
    assert "configs/training/teacher.yaml" in result.output


def test_a_teacher_without_weights_is_refused(teacher: Artifact, tmp_path: Path) -> None:
    shutil.copytree(teacher.path, tmp_path / "served")
    (tmp_path / "served" / "encoder.json").unlink()
    with pytest.raises(RunError, match=r"encoder\.json"):
        open_teacher(str(tmp_path / "served"))


def test_a_network_has_nothing_to_learn_from_itself(
    teacher: Artifact, examples: list[Example], tmp_path: Path
) -> None:
    settings = Teacher(artifact=str(teacher.path))
    unjudged = replace(examples[0], target="the road", stance="none", weight=0.0)
    rows = [*examples, unjudged]
    with_answers = _batch(teacher, rows, ask(settings, rows, limits=LIMITS, folder=tmp_path / "a"))
    network = Network.from_artifact(teacher).eval()
    _, parts = multitask_loss(network, with_answers, LossWeights(), teacher=settings)
    assert parts["teacher_stance"].item() == pytest.approx(0.0, abs=1e-4)
    assert parts["teacher_cosine"].item() == pytest.approx(0.0, abs=1e-4)
    assert with_answers["teacher"]["stances"].shape == (2, 3)
    _, without = multitask_loss(network, _batch(teacher, examples, None), LossWeights())
    assert parts["stance"].item() == pytest.approx(without["stance"].item(), abs=1e-5), "not diluted"
    assert not any(name.startswith("teacher") for name in without)


def _batch(artifact: Artifact, rows: list[Example], answers: Answers | None) -> dict[str, Any]:
    comments, contexts, pairs = (
        Tokenizer(artifact.tokenizer_file, max_tokens=n, stride=0)
        for n in (LIMITS.comment, LIMITS.context, LIMITS.pair)
    )
    dataset = tokenise(rows, comments=comments, contexts=contexts, pairs=pairs, answers=answers)
    return Collator()(list(dataset))


def test_the_teacher_can_answer_for_comments_alone(
    teacher: Artifact, examples: list[Example], tmp_path: Path
) -> None:
    for _ in range(2):
        answers = ask(Teacher(artifact=str(teacher.path)), examples[2:], limits=LIMITS, folder=tmp_path / "a")
        assert np.isfinite(answers.labels("you fool")).all()
        assert np.isnan(answers.labels("never asked")).all()
