"""The checks on news comments count what they claim; the aims find their figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from parley.model.comment import Prediction, Reply, Stance
from parley.model.labels import ABUSE, COMMENT_LABELS
from parley.service.commands.cli import add_plugins
from parley.service.commands.cli import app as commands
from parley.training.data.examples import Example
from parley.training.data.registry import HERE
from parley.training.data.sources import read
from parley.training.evaluation import checks
from parley.training.evaluation.aims import NEWS, against
from parley.training.evaluation.checks import news
from parley.training.evaluation.evaluate import figures_of
from parley.training.evaluation.figures import judge
from parley.training.evaluation.served_path import comment, predict
from parley.training.evaluation.suite import SUITE, read_tests

THRESHOLDS = dict.fromkeys((*COMMENT_LABELS, "off_topic"), 0.5)


def prediction(
    toxicity: float = 0.0, *, off_topic: float | None = None, sides: Sequence[float] = (), label: Any = None
) -> Prediction:
    stance = Stance(**dict(zip(("favor", "against", "none"), sides, strict=True)), target="it", label=label)
    return Prediction(
        id=None,
        abuse=dict.fromkeys(ABUSE, toxicity),
        spam=0.0,
        off_topic=off_topic,
        stance=stance,
    )


def sided(stance: str) -> Example:
    return Example(text="t", source="mine", target="it", stance=stance)


def test_a_side_is_named_where_there_is_a_label() -> None:
    rows = [
        (sided("favor"), prediction(sides=(0.8, 0.1, 0.1), label="favor")),
        (sided("against"), prediction(sides=(0.5, 0.4, 0.1), label=None)),
        (sided("against"), prediction(sides=(0.2, 0.2, 0.6), label="none")),
        (sided("none"), prediction(sides=(0.1, 0.8, 0.1), label="against")),
    ]
    found = news.named_sides(checks.Tested(rows, THRESHOLDS, lambda _: [], intervals=False))
    assert found == {"rows": 4, "named": 2, "precision": 0.5, "share_of_sides": 1 / 3, "share": 0.5}


def test_the_likeliest_side_counts_even_where_it_is_not_named() -> None:
    rows = [(sided("favor"), prediction(sides=(0.5, 0.4, 0.1), label=None))]
    assert judge(rows, THRESHOLDS, intervals=False)["stance"]["accuracy"] == 1.0


def test_own_story_against_its_twin() -> None:
    def row(slice_: str, given: float) -> tuple[Example, Prediction]:
        example = Example(
            text="t", source="stories", article="a", off_topic=float(slice_ != "own"), slice=slice_
        )
        return example, prediction(off_topic=given, sides=(0, 0, 1), label="none")

    rows = [row("own", 0.1), row("own", 0.4), row("twin", 0.2), row("twin", 0.5), row("other", 0.9)]
    found = news.own_against(checks.Tested(rows, THRESHOLDS, lambda _: [], intervals=False))
    assert found == {"twin": 0.75, "other": 1.0}


class FindsWord:
    """Answers like a classifier: toxic if a word is among the first or last `reach` words."""

    def __init__(self, word: str, reach: int) -> None:
        self.word, self.reach = word, reach

    def predict(self, comments: Sequence[Any]) -> list[Prediction]:
        found = []
        for given in comments:
            words = given.text.lower().split()
            near = {*words[: self.reach], *words[-self.reach :]}
            found.append(prediction(float(self.word in near), off_topic=0.1, sides=(1, 0, 0), label="favor"))
        return found


@pytest.mark.parametrize(("reach", "kept"), [(20, 0.0), (1000, 1.0)])
def test_insults_have_two_hundred_harmless_words_on_either_side(reach: int, kept: float) -> None:
    insults = [
        Example(text=f"What a zounds, {n}!", source="mine", labels={"toxicity": 1.0}) for n in range(9)
    ]
    finds = FindsWord("zounds,", reach)
    lengths = []

    def predict_all(examples: Sequence[Example]) -> list[Prediction]:
        lengths.append({len(e.text.split()) for e in examples})
        return predict(finds, examples)

    found = news.insults_kept(
        checks.Tested(list(zip(insults, predict_all(insults), strict=True)), THRESHOLDS, predict_all, False)
    )
    assert (found["found_alone"], found["kept"], found["frames_flagged"]) == (1.0, kept, 0.0)
    assert {404} in lengths
    assert {400} in lengths, "the frames without an insult"


def test_functional_cases_are_there_and_only_test() -> None:
    counts = {"stance_cases": 300, "abuse_cases": 200, "hidden_insults": 100, "harmless_long": 119}
    for name, count in counts.items():
        assert len(list(read(name, HERE, "test"))) == count
        assert not list(read(name, HERE, "train")) + list(read(name, HERE, "dev"))
    assert all(len(e.text.split()) >= news.AROUND for e in read("harmless_long", HERE, "test"))


def test_every_aim_on_news_finds_its_figure() -> None:
    """On the repository's own rows, with a model whose answers don't matter."""
    tests = {}
    asks = FindsWord("you", 1000)
    for name in (
        "stories",
        "story_comments",
        "stance_cases",
        "abuse_cases",
        "hidden_insults",
        "harmless_long",
    ):
        rows = list(read(name, HERE, SUITE[name].split))
        both = list(zip(rows, predict(asks, rows), strict=True))
        tests[name] = figures_of(both, SUITE[name].checks, asks, THRESHOLDS, intervals=False)
    for aim in NEWS:
        if aim.path[0] in tests:
            assert against(aim, {"tests": tests}) is not None, f"{aim.what}: {aim.measured}"


def test_a_reply_is_asked_with_its_parent() -> None:
    example = Example(text="No.", source="mine", parent="It works.", reply="disagree")
    given = comment(example)
    assert (given.ask, given.parent and given.parent.text) == (("reply",), "It works.")
    answer = prediction(sides=(0, 0, 1), label="none")
    reply = Reply(agree=0.1, disagree=0.8, none=0.1, label="disagree")
    replied = Prediction(id=None, abuse=answer.abuse, spam=0.0, off_topic=None, stance=None, reply=reply)
    assert judge([(example, replied)], THRESHOLDS, intervals=False)["reply"]["accuracy"] == 1.0


def test_stories_are_read_as_dev(tmp_path: Any) -> None:
    untrained: Any = SimpleNamespace(info={"training": {}})
    found = read_tests(untrained, tmp_path, ["story_replies"])
    assert len(found["story_replies"]) == 184


def test_a_clone_is_evaluated_on_what_it_holds(tiny_artifact: Path, tmp_path: Path) -> None:
    add_plugins(commands)
    call = ["evaluate", str(tiny_artifact), "--data-dir", str(tmp_path)]
    found = CliRunner().invoke(commands, [*call, "--sample", "12", "-o", str(tmp_path / "out.json")])
    assert found.exit_code == 0, found.output
    assert "Not scored: no corpus in" in found.output
    report = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert {"stories", "story_comments", "stance_cases", "hidden_insults"} <= set(report["tests"])
    assert "vast" not in report["tests"]
    refused = CliRunner().invoke(commands, [*call, "--save"])
    assert refused.exit_code == 2
    assert "the model card needs every test" in " ".join(refused.output.split())
