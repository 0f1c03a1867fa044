"""Counterfactual rows: negated targets, other groups named."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from parley.training.data.augmentation.counterfactuals import (
    AFFIRMED,
    DENIED,
    DENOUNCED,
    ENDORSED,
    OPPOSED,
    SUPPORTED,
    exchange,
    exchanged_identities,
    negated_targets,
    quoted,
)
from parley.training.data.examples import Example
from parley.training.data.identities import ADJECTIVES, PEOPLE, terms_in


def towards(target: str, stance: str = "favor", rows: int = 60) -> list[Example]:
    return [
        Example(text=f"Comment {n}", source="mine", target=target, stance=stance, labels={"toxicity": 0.0})
        for n in range(rows)
    ]


@pytest.mark.parametrize(
    ("target", "turning", "keeping"),
    [
        ("city trams", OPPOSED, SUPPORTED),
        ("Schools should open later", DENIED, AFFIRMED),
    ],
)
@pytest.mark.parametrize(("stance", "other"), [("favor", "against"), ("against", "favor"), ("none", "none")])
def test_the_side_turns_with_the_target_and_stays_for_a_paraphrase(
    target: str, turning: tuple[str, ...], keeping: tuple[str, ...], stance: str, other: str
) -> None:
    made = negated_targets(towards(target, stance), seed=3, share=1.0)
    assert len(made) == 60
    for example in made:
        turned = example.target in {form.format(target) for form in turning}
        assert turned or example.target in {form.format(target) for form in keeping}
        assert example.stance == (other if turned else stance)
        assert example.slice == ("negated" if turned else "affirmed")
        assert not example.labels, "an augmented row must not count its comment's labels twice"
    kinds = Counter(e.slice for e in made)
    assert kinds["negated"] > kinds["affirmed"] > 5
    assert made == negated_targets(towards(target, stance), seed=3, share=1.0)


@pytest.mark.parametrize(
    "target", ["no cars on the bridge", "a ban on cars", "You shouldn't pay", "anti-tram"]
)
def test_no_target_is_negated_twice(target: str) -> None:
    assert negated_targets(towards(target), seed=3, share=1.0) == []


def test_a_share_of_the_rows_that_have_a_target() -> None:
    assert 20 < len(negated_targets(towards("trams", rows=100), seed=3, share=0.4)) < 60
    assert negated_targets(towards("trams"), seed=3, share=0.0) == []
    assert negated_targets([Example(text="Hello", source="mine")], seed=3, share=1.0) == []


@pytest.mark.parametrize(("kind", "term"), [(ADJECTIVES, "Canadian"), (PEOPLE, "women")])
def test_a_term_is_exchanged_for_another_of_its_kind_in_the_same_case(kind: list[str], term: str) -> None:
    rng = random.Random(1)
    for _ in range(30):
        text = exchange(f"My {term} friends, {term.upper()} or not: {term}", rng)
        others = terms_in(text)
        assert len(others) == 1, "the same term each time"
        other = others.pop()
        assert other in kind
        assert other != term.lower()
        cased = other.capitalize() if term[0].isupper() else other
        assert text == f"My {cased} friends, {other.upper()} or not: {cased}"
    assert exchange("Nobody named, not even a womanly one", rng) == "Nobody named, not even a womanly one"


def test_exchanged_rows_keep_labels_and_nothing_else() -> None:
    rows = [
        Example(
            text=f"A deaf man {n}",
            source="mine",
            labels={"toxicity": n % 2, "insult": 0.0},
            spans=((2, 6),),
            target="him",
            stance="favor",
        )
        for n in range(400)
    ]
    rows += [Example(text="A deaf man", source="mine", target="him", stance="favor")]
    rows += [Example(text="A man", source="mine", labels={"toxicity": 1.0})]
    made = exchanged_identities(rows, seed=3, share=1.0)
    assert len(made) == 400, "of those with a toxicity label that name an identity"
    for old, new in zip(rows, made, strict=False):
        assert (new.made_from, new.labels) == (old.text, old.labels)
        assert (new.spans, new.target, new.stance, new.slice) == (None, None, None, "other identity")
    terms = Counter(term for e in made for term in terms_in(e.text))
    assert set(terms) == set(ADJECTIVES) - {"deaf"}
    toxic = Counter(term for e in made if e.labels["toxicity"] for term in terms_in(e.text))
    assert len(toxic) > 40, "any term, with either label"
    assert made == exchanged_identities(rows, seed=3, share=1.0)
    assert len(exchanged_identities(rows, seed=3, share=0.5)) == pytest.approx(200, abs=40)


def test_no_term_belongs_to_two_kinds() -> None:
    assert not set(ADJECTIVES) & set(PEOPLE)
    assert all(a < b for a, b in pairwise(PEOPLE)), "in order, each once"


def test_a_quotation_is_harmless_in_a_complaint() -> None:
    rows = [
        Example(
            text=f'You "fool"\n{n}',
            source="mine",
            labels={"toxicity": 1.0, "insult": 0.75},
            spans=((5, 9),),
            article="Trams",
            off_topic=0.0,
        )
        for n in range(60)
    ]
    rows += [Example(text="word " * 41, source="mine", labels={"toxicity": 1.0})]
    rows += [Example(text="You fool", source="mine", labels={"spam": 1.0})]
    made = quoted(rows, seed=3, share=1.0)
    assert [e.made_from for e in made] == [e.text for e in rows[:60]]
    for old, new in zip(rows, made, strict=False):
        frames = DENOUNCED if new.slice == "denounced" else ENDORSED
        assert new.text in {frame.format(f"You 'fool' {old.text[-2:].strip()}") for frame in frames}
        assert new.labels == ({"toxicity": 0.0, "insult": 0.0} if new.slice == "denounced" else old.labels)
        assert (new.spans, new.article, new.off_topic) == (None, None, None)
    kinds = Counter(e.slice for e in made)
    assert min(kinds["denounced"], kinds["endorsed"]) > 15
    assert made == quoted(rows, seed=3, share=1.0)
    assert quoted(rows, seed=3, share=0.0) == []
