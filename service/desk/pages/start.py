"""The start page at /: links to the desk, the docs and the health page."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from parley.service.desk.pages.render import page

router = APIRouter(include_in_schema=False)


@router.get("/")
async def start(request: Request) -> Response:
    """A page for a browser; other clients are redirected to the API's documentation."""
    if "text/html" in request.headers.get("accept", ""):
        response = page(request, "start.html", title="Parley")
    else:
        response = RedirectResponse("docs")
    response.headers["Vary"] = "Accept"
    return response
