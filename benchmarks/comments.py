"""Synthetic comments, the same for the same seed, as long as comments on news sites are.

Half of them have at most 25 words, one in twenty more than 110 (a log-normal distribution). They make little
sense, which doesn't matter for speed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

MEDIAN_WORDS = 25
SPREAD = 0.9
MOST_WORDS = 400

VOCABULARY = """
the a an this that these those my your our their his her one two nine many few most some any no every
another council bridge bus lane tram school hospital market river harbour street park ring road budget
tax report mayor minister government opposition election vote voter party newspaper article headline
journalist editor comment reader neighbour shopkeeper driver cyclist engineer teacher nurse doctor
student pensioner tourist farmer landlord tenant money price rent wage job work week month year morning
evening winter summer weather rain snow crack noise traffic is was are were has had will would could
should can might must seems looks sounds says said thinks thought knows knew asks asked wants wanted
needs needed pays paid costs closes closed opens opened builds built breaks broke waits waited close open
build mend repair plan promise forget remember believe doubt agree disagree explain read write listen
good bad old new cheap expensive slow fast late early loud quiet safe dangerous honest ridiculous
reasonable typical never always often rarely again already still finally hardly simply really quite
rather probably obviously perhaps and or but because although unless while before after since until so
then if when where why how who what which in on at to from for with without about over under between
across against behind near through during despite nonsense rubbish shame wonder surprise excuse mistake
solution problem question answer reason example difference
"""


def made_comments(count: int, *, seed: int = 1, words: int = MEDIAN_WORDS) -> Iterator[str]:
    """`count` comments, half of which have at most `words` words."""
    chance = random.Random(seed)
    for _ in range(count):
        length = min(MOST_WORDS, max(1, round(chance.lognormvariate(0, SPREAD) * words)))
        yield " ".join(sentences(chance, length))


def sentences(chance: random.Random, words: int) -> Iterator[str]:
    """Sentences of 3 to 18 words that together have `words` words."""
    while words > 0:
        length = min(words, chance.randint(3, 18))
        words -= length
        yield (
            " ".join(chance.choices(VOCABULARY.split(), k=length)).capitalize()
            + chance.choices(".!?", (8, 2, 1))[0]
        )
