"""Pydantic's errors in words: the place, the problem and the fix."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError

_UNION_MEMBER = re.compile(r"str|float|(?:list|literal)\[.*\]")
"""What pydantic adds to a path where a value may have several types."""


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Every problem of `error`, one per line: `rules[2].at_least: Input should be …`."""
    problems: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False):
        text = say(problem["type"], problem["msg"], problem["loc"], model)
        loc = (part for part in problem["loc"] if not _UNION_MEMBER.fullmatch(str(part)))
        problems.setdefault(path_of(loc) or "the file", []).append(text)
    return "\n".join(f"  {path}: {', or: '.join(dict.fromkeys(texts))}" for path, texts in problems.items())


def path_of(loc: Iterable[int | str]) -> str:
    """Format pydantic's place as `rules[2].at_least`."""
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def say(kind: str, message: str, loc: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """One problem and its fix: pydantic's `kind`, `message` and `loc` below `model`."""
    if kind == "extra_forbidden":
        return say_unknown(str(loc[-1]), _known_keys(model, loc[:-1]))
    if kind == "missing":
        return "missing; add it"
    if kind == "string_type":
        return "should be text; YAML reads a bare yes, no, on or off as true or false: quote it"
    return message.removeprefix("Value error, ")


def say_unknown(key: str, known: Collection[str]) -> str:
    """The message for a key that isn't in `known`."""
    near = get_close_matches(key, known, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown key; {guess}known keys: {', '.join(known)}"


def _known_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys of the model at `loc` below `model`."""
    for part in loc:
        if isinstance(part, str) and part in model.model_fields:
            inner = _models_in(model.model_fields[part].annotation)
            model = inner[0] if inner else model
    return list(model.model_fields)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    """The models in an annotation such as `tuple[Rule, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
