"""Varies what a comment is compared with: other titles, negated targets, parts omitted.

    train += under_other_titles(train, seed=13, near=1.0, far=0.4)      off topic
   train = turned(train, seed=13, share=0.3)          "X is bad." for X, and the opposite side
    train = partly(train, seed=13, untitled=0.3)       the target alone, the title alone
   train = without_lede(train, seed=13, share=0.4)    an article's title alone

Near negatives are titles of the same beat (a forum, a day, a pair of stories on one subject), far ones any
other. Without the first, a shared subject would pass for the article itself.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from parley.training.data.examples import TURNED, Example, alone

_SENTENCE_ENDS = (".", "!", "?", '"')
_WEIGHTS = {"near": 0.75, "far": 1.0}
"""Off-topic target of a near title, which may fit the comment by chance."""
_SHORT = 6
_SHORT_SHARE = 0.4
"""Comments of fewer words are paired less often: a bare "So true!" fits any title."""


def under_other_titles(examples: Iterable[Example], *, seed: int, near: float, far: float) -> list[Example]:
    """Off-topic pairs: for each true pair with a beat, `near` and `far` are the chances of one of each kind.

    Every second one also has a target of the other title, if there is one; a comment takes no side on a far
    target. `slice` names the kind.
    """
    rng = random.Random(f"{seed}:titles")
    pairs = [e for e in examples if e.article and e.off_topic is not None and e.beat]
    true = list({(e.text, e.article): e for e in pairs if e.off_topic == 0.0}.values())
    articles: dict[str, list[str]] = defaultdict(list)
    targets: dict[str, list[str]] = defaultdict(list)
    for example in {(e.article, e.target): e for e in pairs}.values():
        assert example.article
        assert example.beat
        if example.article not in articles[example.beat]:
            articles[example.beat].append(example.article)
        if example.target:
            targets[example.article].append(example.target)
    everywhere = [article for of in articles.values() for article in of]
    made = []
    for example in true:
        usual = 1.0 if len(example.text.split()) >= _SHORT else _SHORT_SHARE
        for kind, chance in (("near", near), ("far", far)):
            if rng.random() >= chance * usual:
                continue
            beside = set(articles[example.beat or ""])
            choice = list(articles[example.beat or ""]) if kind == "near" else everywhere
            article = _other(choice, {example.article} if kind == "near" else beside, rng)
            if article is not None:
                made.append(_beside(example, article, targets[article], kind, rng))
    return made


def _other(articles: Sequence[str], than: Iterable[str | None], rng: random.Random) -> str | None:
    """A random article that isn't in `than`; None if none was found."""
    for _ in range(8):
        if articles and (found := rng.choice(articles)) not in than:
            return found
    return None


def _beside(example: Example, article: str, targets: Sequence[str], kind: str, rng: random.Random) -> Example:
    target = rng.choice(targets) if targets and rng.random() < 0.5 else None
    return replace(
        alone(example),
        article=article,
        off_topic=1.0,
        target=target,
        stance="none" if target and kind == "far" else None,
        weight=example.weight * _WEIGHTS[kind],
        slice=kind,
    )


def turned(examples: Iterable[Example], *, seed: int, share: float) -> list[Example]:
    """The examples, `share` of those with a stance with "X is bad." in place of X and the opposite side.

    Targets that are sentences stay unchanged.
    """
    rng = random.Random(f"{seed}:turned")
    found = []
    for example in examples:
        target = (example.target or "").strip()
        if example.stance in TURNED and not target.endswith(_SENTENCE_ENDS) and rng.random() < share:
            example = replace(example, target=f"{target} is bad.", stance=TURNED[example.stance or ""])
        found.append(example)
    return found


def partly(
    examples: Iterable[Example], *, seed: int, untitled: float = 0.0, untargeted: float = 0.0
) -> list[Example]:
    """The examples with a title and a target, `untitled` of them without the title, `untargeted` without the
    target: a site may give either alone."""
    rng = random.Random(f"{seed}:partly")
    found = []
    for example in examples:
        if example.article and example.target and example.off_topic is not None:
            draw = rng.random()
            if draw < untitled and example.stance is not None:
                example = replace(example, article=None, off_topic=None)
            elif untitled <= draw < untitled + untargeted:
                example = replace(example, target=None, stance=None)
        found.append(example)
    return found


def without_lede(examples: Iterable[Example], *, seed: int, share: float) -> list[Example]:
    """The examples, `share` of those with more than a title without it: many sites send nothing else."""
    rng = random.Random(f"{seed}:lede")
    found = []
    for example in examples:
        title, _, lede = (example.article or "").partition("\n")
        if lede and rng.random() < share:
            example = replace(example, article=title)
        found.append(example)
    return found
