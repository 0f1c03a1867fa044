"""Make it yours: the site's labels are learnt, the others stay, with no corpus on disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from parley.model import Artifact, Classifier, Comment
from parley.service.commands.cli import add_plugins
from parley.service.commands.cli import app as commands
from parley.training.data.examples import Example
from parley.training.evaluation.comparison import compare
from parley.training.fit.forgetting import frozen, keep_loss, to_keep
from parley.training.fit.run import fine_tune
from parley.training.fit.site_fine_tune import fine_tune_on, kept, recipe_for
from parley.training.network.network import Network
from tests.training.own_rows import write_decisions


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    add_plugins(commands)


@pytest.fixture(scope="module")
def decisions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_decisions(tmp_path_factory.mktemp("own") / "decisions.csv")


def test_learns_the_site_and_keeps_the_rest(tiny_artifact: Path, decisions: Path, tmp_path: Path) -> None:
    base = Artifact.open(tiny_artifact)
    found = fine_tune_on(decisions, base=base, run_dir=tmp_path / "run", epochs=5, learning_rate=3e-3)
    own = found["own"]
    assert own["after"]["toxicity"]["auc"] > max(0.95, own["before"]["toxicity"]["auc"])
    assert found["kept"]["toxicity"]["taught"]
    for label, of in found["kept"].items():
        if not of["taught"] and label != "span":  # a random network's spans depend on the last decimal
            assert of["moved"] < found["kept"]["toxicity"]["moved"], label
    assert found["old"] == {}, "no corpus is on disk"
    artifact = Artifact.open(tmp_path / "run" / "artifact")
    assert artifact.info["training"]["started_from"]["name"] == base.info["name"]
    assert artifact.info["training"]["sources"]["own data"]["train"] == found["rows"]["train"]
    bad, good = Classifier.load(artifact.path).predict(
        [Comment(text="the city plan stupid trash"), Comment(text="the city plan good point")]
    )
    assert bad.abuse["toxicity"] > good.abuse["toxicity"]
    saved = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert "good point" not in json.dumps(saved), "no text in the metrics"


def test_without_the_frozen_copy_other_labels_move_further(tiny_artifact: Path, tmp_path: Path) -> None:
    """The ablation: the same rows with and without the frozen copy of the starting network."""
    rows = [
        Example(text=f"the {a} {b} {word}", source="own", labels={"toxicity": toxic})
        for a in ("park", "school", "city", "vote")
        for b in ("plan", "money", "work", "people")
        for word, toxic in (("stupid trash", 1.0), ("good point", 0.0))
    ]
    base = Artifact.open(tiny_artifact)
    recipe = recipe_for(base, epochs=4, learning_rate=3e-3, seed=1)
    gaps = {}
    for held in (False, True):
        network = Network.from_artifact(base)
        start = frozen(network)
        torch.manual_seed(1)
        fine_tune(
            network,
            recipe,
            [*rows, *to_keep(rows)] if held else rows,
            base.tokenizer_file,
            run_dir=tmp_path / str(held),
            start=start if held else None,
        )
        ids = torch.randint(5, 100, (8, 12), generator=torch.Generator().manual_seed(2))
        inputs = (ids, torch.ones_like(ids), torch.zeros_like(ids))
        with torch.no_grad():
            old, new = start.comments(*inputs), network.eval().comments(*inputs)
            pairs = zip(start.pairs(*inputs), network.pairs(*inputs), strict=True)
            assert all(torch.equal(a, b) for a, b in pairs), "rows without a pair don't change that encoder"
        gaps[held] = [float((a - b).abs().mean()) for a, b in zip(old[1:], new[1:], strict=True)]
    assert all(with_start < without for with_start, without in zip(gaps[True], gaps[False], strict=True)), (
        gaps
    )


def test_the_starting_network_is_a_minimum_of_the_loss_that_keeps_it(tiny_artifact: Path) -> None:
    from parley.model.text.tokenization import Tokenizer
    from parley.training.fit.batches import Collator, tokenise

    base = Artifact.open(tiny_artifact)
    network = Network.from_artifact(base).eval()
    rows = [
        Example(text="the park plan", source="own", article="The park", off_topic=0.0),
        Example(text="good work", source="own"),
    ]
    tokenizer = Tokenizer(base.tokenizer_file, max_tokens=32, stride=0)
    dataset = tokenise([*rows, *to_keep(rows)], comments=tokenizer, contexts=tokenizer, pairs=tokenizer)
    batch = Collator()([dataset[i] for i in range(len(dataset))])
    assert "pair" in batch, "the stance head is kept too"
    assert sorted(batch["pair_weight"].tolist()) == [0.0, 0.0, 1.0]
    loss = keep_loss(network, frozen(network), batch)
    torch.autograd.backward(loss)
    # The logits' cross-entropy with themselves has its minimum there: no gradient at all.
    assert all(p.grad is None or p.grad.abs().max() < 1e-5 for p in network.parameters())


def test_a_model_compared_with_itself_has_not_moved(tiny_artifact: Path, classifier: Classifier) -> None:
    rows = [Example(text="the park", source="own"), Example(text="a plan", source="own", article="City")]
    found = kept(classifier, Classifier.load(tiny_artifact), rows, taught={"toxicity"})
    assert {"toxicity", "spam", "off_topic", "stance", "span"} <= found.keys()
    assert all(of["moved"] == 0 and of["flipped"] == 0 for of in found.values())


def test_the_walk_through_runs(tiny_artifact: Path, decisions: Path, tmp_path: Path) -> None:
    """docs/make-it-yours.md, command by command."""
    run, page = tmp_path / "run", tmp_path / "report.html"
    artifact, data = str(run / "artifact"), ["--data", str(decisions)]
    spare = ["--false-positives", "toxicity=0.1"]
    train = ["train", "--base", str(tiny_artifact), *data]
    for arguments, shown in (
        (["evaluate", str(tiny_artifact), *data], "toxicity"),
        ([*train, "--run-dir", str(run), "--epochs", "1", "--name", "our-site"], "taught"),
        (["compare", str(tiny_artifact), artifact, *data], "B: our-site"),
        (["calibrate", artifact, *data, "--whole", *spare, "--html", str(page)], "harmless"),
        (["calibrate", artifact, *data, "--whole", *spare], "calibration.json: unchanged"),
        (["calibrate", artifact, *data, "--whole", "--precision", "toxicity=0.6"], "flags"),
        (["evaluate", artifact, *data, "--html", str(page)], "own data"),
    ):
        corpora = [] if arguments[0] == "compare" else ["--data-dir", str(tmp_path)]
        result = CliRunner().invoke(commands, [*arguments, *corpora])
        assert result.exit_code == 0, result.output
        assert shown in result.output
        if "--html" in arguments:
            assert shown in page.read_text(encoding="utf-8")
    card = (run / "artifact" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# our-site ")
    assert "| toxicity | yes |" in card
    assert "good point" not in card, "the card quotes nobody"
    assert "good point" in page.read_text(encoding="utf-8"), "the page quotes the most confident errors"
    assert page.stat().st_mode & 0o077 == 0, "and only its owner can read it"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "give either a training YAML, or --data"),
        (["train", "x.yaml", "--data", "y.csv"], "give either"),
        (["train", "--data", "missing.csv"], "no such file"),
        (["train", "x.yaml", "--name", "mine"], "--name goes with --data"),
        (["train", "--data", "OWN", "--name", "My Model"], "lower-case letters"),
        (["compare", "TINY", "nowhere", "--data", "OWN"], "nowhere"),
        (["calibrate", "TINY", "--data", "OWN", "--precision", "rudeness=0.9"], "labels are"),
        (["calibrate", "TINY", "--data", "OWN", "--precision", "spam=9"], "a share above 0"),
        (["calibrate", "TINY", "--data", "OWN", "--precision", "spam=.9@c3"], "omit @SOURCE"),
        (["calibrate", "TINY", "--data", "OWN", "--queue-budget", "spam=.9@c3"], "omit @SOURCE"),
        (["calibrate", "TINY", "--data", "OWN", "--queue-budget", "stance=.9"], "labels are"),
        (["calibrate", "TINY", "--data", "OWN", "--false-positives", "spam=.1@c3"], "omit @SOURCE"),
        (["calibrate", "TINY", "--data", "OWN", "--false-positives", "spam=.1@c33"], "did you mean 'c3'"),
        (["calibrate", "TINY", "--data", "OWN", "--false-positives", "spam=.1@"], "unknown source ''"),
        (
            ["calibrate", "TINY", "--data", "OWN", "--precision", "spam=.9", "--queue-budget", "spam=.1"],
            "spam already has an operating point",
        ),
        (["evaluate", "TINY", "--data", "OWN", "--save"], "whole public tests"),
        (["evaluate", "TINY", "--data", "OWN", "--baselines"], "what it was trained on"),
    ],
)
def test_bad_calls_say_what_is_wrong(
    arguments: list[str], message: str, tiny_artifact: Path, decisions: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(tiny_artifact, tmp_path / "artifact")
    names = {"TINY": str(copy), "OWN": str(decisions)}
    if arguments[:2] == ["train", "--data"]:
        arguments = [*arguments, "--base", str(copy)]
    result = CliRunner().invoke(commands, [names.get(a, a) for a in arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split()).replace("│ ", "")
    assert "Traceback" not in result.output


def test_calibrate_says_what_it_changed_and_when_to_use_the_whole_file(
    tiny_artifact: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(tiny_artifact, tmp_path / "artifact")
    file = write_decisions(tmp_path / "own.csv", rows=100)
    call = ["calibrate", str(copy), "--data", str(file), "--queue-budget", "toxicity=0.5"]
    before = Artifact.open(copy).thresholds["toxicity"]
    result = CliRunner().invoke(commands, call)
    shown = " ".join(result.output.split())
    assert result.exit_code == 0, result.output
    after = Artifact.open(copy).thresholds["toxicity"]
    assert f"thresholds.json: changed: toxicity {before:.3f} → {after:.3f}" in shown
    assert "calibration.json: unchanged" in shown
    assert "probabilities unchanged" in " ".join(shown.replace("│", " ").split())
    assert "The whole file has enough rows for toxicity" in shown
    assert "threshold unchanged" not in shown


def test_two_artifacts_are_compared_row_by_row(tiny_artifact: Path, classifier: Classifier) -> None:
    labels = [{"toxicity": float(i % 2)} for i in range(40)]
    rows = [Example(text=f"Comment {i} of many", source="mine", labels=of) for i, of in enumerate(labels)]
    rows += [Example(text="Build it now", source="mine", target="the bridge", stance="favor")]
    same = compare(classifier, classifier, rows)
    assert same["toxicity"]["rows"] == 40
    assert same["toxicity"]["flipped"] == same["stance"]["flipped"] == 0.0
    one, other, gap = same["toxicity"]["figures"]["AUC"]
    assert one == other
    assert gap == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert "off_topic" not in same
