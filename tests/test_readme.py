"""The README shows what Parley answers: docs.refresh makes each block again, and it is compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.refresh import BLOCKS, README, marked
from parley.model.artifact import DEFAULT

TOLERANCE = 0.05
"""How far a score may be from the one shown: int8 products differ slightly between processors."""
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e-\d+)?")


def words(text: str) -> list[str]:
    return NUMBER.sub("#", text).split()


def shown(name: str) -> str:
    found = marked(name).search(README.read_text(encoding="utf-8"))
    assert found, f"README.md has no <!-- {name} --> block"
    return found[2]


@pytest.mark.parametrize("name", BLOCKS)
def test_shown_commands_run(name: str, tiny_artifact: Path) -> None:
    """With any artifact, the README's commands answer in the form that the README shows."""
    made = BLOCKS[name](["--model", str(tiny_artifact)])
    assert made.splitlines()[0] == shown(name).splitlines()[0]
    assert NUMBER.search(made)


@pytest.mark.parametrize("name", BLOCKS)
def test_shown_answers_are_what_the_model_says(name: str) -> None:
    if not DEFAULT.is_dir():
        pytest.skip("no trained artifact in this checkout")
    made = BLOCKS[name]([])
    assert words(made) == words(shown(name)), "run `make docs`"
    for ours, theirs in zip(NUMBER.findall(made), NUMBER.findall(shown(name)), strict=True):
        assert float(ours) == pytest.approx(float(theirs), abs=TOLERANCE), "run `make docs`"
