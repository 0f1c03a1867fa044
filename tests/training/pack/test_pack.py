"""In miniature: a training is packed, run as a portable job, interrupted, resumed, and unpacked."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch", reason="training's code needs the train extra")

import numpy as np
import torch

from parley.model import Artifact, Classifier, Comment
from parley.model.text.context import pair_context
from parley.model.text.tokenization import Tokenizer
from parley.training.data.examples import Example
from parley.training.data.preparation import Prepared
from parley.training.data.sources import read
from parley.training.errors import ConfigError, RunError
from parley.training.evaluation.operating_points import OperatingPoint
from parley.training.fit import stages
from parley.training.fit.config import TrainConfig, load_config
from parley.training.fit.plan import read as plan_read
from parley.training.json_files import write_json
from parley.training.network import precision
from parley.training.network.network import Network, base_tokenizer
from parley.training.network.padding import pad
from parley.training.pack import packing
from parley.training.pack.job import run as job
from parley.training.pack.job.network import Packed, PackedNetwork
from parley.training.pack.job.tasks import Task
from parley.training.pack.packing import pack, rows_of
from parley.training.pack.results import result, trained
from parley.training.pack.unpacking import unpack

PORTABLE = {"torch", "numpy"}
STAGES: list[dict[str, Any]] = [
    {
        "name": "comments",
        "epochs": 4,
        "learning_rate": 0.02,
        "warmup_steps": 1,
        "tasks": [
            {"name": "abuse", "read": "comments", "sources": ["toxic_spans", "c3"], "rows": 4, "tokens": 48},
            {"name": "kept", "read": "comments", "sources": ["youtube_spam"], "rows": 2, "fill": True},
            {"name": "titles", "read": "contrast", "sources": ["news_posts"], "rows": 8, "every": 2},
        ],
    },
    {
        "name": "sides",
        "epochs": 1,
        "learning_rate": 0.003,
        "warmup_steps": 1,
        "frozen_layers": 0,
        "dropout": 0.1,
        "average_steps": 3,
        "tasks": [
            {"name": "entailment", "read": "pairs", "sources": ["nli", "vast"], "rows": 16},
            {"name": "under_titles", "read": "pairs", "made": ["titles"], "rows": 8, "every": 2},
            {"name": "answers", "read": "replies", "sources": ["debagreement"], "rows": 8, "every": 3},
        ],
    },
]


@pytest.fixture(scope="module")
def config(base: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    names = {name for stage in STAGES for task in stage["tasks"] for name in task.get("sources", ())}
    values = {
        "name": "mini",
        "version": "0.0.1",
        "base": str(base),
        "tokens": {"serve": 64, "stride": 8, "comment": 48, "context": 16, "pair": 48},
        "swaps": {"off_topic": 0.0, "stance_none": 0.0, "near": 1.0, "far": 1.0, "turned": 0.3},
        "sources": [{"name": name} for name in sorted(names)],
        "stages": STAGES,
    }
    file = tmp_path_factory.mktemp("config") / "mini.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return load_config(file)


@pytest.fixture(scope="module")
def packed(config: TrainConfig, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed") / "job"
    pack(config, data_dir=data_dir, folder=folder)
    return folder


@pytest.fixture
def folder(packed: Path, tmp_path: Path) -> Path:
    """The packed folder, to run in."""
    return shutil.copytree(packed, tmp_path / "job")


@pytest.fixture(scope="module")
def ran(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed folder after its job has run: to read, or to copy."""
    folder = tmp_path_factory.mktemp("ran") / "job"
    run_here(shutil.copytree(packed, folder))
    return folder


def run_here(folder: Path, *, resume: bool = False) -> None:
    """Run the job of `folder`, which handles these signals."""
    signs = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(sign) for sign in signs]
    try:
        found = job.Job(folder, resume=resume, share=1.0, minutes=None, half=False)
        found.run()
        assert found.state.stage == len(found.plan["stages"])
    finally:
        for sign, handler in zip(signs, before, strict=True):
            signal.signal(sign, handler)


def test_the_job_needs_only_torch_and_numpy() -> None:
    for module in (*Path(job.__file__).parent.glob("*.py"), Path(precision.__file__)):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names.append(node.module or "")
            for name in names:
                assert name.split(".")[0] in PORTABLE | set(sys.stdlib_module_names), module


