"""Aims: a figure beside its aim, from a report alone."""

from __future__ import annotations

from typing import Any

import pytest

from parley.training.evaluation.aims import AIMS, against_aims
from parley.training.evaluation.suite import SUITE


def report(**tests: dict[str, Any]) -> dict[str, Any]:
    whole = {name: {"slices": {"all": {}}, "checks": {}, "beside": {}} | test for name, test in tests.items()}
    return {"artifact": {"trained_on": ["jigsaw_multilabel"]}, "tests": whole}


def rows_by_figure(**tests: dict[str, Any]) -> dict[str, Any]:
    return {row.measured: row for row in against_aims(report(**tests))}


def figure(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def test_aims_name_tests_of_the_suite_and_need_a_figure_for_a_row() -> None:
    assert {aim.path[0] for aim in AIMS if aim.path} <= set(SUITE)
    assert against_aims(report()) == []


def test_no_aim_applies_to_a_sites_own_rows() -> None:
    of = {"auc": figure(0.9), "rows": 100, "positives": 50, "calibration_error": 0.2}
    own = {"own.csv": {"slices": {"all": {"toxicity": of}}}}
    assert against_aims(report(**own)) == []
    assert against_aims(report(**own, robtest={}))


def test_an_aim_is_reached_at_its_number() -> None:
    of = {"auc": figure(0.98), "majority": {"accuracy": 0.5}, "rows": 100, "positives": 50}
    of["calibration_error"] = 0.05
    beside = {"tfidf": {"slices": {"all": {"toxicity": {"auc": 0.91}}}}, "untuned": {"slices": {"all": {}}}}
    row = rows_by_figure(robtest={"slices": {"all": {"toxicity": of}}, "beside": beside})["robtest: AUC"]
    assert (row.figure, row.reach, row.reached) == (figure(0.98), "≥ 0.965", True)
    assert row.beside == {"tfidf": 0.91, "untuned": None, "majority": 0.5}
    worse = {"slices": {"all": {"toxicity": of | {"auc": figure(0.964)}}}}
    assert rows_by_figure(robtest=worse)["robtest: AUC"].reached is False


def test_an_upper_limit() -> None:
    for share, reached in ((0.05, True), (0.051, False)):
        checks = {"harmless flagged": {"rows": 10, "flagged": figure(share)}}
        row = rows_by_figure(unhealthy={"checks": checks})["unhealthy: false positives at the threshold"]
        assert (row.reach, row.reached) == ("≤ 0.05", reached)


def test_a_figure_without_an_aim() -> None:
    stance = {"macro_f1": figure(0.5), "majority": {"macro_f1": 0.2}}
    row = rows_by_figure(ruw={"slices": {"all": {"stance": stance}}})["ruw, all: three-class macro-F1"]
    assert (row.reach, row.reached, row.beside["majority"]) == ("", None, 0.2)


def test_the_margin_over_tfidf_is_the_smallest_of_labels_with_enough_rows() -> None:
    def label(auc: float, positives: int) -> dict[str, Any]:
        return {"auc": figure(auc), "rows": 500, "positives": positives}

    slices = {"all": {"insult": label(0.9, 60), "threat": label(0.8, 30), "profanity": label(0.7, 5)}}
    other = {name: {"auc": 0.7} for name in slices["all"]}
    of = {"slices": slices, "beside": {"tfidf": {"slices": {"all": other}}}}
    row = rows_by_figure(toxic_spans=of)["toxic_spans: least AUC above TF-IDF"]
    assert row.figure == pytest.approx(0.1)
    assert row.reached


def test_int8_is_compared_with_float_in_the_figures_that_have_aims() -> None:
    def areas(auc: float) -> dict[str, Any]:
        return {
            "all": {"toxicity": {"auc": auc}, "insult": {"auc": 2 * auc}},
            "short": {"toxicity": {"auc": 0}},
        }

    test = {"slices": areas(0.99), "beside": {"float": {"own": areas(0.984), "slices": areas(0.98)}}}
    row = rows_by_figure(robtest=test)["largest gap of a figure above"]
    assert (row.figure, row.reached) == (pytest.approx(0.004), True)
    assert "largest gap of a figure above" not in rows_by_figure(robtest={"slices": areas(0.99)})


def test_calibration_error_is_separate_for_corpora_trained_on() -> None:
    def test(error: float, positives: int = 50) -> dict[str, Any]:
        toxicity = {"calibration_error": error, "rows": 100, "positives": positives}
        return {"slices": {"all": {"toxicity": toxicity}}}

    tests = {
        "jigsaw_multilabel": test(0.02),
        "robtest": test(0.1),
        "unhealthy": test(0.04),
        "disguised": test(0.9),
        "c3": test(0.9, positives=1),
    }
    rows = {row.what: row for row in against_aims(report(**tests)) if row.measured == "toxicity: ECE"}
    inside, outside = rows["calibration, corpora trained on"], rows["calibration, other corpora"]
    assert (inside.figure, inside.reached) == (0.02, True)
    assert outside.figure == pytest.approx(0.07)
