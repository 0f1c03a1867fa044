"""What a report counts, and that its memory stays bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.model.artifact import DEFAULT
from parley.service.dumps.scoring.rows import Scored
from parley.service.policy.decision import EVEN_ODDS
from parley.service.report import tally as tally_module
from parley.service.report.counts import Groups, Timeline, Verdict
from parley.service.report.lines import Cut, Line, Lines
from parley.service.report.rows import ScoredFile
from parley.service.report.tally import TEXT_LENGTH, Tally
from tests.service.report.scored import DAY, THRESHOLDS, scored, write

FINE = Verdict("approve", abusive=False, off_topic=False, stance="none")
CUTS = {"abuse.toxicity": 0.5, "off_topic": 0.95}


def lines(**cuts: float) -> Lines:
    loaded = Lines.load("default")
    values = {score: Cut(CUTS.get(score, 0.5), "the test") for score in loaded.cuts}
    return Lines(loaded.policy, loaded.drawn, values, loaded.codes)


def count(tmp_path: Path, rows: Sequence[Scored], *, top: int = 20) -> Tally:
    tally = Tally(lines(), top=top)
    for row in ScoredFile.open(write(tmp_path / "out.jsonl", rows)):
        tally.add(row)
    return tally


def test_counts(tmp_path: Path) -> None:
    tally = count(
        tmp_path,
        [
            scored(abuse={"toxicity": 0.9}, stance="against", author="Bo"),
            scored(abuse={"toxicity": 0.5}, stance="favor", article="Pool opens", target="Pool opens"),
            scored(off_topic=0.97, stance="against", target="cars"),
            scored(stance="unsure", target="cars", notes=["stance_unsure"]),
            scored(off_topic=None, stance=None, article=None, author=None, at=None, notes=["no_article"]),
        ],
    )
    all_ = tally.all
    assert (all_.comments, all_.approve, all_.review, all_.reject) == (5, 2, 3, 0)
    assert (all_.abusive, all_.judged, all_.off_topic) == (2, 4, 1)
    assert (all_.favor, all_.against, all_.none, all_.unsure, all_.stances) == (1, 2, 0, 1, 4)
    assert tally.reasons == Counter({"toxic": 2, "off_topic": 1})
    assert tally.notes == Counter({"no_article": 1, "stance_unsure": 1})
    assert tally.undated == 1
    assert (tally.earliest, tally.latest) == (DAY, DAY)
    assert tally.own_targets == 2
    assert tally.foreign_codes == []

    by_article = {group.name: group.counts for group in tally.articles.most(9, by=lambda c: c.comments)}
    assert {name: counts.comments for name, counts in by_article.items()} == {
        "Bridge to close": 3,
        "Pool opens": 1,
    }
    assert by_article["Bridge to close"].abusive == 1
    assert tally.articles.unnamed == 1
    (most_abusive, _) = tally.authors.most(2, by=lambda c: c.abusive / c.comments)
    assert (most_abusive.name, most_abusive.counts.abusive_share) == ("Bo", 1.0)
    (cars,) = [group for group in tally.targets.most(9, by=lambda c: c.stances) if group.name == "cars"]
    assert (cars.counts.against, cars.counts.unsure) == (1, 1)
    assert cars.timeline is not None

    toxicity = tally.distributions["abuse.toxicity"]
    assert (toxicity.bins[45], toxicity.bins[25], toxicity.bins[1]) == (1, 1, 3)
    assert (toxicity.over, toxicity.null) == (2, 0)
    assert (tally.distributions["off_topic"].over, tally.distributions["off_topic"].null) == (1, 1)


def test_the_highest_score_falls_into_the_last_bin(tmp_path: Path) -> None:
    tally = count(tmp_path, [scored(spam=1.0), scored(spam=0.0)])
    assert tally.distributions["spam"].bins[-1] == 1
    assert sum(tally.distributions["spam"].bins) == 2


def test_the_worst_come_first_and_each_text_once(tmp_path: Path) -> None:
    rows = [scored(f"Mild {i}", id=f"m{i}", abuse={"toxicity": i / 100}) for i in range(40)]
    rows += [scored("Buy now", id=f"s{i}", spam=0.99) for i in range(5)]
    rows += [scored("Fool", id="f", abuse={"toxicity": 0.8}), scored("Off", id="o", off_topic=0.99)]
    rows += [scored("x" * (TEXT_LENGTH + 9), id="long", abuse={"threat": 0.9})]
    first = count(tmp_path, rows, top=4).first.ranked()
    assert [found.row.id for found in first] == ["long", "f", "s0", "o"]
    assert [found.copies for found in first] == [1, 1, 5, 1]
    assert first[0].cut
    assert len(first[0].row.text) == TEXT_LENGTH


def test_the_order_where_no_rule_fired(tmp_path: Path) -> None:
    rows = [scored(f"Mild {i}", id=f"m{i}", abuse={"insult": i / 100}) for i in range(9)]
    first = count(tmp_path, rows, top=3).first.ranked()
    assert [found.row.id for found in first] == ["m8", "m7", "m6"]


def test_another_policy_is_noticed(tmp_path: Path) -> None:
    tally = Tally(Lines.load("strict"), top=3)
    row = next(iter(ScoredFile.open(write(tmp_path / "out.jsonl", [scored(off_topic=0.99)]))))
    row.reasons.append({"code": "shouting"})
    tally.add(row)
    assert "shouting" in tally.foreign_codes


@pytest.mark.parametrize(
    ("hours", "step", "bins"),
    [(1, "hour", 1), (40, "hour", 40), (720, "day", 30), (4800, "week", 30), (26280, "month", 36)],
)
def test_a_timeline_takes_the_step_that_fits(hours: int, step: str, bins: int) -> None:
    timeline = Timeline(max_bins=100_000)
    for hour in range(hours):
        timeline.add(datetime(2021, 1, 1, tzinfo=UTC) + timedelta(hours=hour), FINE)
    found, shown = timeline.shown(bins=90)
    assert (found, len(shown)) == (step, bins)
    assert sum(counts.comments for _, counts in shown) == hours
    assert [time for time, _ in shown] == sorted(time for time, _ in shown)


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=1, max_size=60))
def test_a_timeline_is_bounded_and_loses_nothing(times: list[datetime]) -> None:
    timeline = Timeline(max_bins=8)
    for time in times:
        timeline.add(time, FINE)
        assert len(timeline) <= 8 or timeline.shown(bins=10_000)[0] == "year"
    _, shown = timeline.shown(bins=5)
    assert sum(counts.comments for _, counts in shown) == len(times)
    assert shown[0][0] <= min(times)


def test_a_timeline_can_be_given_its_step() -> None:
    timeline = Timeline(max_bins=9)
    timeline.add(DAY, FINE)
    assert timeline.shown(bins=90, step="week") == ("week", timeline.shown(bins=0, step="week")[1])
    assert timeline.shown(bins=90)[0] == "hour"


def test_groups_are_bounded_and_the_large_ones_stay(tmp_path: Path) -> None:
    (row,) = ScoredFile.open(write(tmp_path / "out.jsonl", [scored()]))
    groups = Groups(capacity=100)
    for number in range(3_000):
        groups.add(f"rare {number}", "rare", row, FINE)
        groups.add("often", "Often", row, FINE)
        groups.add(None, "", row, FINE)
        assert len(groups) <= 100
    (most,) = groups.most(1, by=lambda counts: counts.comments)
    assert (most.name, most.counts.comments) == ("Often", 3_000)
    kept = sum(group.counts.comments for group in groups.most(100, by=lambda counts: counts.comments))
    assert kept + groups.rest.comments == 6_000
    assert groups.unnamed == 3_000
    assert groups.dropped > 0


def test_the_number_of_kinds_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally_module, "KINDS", 3)
    tally = count(tmp_path, [scored(notes=[f"note{i}", "x" * 500]) for i in range(9)])
    assert len(tally.notes) <= 4
    assert tally.notes["others"] > 0
    assert max(map(len, tally.notes)) == 80


def test_lines_are_those_of_the_policy(tmp_path: Path) -> None:
    policy = tmp_path / "house.yaml"
    policy.write_text(
        "rules:\n"
        "  - {code: toxic, when: abuse.toxicity, at_least: 0.7, action: review}\n"
        "  - {code: toxic, when: abuse.toxicity, at_least: 0.9, action: reject}\n"
        "  - {code: cheer, when: spam, at_least: 0.2, action: approve}\n"
        "  - {code: short, when: words, at_most: 2, action: review}\n"
    )
    found = Lines.load(str(policy))
    assert found.policy == "house"
    assert found.drawn == (
        Line("abuse.toxicity", 0.7, "review", "toxic"),
        Line("abuse.toxicity", 0.9, "reject", "toxic"),
        Line("spam", 0.2, "approve", "cheer"),
    )
    assert found.cuts["abuse.toxicity"] == Cut(0.7, "policy house")
    assert found.codes == {"toxic", "cheer", "short"}
    if not DEFAULT.is_dir():
        assert found.cuts["spam"].value == EVEN_ODDS
        assert "0.5: neither" in found.cuts["spam"].origin


def test_lines_of_a_model(tiny_artifact: Path) -> None:
    found = Lines.load("default", model=tiny_artifact)
    assert set(THRESHOLDS) <= {line.score.removeprefix("abuse.") for line in found.drawn}
    assert found.cuts["abuse.insult"].origin == "the model"
