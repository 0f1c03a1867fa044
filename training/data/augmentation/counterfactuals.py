"""Counterfactual rows: one thing in an original row is changed, and the label must change too, or must not.

    train += negated_targets(train, seed=13, share=0.5)       the target negated: the side changes too
    train += exchanged_identities(train, seed=13, share=0.5)  another group named: the labels stay
    train += quoted(train, seed=13, share=0.1)                abuse quoted to complain of it: no abuse

After Kaushik, Hovy & Lipton 2020 (Learning the Difference that Makes a Difference with
Counterfactually-Augmented Data) and, for identities, Garg et al. 2019 (Counterfactual Fairness in Text
Classification through Robustness).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import replace

from parley.training.data.examples import Example, reworded
from parley.training.data.identities import ADJECTIVES, PEOPLE

OPPOSED = (
    *("no {}", "no more {}", "not {}", "against {}", "opposition to {}", "opposing {}", "a ban on {}"),
    *("stop {}", "an end to {}", "getting rid of {}", "rejecting {}", "the case against {}"),
)
"""Negations of a target that is a noun phrase: whoever is for X is against these."""
SUPPORTED = ("support for {}", "yes to {}", "in favor of {}", "being for {}", "more {}", "the case for {}")
"""Phrases around a noun phrase that keep the side, so that not every phrase changes it."""
DENIED = ("It is not true that {}", "It is wrong to say that {}", "I disagree that {}")
AFFIRMED = ("It is true that {}", "I agree that {}", "It is right to say that {}")
"""Negations and confirmations of a target that is a claim."""
DENOUNCED = (
    'Someone here wrote "{}". That is not acceptable.',
    '"{}" - comments like this one should be removed.',
    'A man shouted "{}" at my neighbour yesterday. I felt ashamed for him.',
    'I was told "{}" at work. Nobody should have to hear that.',
    'Please delete the comment that says "{}", it breaks your rules.',
    'How can anyone write "{}" and think nothing of it?',
    'The mayor gets letters that say "{}". Is this who we have become?',
    'They sprayed "{}" on the wall of the school, and the children had to read it.',
)
"""Quoting a comment with these words complains about it."""
ENDORSED = (
    'As I have said before: "{}"',
    '"{}" Exactly.',
    'My grandfather used to say "{}" and he was right.',
    '"{}" - I could not have put it better.',
    'Let me say it again, "{}", and I mean it.',
    'Like the man says: "{}".',
)
"""Quoting a comment with these words agrees with it."""
_LONGEST_QUOTE = 40
_OTHER_SIDE = {"favor": "against", "against": "favor", "none": "none"}
VERB = re.compile(r"\b(is|are|was|were|be|do|does|did|has|have|can|could|should|must|will|would|needs?)\b")
_NEGATION = re.compile(
    r"\b(no|not|never|without|ban|banning|stop|against|anti|opposition|end|ending|abolish\w*)\b|n't", re.I
)


def negated_targets(examples: Iterable[Example], *, seed: int, share: float) -> list[Example]:
    """Copies of `share` of the rows with a stance, with the target negated and the opposite side.

    One in three has a paraphrased target and the same side instead. `none` stays `none` either way. Targets
    that contain a negation are skipped: double negations confuse people, too.
    """
    rng = random.Random(f"{seed}:negated")
    copies = []
    for example in examples:
        if not (example.target and example.stance) or rng.random() >= share:
            continue
        if _NEGATION.search(example.target):
            continue
        claim = bool(VERB.search(example.target.lower()))
        turned = rng.random() < 2 / 3
        forms = (DENIED if claim else OPPOSED) if turned else (AFFIRMED if claim else SUPPORTED)
        stance = _OTHER_SIDE[example.stance] if turned else example.stance
        target = rng.choice(forms).format(example.target)
        pair = replace(example, target=target, stance=stance, article=None, off_topic=None)
        slice_ = "negated" if turned else "affirmed"
        copies.append(replace(pair, labels={}, spans=None, slice=slice_))
    return copies


def exchanged_identities(examples: Iterable[Example], *, seed: int, share: float) -> list[Example]:
    """Copies of `share` of the rows with a toxicity label that name an identity, naming another instead.

    Toxic and harmless rows are treated alike and all terms are equally likely, so that no term predicts a
    label. Only labels of the comment pass are kept; spans are not, since they would shift.
    """
    rng = random.Random(f"{seed}:identities")
    copies = []
    for example in examples:
        if "toxicity" not in example.labels or rng.random() >= share:
            continue
        text = exchange(example.text, rng)
        if text != example.text:
            copies.append(reworded(example, text, slice="other identity"))
    return copies


def quoted(examples: Iterable[Example], *, seed: int, share: float) -> list[Example]:
    """New comments that quote `share` of the rows with a toxicity label and at most 40 words.

    About half complain about the quotation and are harmless; the others agree with it and keep its labels, so
    that quotation marks alone don't excuse abuse. Only labels of the comment pass are kept, no spans.
    """
    rng = random.Random(f"{seed}:quoted")
    copies = []
    for example in examples:
        if "toxicity" not in example.labels or rng.random() >= share:
            continue
        if len(example.text.split()) > _LONGEST_QUOTE:
            continue
        complains = rng.random() < 0.5
        text = rng.choice(DENOUNCED if complains else ENDORSED).format(quotation(example.text))
        labels = dict.fromkeys(example.labels, 0.0) if complains else example.labels
        copy = reworded(example, text, slice="denounced" if complains else "endorsed")
        copies.append(replace(copy, labels=labels))
    return copies


def quotation(text: str) -> str:
    """`text` made ready to be quoted: on one line, with single quotation marks."""
    return " ".join(text.replace('"', "'").split())


def exchange(text: str, rng: random.Random) -> str:
    """`text` with each identity term replaced by another of its kind, consistently throughout."""
    for terms in (ADJECTIVES, PEOPLE):
        word = re.compile(rf"\b({'|'.join(terms)})\b", re.IGNORECASE)
        others: dict[str, str] = {}
        for term in map(str.lower, word.findall(text)):
            if term not in others:
                others[term] = rng.choice([t for t in terms if t != term])
        text = word.sub(lambda match: _like(match.group(), others[match.group().lower()]), text)  # noqa: B023
    return text


def _like(old: str, new: str) -> str:
    """`new` with the capitalisation of `old`."""
    return new.upper() if old.isupper() else new.capitalize() if old[0].isupper() else new
