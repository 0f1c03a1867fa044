"""What a check says: a state, and words that tell what to do where it isn't ok."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from parley.service.settings.schema import Settings

State = Literal["ok", "warning", "problem"]
Told = Iterator[tuple[State, str]]
Check = Callable[[Settings], Told]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found of its subject; `told` says what to do where it isn't ok."""

    state: State
    subject: str
    told: str
