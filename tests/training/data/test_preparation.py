"""From sources to what a run trains on: caps, leaks, augmentation; shipped configs; the data folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from parley.training.data.examples import Example
from parley.training.data.leaks import fingerprint
from parley.training.data.preparation import SourceSpec, Swaps, held_out, load, prepare
from parley.training.data.sources import SOURCES, SPLITS, read
from parley.training.errors import SourceError
from parley.training.evaluation.operating_points import sources_named
from parley.training.fit.config import load_config
from tests.training.mini_corpora import TESTS_ONLY, write_corpora

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"
NO_SWAPS = Swaps(off_topic=0.0, stance_none=0.0)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpora(tmp_path_factory.mktemp("data"))


def test_a_test_cannot_be_trained_on(data_dir: Path) -> None:
    with pytest.raises(SourceError, match="'robtest' has no rows to train on"):
        prepare([SourceSpec(name="robtest")], data_dir=data_dir, swaps=NO_SWAPS)


def test_cap_and_weight(data_dir: Path) -> None:
    whole = load([SourceSpec(name="toxic_spans")], data_dir, "train")
    spec = SourceSpec(name="toxic_spans", cap=2, weight=0.5)
    capped = load([spec], data_dir, "train", seed=1)
    assert len(capped) == 2 < len(whole)
    assert {e.weight for e in capped} == {0.5}
    assert capped == load([spec], data_dir, "train", seed=1)
    assert len({tuple(e.text for e in load([spec], data_dir, "train", seed=s)) for s in range(9)}) > 1
    assert len(load([spec], data_dir, "dev")) == 1, "a cap applies only to training"


def test_harmless_rows_that_name_an_identity_are_taken_beyond_the_cap(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {
        "My Deaf neighbour sings": 0.0,
        "Women, all fools": 1.0,
        "A fine road": 0.0,
        "A Sikh friend": 0.0,
    }
    rows = [Example(text=t, source="jigsaw_binary", labels={"toxicity": v}) for t, v in texts.items()]
    rows += [Example(text=f"Road {i}", source="jigsaw_binary", labels={"toxicity": 0.0}) for i in range(9)]
    monkeypatch.setattr("parley.training.data.preparation.read", lambda *given, **options: iter(rows))

    def texts_of(spec: SourceSpec) -> set[str]:
        return {e.text for e in load([spec], data_dir, "train", seed=1)}

    capped = texts_of(SourceSpec(name="jigsaw_binary", cap=2))
    for most in (1, 2, 5):
        found = texts_of(SourceSpec(name="jigsaw_binary", cap=2, identities=most))
        assert capped <= found
        assert found - capped <= {"My Deaf neighbour sings", "A Sikh friend"}
        assert len(found - capped) <= most
    assert found >= {"My Deaf neighbour sings", "A Sikh friend"}


def test_prepare_drops_leaks_and_counts_them(tmp_path: Path) -> None:
    data_dir = write_corpora(tmp_path)
    robtest = data_dir / "abuse/jigsaw_robtest/test.csv"
    robtest.write_text('"You fool... SIT down!",1\nwhat a silly plan,0\n', encoding="utf-8")
    prepared = prepare([SourceSpec(name="toxic_spans")], data_dir=data_dir, swaps=NO_SWAPS)
    counts = prepared.counts["sources"]["toxic_spans"]
    assert (counts["leaks_train"], counts["leaks_dev"], counts["train"], counts["dev"]) == (1, 1, 3, 0)
    assert counts["licence"] == "CC0"
    assert "You fool, sit down." not in {e.text for e in prepared.train}
    assert prepared.dev == []


def test_prepare_makes_the_negatives_asked_for(data_dir: Path) -> None:
    specs = [SourceSpec(name=name) for name in ("vast", "ukp", "debates", "toxic_spans")]
    plain = prepare(specs, data_dir=data_dir, swaps=NO_SWAPS)
    asked = {"off_topic": 2.0, "stance_none": 1.0, "negated": 1.0, "disguised": 1.0}
    swaps = NO_SWAPS.model_copy(update=asked)
    made = prepare(specs, data_dir=data_dir, swaps=swaps, seed=4)
    assert not any(plain.counts["made"].values())
    assert plain.counts["made"].keys() == plain.made.keys() == made.made.keys()
    true = [e for e in plain.train if e.off_topic == 0.0]
    assert made.counts["made"]["off_topic"] == 2 * len(true)
    assert made.counts["made"]["negated"] == sum(e.stance is not None for e in plain.train)
    assert made.counts["made"]["disguised"] == sum("toxicity" in e.labels for e in plain.train)
    assert made.train[: len(plain.train)] == plain.train
    assert made.train == prepare(specs, data_dir=data_dir, swaps=swaps, seed=4).train


def test_a_fraction_of_the_training_rows(data_dir: Path) -> None:
    specs = [SourceSpec(name="vast"), SourceSpec(name="arc"), SourceSpec(name="toxic_spans")]
    whole = prepare(specs, data_dir=data_dir, swaps=NO_SWAPS)
    half = prepare(specs, data_dir=data_dir, swaps=NO_SWAPS, fraction=0.5)
    assert len(half.train) == round(len(whole.train) / 2)
    assert half.dev == whole.dev


def test_rows_for_an_operating_point_are_read_beside_those_trained_on(data_dir: Path) -> None:
    specs = [SourceSpec(name="toxic_spans")]
    plain = prepare(specs, data_dir=data_dir, swaps=NO_SWAPS)
    found = prepare(specs, data_dir=data_dir, swaps=NO_SWAPS, threshold_sources=["unhealthy", "toxic_spans"])
    assert (found.train, found.dev) == (plain.train, plain.dev), (
        "an operating point changes nothing in training"
    )
    assert plain.threshold_rows == []
    # Neither the comment that is also in its test, nor the one that is trained on.
    assert [e.text for e in found.threshold_rows] == ["Fair piece"]
    unhealthy = found.counts["sources"]["unhealthy"]
    assert (unhealthy["train"], unhealthy["dev"], unhealthy["leaks_dev"]) == (0, 1, 2)
    assert "NC" in unhealthy["licence"]


# The configs that come with Parley


@pytest.mark.parametrize(
    "name", ["base", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "full", "permissive", "quick"]
)
def test_shipped_configs_name_sources_that_train(name: str) -> None:
    config = load_config(ROOT / "configs" / "training" / f"{name}.yaml")
    names = [spec.name for spec in config.sources]
    assert len(names) == len(set(names))
    assert not set(names) & TESTS_ONLY
    if name == "permissive":
        assert all(SOURCES[n].commercial for n in (*names, *sources_named(config.thresholds)))
    if name == "full":
        assert set(names) == set(SOURCES) - TESTS_ONLY


def test_sources_that_forbid_commercial_use_are_only_for_testing() -> None:
    forbidden = {name for name, source in SOURCES.items() if "NC" in source.licence}
    assert forbidden == {"unhealthy"}
    assert forbidden <= TESTS_ONLY


# The data folder, if it is there


needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data")


@needs_data
@pytest.mark.parametrize(
    ("name", "train", "dev", "test"),
    [  # as ../shared/data/README.md counts them; None: our own split
        ("toxic_spans", None, None, 16_100),
        ("c3", None, None, 12_000),
        ("impermium", None, None, 3_947),
        ("jigsaw_multilabel", None, None, 4_215),
        ("robtest", 0, 0, 12_180),
        ("vast", 13_477, 2_062, 3_006),
        ("youtube_spam", None, None, 1_586),
        ("edos", 14_000, 2_000, 4_000),
        ("covid_stance", 4_533, 800, 800),
        ("pstance", 17_224, 2_193, 2_157),
        ("appropriateness", 0, 0, 2_191),
    ],
)
def test_row_counts_of_the_corpora(name: str, train: int | None, dev: int | None, test: int) -> None:
    counts = [sum(1 for _ in read(name, DATA, split)) for split in SPLITS]
    assert counts == [train, dev, test] if train is not None else sum(counts) == test


@needs_data
def test_no_test_text_is_trained_on(tmp_path: Path) -> None:
    for folder in ("stance/VAST", "stance/ARC", "stance/UKP-RoomForDebate", "abuse/jigsaw_robtest"):
        (tmp_path / folder).parent.mkdir(exist_ok=True)
        (tmp_path / folder).symlink_to(DATA / folder)
    specs = [SourceSpec(name=name) for name in ("vast", "arc", "ukp", "debates")]
    prepared = prepare(specs, data_dir=tmp_path, swaps=Swaps(off_topic=1.0, short=0.5))
    train, dev = ({fingerprint(e.text) for e in split} for split in (prepared.train, prepared.dev))
    tests = held_out(specs, tmp_path)
    test = {fingerprint(e.text) for e in tests}
    assert not train & test
    assert not dev & test
    assert not train & dev
    articles = {e.article for e in prepared.train if e.article}
    assert not articles & {e.article for e in tests if e.source == "debates"}
    assert not articles & {e.article for e in prepared.dev if e.article}
