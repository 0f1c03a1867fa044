"""The training YAML: the shipped ones load, and a wrong one says where, what and how to mend it."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.config import load_config
from training.errors import ConfigError

SHIPPED = sorted((Path(__file__).parents[2] / "configs" / "training").glob("*.yaml"))
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


@pytest.mark.parametrize("name", ["full", "permissive"])
def test_all_configs_read_as_much_of_a_comment_as_base(name: str) -> None:
    base, other = (load_config(SHIPPED[0].parent / f"{of}.yaml") for of in ("base", name))
    losses = other.losses.model_copy(update={"geometry": base.losses.geometry})  # base.yaml has none
    assert (other.tokens, losses, other.base) == (base.tokens, base.losses, base.base)
