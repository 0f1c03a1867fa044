"""Varies what a comment is compared with: other titles, negated targets, parts omitted.

    train += under_other_titles(train, seed=13, near=1.0, far=0.4)      off topic
   train = turned(train, seed=13, share=0.3)          "X is bad." for X, and the opposite side
    train = partly(train, seed=13, untitled=0.3)       the target alone, the title alone
   train = without_lede(train, seed=13, share=0.4)    the article's title alone

Near negatives are titles of the same beat (a forum, a day, a pair of stories on one subject), far negatives
any others. Without near ones, the network would take a shared subject for the same article.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from parley.training.data.examples import TURNED, Example, alone

_SENTENCE_ENDS = (".", "!", "?", '"')
_WEIGHTS = {"near": 0.75, "far": 1.0}
"""Weights of the off-topic rows: a near title may happen to fit the comment."""
_SHORT = 6
_SHORT_SHARE = 0.4
"""Comments of fewer than _SHORT words are paired less often: a bare "So true!" fits any title."""


def under_other_titles(examples: Iterable[Example], *, seed: int, near: float, far: float) -> list[Example]:
    """Off-topic pairs: each true pair with a beat gets a near one with chance `near`, a far one with `far`.

    About half of them also get a target of the other article, if it has any; stance towards a far target is
    `none`. `slice` names the kind.
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
    negatives = []
    for example in true:
        usual = 1.0 if len(example.text.split()) >= _SHORT else _SHORT_SHARE
        for kind, chance in (("near", near), ("far", far)):
            if rng.random() >= chance * usual:
                continue
            beside = set(articles[example.beat or ""])
            choice = list(articles[example.beat or ""]) if kind == "near" else everywhere
            article = _other(choice, {example.article} if kind == "near" else beside, rng)
            if article is not None:
                negatives.append(_under(example, article, targets[article], kind, rng))
    return negatives


def _other(articles: Sequence[str], than: Iterable[str | None], rng: random.Random) -> str | None:
    """A random article that isn't in `than`; None if eight draws don't give one."""
    for _ in range(8):
        if articles and (article := rng.choice(articles)) not in than:
            return article
    return None


def _under(example: Example, article: str, targets: Sequence[str], kind: str, rng: random.Random) -> Example:
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
    """The examples, with "X is bad." in place of target X and the opposite side in `share` of those with a
    stance.

    Targets that are sentences stay unchanged.
    """
    rng = random.Random(f"{seed}:turned")
    changed = []
    for example in examples:
        target = (example.target or "").strip()
        if example.stance in TURNED and not target.endswith(_SENTENCE_ENDS) and rng.random() < share:
            example = replace(example, target=f"{target} is bad.", stance=TURNED[example.stance or ""])
        changed.append(example)
    return changed


def partly(
    examples: Iterable[Example], *, seed: int, untitled: float = 0.0, untargeted: float = 0.0
) -> list[Example]:
    """The examples, some of those with both a title and a target losing one, since a site may give either
    alone.

    A share `untitled` loses the title, a share `untargeted` the target.
    """
    rng = random.Random(f"{seed}:partly")
    changed = []
    for example in examples:
        if example.article and example.target and example.off_topic is not None:
            draw = rng.random()
            if draw < untitled and example.stance is not None:
                example = replace(example, article=None, off_topic=None)
            elif untitled <= draw < untitled + untargeted:
                example = replace(example, target=None, stance=None)
        changed.append(example)
    return changed


def without_lede(examples: Iterable[Example], *, seed: int, share: float) -> list[Example]:
    """The examples, `share` of those with a lede cut to the title: many sites send nothing more."""
    rng = random.Random(f"{seed}:lede")
    changed = []
    for example in examples:
        title, _, lede = (example.article or "").partition("\n")
        if lede and rng.random() < share:
            example = replace(example, article=title)
        changed.append(example)
    return changed
