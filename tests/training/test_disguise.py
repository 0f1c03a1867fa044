"""Words in disguise: spans follow, the rest of the text stays."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mini_corpora import write_corpora

from training.sources import read
from training.sources.disguise import KINDS, TRAINED, disguise


@pytest.mark.parametrize(
    ("kind", "shows"),
    [
        ("stars", "You d*lt, sir"),
        ("leetspeak", "You d0l7, sir"),
        ("look-alikes", "You dоlt, sir"),
        ("zero-width", "You d\u200bo\u200bl\u200bt, sir"),
        ("styled", "You 𝐝𝐨𝐥𝐭, sir"),
    ],
)
def test_kinds(kind: str, shows: str) -> None:
    text, spans = disguise("You dolt, sir", ((4, 8),), kind, random.Random(1))
    assert text == shows
    assert text[: spans[0][0]] == "You "
    assert text[spans[0][1] :] == ", sir"


@given(st.text(max_size=40), st.data())
@settings(max_examples=100, deadline=None)
def test_only_the_spans_change_and_they_are_found_again(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    spans = tuple(zip(cuts[::2], cuts[1::2], strict=False))
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    made, moved = disguise(text, spans, kind, random.Random(3))
    assert len(moved) == len(spans)

    def outside(whole: str, parts: tuple[tuple[int, int], ...]) -> list[str]:
        edges = [0, *(edge for part in parts for edge in part), len(whole)]
        return [whole[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]

    assert outside(made, moved) == outside(text, spans)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_word_is_disguised_and_a_short_one_left(kind: str) -> None:
    assert disguise("dope", ((0, 4),), kind, random.Random(2))[0] != "dope"
    assert disguise("of it", ((0, 5),), kind, random.Random(2))[0] == "of it"


def test_rows_keep_labels_and_know_their_original(tmp_path: Path) -> None:
    data_dir = write_corpora(tmp_path)
    originals = {
        e.text: e for name in ("toxic_spans", "jigsaw_binary") for e in read(name, data_dir, "train")
    }
    made = list(read("disguised", data_dir, "train"))
    assert [bool(e.labels["toxicity"]) for e in made] == [True, True, False], (
        "no more harmless than toxic ones"
    )
    for example in made:
        assert example.made_from is not None
        assert example.text != example.made_from
        assert example.labels == originals[example.made_from].labels
        assert example.slice in TRAINED
    assert all(e.labels["toxicity"] > 0.5 for e in read("disguised", data_dir, "test"))
