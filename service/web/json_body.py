"""Reads JSON bodies strictly, without keeping other threads waiting, and routes that take them.

parse_json(b'{"comments": []}')      {"comments": []}; raises MalformedBody and BodyTooLarge
"""

from __future__ import annotations

import asyncio
import json
import re
from bisect import bisect_right
from codecs import BOM_UTF8
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, NoReturn

import pyjson5
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope

from parley.service.errors import BodyTooLarge, MalformedBody, WrongMediaType
from parley.service.memory import return_freed_memory

MAX_KEYS = 200
"""The most keys in one object; the largest that a protocol defines has a hundred."""
TOKENS_A_COMMENT = 100
"""The most strings, commas and brackets of JSON per comment; a comment with every key has 45."""
LEAST_COMMENTS = 1000
PIECE = 65_536
"""Bytes that one call scans: no other thread runs until it ends."""
_CHARACTERS = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_BLANKS = b" \t\n\r"
MAX_LENIENT = 1_000_000
"""The largest body that is parsed leniently; Perspective allows 20,480 bytes for the comment."""
LONG_STRING = 1000
"""Bytes of a string that is parsed by itself if its body is longer than MAX_LENIENT."""
_PLACEHOLDER = b"-Infinity"
"""Stands for a long string while the rest is parsed: it isn't JSON, and json has `parse_constant` read it."""
MAX_NESTED = 32
INLINE_BYTES = 100_000
"""Bytes of a body that takes a millisecond to parse; longer bodies are parsed in a thread, so that others are
answered meanwhile."""
_PARSER = ThreadPoolExecutor(1, thread_name_prefix="parley-json")
"""Long bodies are parsed one at a time: parsing takes several times their size in memory."""


class NotJson(MalformedBody):
    """A body in UTF-8 whose syntax is not JSON's; it may be JSON5."""


def parse_json(body: bytes | bytearray, *, comments: int = LEAST_COMMENTS) -> Any:
    """The JSON value of `body`, which may have `comments` comments.

    Raises MalformedBody (not UTF-8, not JSON, NaN, nested too deeply) and BodyTooLarge: each value becomes a
    Python object, so they are counted first.
    """
    _check_tokens(body, most=TOKENS_A_COMMENT * max(comments, LEAST_COMMENTS))
    return _parse_long(body) if len(body) > MAX_LENIENT else _loads(body)


def _parse_long(body: bytes | bytearray) -> Any:
    """As `_loads`, but each long string is decoded by itself, and blanks around the value are left out.

    As one text, the whole body would take four bytes a character if a single character needs as many; and
    json skips any number of blanks in one call.
    """
    first, last = _without_blanks(body)
    frame, spans, cuts, end = bytearray(), [], [], first
    for start, stop in _strings(body):
        if stop - start > LONG_STRING:
            if body[stop : stop + PIECE].lstrip(_BLANKS).startswith(b":"):
                raise BodyTooLarge(f"the body holds a key of more than {LONG_STRING:,} bytes")
            frame += body[end:start] + _PLACEHOLDER
            spans.append((start, stop))
            cuts.append(len(frame))
            end = stop
    frame += body[end:last]
    following = iter(spans)

    def long_string(constant: str) -> Any:
        span = next(following, None) if constant.encode() == _PLACEHOLDER else None
        if span is None:
            return _refuse_constant(constant)
        return _loads(body[slice(*span)], place=lambda offset: span[0] + offset)

    def place(offset: int) -> int:
        number = bisect_right(cuts, offset)  # of the long strings before it
        return offset - cuts[number - 1] + spans[number - 1][1] if number else first + offset

    try:
        return _loads(frame, constant=long_string, place=place)
    finally:
        frame.clear()  # an error's frames may keep it in memory for long


