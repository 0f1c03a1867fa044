"""The desk's pages: Jinja templates, the headers that go with them, and the files they load.

    return page(request, "queue.html", items=items)

Comments are hostile input. Jinja escapes every value, and the Content-Security-Policy allows only the desk's
own two scripts and one style sheet, so markup that slipped through could do nothing.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from parley.service.desk.pages import words
from parley.service.errors import Problem
from parley.service.report.words import one_line
from parley.service.store.desk.listing import MOST_COUNTED
from parley.service.store.desk.people import Session

HERE = Path(__file__).parent
FILES = {
    "desk.css": "text/css; charset=utf-8",
    "desk.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send `Origin: null` with our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """Render a template as a page."""
    session: Session | None = getattr(request.state, "session", None)
    text = (
        _environment()
        .get_template(template)
        .render(session=session, csrf=session.csrf if session else "", path=request.url.path, **values)
    )
    return HTMLResponse(text.encode(errors="replace"), status, HEADERS)


def render_problem(problem: Problem) -> Response:
    """Render an error as a page."""
    text = (
        _environment()
        .get_template("problem.html")
        .render(session=None, csrf="", path="", title="That did not work", problem=problem)
    )
    return HTMLResponse(text.encode(errors="replace"), problem.status, {**HEADERS, **problem.headers})


def file(name: str) -> Response | None:
    """A file that pages load, or None."""
    if name not in FILES:
        return None
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=31536000, immutable"}
    return Response((HERE / "static" / name).read_bytes(), media_type=FILES[name], headers=headers)


@cache
def _address(name: str) -> str:
    """A file's address with a digest of its content, so that browsers cache it until it changes."""
    digest = hashlib.sha256((HERE / "static" / name).read_bytes()).hexdigest()[:12]
    return f"/desk/static/{name}?{digest}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "name": one_line,
        "ago": words.ago,
        "label": words.label_words,
        "number": lambda value: f"{value:,}",
        "counted": lambda value, most=MOST_COUNTED: f"{value:,}{'+' if value >= most else ''}",
    }
    environment.globals |= {"static": _address, "words": words}
    return environment
