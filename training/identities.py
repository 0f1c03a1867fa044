"""Words that name who people are: religion, origin, orientation, gender, age, ability.

terms_in("My Buddhist neighbour")        {"buddhist"}
"""

from __future__ import annotations

import re

TERMS = (  # noqa: SIM905
    "african american asian bisexual black blind buddhist canadian catholic chinese christian deaf "
    "disabled elderly european female gay hindu heterosexual hispanic homosexual immigrant "
    "immigrants indian indigenous islam japanese jew jewish jews latina latino latinx lesbian lgbt "
    "lgbtq male mexican millenial millennial muslim muslims nonbinary paralyzed protestant queer "
    "refugee refugees sikh straight taoist teenage trans transgender white woman women"
).split()
_TERM = re.compile(rf"\b({'|'.join(TERMS)})\b", re.IGNORECASE)


def terms_in(text: str) -> set[str]:
    """The terms that stand in `text`, in lower case."""
    return {term.lower() for term in _TERM.findall(text)}
