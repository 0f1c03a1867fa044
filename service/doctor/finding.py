"""The result of a check: a state, and advice if it isn't ok."""

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
    """A check's result on its subject; `told` says what to do if it isn't ok."""

    state: State
    subject: str
    told: str
