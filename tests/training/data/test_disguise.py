"""Words in disguise: spans move with them, the rest of the text stays."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.training.data.augmentation.disguise import KINDS, TRAINED, disguise, disguised_copies
from parley.training.data.examples import Example
from parley.training.data.sources import read
from tests.training.mini_corpora import write_corpora


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


def judged() -> list[Example]:
    """Sixty rows, every other one toxic; only the word "dolt" predicts it."""
    names = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn")
    return [
        Example(
            text=f"{names[n // 2 % 6]} is {'a dolt' if n % 2 else 'here'}, said neighbour number {n}",
            source="mine",
            labels={"toxicity": float(n % 2), "insult": float(n % 2)},
            target="trams",
            stance="favor",
            spans=() if n % 4 == 0 else None,
        )
        for n in range(60)
    ]


def test_toxic_and_harmless_rows_are_disguised_alike() -> None:
    rows = judged()
    made = disguised_copies(rows, seed=7, share=1.0)
    originals = {e.text: e for e in rows}
    assert len(made) == len(rows)
    for example in made:
        original = originals[example.made_from or ""]
        assert example.text != original.text
        assert example.labels == original.labels
        assert (example.stance, example.target, example.article) == (None, None, None)
        assert example.spans == original.spans
        if example.labels["toxicity"]:
            before, _, after = original.text.partition("dolt")
            assert example.text.startswith(before), "only the word that predicts abuse is disguised"
            assert example.text.endswith(after)
    assert {e.slice for e in made} == set(TRAINED)
    assert made == disguised_copies(rows, seed=7, share=1.0)
    assert made != disguised_copies(rows, seed=8, share=1.0)


def test_a_share_is_drawn_from_rows_with_a_label() -> None:
    some = disguised_copies(judged(), seed=7, share=0.5)
    assert 15 < len(some) < 45
    assert 5 < sum(e.labels["toxicity"] for e in some) < 25
    assert disguised_copies(judged(), seed=7, share=0.0) == []
    plain = [Example(text="Only a side", source="mine", target="trams", stance="favor")]
    assert disguised_copies(plain, seed=7, share=1.0) == []
    no_words = [Example(text="!? 12", source="mine", labels={"toxicity": 1.0})]
    assert disguised_copies(no_words, seed=7, share=1.0) == []


def test_marked_words_are_hidden_and_still_marked(tmp_path: Path) -> None:
    rows = [e for e in read("toxic_spans", write_corpora(tmp_path), "train") if e.spans]
    for example in disguised_copies(rows, seed=1, share=1.0):
        original = next(e for e in rows if e.text == example.made_from)
        assert example.spans
        assert original.spans
        (start, end), (was_start, was_end) = example.spans[0], original.spans[0]
        assert start == was_start
        assert example.text[end:] == original.text[was_end:]


def test_the_disguised_test_knows_its_originals(tmp_path: Path) -> None:
    data_dir = write_corpora(tmp_path)
    originals = {e.text: e for e in read("toxic_spans", data_dir, "test")}
    made = list(read("disguised", data_dir, "test"))
    assert made
    for example in made:
        assert example.text != example.made_from
        assert example.labels == originals[example.made_from or ""].labels
        assert example.slice in KINDS
