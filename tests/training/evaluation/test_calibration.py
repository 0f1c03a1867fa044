"""Calibration: probabilities mean what they say, and a second fit changes nothing."""

from __future__ import annotations

import json
import os
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parley.model import Artifact, Classifier
from parley.model.engine import Engine
from parley.model.text.tokenization import Tokenizer
from parley.training.data.examples import Example
from parley.training.evaluation import metrics
from parley.training.evaluation.calibration import _identity_auc, calibrate
from parley.training.evaluation.operating_points import OperatingPoint
from parley.training.evaluation.served_path import predict
from parley.training.evaluation.trial import Remembering
from parley.training.json_files import write_json

STANCES, REPLIES = ("favor", "against", "none"), ("agree", "disagree", "none")


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """Texts with a word that makes them toxic in three of four cases, off topic, or directed at something."""
    rng = random.Random(5)
    words = ["the", "park", "road", "plan", "school", "money", "city", "people", "work"]
    made = []
    for i in range(160):
        toxic = rng.random() < 0.5
        side = i % 3
        view = ("great true good", "wrong never stop", "year line")[side]
        text = " ".join([*rng.choices(words, k=4), view, *(["stupid idiot trash"] if toxic else [])])
        made.append(
            Example(
                text=text,
                source="one" if i % 3 else "two",
                labels={"toxicity": float(toxic if rng.random() < 0.75 else not toxic), "threat": 0.0},
                article="the city park",
                off_topic=float(rng.random() < 0.5),
                target="the school plan",
                stance=STANCES[side if rng.random() < 0.8 else 0],
                parent="the people work",
                reply=REPLIES[side if rng.random() < 0.8 else 0],
                spans=((text.index("stupid"), len(text)),) if toxic else (),
            )
        )
    return made


