"""No test text may be trained on, however it is spelled."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.training.data.examples import Example
from parley.training.data.leaks import drop_leaks, fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Well argued, Sir!", "well   argued sir"),
        ("don't", "Don t"),
        ("snake_case", "snake case"),
        ("  Élan vital ", "élan VITAL"),
        ("line\nbreak", "line break"),
    ],
)
def test_case_and_punctuation_do_not_hide_a_leak(one: str, other: str) -> None:
    assert fingerprint(one) == fingerprint(other)


def test_different_texts_differ() -> None:
    texts = ["a b", "ab", "a c", "😀", "😡", "!!!", "...", "", "\ud800"]
    assert len({fingerprint(text) for text in texts}) == len(texts)


def make(*texts: str, source: str = "train") -> list[Example]:
    return [Example(text=text, source=source) for text in texts]


def test_leaks_are_dropped_in_order_and_counted_by_source() -> None:
    train = [*make("One.", "Two?", "Three"), *make("two", "Four", source="other")]
    kept, counts = drop_leaks(train, make("TWO!", "five"))
    assert [e.text for e in kept] == ["One.", "Three", "Four"]
    assert counts == {"train": 1, "other": 1}


def test_an_altered_text_leaks_where_its_original_does() -> None:
    altered = Example(text="T.w.o", source="train", made_from="Two")
    assert drop_leaks([altered], make("two")) == ([], {"train": 1})
    assert drop_leaks(make("Two"), [altered]) == ([], {"train": 1})
    assert drop_leaks([altered], make("three")) == ([altered], {})


@given(st.lists(st.text(max_size=12), max_size=20), st.lists(st.text(max_size=12), max_size=20))
@settings(max_examples=50, deadline=None)
def test_nothing_held_out_is_kept_and_nothing_else_is_lost(texts: list[str], held_out: list[str]) -> None:
    kept, counts = drop_leaks(make(*texts), make(*held_out))
    held = {fingerprint(text) for text in held_out}
    assert [e.text for e in kept] == [text for text in texts if fingerprint(text) not in held]
    assert len(kept) + sum(counts.values()) == len(texts)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"labels": {"rudeness": 1.0}}, "unknown labels"),
        ({"labels": {"toxicity": 1.5}}, "in \\[0, 1\\]"),
        ({"stance": "favor"}, "needs a target"),
        ({"stance": "pro", "target": "trams"}, "must be in"),
        ({"off_topic": 1.0}, "needs an article"),
        ({"spans": ((0, 9),)}, "outside the text"),
    ],
)
def test_an_example_refuses_what_no_loss_could_use(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Example(text="Hm.", source="mine", **fields)  # type: ignore[arg-type]
