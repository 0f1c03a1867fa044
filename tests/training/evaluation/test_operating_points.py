"""Operating points: a threshold meets its point, a lower one would not, and with too few rows it stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.model.comment import Prediction, Stance
from parley.model.labels import ABUSE
from parley.training.console import show_table
from parley.training.data.examples import Example
from parley.training.evaluation.figures import Row
from parley.training.evaluation.operating_points import (
    CURVE,
    FEWEST,
    NAMED_SIDES,
    NO_SIDE,
    OperatingPoint,
    find_threshold,
)


def row(score: float, *, source: str = "c3", off_topic: float | None = None, **labels: float) -> Row:
    abuse = dict.fromkeys(ABUSE, 0.0) | {"toxicity": score}
    prediction = Prediction(id=None, abuse=abuse, spam=score, off_topic=off_topic, stance=None)
    return Example(text="a comment", source=source, labels=labels), prediction


def harmless(scores: list[float], source: str) -> list[Row]:
    return [row(score, source=source, toxicity=0.0) for score in scores]


def share(scores: list[float], threshold: float) -> float:
    return float(np.mean([score >= threshold for score in scores]))


def stances(likely: list[float], right: list[bool], source: str = "stories") -> list[Row]:
    """Rows whose likeliest stance is favor, with that probability; and two of the other stances."""
    rows = []
    for score, so in zip(likely, right, strict=True):
        stance = Stance(target="x", favor=score, against=0.0, none=1 - score, label=None)
        prediction = Prediction(id=None, abuse={}, spam=0.0, off_topic=None, stance=stance)
        rows.append(
            (Example(text="a", source=source, target="x", stance="favor" if so else "none"), prediction)
        )
    for other in ("against", "none"):
        rows.append(
            (Example(text="a", source=source, target="x", stance=other), replace(prediction, stance=None))
        )
    return rows


SCORES = st.lists(st.sampled_from([n / 20 for n in range(21)]), min_size=FEWEST, max_size=60)


@settings(max_examples=40, deadline=None)
@given(SCORES, SCORES, st.sampled_from([0.05, 0.1, 0.3, 1.0]))
def test_the_lowest_threshold_that_holds_in_each_named_source(
    first: list[float], second: list[float], most: float
) -> None:
    rows = [*harmless(first, "c3"), *harmless(second, "unhealthy"), *harmless([1.0] * 50, "vast")]
    found = find_threshold(
        "toxicity", OperatingPoint(false_positives=most, sources=("c3", "unhealthy")), rows
    )
    threshold = found["threshold"]
    assert max(share(first, threshold), share(second, threshold)) <= most
    lower = max((s for s in (*first, *second) if s < threshold), default=None)
    if lower is not None:
        assert max(share(first, lower), share(second, lower)) > most
    assert threshold == max(of["alone"] for of in found["by_source"])


@settings(max_examples=40, deadline=None)
@given(SCORES, SCORES, st.sampled_from([0.05, 0.1, 0.3]))
def test_sources_that_nobody_names_count_alike(first: list[float], second: list[float], most: float) -> None:
    rows = [*harmless(first * 9, "c3"), *harmless(second, "unhealthy"), *harmless([1.0] * 9, "vast")]
    threshold = find_threshold("toxicity", OperatingPoint(false_positives=most), rows)["threshold"]

    def mean(threshold: float) -> float:
        return (share(first, threshold) + share(second, threshold)) / 2

    assert mean(threshold) <= most + 1e-9
    lower = max((s for s in (*first, *second) if s < threshold), default=None)
    assert lower is None or mean(lower) > most


def test_a_row_is_harmless_if_no_rater_gave_it_the_label() -> None:
    found = find_threshold(
        "toxicity",
        OperatingPoint(false_positives=0.1, sources=("c3", "impermium")),
        [
            *harmless([0.2] * 30, "c3"),
            *(row(0.9, toxicity=0.3) for _ in range(30)),  # some rater did
            *(row(0.9, insult=0.0) for _ in range(30)),  # an unjudged row of a source that judges
            *(row(0.95, toxicity=1.0) for _ in range(30)),
            *(row(0.4, source="impermium", insult=0.0) for _ in range(30)),  # labels only insults
            *(row(0.9, source="impermium", insult=1.0) for _ in range(30)),
            *(row(0.9, source="youtube_spam", spam=0.0) for _ in range(30)),  # not named
        ],
    )
    shown = {(of["source"], of["rows"]): of for of in found["by_source"]}
    assert {key: of["count"] for key, of in shown.items()} == {
        ("c3", "harmless"): 30,
        ("impermium", "harmless"): 30,
        ("c3", "so"): 30,
    }
    assert found["threshold"] == 0.400001
    assert found["threshold"] > 0.4
    assert shown["c3", "harmless"]["alone"] == 0.200001
    assert shown["c3", "harmless"]["found"] == 0.0
    assert shown["impermium", "harmless"]["curve"] == [float(t <= 0.4) for t in CURVE]
    assert shown["c3", "so"]["found"] == 1.0


def test_a_source_that_does_not_judge_the_label_counts_only_where_it_is_named() -> None:
    rows = [row(0.4, source="impermium", insult=0.0) for _ in range(30)]
    assert (
        "no source has 20 harmless"
        in find_threshold("toxicity", OperatingPoint(false_positives=0.1), rows)["left"]
    )


def test_further_rows_count_only_for_points_that_name_their_source() -> None:
    rows, others = harmless([n / 100 for n in range(100)], "c3"), harmless([0.9] * 50, "unhealthy")
    named = find_threshold(
        "toxicity", OperatingPoint(false_positives=0.1, sources=("unhealthy",)), rows, others
    )
    assert named["threshold"] == 0.900001
    budget = find_threshold("toxicity", OperatingPoint(queue=0.1), rows, others)
    assert budget["threshold"] == 0.890001
    assert budget["queue"] == 0.1


def test_too_few_rows_for_so_small_a_share_leave_the_threshold() -> None:
    rows = [*harmless([0.1] * 60, "c3"), *harmless([0.1] * 99, "unhealthy")]
    point = OperatingPoint(false_positives=0.01, sources=("c3", "unhealthy"))
    left = "fewer than 100 harmless dev rows of c3, unhealthy"
    assert find_threshold("toxicity", point, rows)["left"] == left
    assert find_threshold("toxicity", point, [*rows, *rows])["threshold"] > 0.1


def test_off_topic_has_harmless_rows_too() -> None:
    pairs = [
        (Example(text="a", source="debates", article="b", off_topic=0.0), row(0.0, off_topic=n / 40)[1])
        for n in range(40)
    ]
    found = find_threshold("off_topic", OperatingPoint(false_positives=0.1), pairs)
    assert found["false_positive_rate"] == found["queue"] == 0.1
    assert found["threshold"] == 0.875001  # past 35 of 40


def test_the_table_shows_every_source(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [*harmless([0.2] * 30, "c3"), *(row(0.95, toxicity=1.0) for _ in range(30))]
    show_table(
        "Calibrated on", {"toxicity": find_threshold("toxicity", OperatingPoint(false_positives=0.1), rows)}
    )
    out = capsys.readouterr().out.partition("% of dev rows flagged")[2]
    assert out.index("harmless:") < out.index("c3") < out.index("toxicity:") < out.rindex("c3")
    assert "100" in out


def test_a_side_is_named_where_four_in_five_are_right() -> None:
    scores = np.linspace(0.99, 0.6, 100)
    # 90 % of the 40 most certain are right, and 50 % of the others.
    right = np.arange(100) % 10 >= np.where(np.arange(100) < 40, 1, 5)
    found = find_threshold("stance", NAMED_SIDES, stances(scores.tolist(), right.tolist()))
    named = scores >= found["threshold"]
    assert right[named].mean() == pytest.approx(found["right"])
    assert found["right"] >= 0.8
    assert found["named"] == pytest.approx(named.mean())
    assert named.sum() > 40
    assert right[: named.sum() + 1].mean() < 0.8, "a lower threshold would not be enough"


def test_no_side_is_named_where_none_can_be_trusted() -> None:
    for every in (4, 10):
        wrong = stances([0.9] * 100, [n % every == 0 for n in range(100)])
        found = find_threshold("stance", NAMED_SIDES, wrong)
        assert found == {"threshold": NO_SIDE, "right": None, "named": 0.0}
    assert "fewer than" in find_threshold("stance", NAMED_SIDES, stances([0.9] * 9, [True] * 9))["left"]
    sided = [row for row in stances([0.9] * 100, [True] * 100) if row[0].stance != "none"]
    assert "fewer than" in find_threshold("stance", NAMED_SIDES, sided)["left"], "a source without none"


def test_precision_holds_in_each_named_source() -> None:
    news = stances([0.99] * 30 + [0.8] * 30, [True] * 30 + [False] * 30)
    debates = stances([0.7] * 300, [True] * 300, source="vast")
    assert find_threshold("stance", NAMED_SIDES, [*news, *debates])["threshold"] == pytest.approx(0.7)
    point = OperatingPoint(precision=0.8, sources=("stories",))
    assert find_threshold("stance", point, [*news, *debates])["threshold"] == pytest.approx(0.99)
    both = OperatingPoint(precision=0.8, sources=("vast", "stories"))
    assert find_threshold("stance", both, debates, news)["threshold"] == pytest.approx(0.99)
    toxic = [*(row(0.9, toxicity=1.0) for _ in range(30)), *(row(0.5, toxicity=0.0) for _ in range(30))]
    easy = [row(0.3, source="olid", toxicity=1.0) for _ in range(30)]
    point = OperatingPoint(precision=0.9, sources=("c3", "olid"))
    assert find_threshold("toxicity", point, [*toxic, *easy])["threshold"] == pytest.approx(0.9)
    assert "of olid" in find_threshold("toxicity", point, toxic)["left"]
