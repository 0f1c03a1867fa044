"""Shared by all protocols: safe JSON out, and each protocol's error shape. Bodies are read in json_body.py.

A protocol is a `Wire`: its router, the paths whose errors are its own, and the function that shapes them.
`parley.service.web.app` lists them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from fastapi import APIRouter, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from starlette.exceptions import HTTPException

from parley.service.errors import (
    STATUS,
    InvalidKey,
    InvalidRequest,
    MissingKey,
    Problem,
    RateLimited,
    ServiceError,
)
from parley.service.validation import path_of

MAX_DETAILS = 20
MAX_NAME = 60


class JSON(Response):
    """A JSON answer in UTF-8; a lone surrogate, which UTF-8 can't carry, goes out as its JSON escape."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body's bytes. Raises ValueError for NaN and infinities."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "backslashreplace")


def render_native(problem: Problem) -> Response:
    """{"error": {"code", "message", "details"}}"""
    return JSON(problem.to_dict(), problem.status, dict(problem.headers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A protocol. `render` formats the errors of paths that start with `paths` or equal one in `exactly`.

    `predicting` are the whole paths at which POST runs the model.
    """

    router: APIRouter
    paths: tuple[str, ...]
    exactly: tuple[str, ...] = ()
    predicting: tuple[str, ...] = ()
    render: Callable[[Problem], Response] = render_native


def render(request_path: str, problem: Problem, wires: Sequence[Wire]) -> Response:
    """The error in the format of the protocol that owns the path."""
    for wire in wires:
        if request_path in wire.exactly or request_path.startswith(wire.paths):
            return wire.render(problem)
    return render_native(problem)


class ErrorBody(BaseModel):
    """What went wrong; `details` name the places in the request."""

    model_config = ConfigDict(extra="forbid")

    code: str
    message: str
    details: list[dict[str, str]]


class ErrorAnswer(BaseModel):
    """The format of all native errors."""

    model_config = ConfigDict(extra="forbid")

    error: ErrorBody


def documented(*errors: type[Exception]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI responses of a native route: `errors`, and those of `parley.service.web.access`."""
    codes: dict[int, list[str]] = {}
    for error in (*errors, MissingKey, InvalidKey, RateLimited):
        status, code = STATUS[error]
        codes.setdefault(status, []).append(f"`{code}`")
    return {s: {"model": ErrorAnswer, "description": ", ".join(codes[s])} for s in sorted(codes)}


@dataclass(frozen=True, slots=True)
class AtMost:
    """`Annotated[str, AtMost(512)]`: pydantic's own max_length refuses lone surrogates."""

    limit: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "maxLength": self.limit}

    def _check(self, value: str) -> str:
        if len(value) > self.limit:
            told = "is longer than {limit} characters: shorten it"
            raise PydanticCustomError("text_too_long", told, {"limit": self.limit})
        return value


@dataclass(frozen=True, slots=True)
class FirstError:
    """`Annotated[list[T], FirstError()]`: validation stops at the first wrong item.

    An error takes a kilobyte, and a body can have a hundred thousand wrong items. (pydantic's own FailFast
    doesn't work in a union.)
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        assert schema["type"] == "list"
        return cast(CoreSchema, {**schema, "fail_fast": True})


def problem_of_validation(error: RequestValidationError) -> Problem:
    """pydantic's errors as places and fixes, without the values sent."""
    details = []
    complaints = error.errors()
    for complaint in complaints[:MAX_DETAILS]:
        place = _place(complaint["loc"])
        details.append({"place": place, "problem": _say(complaint)})
    first = details[0]
    more = len(complaints) - 1
    message = f"{first['place']}: {first['problem']}" + (f" (and {more} more)" if more else "")
    return Problem.of(InvalidRequest(message, details=details))


def problem_of_framework(error: HTTPException) -> Problem:
    """FastAPI wraps errors raised while it reads a body: ours is the cause."""
    if isinstance(error.__cause__, ServiceError):
        return Problem.of(error.__cause__)
    return Problem.of_status(error.status_code, error.headers)


def _place(loc: Sequence[int | str]) -> str:
    cut = path_of(part[:MAX_NAME] if isinstance(part, str) else part for part in loc[1:])
    return cut or f"the {loc[0]}"


def _say(complaint: dict[str, Any]) -> str:
    known = {
        "extra_forbidden": "unknown key: remove or correct it; /docs lists the keys",
        "missing": "missing: add it",
        "string_type": "must be text (a JSON string)",
        "list_type": "must be a list",
        "model_attributes_type": "must be an object",
        "model_type": "must be an object",
        "dict_type": "must be an object",
    }
    return known.get(complaint["type"]) or str(complaint["msg"])
