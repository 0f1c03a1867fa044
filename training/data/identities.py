"""Identity terms: words for religion, origin, orientation, gender, age and ability.

terms_in("My Buddhist neighbour")        {"buddhist"}
"""

from __future__ import annotations

import re

ADJECTIVES = (  # noqa: SIM905
    "african american asian bisexual black blind buddhist canadian catholic chinese christian deaf "
    "disabled elderly european female gay hindu heterosexual hispanic homosexual immigrant "
    "indian indigenous japanese jewish latina latino latinx lesbian lgbt lgbtq male mexican millenial "
    "millennial muslim nonbinary paralyzed protestant queer sikh straight taoist teenage trans "
    "transgender white"
).split()
"""Words that can replace each other in "a ... neighbour"."""
PEOPLE = "immigrants jews muslims refugees women".split()  # noqa: SIM905
"""Plural nouns that can replace each other."""
TERMS = (*ADJECTIVES, *PEOPLE, "islam", "jew", "refugee", "woman")
_TERM = re.compile(rf"\b({'|'.join(TERMS)})\b", re.IGNORECASE)


def terms_in(text: str) -> set[str]:
    """The identity terms in `text`, in lower case."""
    return {term.lower() for term in _TERM.findall(text)}
