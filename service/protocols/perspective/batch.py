"""POST /batch: up to 100 calls of this protocol as the parts of one multipart/mixed request.

Each part is an HTTP request with its own key, and is answered as if it had come alone, in the same order; its
Content-ID is returned with the prefix `response-`.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.types import Message as AsgiMessage
from starlette.types import Scope

from parley.service.errors import InvalidKey, MalformedBody, NotFound, Problem
from parley.service.protocols.perspective.errors import documented, invalid, render
from parley.service.web.access import key_of
from parley.service.web.context import unless_hung_up
from parley.service.web.proxy import PEER

MAX_PARTS = 100
AT_ONCE = 2
"""Parts processed at a time: all at once would fill the queue, and most would be refused as busy."""
OURS = ("/v1alpha1/",)
"""Where parts may go: not back here, and to no other protocol."""
MAX_HEADERS = 16_384
"""Limit of a part's headers, and of the headers of the call in it, in bytes."""
MAX_DECLARED = 1_000
"""Longest Content-Type of a batch; a boundary has at most 70 characters."""
INHERITED = (b"authorization", b"x-api-key", b"x-goog-api-key")
"""Headers of the batch that apply to each part without a key of its own."""

_REQUEST_LINE = re.compile(rb"\s*([A-Z]+) (\S+)(?: HTTP/[\d.]+)?\r?\n")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_MULTIPART = {"content": {"multipart/mixed": {"schema": {"type": "string", "format": "binary"}}}}

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One call; `content_id` without its angle brackets."""

    content_id: str | None
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@router.post(
    "/batch",
    summary="Up to 100 calls in one request",
    openapi_extra={"requestBody": {"required": True, **_MULTIPART}},
    responses={200: _MULTIPART, **documented(400, 500)},
    response_class=Response,
)
async def batch(request: Request) -> Response:
    """`multipart/mixed` of `application/http` parts; the answer has one part per call, in the same order."""
    content_type = request.headers.get("content-type", "")
    parts = await run_in_threadpool(parse, content_type, await _read(request, content_type))
    answers = await unless_hung_up(request, _all(request, parts))
    boundary = f"batch_{uuid.uuid4().hex}"
    pieces = [
        b"--%s\r\nContent-Type: application/http\r\n%s\r\n%s\r\n"
        % (boundary.encode(), _content_id(part), answer)
        for part, answer in zip(parts, answers, strict=True)
    ]
    body = b"".join([*pieces, b"--%s--\r\n" % boundary.encode()])
    return Response(body, media_type=f"multipart/mixed; boundary={boundary}")


async def _read(request: Request, content_type: str) -> bytearray:
    """The body; only the beginning of a long one if neither the batch nor its first call has a key.

    Raises MissingKey, InvalidKey.
    """
    body = bytearray()
    checked = False
    async for chunk in request.stream():
        body += chunk
        if not checked and len(body) >= 2 * MAX_HEADERS:
            _check_key(request, content_type, bytes(body))
            checked = True
    return body


def _check_key(request: Request, content_type: str, beginning: bytes) -> None:
    boundary = _boundary(content_type)
    keys = [key_of(request.scope)]
    try:
        part = _part(_split(beginning, boundary, most=1)[0], 1) if boundary else None
        keys += [_key_of(part)] if part else []
    except (IndexError, MalformedBody):
        pass  # no call has been read yet: the batch's own key decides
    given = [key for key in keys if key]
    for key in given[1:]:
        try:
            request.state.check_key(key)
        except InvalidKey:
            continue
        return
    request.state.check_key(given[0] if given else None)


def _key_of(part: Part) -> str | None:
    query = part.target.partition("?")[2].partition("#")[0]
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in part.headers.items()]
    return key_of({"type": "http", "query_string": query.encode("latin-1", "replace"), "headers": headers})


def parse(content_type: str, body: bytes | bytearray) -> list[Part]:
    """The calls in a batch. Raises MalformedBody, InvalidRequest."""
    boundary = _boundary(content_type)
    parts = _split(body, boundary, most=MAX_PARTS + 1) if boundary else []
    if not parts:
        raise MalformedBody(
            "Failed to parse batch request: send multipart/mixed with a boundary and its parts."
        )
    if len(parts) > MAX_PARTS:
        raise invalid(
            "INVALID_REQUEST", f"The batch request has more than {MAX_PARTS} parts, which is the limit."
        )
    return [_part(part, number) for number, part in enumerate(parts, start=1)]


def _boundary(content_type: str) -> bytes | None:
    declared = Message()
    declared["Content-Type"] = content_type[:MAX_DECLARED]
    boundary = declared.get_boundary() if declared.get_content_type() == "multipart/mixed" else None
    return boundary.encode("latin-1", "replace") if boundary else None


def _split(body: bytes | bytearray, boundary: bytes, *, most: int) -> list[bytes]:
    """The parts between the boundary lines, at most `most`.

    email's multipart parser isn't used: it takes quadratic time on a long header.
    """
    line = re.compile(rb"^--%s(--)?[ \t]*(?:\r?\n|\Z)" % re.escape(boundary), re.MULTILINE)
    parts: list[bytes] = []
    start = None
    for mark in line.finditer(body):
        if start is not None:
            parts.append(bytes(body[start : mark.start()]))
        start = None if mark[1] or len(parts) == most else mark.end()
        if start is None:
            break
    if start is not None:
        parts.append(bytes(body[start:]))  # the end is missing
    return [re.sub(rb"\r?\n\Z", b"", part) for part in parts]


def _part(raw: bytes, number: int) -> Part:
    _check_headers(raw, number)
    part = BytesHeaderParser().parsebytes(raw)
    payload = part.get_payload(decode=True)
    line = _REQUEST_LINE.match(payload) if isinstance(payload, bytes) else None
    if line is None:
        raise MalformedBody(
            f"Failed to parse batch request: part {number} must be application/http, "
            "and begin with a line such as POST /v1alpha1/comments:analyze HTTP/1.1."
        )
    assert isinstance(payload, bytes)
    # The line's end belongs to the rest, so that a part without headers has its blank line too.
    call = b"\n" + payload[line.end() :]
    _check_headers(call, number)
    head, *bodies = _BLANK_LINE.split(call, maxsplit=1)
    pairs = (header.partition(b":") for header in head.splitlines() if b":" in header)
    headers = {
        name.decode("latin-1").strip().lower(): value.decode("latin-1").strip() for name, _, value in pairs
    }
    content_id = re.sub(r"[<>\r\n]", "", str(part.get("Content-ID", ""))).strip()
    return Part(
        content_id=content_id or None,
        method=line[1].decode("ascii"),
        target=line[2].decode("latin-1"),
        headers=headers,
        body=b"".join(bodies),
    )


def _check_headers(message: bytes, number: int) -> None:
    if len(_BLANK_LINE.split(b"\n" + message, maxsplit=1)[0]) > MAX_HEADERS:
        raise MalformedBody(
            f"Failed to parse batch request: headers of part {number} are longer than {MAX_HEADERS} bytes."
        )


async def _all(request: Request, parts: Sequence[Part]) -> list[bytes]:
    turns = asyncio.Semaphore(AT_ONCE)

    async def call(part: Part) -> bytes:
        async with turns:
            return await _call(request, part)

    return await asyncio.gather(*map(call, parts))


async def _call(request: Request, part: Part) -> bytes:
    """The answer to one part, as HTTP bytes: through the whole application, including keys and limits."""
    try:
        url = urlsplit(part.target)
    except ValueError:
        url = urlsplit("")
    path = unquote(url.path).removeprefix(request.scope["root_path"])
    if not path.startswith(OURS):
        error = NotFound("a batch carries calls of /v1alpha1 only")
        refused = render(Problem.of(error))
        return _http(refused.status_code, list(refused.raw_headers), bytes(refused.body))
    headers = part.headers | {"content-length": str(len(part.body))}
    kept = ("type", "asgi", "http_version", "scheme", "server", "client", "root_path", "extensions", PEER)
    scope: Scope = {
        **{name: request.scope[name] for name in kept if name in request.scope},
        "method": part.method,
        "path": path,
        "raw_path": url.path.encode("latin-1", "replace"),
        "query_string": url.query.encode("latin-1", "replace"),
        "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in headers.items()],
        "state": {},
    }
    if key_of(scope) is None:
        scope["headers"] += [pair for pair in request.scope["headers"] if pair[0] in INHERITED]
    sent: list[AsgiMessage] = []
    unread = [{"type": "http.request", "body": part.body, "more_body": False}]

    async def receive() -> AsgiMessage:
        if unread:
            return unread.pop()
        return await asyncio.Future()  # `batch` itself watches whether the caller hangs up

    async def send(message: AsgiMessage) -> None:
        sent.append(message)

    await request.app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return _http(sent[0]["status"], sent[0]["headers"], body)


def _http(status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())]
    lines += [b"%s: %s" % (name.title(), value) for name, value in headers]
    return b"\r\n".join([*lines, b"", body])


def _content_id(part: Part) -> bytes:
    if part.content_id is None:
        return b""
    return f"Content-ID: <response-{part.content_id}>\r\n".encode("latin-1", "replace")
