"""Evaluation: checks count what they claim, baselines answer, the page shows it, the report is stable."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from parley.model import Artifact, Classifier
from parley.model.comment import Prediction, Stance
from parley.service.commands.cli import add_plugins
from parley.service.commands.cli import app as commands
from parley.training.data.augmentation.counterfactuals import DENOUNCED, ENDORSED, OPPOSED, SUPPORTED
from parley.training.data.examples import Example
from parley.training.data.identities import terms_in
from parley.training.data.sources import SOURCES
from parley.training.evaluation import checks, metrics
from parley.training.evaluation.aims import against_aims
from parley.training.evaluation.baselines import TfIdf, Untuned, float_network
from parley.training.evaluation.evaluate import evaluate
from parley.training.evaluation.figures import judge
from parley.training.evaluation.operating_points import OperatingPoint
from parley.training.evaluation.report.page import worst, write_report
from parley.training.evaluation.served_path import comment
from parley.training.evaluation.suite import SUITE, TESTS, draw, read_tests
from parley.training.network.network import first_base

THRESHOLDS = {"toxicity": 0.5, "off_topic": 0.5}


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    add_plugins(commands)


def prediction(
    toxicity: float = 0.0, *, stance: str | None = None, off_topic: float | None = None
) -> Prediction:
    sides = dict.fromkeys(("favor", "against", "none"), 0.1) | ({stance: 0.8} if stance else {})
    return Prediction(
        id=None,
        abuse={"toxicity": toxicity},
        spam=0.0,
        off_topic=off_topic,
        stance=Stance(target="it", label=stance, **sides) if stance else None,
    )


def rated(text: str, toxicity: float, **more: Any) -> Example:
    return Example(text=text, source="mine", labels={"toxicity": toxicity}, **more)


def as_tested(rows: Sequence[tuple[Example, Prediction]]) -> checks.Tested:
    return checks.Tested(
        rows, THRESHOLDS, lambda examples: [prediction(0.9) for _ in examples], intervals=False
    )


def test_every_test_of_the_suite_is_a_source_with_test_rows() -> None:
    assert set(SUITE) <= set(SOURCES)
    assert set(TESTS) <= set(SUITE)
    assert {"vast", "robtest", "toxic_spans", "jigsaw_multilabel", "debates", "youtube_spam", "c3"} <= set(
        TESTS
    )


def test_identity_auc_finds_the_term_that_is_scored_too_high() -> None:
    rows = []
    for term, shift in (("buddhist", 0.0), ("catholic", 0.6), ("nobody", 0.0)):
        for i in range(60):
            toxic = i % 2
            score = 0.2 + 0.3 * toxic + 0.001 * i + shift
            rows.append((rated(f"a {term} here", float(toxic), slice="madlibs"), prediction(min(score, 1.0))))
    found = checks.identity_auc("madlibs")(as_tested(rows))
    assert set(found["terms"]) == {"buddhist", "catholic"}, "'nobody' is not an identity"
    assert found["terms"]["buddhist"]["subgroup"] == 1.0
    assert found["lowest"]["bpsn"]["term"] == "catholic", "its harmless rows score above others' toxic ones"
    assert found["terms"]["catholic"]["bpsn"] < 0.5
    assert checks.identity_auc("madlibs")(as_tested([])) == {"lowest": {}, "terms": {}}


def test_terms_are_whole_words_of_any_case() -> None:
    assert terms_in("My Buddhist neighbour, a WOMAN of whiteness") == {"buddhist", "woman"}


def test_dialect_ratio_of_false_positives() -> None:
    rows = [(rated("x", 0.0, slice="AAE"), prediction(0.9 if i < 4 else 0.1)) for i in range(8)]
    rows += [(rated("y", 0.0, slice="SAE"), prediction(0.9 if i < 2 else 0.1)) for i in range(8)]
    rows += [(rated("z", 1.0, slice="SAE"), prediction(0.9))]
    found = checks.dialect_gap(as_tested(rows))
    assert (found["AAE"]["flagged"], found["SAE"]["flagged"], found["ratio"]) == (0.5, 0.25, 2.0)


def test_harmless_flagged_takes_the_slice_or_every_negative() -> None:
    rows = [
        (rated("a", 0.0, slice="level 1"), prediction(0.9)),
        (rated("b", 0.0, slice="above 1"), prediction(0.1)),
        (rated("c", 1.0, slice="above 1"), prediction(0.9)),
    ]
    assert checks.harmless_flagged("level 1")(as_tested(rows)) == {"rows": 1, "flagged": 1.0}
    assert checks.harmless_flagged(None)(as_tested(rows)) == {"rows": 2, "flagged": 0.5}


def test_disguise_kept_compares_with_the_text_as_it_was() -> None:
    rows = [
        (rated("f00l", 1.0, slice="leetspeak", made_from="fool"), prediction(0.9)),
        (rated("f o o l", 1.0, slice="spacing", made_from="fool"), prediction(0.1)),
    ]
    found = checks.disguise_kept(as_tested(rows))
    assert found["all"] == {"rows": 2, "recall_plain": 1.0, "recall_disguised": 0.5, "kept": 0.5}
    assert found["spacing"]["kept"] == 0.0


def test_sentiment_swapped_counts_sides() -> None:
    def row(group: str, slice_: str, given: str) -> tuple[Example, Prediction]:
        example = Example(
            text="t", source="mine", target="it", stance="favor", group=group, slice=slice_, made_from="t"
        )
        return example, prediction(stance=given)

    rows = [row("1", "original", "favor"), row("1", "swapped", "against")]
    rows += [row("2", "original", "favor"), row("2", "swapped", "favor")]
    found = checks.sentiment_swapped(as_tested(rows))
    assert found == {"original": 1.0, "swapped": 0.5, "lost": 0.5, "same side": 0.5}


def test_the_side_should_follow_a_target_in_other_words() -> None:
    def row(text: str, stance: str, given: str) -> tuple[Example, Prediction]:
        return Example(text=text, source="mine", target="it", stance=stance), prediction(stance=given)

    def again(examples: Sequence[Example]) -> list[Prediction]:
        assert {e.text for e in examples} == {"a", "b"}, "`none` has no side to turn"
        return [
            prediction(stance="against" if e.text == "a" and e.target == "no it" else "favor")
            for e in examples
        ]

    rows = [row("a", "favor", "favor"), row("b", "favor", "favor"), row("c", "none", "none")]
    tested = checks.Tested(rows, {}, again, intervals=False)
    assert checks.target_worded(("no {}", "anti {}"), turns=True)(tested) == {
        "rows": 2,
        "no X": {"turned": 0.5, "side_accuracy": 0.5},
        "anti X": {"turned": 0.0, "side_accuracy": 0.0},
    }
    kept = checks.target_worded(("pro {}",), turns=False)(tested)
    assert kept["pro X"] == {"turned": 0.0, "side_accuracy": 1.0}
    assert checks.target_worded(("no {}",), turns=True)(as_tested(rows[2:])) == {"rows": 0}


def test_quoted_abuse_is_counted_as_it_is_complained_of_and_agreed_with() -> None:
    def again(examples: Sequence[Example]) -> list[Prediction]:
        assert all("You 'fool'" in e.text or e.text == 'You "fool"' for e in examples)
        return [prediction(0.1 if e.text.startswith("I reported") else 0.9) for e in examples]

    rows = [(rated('You "fool"', 1.0), prediction(0.9)) for _ in range(6)] + [
        (rated("Hello", 0.0), prediction(0.9))
    ]
    found = checks.abuse_quoted(checks.Tested(rows, THRESHOLDS, again, intervals=False))
    assert found["as written"] == {"rows": 6, "flagged": 1.0}
    assert found["complained of"] == {"rows": 6, "flagged": pytest.approx(2 / 3)}
    assert found["agreed with"] == {"rows": 6, "flagged": 1.0}


def test_wordings_of_the_checks_are_not_in_training() -> None:
    assert [form for form in checks.NEGATED if form not in OPPOSED] == ["disapproval of {}"]
    assert [form for form in checks.AFFIRMED if form not in SUPPORTED] == ["approval of {}"]
    assert not {frame for of in checks.QUOTED.values() for frame in of} & {*DENOUNCED, *ENDORSED}


def test_each_kind_of_wrong_article_is_judged_against_the_true_pairs() -> None:
    def row(slice_: str, wrong: float, given: float) -> tuple[Example, Prediction]:
        example = Example(text="t", source="mine", article="x", off_topic=wrong, slice=slice_)
        return example, prediction(off_topic=given)

    rows = [row("true pair", 0.0, given) for given in (0.1, 0.5)]
    rows += [row("headline", 1.0, 0.9), row("near debate", 0.8, 0.3)]
    assert checks.against_each_kind(as_tested(rows)) == {"headline": 1.0, "near debate": 0.5}


def test_a_comment_cut_short_is_scored_again() -> None:
    long = "The park is green. " + "Many words follow here. " * 20
    rows = [
        (Example(text=long, source="mine", article="x", off_topic=0.0), prediction(off_topic=0.1)),
        (
            Example(text=long + "Ends so.", source="mine", article="y", off_topic=1.0),
            prediction(off_topic=0.9),
        ),
    ]
    seen: list[Example] = []

    def predict(examples: Sequence[Example]) -> list[Prediction]:
        seen.extend(examples)
        return [prediction(off_topic=0.9 if e.article == "y" else 0.1) for e in examples]

    found = checks.comment_cut(checks.Tested(rows, THRESHOLDS, predict, intervals=False))
    assert (found["rows"], found["auc"], found["false_positive_rate"]) == (2, 1.0, 0.0)
    assert all(0 < len(e.text.split()) <= 25 for e in seen)


def test_a_sample_keeps_order_and_is_the_same_each_time() -> None:
    drawn = draw(range(100), 10)
    assert len(drawn) == 10
    assert list(drawn) == sorted(drawn)
    assert list(drawn) == list(draw(range(100), 10))
    assert draw([1, 2], 10) == [1, 2]


def test_a_huge_test_is_sampled(tiny_artifact: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = Artifact.open(tiny_artifact)
    whole = read_tests(artifact, data_dir, ["cqa2017"])["cqa2017"]
    monkeypatch.setitem(SUITE, "cqa2017", replace(SUITE["cqa2017"], most={"all": len(whole) - 1}))
    some = read_tests(artifact, data_dir, ["cqa2017"])["cqa2017"]
    assert len(some) == len(whole) - 1 > 0
    part = whole[0].slice or ""
    monkeypatch.setitem(SUITE, "cqa2017", replace(SUITE["cqa2017"], most={part: 0}))
    some = read_tests(artifact, data_dir, ["cqa2017"])["cqa2017"]
    assert some == [e for e in whole if e.slice != part]


def test_any_rater_lowers_the_bar() -> None:
    rows = [
        (Example(text="a", source="mine", article="x", off_topic=1 / 3), prediction(off_topic=0.9)),
        (Example(text="b", source="mine", article="x", off_topic=0.0), prediction(off_topic=0.1)),
    ]
    assert checks.any_rater(as_tested(rows))["auc"] == 1.0
    assert "auc" not in judge(rows, THRESHOLDS, intervals=False)["off_topic"], "no majority finds any"


def test_reliability_sums_to_the_calibration_error() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(500)
    truth = (rng.random(500) < scores**2).astype(float)
    bins = metrics.reliability(truth, scores)
    assert sum(n for _, _, n in bins) == 500
    error = sum(abs(mean - share) * n for mean, share, n in bins) / 500
    assert metrics.expected_calibration_error(truth, scores) == pytest.approx(error)


def test_the_majority_baseline_is_the_best_constant() -> None:
    rows = [(rated("a", float(i < 3)), prediction(0.9)) for i in range(10)]
    assert judge(rows, THRESHOLDS)["toxicity"]["majority"]["accuracy"] == pytest.approx(0.7)


def test_the_most_confident_errors_come_first() -> None:
    rows = [(rated(f"c{i}", 0.0), prediction(0.5 + i / 40)) for i in range(20)] + [
        (rated("fine", 0.0), prediction(0.1))
    ]
    found = worst(rows, "toxicity", THRESHOLDS)
    assert [e.text for e in found[:2]] == ["c19", "c18"]
    assert all(e.text != "fine" for e in found)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    rng = random.Random(1)
    words = ["park", "road", "plan", "school", "money", "city"]
    made = []
    for i in range(90):
        toxic = i % 3 == 0
        made.append(
            Example(
                text=" ".join([*rng.choices(words, k=5), "stupid idiot" if toxic else "good point"]),
                source="mine",
                labels={"toxicity": float(toxic)},
                target="the plan",
                stance=("favor", "against", "none")[i % 3],
                article="City plan\nThe city has a plan.",
                off_topic=float(i % 2),
            )
        )
    return made


def test_baselines_answer_and_the_page_shows_them(
    tiny_artifact: Path,
    examples: list[Example],
    tmp_path: Path,
    base: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("parley.training.evaluation.evaluate.SMALLEST", 30)
    monkeypatch.setattr("parley.training.evaluation.evaluate.BESIDE", {"float": 50, "untuned": 50})
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in tiny_artifact.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    artifact = Artifact.open(folder)
    info = artifact.info | {"training": {"config": {"base": str(base)}}}
    artifact.info_file.write_text(json.dumps(info), encoding="utf-8")
    beside: dict[str, Any] = {
        "float": float_network(artifact, tmp_path),
        "tfidf": TfIdf(examples),
        "untuned": Untuned(artifact, tmp_path),
    }
    found = evaluate(
        artifact,
        {"own data": examples, "c3": [rated("Good <b>point</b>", 0.0, slice="level 1")]},
        beside=beside,
    )
    report = json.loads(json.dumps(found.report))
    assert "good point" not in json.dumps(report), "no text in the report"
    test = report["tests"]["own data"]
    assert test["beside"]["tfidf"]["slices"]["all"]["toxicity"]["auc"] == 1.0
    assert (test["beside"]["tfidf"]["rows"], test["beside"]["float"]["rows"]) == (90, 50)
    assert test["beside"]["float"]["own"]["all"]["toxicity"]["rows"] == 50, "the same rows"
    assert set(test["beside"]["untuned"]["slices"]["all"]) == {"off_topic", "stance"}
    assert 0 <= test["beside"]["untuned"]["slices"]["all"]["off_topic"]["auc"] <= 1
    assert report["int8"]["figures"] > 3
    assert set(report["pooled"]) == {"news"}
    page = tmp_path / "report.html"
    write_report(page, found)
    html = page.read_text(encoding="utf-8")
    value = test["slices"]["all"]["toxicity"]["auc"]["value"]
    for shown in (
        *(f"{value:.3f}", "tfidf", "untuned", "majority", "harmless flagged", "<blockquote>"),
        *("Against the aims", "c3: false positives at the threshold", "≤ 0.05", "Untuned: 50 rows."),
    ):
        assert shown in html, shown
    assert "src=" not in html.split("<body>")[1], "nothing is loaded from elsewhere"


def test_the_untuned_encoder_is_found_behind_an_artifact(tiny_artifact: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_artifact, tmp_path / "second")
    artifact = Artifact(tmp_path / "second")
    info = Artifact.open(tiny_artifact).info | {"training": {"config": {"base": "an-encoder"}}}
    artifact.info_file.write_text(json.dumps(info), encoding="utf-8")
    assert first_base(str(artifact.path)) == "an-encoder"
    assert first_base("another-encoder") == "another-encoder"


def test_the_float_network_is_the_same_network(
    tiny_artifact: Path, examples: list[Example], tmp_path: Path
) -> None:
    comments = [comment(e) for e in examples[:10]]
    full = float_network(Artifact.open(tiny_artifact), tmp_path).predict(comments)
    int8 = Classifier.load(tiny_artifact).predict(comments)
    gaps = [abs(a.abuse["toxicity"] - b.abuse["toxicity"]) for a, b in zip(full, int8, strict=True)]
    assert 0 < max(gaps) < 0.1


def test_a_whole_release_is_evaluated(
    tiny_artifact: Path, data_dir: Path, tmp_path: Path, base: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny_artifact, folder)
    artifact = Artifact.open(folder)
    made = {"off_topic": 3, "short": 1, "stance_none": 2, "disguised": 1}
    counts = {"licence": "CC0", "train": 4, "weight": 1.0, "leaks_train": 0}
    config = {
        "base": str(base),
        "seed": 3,
        "sources": [{"name": name} for name in ("toxic_spans", "c3", "vast", "debates")],
        "optimiser": {"epochs": 1},
        "thresholds": {
            "toxicity": OperatingPoint(false_positives=0.05, sources=("c3",)).model_dump(mode="json")
        },
    }
    first = {"name": "first", "version": "0.9", "created": "2026-01-01", "commit": "abc"}
    training = {"config": config, "sources": {"c3": counts}, "made": made, "started_from": first}
    artifact.info_file.write_text(json.dumps(artifact.info | {"training": training}), encoding="utf-8")
    page = tmp_path / "report.html"
    arguments = ["evaluate", str(folder), "--data-dir", str(data_dir), "--all", "--baselines", "--float"]
    result = CliRunner().invoke(commands, [*arguments, "--html", str(page), "--save"])
    assert result.exit_code == 0, result.output
    report = artifact.read_evaluation()
    assert list(report["tests"]) == list(SUITE)
    assert report["artifact"]["trained_on"] == ["toxic_spans", "c3", "vast", "debates"]
    assert set(report["tests"]["vast"]["beside"]) == {"float", "tfidf", "untuned"}
    measured = {row.measured for row in against_aims(report)}
    card = artifact.card_file.read_text(encoding="utf-8")
    for shown in ("thread_headlines: AUC", "hatemoji: accuracy", "story_comments: called abusive"):
        assert shown in measured
        assert shown in card
        assert shown in page.read_text(encoding="utf-8")
    assert "started from first 0.9 (commit abc)" in card
    assert "toxicity false positives 0.05 of dev rows without the label, in each of c3." in card
    assert "Against the aims" in result.output


def test_evaluate_all_runs_on_every_test(tiny_artifact: Path, data_dir: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    arguments = ["evaluate", str(tiny_artifact), "--data-dir", str(data_dir), "--all", "--sample", "5"]
    result = CliRunner().invoke(commands, [*arguments, "-o", str(output)])
    assert result.exit_code == 0, result.output
    report = json.loads(output.read_text(encoding="utf-8"))
    assert list(report["tests"]) == list(SUITE)
    for name, test in SUITE.items():
        if report["tests"][name]["rows"]:
            assert set(report["tests"][name]["checks"]) == set(test.checks), name
    assert {"gc", "gn", "cat_small"} <= set(report["tests"]["context_toxicity"]["slices"]), (
        "with and without parent"
    )
