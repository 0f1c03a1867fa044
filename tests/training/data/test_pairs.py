"""Augmented negatives: swapped articles and unrelated targets."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from parley.training.data.augmentation.pairs import (
    OFF_TOPIC,
    cut,
    cut_short,
    headlines,
    swapped,
    unrelated_targets,
)
from parley.training.data.examples import Example
from parley.training.data.sources import SPLITS
from tests.training.mini_corpora import write_corpora


def debates(number: int, comments: int = 3) -> list[Example]:
    return [
        Example(
            text=f"Comment {c} of {d}",
            source="mine",
            article=f"Debate {d} about bridges" if d < 4 else f"Question {d}: which teas?",
            off_topic=0.0,
            group=f"/{d}",
            labels={"toxicity": 0.0},
        )
        for d in range(number)
        for c in range(comments)
    ]


@given(st.integers(2, 8), st.floats(0, 3), st.integers(0, 99), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_swap_never_keeps_the_comments_own_article(
    number: int, share: float, seed: int, news: bool
) -> None:
    true = debates(number)
    own = {e.text: e.article for e in true}
    made = swapped(true, seed=seed, share=share, headlines=["Rain in the north"] if news else [])
    assert int(share) * len(true) <= len(made) <= (int(share) + 1) * len(true)
    for pair in made:
        assert pair.article != own[pair.text]
        assert pair.off_topic == OFF_TOPIC[pair.slice or ""]
        assert (pair.article == "Rain in the north") is (pair.slice == "headline")
        assert not pair.labels, "a swapped row must not count its comment's labels twice"
    assert made == swapped(true, seed=seed, share=share, headlines=["Rain in the north"] if news else [])


def test_kinds_alternate_and_near_articles_are_similar() -> None:
    made = swapped(debates(8), seed=1, headlines=["Rain"])
    assert len(set(Counter(e.slice for e in made).values())) == 1
    for pair in made:
        if pair.slice == "near debate":
            assert ("bridges" in (pair.article or "")) is (int(pair.text[-1]) < 4)


def test_without_another_article_nothing_is_swapped() -> None:
    assert swapped([], seed=1) == []
    assert swapped(debates(1), seed=1) == []
    assert swapped([Example(text="a", source="mine")], seed=1) == []


LONG = (
    "Bridges matter to commuters everywhere in winter. I agree! The council should rebuild the northern "
    "crossing before autumn arrives, whatever the engineers estimate. Thanks for reading."
)


def long_debates() -> list[Example]:
    return [replace(e, text=f"{e.text}. {LONG}") for e in debates(8, comments=6)]


def test_short_comments_are_under_their_own_and_other_articles() -> None:
    true = long_debates()
    own = {e.text: e.article for e in true}
    made = cut_short(true, seed=4, share=1.0, headlines=["Rain"])
    on, off = ([e for e in made if (e.off_topic == 0.0) is right] for right in (True, False))
    assert len(on) == len(true)
    assert 0 < len(off) <= len(on) / 2, "only where the subject is still mentioned"
    for pair in made:
        assert pair.made_from is not None
        assert len(pair.text.split()) <= 25
        assert " ".join(pair.text.split()) in " ".join(pair.made_from.split())
        assert (pair.article == own[pair.made_from]) is (pair.off_topic == 0.0)
        assert not pair.labels
    bare = {e.text for e in off} & {"I agree!", "Thanks for reading."}
    assert not bare, "a bare word of agreement is never taught to be off topic"
    assert {e.text for e in on} & {"I agree!", "Thanks for reading."}
    assert made == cut_short(true, seed=4, share=1.0, headlines=["Rain"])
    assert cut_short(true, seed=4, share=0.0) == []


@given(st.text(alphabet="ab .!?\n", min_size=1, max_size=80).filter(str.strip), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_a_shortened_comment_is_a_part_of_the_original(text: str, seed: int) -> None:
    part = cut(text, random.Random(seed))
    assert part.strip()
    assert " ".join(part.split()) in " ".join(text.split())


def stances() -> list[Example]:
    targets = {"/a": "lower taxes", "/b": "city trams", "/c": "school uniforms"}
    return [
        Example(
            text=f"I like {target}, number {n}", source="mine", target=target, stance="favor", group=group
        )
        for group, target in targets.items()
        for n in range(20)
    ]


def test_unrelated_targets_share_no_group_and_no_word() -> None:
    made = unrelated_targets(stances(), seed=5, share=1.0)
    assert 20 < len(made) < 60
    for pair in made:
        assert pair.stance == "none"
        assert pair.target is not None
        assert pair.target not in pair.text
    assert made == unrelated_targets(stances(), seed=5, share=1.0)
    assert unrelated_targets(stances(), seed=5, share=0.0) == []
    one_corpus = [
        Example(text=e.text, source="x", target=e.target, stance="favor", group="x") for e in stances()
    ]
    assert unrelated_targets(one_corpus, seed=5, share=1.0) == []


def test_headlines_are_cleaned_and_split(tmp_path: Path) -> None:
    data_dir = write_corpora(tmp_path)
    found = {split: headlines(data_dir, split) for split in SPLITS}
    everything = [text for split in SPLITS for text in found[split]]
    assert len(everything) == len(set(everything)) == 42
    assert "Fish & chips up \x022" not in everything
    assert any(text.startswith("Fish & chips up") and "\nPrices rise again" in text for text in everything)
    assert len(found["train"]) > len(found["dev"])
    assert headlines(tmp_path / "nowhere", "train") == []