def _strings(body: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """The places of the strings, quotes included, up to one that isn't closed."""
    end = 0
    while (start := body.find(b'"', end)) >= 0:
        end = start + 1
        while (match := _CHARACTERS.match(body, end, end + PIECE)) and match.end() > end:
            end = match.end()
        if body[end : end + 1] != b'"':
            return
        end += 1
        yield start, end


def _without_blanks(body: bytes | bytearray) -> tuple[int, int]:
    """The place of the value, less a byte order mark; fewer than PIECE blanks may be left at each end."""
    begin = len(BOM_UTF8) if body.startswith(BOM_UTF8) else 0
    starts, ends = range(begin, len(body), PIECE), range(len(body), begin, -PIECE)
    first = next((at for at in starts if body[at : at + PIECE].strip(_BLANKS)), len(body))
    last = next((at for at in ends if body[max(begin, at - PIECE) : at].strip(_BLANKS)), len(body))
    return first, last


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedBody(f"the body holds {name}, which is not JSON: leave the key out or send null")


def _loads(
    raw: bytes | bytearray,
    *,
    constant: Callable[[str], Any] = _refuse_constant,
    place: Callable[[int], int] | None = None,
) -> Any:
    """The JSON value of `raw`; errors name line and column, or the byte in the body that `place` gives."""
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_constant=constant, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        at = place(error.start) if place else error.start
        problem = MalformedBody(f"the body is not UTF-8 at byte {at}: encode it as UTF-8")
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        if place:
            offset = error.pos if error.doc.isascii() else len(error.doc[: error.pos].encode())
            where = f"byte {place(offset)}"
        problem = NotJson(f"the body is not JSON at {where}: {error.msg}")
    except RecursionError:
        problem = MalformedBody("the body is nested too deeply: a request needs four levels")
    except ValueError:  # a number of thousands of digits
        problem = MalformedBody("the body holds a number that can't be read")
    raise problem  # raised here, since json's errors and their frames keep the whole text


def _check_tokens(body: bytes | bytearray, *, most: int) -> None:
    if _count(body, b'",[{', 0, len(body)) <= most:
        return  # fast, and enough for most bodies: characters within texts count here too
    tokens = at = 0
    for start, end in _strings(body):
        tokens, at = tokens + 1 + _count(body, b",[{", at, start), end
        if tokens > most:
            break
    if tokens + _count(body, b",[{", at, len(body)) > most:
        raise BodyTooLarge(f"the body holds more than {most:,} values: send fewer comments at once")


def _count(body: bytes | bytearray, signs: bytes, start: int, end: int) -> int:
    """How many of the bytes in [start, end) are among `signs`."""
    return sum(
        body.count(sign, at, min(at + PIECE, end)) for at in range(start, end, PIECE) for sign in signs
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_KEYS:
        raise BodyTooLarge(f"the body holds an object of {len(pairs):,} keys; the limit is {MAX_KEYS}")
    return dict(pairs)


def parse_lenient(body: bytes | bytearray) -> Any:
    """As `parse_json`, but also bare keys, single quotes and trailing commas. Raises MalformedBody."""
    long = len(body) > MAX_LENIENT
    try:
        return parse_json(body)
    except NotJson:
        if not long:
            with suppress(pyjson5.Json5Exception, ValueError, RecursionError):
                value = pyjson5.decode_utf8(bytes(body), MAX_NESTED)
                json.dumps(value, allow_nan=False)
                return value
        raise


class JsonRoute(APIRoute):
    """A route whose body is read by `parse_json`, once it is declared as JSON."""

    must_declare: ClassVar[bool] = True
    lenient: ClassVar[bool] = False

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Check encoding and media type before the route's own function runs."""
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            encoding = request.headers.get("content-encoding", "identity").lower()
            if self.body_field and self.must_declare and encoding != "identity":
                raise WrongMediaType("the body is compressed: send it with gzip, or without Content-Encoding")
            media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
            if self.body_field and media_type != "application/json":
                if self.must_declare:
                    told = "the body must be JSON: send the header Content-Type: application/json"
                    raise WrongMediaType(told)
                _declare_json(request)
            return await handle(_JsonRequest(request.scope, request.receive, lenient=self.lenient))

        return handle_json


class LenientJsonRoute(JsonRoute):
    """As JsonRoute, for Google's protocols: their servers read any body as JSON, whatever its declared type.

    They also accept bare keys and single quotes.
    """

    must_declare = False
    lenient = True


def _declare_json(request: Request) -> None:
    others = [pair for pair in request.scope["headers"] if pair[0] != b"content-type"]
    request.scope["headers"] = [*others, (b"content-type", b"application/json")]


class _JsonRequest(Request):
    """A request that frees its body once it is parsed, and parses a long one outside the event loop.

    FastAPI would keep what `body` returns until the answer is sent, though it only checks whether it is
    empty.
    """

    def __init__(self, scope: Scope, receive: Receive, *, lenient: bool) -> None:
        super().__init__(scope, receive)
        self._lenient = lenient
        self._unparsed: bytearray | None = None

    async def body(self) -> bytes:
        """One byte in place of a body that isn't empty."""
        if self._unparsed is None:
            self._unparsed = bytearray()
            try:
                async for chunk in self.stream():
                    self._unparsed += chunk
            except BaseException:
                self._unparsed.clear()  # refused or given up: don't keep the body while the rest is dropped
                raise
        return bytes(self._unparsed[:1])

    async def json(self) -> Any:
        """The body's value; it can be read only once."""
        await self.body()
        body, self._unparsed = self._unparsed or bytearray(), bytearray()
        comments = self.app.state.service.settings.limits.comments
        parse = parse_lenient if self._lenient else partial(parse_json, comments=comments)
        loop = asyncio.get_running_loop()
        try:
            if len(body) <= INLINE_BYTES:
                return parse(body)
            if len(body) > MAX_LENIENT:
                await loop.run_in_executor(_PARSER, return_freed_memory)
            return await loop.run_in_executor(_PARSER, parse, body)
        finally:
            body.clear()  # the frames of an error may keep it in memory for long