def test_the_job_runs_outside_the_repository(
    config: TrainConfig, folder: Path, data_dir: Path, tmp_path: Path
) -> None:
    blocked = {"parley", "transformers", "datasets", "safetensors", "tokenizers", "yaml"}
    code = (
        f"import sys, runpy; sys.modules.update(dict.fromkeys({sorted(blocked)!r}))\n"
        f"sys.path.insert(0, {str(folder)!r}); sys.argv = ['job.py', '--share', '0.5']\n"
        f"runpy.run_path({str(folder / 'job.py')!r}, run_name='__main__')"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "sides: 100%" in done.stdout
    assert f"computing in {'bfloat16' if precision.faster_in_bfloat16() else 'float32'}" in done.stdout
    assert "rows a second" in done.stdout
    assert list((folder / "trial").glob("result-*.npz")), "with --share the result is a trial"
    with pytest.raises(RunError, match=r"has no result: run python .*job\.py"):
        unpack(config, [folder], data_dir=data_dir, run_dir=tmp_path / "run")


def test_a_finished_job_is_unpacked(config: TrainConfig, ran: Path, data_dir: Path, tmp_path: Path) -> None:
    before = Network.from_base(config.base).state_dict()
    artifact = unpack(config, [ran], data_dir=data_dir, run_dir=tmp_path / "run")
    after = trained(config, [ran]).state_dict()
    moved = {name for name, weight in before.items() if not torch.allclose(weight, after[name], atol=1e-3)}
    assert not [name for name in moved if ".embeddings." in name], "embeddings are never trained"
    assert not [name for name in moved if name.startswith("encoder.encoder.layer.0.")], "frozen"
    assert [name for name in moved if name.startswith("encoder.encoder.layer.1.")]
    assert [name for name in moved if name.startswith("pair_encoder.encoder.layer.0.")]
    assert {"comment_head.weight", "stance_head.weight", "reply_head.weight"} <= moved
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["packed"][0]["counts"]["entailment"]["rows"] > 200
    assert artifact.info["training"]["sources"]["nli"]["train"] > 200
    found = Classifier.load(artifact.path).predict([Comment(text="You fool.", target="a plan")])[0]
    assert found.stance is not None
    with pytest.raises(RunError, match="already has an artifact"):
        unpack(config, [ran], data_dir=data_dir, run_dir=tmp_path / "run")


def test_the_packed_network_answers_as_the_network_does(config: TrainConfig, ran: Path) -> None:
    with torch.no_grad():
        _compare(config, ran)


def _compare(config: TrainConfig, folder: Path) -> None:
    weights = result(folder)
    plan = json.loads((folder / "plan.json").read_text())
    packed, network = PackedNetwork(weights, plan["encoders"]), trained(config, [folder])
    rng = np.random.default_rng(2)
    rows = [rng.integers(5, 150, n).tolist() for n in (2, 16, 17, 31, 32, 33, 47, 48, 49, 64)]
    lengths = np.array([len(row) for row in rows])
    flat = np.concatenate(rows)
    labels, spans, embedding = packed.comments(Packed(flat, lengths, None, "cpu"))
    of_network = network.comments(**pad(rows))
    mask = pad(rows)["attention_mask"].bool()
    expected = (of_network[0], of_network[1][mask], of_network[2])
    for found, wanted in zip((labels, spans, embedding), expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    contexts = np.maximum(1, lengths // 3)
    types = [[0] * c + [1] * (n - c) for c, n in zip(contexts, lengths, strict=True)]
    found_pairs = packed.pairs(Packed(flat, lengths, contexts, "cpu"))
    for found, wanted in zip(found_pairs, network.pairs(**pad(rows, types)), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_interrupted_and_resumed_is_as_if_uninterrupted(
    ran: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss, calls = Task.loss, 0

    def interrupted(self: Task, *given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls in (5, 40):
            os.kill(os.getpid(), signal.SIGINT)
        return loss(self, *given)

    monkeypatch.setattr(Task, "loss", interrupted)
    with pytest.raises(SystemExit, match="--resume continues"):
        run_here(folder)
    with pytest.raises(SystemExit, match="has an unfinished job: add --resume"):
        run_here(folder)
    with pytest.raises(SystemExit, match="--resume continues"):
        run_here(folder, resume=True)
    run_here(folder, resume=True)
    one, two = result(ran), result(folder)
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, atol=2e-3, rtol=2e-2)


def test_a_stage_ends_with_the_average_of_its_last_weights(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[torch.Tensor] = []
    add = job.Job._add_to_average

    def noted(self: job.Job, stage: Any, step: int) -> None:
        add(self, stage, step)
        if stage["name"] == "sides":
            steps.append(self.network.weights["stance_head.weight"].detach().clone())

    monkeypatch.setattr(job.Job, "_add_to_average", noted)
    run_here(folder)
    assert len(steps) > 5
    mean = torch.stack(steps[:3]).mean(0)
    for weight in steps[3:]:
        mean = mean + (weight - mean) / 3
    torch.testing.assert_close(result(folder)["stance_head.weight"], mean, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(mean, steps[-1], atol=1e-3)


def test_dropout_changes_answers_only_while_it_is_set(folder: Path) -> None:
    plan = json.loads((folder / "plan.json").read_text())
    network = PackedNetwork(job.read_weights(folder / "weights.npz"), plan["encoders"])
    rows = Packed(np.arange(5, 25), np.array([12, 8]), np.array([4, 4]), "cpu")
    with torch.no_grad():
        alone = network.pairs(rows)[0]
        network.dropout = 0.5
        one, two = network.pairs(rows)[0], network.pairs(rows)[0]
        assert not torch.allclose(one, two)
        network.dropout = 0.0
        torch.testing.assert_close(network.pairs(rows)[0], alone)


def test_rows_of_one_length_share_batches_and_need_no_padding(folder: Path) -> None:
    with np.load(folder / "rows-entailment.npz") as file:
        task = Task("entailment", "pairs", 4, 1, {name: file[name] for name in file}, {}, "cpu")
    lengths = task.arrays["lengths"]
    batches = task.batches(seed=1, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths))), "each row once"
    assert not all((a == b).all() for a, b in zip(batches, task.batches(seed=1, epoch=1), strict=True))
    counts = np.unique(lengths, return_counts=True)[1]
    even = [batch for batch in batches if len(batch) == 4 and len(set(lengths[batch])) == 1]
    assert len(even) >= (counts // 4).sum() > 0

    plan = json.loads((folder / "plan.json").read_text())
    network = PackedNetwork(job.read_weights(folder / "weights.npz"), plan["encoders"])
    (shorter,) = np.flatnonzero(lengths == lengths[lengths < lengths[even[0][0]]].max())[:1]
    alone, padded = task._packed(even[0], "contexts"), task._packed(np.append(even[0], shorter), "contexts")
    assert (alone.even, padded.even) == (True, False)
    with torch.no_grad():
        for of_even, of_padded in zip(network.pairs(alone), network.pairs(padded), strict=True):
            assert torch.allclose(of_even, of_padded[:4], atol=1e-5)


def test_pairs_without_a_side_are_thinned_out_where_a_task_says_so(
    config: TrainConfig, data_dir: Path
) -> None:
    prepared = plan_read(config, data_dir=data_dir)
    task = next(t for stage in config.stages for t in stage.tasks if t.name == "entailment")
    every = rows_of(task, prepared, seed=1)
    none = rows_of(task.model_copy(update={"sideless": 0.0}), prepared, seed=1)
    assert {e.stance for e in every} - {e.stance for e in none} == {"none"}
    assert none == [e for e in every if e.stance != "none"]


def test_a_task_without_articles_trains_only_stance() -> None:
    about = Example(text="Open it.", source="ours", article="Council votes on the bridge", off_topic=0.0)
    asked = replace(about, target="the bridge", stance="favor")
    values = {"name": "sides", "read": "pairs", "sources": ["ours"], "article": False}
    rows = rows_of(stages.Task.model_validate(values), Prepared([about, asked], {}, [], [], {}), seed=1)
    assert rows == [replace(asked, article=None, off_topic=None)]


def test_a_task_without_targets_asks_off_topic_once_a_comment() -> None:
    rows = [
        Example(
            text=f"Remark {n}.", source="ours", article="A bridge", target=t, stance="none", off_topic=off
        )
        for n, off in enumerate((0.0, 0.0, 0.0, 1.0))
        for t in ("the bridge", "closing the bridge")
    ]
    rows.append(replace(rows[0], article=None, off_topic=None))
    values: dict[str, Any] = {"name": "own", "read": "pairs", "sources": ["ours"], "target": False}

    def chosen(**more: Any) -> list[Example]:
        task = stages.Task.model_validate(values | more)
        return rows_of(task, Prepared(rows, {}, [], [], {}), seed=1)

    assert [e.text for e in chosen()] == [f"Remark {n}." for n in range(4)]
    assert {(e.target, e.stance, e.article) for e in chosen()} == {(None, None, "A bridge")}
    assert sorted(e.off_topic or 0 for e in chosen(on_topic=2)) == [0, 0, 1]
    assert sorted(e.off_topic or 0 for e in chosen(on_topic=0.1)) == [1]
    assert len(chosen(on_topic=9)) == 4
    for wrong, says in (
        ({"read": "replies"}, "target: false is for read: pairs"),
        ({"article": False}, "needs its article or its target"),
        ({"read": "comments", "target": True, "on_topic": 1}, "on_topic is for read: pairs"),
    ):
        with pytest.raises(ValueError, match=says):
            stages.Task.model_validate(values | wrong)


def test_a_task_may_read_only_each_comments_first_target() -> None:
    about = Example(text="Open it.", source="ours", article="Council votes on the bridge", off_topic=0.0)
    asked = [
        replace(about, text=text, target=target, stance=stance)
        for text in ("Open it.", "Close it.")
        for target, stance in (("the bridge", "none"), ("closing the bridge", "against"))
    ]
    values = {"name": "sides", "read": "pairs", "sources": ["ours"], "first_target": True}
    rows = rows_of(stages.Task.model_validate(values), Prepared([about, *asked], {}, [], [], {}), seed=1)
    assert rows == [asked[0], asked[2]]
    with pytest.raises(ValueError, match="first_target is for read: pairs"):
        stages.Task.model_validate(values | {"read": "replies"})


def test_what_a_row_lacks_is_filled_with_the_networks_own_answer(ran: Path) -> None:
    filled = np.load(ran / "filled-kept.npy")
    with np.load(ran / "rows-kept.npz") as rows:
        known = ~np.isnan(rows["labels"])
        assert known.any()
        assert (filled[known] == rows["labels"][known]).all()
    assert ((filled > 0) & (filled < 1))[~known].all()


def test_stages_may_be_packed_separately(config: TrainConfig, data_dir: Path, tmp_path: Path) -> None:
    folders = [tmp_path / stage["name"] for stage in STAGES]
    for path in folders:
        plan = pack(config, data_dir=data_dir, folder=path, stages=[path.name])
        assert [stage["name"] for stage in plan["stages"]] == [path.name]
        run_here(path)
    both = [result(path) for path in folders]
    assert not both[0].keys() & both[1].keys(), "a folder has only the encoder that its stages train"
    state = trained(config, folders).state_dict()
    for weights in both:
        for name, weight in weights.items():
            torch.testing.assert_close(state[name], weight)


def test_a_stage_may_be_packed_after_the_one_before_it(
    config: TrainConfig, data_dir: Path, tmp_path: Path
) -> None:
    first, then = tmp_path / "first", tmp_path / "then"
    pack(config, data_dir=data_dir, folder=first, stages=["sides"])
    with pytest.raises(RunError, match="has no result"):
        pack(config, data_dir=data_dir, folder=then, stages=["sides"], after=[first])
    with pytest.raises(RunError, match="another configuration"):
        pack(config.model_copy(update={"seed": 5}), data_dir=data_dir, folder=then, after=[first])
    run_here(first)
    noted = config.model_copy(update={"note": "The first stage ran twice."})
    pack(noted, data_dir=data_dir, folder=then, stages=["sides"], after=[first])
    start = job.read_weights(then / "weights.npz")
    for name, weight in result(first).items():
        torch.testing.assert_close(start[name], weight, atol=1e-3, rtol=1e-3)


def test_an_encoder_that_no_stage_trained_keeps_its_answers(
    config: TrainConfig, tiny_artifact: Path, data_dir: Path, tmp_path: Path
) -> None:
    base = Artifact(shutil.copytree(tiny_artifact, tmp_path / "base"))
    toxicity = {"scale": 1.5, "bias": 0.25}
    values = base.calibration
    write_json(base.calibration_file, values | {"comment": values["comment"] | {"toxicity": toxicity}})
    write_json(base.thresholds_file, base.thresholds | {"toxicity": 0.123, "off_topic": 0.0})
    point = OperatingPoint(false_positives=0.5)
    ours = config.model_copy(
        update={"base": str(base.path), "thresholds": {"toxicity": point, "off_topic": point}}
    )
    pack(ours, data_dir=data_dir, folder=tmp_path / "job", stages=["sides"])
    run_here(tmp_path / "job")
    artifact = unpack(ours, [tmp_path / "job"], data_dir=data_dir, run_dir=tmp_path / "run")
    assert artifact.comments_file.read_bytes() == base.comments_file.read_bytes()
    assert artifact.pairs_file.read_bytes() != base.pairs_file.read_bytes()
    assert artifact.calibration["comment"] == base.calibration["comment"]
    assert artifact.thresholds["toxicity"] == 0.123
    assert artifact.thresholds["off_topic"] > 0.0, "calibrated anew"


def test_weights_too_large_for_half_precision_are_packed_in_int8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {"encoder.a.weight": torch.randn(300, 400), "encoder.a.bias": torch.randn(300)}
    for limit, kind in ((300_000, np.float16), (200_000, np.int8)):
        monkeypatch.setattr(packing, "MOST_BYTES", limit)
        packing.write_weights(weights, tmp_path)
        with np.load(tmp_path / "weights.npz") as arrays:
            assert arrays["encoder.a.weight"].dtype == kind
            assert arrays["encoder.a.bias"].dtype == np.float16
        found = job.read_weights(tmp_path / "weights.npz")
        assert found.keys() == weights.keys()
        for name, weight in weights.items():
            torch.testing.assert_close(found[name], weight, atol=0.02, rtol=1e-3)
    monkeypatch.setattr(packing, "MOST_BYTES", 100_000)
    with pytest.raises(RunError, match=r"exceed 0 MB \(weights\.npz 0 MB\): pack the stages"):
        packing.write_weights(weights, tmp_path)


def test_pair_rows_are_read_as_they_are_served(config: TrainConfig, data_dir: Path, folder: Path) -> None:
    tokenizer = Tokenizer(base_tokenizer(config.base), max_tokens=128, stride=0)
    (example,) = [e for e in read("nli", data_dir, "train") if e.slice == "scitail"]
    (served,) = tokenizer.pairs([(pair_context(example.target, None), example.text)])
    with np.load(folder / "rows-entailment.npz") as arrays:
        ends = np.cumsum(arrays["lengths"].astype(int))
        rows = [ids.tolist() for ids in np.split(arrays["ids"], ends[:-1])]
        place = rows.index(served.ids)
        assert arrays["contexts"][place] == served.types.count(0)
        assert set(np.unique(arrays["stance"])) == {0, 1, 2, 3}
        assert np.isnan(arrays["off_topic"]).all()
    with np.load(folder / "rows-under_titles.npz") as arrays:
        assert (arrays["off_topic"] == 1).all()
    with np.load(folder / "rows-answers.npz") as arrays:
        assert set(np.unique(arrays["reply"])) == {0, 1, 2}
        assert (arrays["stance"] == -1).all()


# What a user gets wrong


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"stages": [{"name": "a", "tasks": STAGES[0]["tasks"]}]}, "needs epochs or minutes"),
        (
            {"stages": [{"name": "a", "epochs": 1, "tasks": [{"name": "t", "read": "pairs"}]}]},
            "needs sources, made, or both",
        ),
        (
            {
                "stages": [
                    {"name": "a", "epochs": 1, "tasks": [{"name": "t", "read": "pairs", "sources": ["ukp"]}]}
                ]
            },
            "source 'ukp' is not among",
        ),
        (
            {
                "stages": [
                    {"name": "a", "epochs": 1, "tasks": [{"name": "t", "read": "pairs", "made": ["ttles"]}]}
                ]
            },
            "made 'ttles' is not among",
        ),
        ({"stages": [STAGES[0], STAGES[0]]}, "two tasks are named"),
    ],
)
def test_a_wrong_plan_is_refused(
    config: TrainConfig, change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json") | change), encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        load_config(file)


def test_what_can_not_be_packed_or_unpacked_is_reported(
    config: TrainConfig, folder: Path, data_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="is not empty"):
        pack(config, data_dir=data_dir, folder=folder)
    with pytest.raises(RunError, match=r"no stage 'side'; stages are comments, sides"):
        pack(config, data_dir=data_dir, folder=tmp_path / "new", stages=["side"])
    without = config.model_copy(update={"stages": []})
    with pytest.raises(RunError, match="no stages to pack"):
        pack(without, data_dir=data_dir, folder=tmp_path / "new")
    with pytest.raises(RunError, match="packed from another configuration"):
        unpack(without, [folder], data_dir=data_dir, run_dir=tmp_path / "run")
    (folder / "rows-abuse.npz").write_bytes(b"")
    with pytest.raises(SystemExit, match=r"rows-abuse\.npz is missing or damaged"):
        run_here(folder)