def test_calibrate_improves_and_settles(
    tiny_artifact: Path, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError("A required privilege is not held by the client")  # like Windows

    monkeypatch.setattr(Path, "symlink_to", refuse)
    monkeypatch.setattr(os, "symlink", refuse)
    artifact = Artifact(shutil.copytree(tiny_artifact, tmp_path / "artifact"))
    before = artifact.calibration
    before["comment"]["toxicity"] = {"scale": 3.0, "bias": 4.0}
    artifact.calibration_file.write_text(json.dumps(before), encoding="utf-8")
    figures = calibrate(artifact, examples)
    assert figures["toxicity"]["ece"] < figures["toxicity"]["ece_before"] - 0.1
    assert 0.05 <= artifact.thresholds["toxicity"] <= 0.95
    assert "left" in figures["threat"], "no positives: nothing to fit"
    assert artifact.calibration["comment"]["threat"] == before["comment"]["threat"]
    assert figures["span"]["threshold"] == artifact.thresholds["span"]

    first = artifact.calibration
    calibrate(artifact, examples)
    second = artifact.calibration
    assert second["comment"]["toxicity"]["bias"] == pytest.approx(
        first["comment"]["toxicity"]["bias"], abs=0.05
    )
    for name, value in first["off_topic"].items():
        assert second["off_topic"][name] == pytest.approx(value, rel=0.1, abs=0.05)
    assert second["stance"]["bias"] == pytest.approx(first["stance"]["bias"], abs=0.05)
    assert second["reply"]["bias"] == pytest.approx(first["reply"]["bias"], abs=0.05)


def test_none_is_as_common_as_in_rows_of_its_kind(
    examples: list[Example], tiny_artifact: Path, tmp_path: Path
) -> None:
    """With an article most comments take no side on a target, without one most do."""
    artifact = Artifact(shutil.copytree(tiny_artifact, tmp_path / "artifact"))
    rows = []
    for number, example in enumerate(examples):
        stance = "none" if number % 5 else "favor" if number % 2 else "against"
        rows.append(replace(example, source="news", stance=stance))
        stance = "none" if number % 5 == 0 else "favor" if number % 2 else "against"
        rows.append(replace(example, source="debate", stance=stance, article=None, off_topic=None))
    calibrate(artifact, rows)
    found = predict(Classifier.load(artifact.path), rows)
    for source, share in (("news", 0.8), ("debate", 0.2)):
        of = [p.stance.none for p, e in zip(found, rows, strict=True) if e.source == source and p.stance]
        assert np.mean(of) == pytest.approx(share, abs=0.02)

    before = artifact.calibration
    calibrate(artifact, [replace(e, article=None, off_topic=None) for e in rows])
    assert artifact.calibration["stance"] == before["stance"], "no row has an article: left as it was"
    assert artifact.calibration["stance_without_article"] != before["stance_without_article"]


def test_each_row_runs_once(tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = Artifact.open(tiny_artifact)
    tokenizer = Tokenizer(artifact.tokenizer_file, max_tokens=64, stride=8)
    texts = ["the park", "the school plan", "the park", "stop"]
    rows = tokenizer.articles(texts)
    ran: list[int] = []
    run = Engine._run

    def watched(self: Engine, batch: Any, outputs: Any) -> Any:
        ran.append(len(batch))
        return run(self, batch, outputs)

    monkeypatch.setattr(Engine, "_run", watched)
    engine = Remembering(artifact.comments_file)
    first = engine.run(rows[:2], "embedding")
    assert sum(ran) == 2
    again = engine.run(rows, "embedding")
    assert sum(ran) == 3, "only the new text"
    both = engine.run(rows[:1], "comment_logits", "span_logits")
    assert sum(ran) == 4, "other outputs are requested"
    fresh = Engine(artifact.comments_file).run(rows, "embedding", "comment_logits", "span_logits")
    assert np.array_equal(np.stack(again["embedding"]), np.stack(fresh["embedding"]))
    assert np.array_equal(np.stack(first["embedding"]), np.stack(fresh["embedding"][:2]))
    assert all(np.array_equal(both[name][0], fresh[name][0]) for name in both)


def test_character_f1() -> None:
    assert metrics.character_f1([], []) == 1.0
    assert metrics.character_f1([(0, 4)], []) == 0.0
    assert metrics.character_f1([(0, 4)], [(2, 6)]) == 0.5


def test_expected_calibration_error() -> None:
    scores = np.array([0.2] * 10 + [0.8] * 10)
    sure = np.array([True] * 2 + [False] * 8 + [True] * 8 + [False] * 2)
    assert metrics.expected_calibration_error(sure, scores) == pytest.approx(0.0)
    assert metrics.expected_calibration_error(~sure, scores) == pytest.approx(0.6)


def test_interval_holds_the_value_and_shrinks_with_rows() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(2000) < 0.5
    scores = rng.random(2000) * 0.5 + truth * 0.3
    few, many = (metrics.with_interval(metrics.auc, truth[:n], scores[:n]) for n in (100, 2000))
    for interval in (few, many):
        assert interval["low"] <= interval["value"] <= interval["high"]
    assert many["high"] - many["low"] < few["high"] - few["low"]


def test_at_threshold_counts() -> None:
    figures = metrics.at_threshold(np.array([True, True, False, False]), np.array([0.9, 0.2, 0.8, 0.1]), 0.5)
    assert (figures["precision"], figures["recall"], figures["false_positive_rate"]) == (0.5, 0.5, 0.5)


def test_operating_points_set_thresholds(
    tiny_artifact: Path, examples: list[Example], tmp_path: Path
) -> None:
    artifact = Artifact(shutil.copytree(tiny_artifact, tmp_path / "artifact"))
    points = {
        "toxicity": OperatingPoint(precision=0.58),
        "spam": OperatingPoint(queue=0.1),
        "off_topic": OperatingPoint(precision=0.999),
    }
    figures = calibrate(artifact, [replace(e, spans=None, stance=None) for e in examples], points=points)
    scores = [p.abuse["toxicity"] for p in predict(Classifier.load(artifact.path), examples)]
    threshold = artifact.thresholds["toxicity"]
    found = [e.labels["toxicity"] for e, s in zip(examples, scores, strict=True) if s >= threshold]
    assert sum(found) / len(found) >= 0.58
    assert figures["toxicity"]["precision"] == pytest.approx(sum(found) / len(found))
    spam = [p.spam for p in predict(Classifier.load(artifact.path), examples)]
    caught = sum(s >= artifact.thresholds["spam"] for s in spam) / len(spam)
    assert caught == figures["spam"]["queue"] <= 0.1, "a budget needs no labels"
    assert "no threshold has that precision" in figures["off_topic"]["left"]


def test_sides_are_named_where_four_in_five_are_right(
    tiny_artifact: Path, examples: list[Example], tmp_path: Path
) -> None:
    artifact = Artifact(shutil.copytree(tiny_artifact, tmp_path / "artifact"))
    write_json(artifact.thresholds_file, artifact.thresholds | {"stance": 0.123})
    rows = [replace(e, spans=None, off_topic=None) for e in examples if e.target] * 4
    chosen = calibrate(artifact, rows)["stance"]
    assert artifact.thresholds["stance"] == chosen["threshold"] != 0.123
    stances = [p.stance for p in predict(Classifier.load(artifact.path), rows)]
    named = [
        (e.stance, s.label)
        for e, s in zip(rows, stances, strict=True)
        if s and s.label in ("favor", "against")
    ]
    right = sum(wanted == given for wanted, given in named)
    assert right >= 0.8 * len(named)
    assert bool(named) == (chosen["threshold"] < 1)


def test_rows_for_an_operating_point_move_its_threshold_and_nothing_else(
    tiny_artifact: Path, examples: list[Example], tmp_path: Path
) -> None:
    rows = [replace(e, spans=None, stance=None, off_topic=None, article=None) for e in examples]
    point = OperatingPoint(false_positives=0.1, sources=("c3", "unhealthy"))
    others = [
        replace(e, source=name, labels={"toxicity": 0.0})
        for name, of in (("c3", rows[:60]), ("unhealthy", rows[60:120]))
        for e in of
    ]
    plain, pointed = (Artifact(shutil.copytree(tiny_artifact, tmp_path / name)) for name in ("a", "b"))
    calibrate(plain, rows)
    figures = calibrate(pointed, rows, points={"toxicity": point}, others=others)
    assert pointed.calibration == plain.calibration
    assert pointed.thresholds | {"toxicity": 0.0} == plain.thresholds | {"toxicity": 0.0}
    classifier = Classifier.load(pointed.path)
    for name in point.sources:
        scores = [p.abuse["toxicity"] for p in predict(classifier, [e for e in others if e.source == name])]
        found = sum(s >= pointed.thresholds["toxicity"] for s in scores) / len(scores)
        assert found <= 0.1
        shown = next(of for of in figures["toxicity"]["by_source"] if of["source"] == name)
        assert (shown["rows"], shown["found"], shown["count"]) == ("harmless", found, 60)
    assert figures["toxicity"]["rows"] == len(rows), "probabilities are not fitted to the others"


def test_a_precision_with_few_positives_leaves_the_threshold(tiny_artifact: Path, tmp_path: Path) -> None:
    artifact = Artifact(shutil.copytree(tiny_artifact, tmp_path / "artifact"))
    before = artifact.thresholds["threat"]
    rows = [Example(text="a road", source="mine", labels={"threat": 1.0})]
    figures = calibrate(artifact, rows, points={"threat": OperatingPoint(precision=0.5)})
    assert "fewer than" in figures["threat"]["left"]
    assert artifact.thresholds["threat"] == before


def test_a_stop_while_fitting_leaves_the_artifact_as_it_was(
    tiny_artifact: Path, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = Artifact(shutil.copytree(tiny_artifact, tmp_path / "artifact"))
    before = {file.name: file.read_bytes() for file in artifact.path.iterdir()}

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("parley.training.evaluation.pair_calibration.fit_softmax", stop)
    with pytest.raises(KeyboardInterrupt):
        calibrate(artifact, examples)
    assert {file.name: file.read_bytes() for file in artifact.path.iterdir()} == before


def test_rows_that_name_an_identity_are_ranked_against_the_others() -> None:
    rows = [("A deaf man sings", 0, 0.8), ("Deaf fools", 1, 0.9), ("A road", 0, 0.1), ("Fools", 1, 0.5)]
    examples = [Example(text=text, source="one", labels={"toxicity": toxic}) for text, toxic, _ in rows]
    truth, scores = np.array([bool(toxic) for _, toxic, _ in rows]), np.array([score for *_, score in rows])
    assert _identity_auc(truth, scores, examples) == {
        "subgroup_auc": 1.0,
        "bpsn_auc": 0.0,  # the harmless row that names an identity ranks above a toxic one that doesn't
        "bnsp_auc": 1.0,
    }
    nobody = _identity_auc(truth, scores, [replace(e, text="A road") for e in examples])
    assert nobody == {}
