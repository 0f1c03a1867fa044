"""Counterfactual rows: one thing of a true row is changed, and the label must follow it, or must not.

    train += negated_targets(train, seed=13, share=0.5)       the target turned round: the side turns too
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
"""What turns a target that is a thing: who is for X is against each of these."""
SUPPORTED = ("support for {}", "yes to {}", "in favor of {}", "being for {}", "more {}", "the case for {}")
"""Words around a target that leave the side as it is, lest any such word turn it."""
DENIED = ("It is not true that {}", "It is wrong to say that {}", "I disagree that {}")
AFFIRMED = ("It is true that {}", "I agree that {}", "It is right to say that {}")
"""The same for a target that is a claim."""
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
"""Who quotes a comment in these words complains of it."""
ENDORSED = (
    'As I have said before: "{}"',
    '"{}" Exactly.',
    'My grandfather used to say "{}" and he was right.',
    '"{}" - I could not have put it better.',
    'Let me say it again, "{}", and I mean it.',
    'Like the man says: "{}".',
)
"""Who quotes a comment in these says it, too."""
_LONGEST_QUOTE = 40
_OTHER_SIDE = {"favor": "against", "against": "favor", "none": "none"}
VERB = re.compile(r"\b(is|are|was|were|be|do|does|did|has|have|can|could|should|must|will|would|needs?)\b")
_NEGATION = re.compile(
    r"\b(no|not|never|without|ban|banning|stop|against|anti|opposition|end|ending|abolish\w*)\b|n't", re.I
)


def negated_targets(examples: Iterable[Example], *, seed: int, share: float) -> list[Example]:
    """`share` of the rows with a stance once more, towards their target turned round: the other side.

    Every third stands towards a target of other words and the same meaning, with the same side. `none` stays
    `none` either way. Targets that hold a negation already are left out: two of them confuse people, too.
    """
    rng = random.Random(f"{seed}:negated")
    made = []
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
        made.append(replace(pair, labels={}, spans=None, slice=slice_))
    return made


def exchanged_identities(examples: Iterable[Example], *, seed: int, share: float) -> list[Example]:
    """`share` of the rows with a toxicity label that name an identity once more, naming another one.

    Toxic and harmless rows alike, each towards any term as likely as any other, so that no term goes with
    one label. Only what the comment pass learns is kept, and no spans: their places move.
    """
    rng = random.Random(f"{seed}:identities")
    made = []
    for example in examples:
        if "toxicity" not in example.labels or rng.random() >= share:
            continue
        text = exchange(example.text, rng)
        if text != example.text:
            made.append(reworded(example, text, slice="other identity"))
    return made


def quoted(examples: Iterable[Example], *, seed: int, share: float) -> list[Example]:
    """`share` of the rows with a toxicity label, of 40 words at most, once more as a quotation in a comment.

    Every second one complains of what it quotes and is harmless; the others agree with it, and keep its
    labels: quotation marks alone excuse nothing. Only what the comment pass learns is kept, and no spans.
    """
    rng = random.Random(f"{seed}:quoted")
    made = []
    for example in examples:
        if "toxicity" not in example.labels or rng.random() >= share:
            continue
        if len(example.text.split()) > _LONGEST_QUOTE:
            continue
        complains = rng.random() < 0.5
        text = rng.choice(DENOUNCED if complains else ENDORSED).format(quotation(example.text))
        labels = dict.fromkeys(example.labels, 0.0) if complains else example.labels
        copy = reworded(example, text, slice="denounced" if complains else "endorsed")
        made.append(replace(copy, labels=labels))
    return made


def quotation(text: str) -> str:
    """`text` as it may stand between quotation marks: in one line, with none of its own."""
    return " ".join(text.replace('"', "'").split())


def exchange(text: str, rng: random.Random) -> str:
    """`text` with each identity term in it replaced by another of its kind, the same one each time."""
    for terms in (ADJECTIVES, PEOPLE):
        word = re.compile(rf"\b({'|'.join(terms)})\b", re.IGNORECASE)
        others: dict[str, str] = {}
        for found in word.findall(text):
            if found.lower() not in others:
                others[found.lower()] = rng.choice([t for t in terms if t != found.lower()])
        text = word.sub(lambda match: _like(match.group(), others[match.group().lower()]), text)  # noqa: B023
    return text


def _like(old: str, new: str) -> str:
    """`new` in the case of `old`."""
    return new.upper() if old.isupper() else new.capitalize() if old[0].isupper() else new
