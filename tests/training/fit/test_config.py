"""The training YAML: the shipped ones load, and a wrong one says where, what and how to fix it."""

from __future__ import annotations

from pathlib import Path

import pytest

from parley.training.errors import ConfigError
from parley.training.evaluation.operating_points import OperatingPoint
from parley.training.fit.config import load_config

SHIPPED = sorted((Path(__file__).parents[3] / "configs" / "training").glob("*.yaml"))
SMALL = "name: x\nversion: 0.0.1\nbase: b\nsources:\n  - name: c3\n"


@pytest.mark.parametrize("file", SHIPPED, ids=lambda f: f.stem)
def test_shipped_configs_load(file: Path) -> None:
    assert load_config(file).sources


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (SMALL + "optimizer: {}\n", (":6:", "optimizer", "unknown key", "optimiser")),
        (SMALL + "optimiser:\n  epochs: 1\n  rate: 2\n", (":8:", "optimiser.rate", "learning_rate")),
        (SMALL + "losses: {spam: 1}\n", (":6:", "losses.spam", "contrast")),
        (SMALL + "teacher: {artifact: a, temprature: 1}\n", (":6:", "teacher.temprature", "temperature")),
        (SMALL + "teacher: {pairs: 5}\n", (":6:", "teacher.artifact", "required")),
        (
            SMALL + "thresholds: {toxcity: {queue: 0.1}}\n",
            (":6: thresholds.toxcity: ", "labels are toxicity"),
        ),
        (SMALL + "thresholds:\n  spam: {false_positive: 0.1}\n", (":7:", "unknown key", "false_positives")),
        (SMALL + "thresholds:\n  spam: {queue: 5}\n", (":7:", "spam.queue", "less than or equal to 1")),
        (SMALL + "thresholds: {spam: {queue: 0.1, precision: 0.9}}\n", ("spam", "one of precision, queue")),
        (SMALL + "thresholds: {spam: {sources: [c3]}}\n", ("thresholds.spam", "one of precision, queue")),
        (SMALL + "thresholds: {spam: {queue: 0.1, sources: [c3]}}\n", ("sources go with precision",)),
        (SMALL + "thresholds: {stance: {queue: 0.1}}\n", ("thresholds.stance: give a precision",)),
        (
            SMALL + "thresholds: {toxicity: {false_positives: 0.05, sources: [unhealty]}}\n",
            ("thresholds.toxicity.sources", "did you mean 'unhealthy'"),
        ),
        (SMALL + "    weigth: 2\n", (":6:", "sources.0.weigth", "weight")),
        (SMALL.replace("c3", "vasd"), (":5:", "did you mean 'vast'")),
        (SMALL.replace("0.0.1", "one"), (":2:", "version")),
        (SMALL + "fraction: 2\n", (":6:", "fraction", "less than or equal to 1")),
        ("", ("must hold keys",)),
        ("name: [", ("is not YAML",)),
    ],
)
def test_a_wrong_config_says_where_and_what(text: str, parts: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    for part in (str(file), *parts):
        assert part in str(caught.value)


def test_what_base_yaml_shows_of_thresholds_can_be_used(tmp_path: Path) -> None:
    base, file = SHIPPED[0].parent / "base.yaml", tmp_path / "config.yaml"
    assert load_config(base).thresholds == {}
    shown = base.read_text(encoding="utf-8").partition("# thresholds:")[2].partition("\n\n")[0]
    file.write_text(SMALL + "thresholds:" + shown.replace("\n#", "\n"), encoding="utf-8")
    points = load_config(file).thresholds
    assert points["toxicity"] == OperatingPoint(
        false_positives=0.05, sources=("c3", "impermium", "unhealthy")
    )
    assert (points["insult"].precision, points["spam"].queue) == (0.9, 0.02)


@pytest.mark.parametrize("name", ["full", "permissive"])
def test_all_configs_read_as_much_of_a_comment_as_base(name: str) -> None:
    base, other = (load_config(SHIPPED[0].parent / f"{of}.yaml") for of in ("base", name))
    losses = other.losses.model_copy(update={"geometry": base.losses.geometry})  # base.yaml has none
    assert (other.tokens, losses, other.base) == (base.tokens, base.losses, base.base)
