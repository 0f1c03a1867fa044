"""The log of decisions: shown, and exported as CSV, JSON lines and statements of reasons."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from parley.service.desk.access import AdminDep, DeskRoute, SessionDep
from parley.service.desk.pages import words
from parley.service.desk.pages.filters import read_number
from parley.service.desk.pages.render import HEADERS, page
from parley.service.desk.webhooks import to_json
from parley.service.store.desk import decisions, deliveries
from parley.service.web.context import ServiceDep

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Cells that a spreadsheet would run as formulas; they get a leading apostrophe."""
SIZE = 50

router = APIRouter(route_class=DeskRoute, include_in_schema=False)


@router.get("/desk/decisions")
async def show(request: Request, service: ServiceDep, session: SessionDep) -> Response:
    """The newest decisions, and the state of the deliveries."""
    before = read_number(request.query_params.get("before"))
    rows = await run_in_threadpool(decisions.latest, service.store, size=SIZE, before=before)
    owed = await run_in_threadpool(deliveries.owed, service.store)
    more = rows[-1]["id"] if len(rows) == SIZE else None
    hooks = len(service.settings.desk.webhooks)
    return page(request, "decisions.html", title="Decisions", rows=rows, owed=owed, more=more, hooks=hooks)


@router.get("/desk/decisions.jsonl")
async def export_jsonl(service: ServiceDep, session: AdminDep) -> Response:
    """Every decision, one JSON object a line."""
    return _download(
        as_jsonl(map(to_json, decisions.log(service.store))), "decisions.jsonl", "application/jsonl"
    )


@router.get("/desk/decisions.csv")
async def export_csv(service: ServiceDep, session: AdminDep) -> Response:
    """Every decision as CSV."""
    return _download(as_csv(decisions.log(service.store)), "decisions.csv", "text/csv; charset=utf-8")


@router.get("/desk/statements.jsonl")
async def export_statements(service: ServiceDep, session: AdminDep) -> Response:
    """A statement of reasons for each rejected comment, as JSON lines."""
    statements = (statement(row) for row in decisions.standing(service.store) if row["action"] == "reject")
    return _download(as_jsonl(statements), "statements.jsonl", "application/jsonl")


def statement(row: dict[str, Any]) -> dict[str, Any]:
    """The statement of reasons that article 17 of the DSA requires."""
    reason = words.REJECTIONS.get(row["reason"] or "", "Another reason")
    return {
        "decision": row["key"],
        "date": row["created"].isoformat(),
        "comment_id": row["comment_id"],
        "restriction": "The comment is not shown.",
        "category": row["reason"] or "OTHER",
        "ground": f"The site's rules: {reason}.",
        "facts": row["explanation"] or f"A moderator read the comment and found: {reason}.",
        "automated_detection": row["policy_action"] in ("review", "reject"),
        "automated_decision": False,
    }


def as_jsonl(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """One object a line."""
    for row in rows:
        yield json.dumps(row).encode() + b"\n"


def as_csv(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """A table with a header, safe to open in a spreadsheet."""
    yield _line(decisions.LOGGED)
    for row in rows:
        yield _line([_cell(row[name]) for name in decisions.LOGGED])


def _line(cells: Iterable[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text


def _download(lines: Iterator[bytes], name: str, media_type: str) -> Response:
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines, media_type=media_type, headers=headers)
