"""Statements that say their side explicitly, on the targets of other rows, to teach what a side looks like.

    train += explicit(train, seed=13, rows=9000)
    train += related(train, seed=13, rows=9000)     a statement on one target, asked for another

The corpora are subtle and have few targets; these statements are explicit and have many. Some come with a
remark from another comment, some with a negated target, some with a target they are not about. The wording is
in statements.yaml next to this file.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from parley.training.data.augmentation.counterfactuals import VERB
from parley.training.data.examples import TURNED, Example, alone

_FILE = Path(__file__).with_name("statements.yaml")
_SIDES = {"favor": 4, "against": 4, "none": 2}
"""Relative frequency of each stance."""
_DECORATED = 0.35
_SLOPPY = 0.15
_OPPOSED, _SUPPORTED, _UNRELATED = 0.18, 0.08, 0.06
_WEIGHT = 0.6
_SENTENCE_ENDS = (".", "!", "?", '"')
_LONGEST_TARGET = 8
_OPPOSITE, _SAME = 0.5, 0.3
"""Shares of `related` rows asked for a target of the other side, and for one of the same side; the others are
asked for their own target."""
_FEWEST_COMMENTS, _AGREEMENT = 2, 0.9
"""Two targets are related if the sides of so many comments, and this share of them, say so."""
_REMARK = 14
"""A remark has fewer words than this."""


def explicit(examples: Sequence[Example], *, seed: int, rows: int) -> list[Example]:
    """`rows` statements about those targets of `examples` that are noun phrases.

    The remarks with them are short off-topic comments from `examples`.
    """
    rng = random.Random(f"{seed}:explicit")
    about = {e.target: e for e in examples if e.target and e.stance and _is_thing(e.target)}
    remarks = sorted(
        {e.text for e in examples if (e.off_topic or 0) >= 0.5 and len(e.text.split()) < _REMARK}
    )
    if len(about) < 2:
        return []
    wording: dict[str, list[str]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    targets = sorted(about)
    statements = []
    for _ in range(rows):
        stance = rng.choices([*_SIDES], [*_SIDES.values()])[0]
        target = rng.choice(targets)
        text = rng.choice(wording[stance]).format(x=target, X=target[0].upper() + target[1:])
        if remarks and rng.random() < _DECORATED:
            both = [text, rng.choice(remarks)]
            rng.shuffle(both)
            text = " ".join(both)
        if rng.random() < _SLOPPY:
            text = text.lower().rstrip(".")
        asked, side = _ask(target, stance, targets, wording, rng)
        row = replace(alone(about[target]), text=text, target=asked, stance=side, group=None, beat=None)
        statements.append(replace(row, weight=_WEIGHT, slice="explicit"))
    return statements


def related(examples: Sequence[Example], *, seed: int, rows: int) -> list[Example]:
    """`rows` statements on one target, asked for another of the same article whose side follows from it.

    Comments with a side on both tell which sides follow: those in favor of closing a bridge to cars are
    against keeping it open. So the network learns how targets relate, apart from what comments mean.
    """
    rng = random.Random(f"{seed}:related")
    relations = _relations(examples)
    pairs = {
        same: sorted(pair for pair, alike in relations.items() if alike == same) for same in (True, False)
    }
    if not (pairs[True] and pairs[False]):
        return []
    known = {target for target, _ in relations}
    about = {e.target: e for e in examples if e.target in known}
    targets = sorted(target for target in about if target)
    wording: dict[str, list[str]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    statements = []
    for _ in range(rows):
        draw = rng.random()
        if draw < _OPPOSITE:
            target, asked = rng.choice(pairs[False])
        elif draw < _OPPOSITE + _SAME:
            target, asked = rng.choice(pairs[True])
        else:
            target = asked = rng.choice(targets)
        stance = rng.choice(("favor", "against"))
        text = rng.choice(wording[stance]).format(x=target, X=target[0].upper() + target[1:])
        if rng.random() < _SLOPPY:
            text = text.lower().rstrip(".")
        side = TURNED[stance] if draw < _OPPOSITE else stance
        row = replace(alone(about[asked]), text=text, target=asked, stance=side, group=None, beat=None)
        statements.append(replace(row, weight=_WEIGHT, slice="related"))
    return statements


def _relations(examples: Sequence[Example]) -> Mapping[tuple[str, str], bool]:
    """Pairs of targets in either order, and whether a comment takes the same side on both."""
    sides: dict[tuple[str, str | None, str], dict[str, str]] = defaultdict(dict)
    for example in examples:
        if example.target and example.stance in ("favor", "against") and _is_thing(example.target):
            sides[example.source, example.group, example.text][example.target] = example.stance
    votes: dict[tuple[str, str], Counter[bool]] = defaultdict(Counter)
    for of_targets in sides.values():
        for one, side in of_targets.items():
            for other, other_side in of_targets.items():
                if one != other:
                    votes[one, other][side == other_side] += 1
    relations = {}
    for pair, counts in votes.items():
        (alike, most), *_ = counts.most_common()
        if counts.total() >= _FEWEST_COMMENTS and most >= _AGREEMENT * counts.total():
            relations[pair] = alike
    return relations


def _is_thing(target: str) -> bool:
    claim = target.endswith(_SENTENCE_ENDS) or VERB.search(target.lower())
    return not claim and len(target.split()) <= _LONGEST_TARGET


def _ask(
    target: str, stance: str, targets: Sequence[str], wording: dict[str, list[str]], rng: random.Random
) -> tuple[str, str]:
    """The target to give the row, and the statement's side on it."""
    draw = rng.random()
    if draw < _OPPOSED:
        return rng.choice(wording["opposed"]).format(x=target), TURNED[stance]
    if draw < _OPPOSED + _SUPPORTED:
        return rng.choice(wording["supported"]).format(x=target), stance
    if draw < _OPPOSED + _SUPPORTED + _UNRELATED:
        return rng.choice([other for other in targets if other != target]), "none"
    return target, stance
