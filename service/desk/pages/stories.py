"""Stories: closed to further comments and reopened by hand."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from parley.model.comment import Article
from parley.service.desk.access import DeskRoute, SessionDep
from parley.service.desk.pages.filters import query, read_filter, read_number
from parley.service.desk.pages.render import page
from parley.service.errors import InvalidRequest
from parley.service.store import articles
from parley.service.store.desk import stories
from parley.service.store.desk.stories import State, names_of
from parley.service.web.context import Service, ServiceDep

CHOICES: dict[str, State | None] = {"close": "closed", "open": "open", "age": None}

router = APIRouter(route_class=DeskRoute, include_in_schema=False)


@router.get("/desk/stories")
async def show(request: Request, service: ServiceDep, session: SessionDep) -> Response:
    """The stories that were closed or opened by hand."""
    changed = await run_in_threadpool(stories.latest, service.store)
    return page(
        request,
        "stories.html",
        title="Closed stories",
        stories=changed,
        days=service.settings.desk.close_after,
    )


@router.post("/desk/stories")
async def change(request: Request, service: ServiceDep, session: SessionDep) -> Response:
    """Close a story, open it, or let it close by age; then return to the comment, if it came from one."""
    form = await request.form()
    action = str(form.get("action") or "")
    if action not in CHOICES:
        raise InvalidRequest("choose to close the story, to open it, or to let it close by age")
    given = [str(name) for name in form.getlist("name")][:2]
    await run_in_threadpool(_change, service, given, CHOICES[action], session.name)
    item = read_number(form.get("item"))
    if item is not None:
        return RedirectResponse(f"/desk/comments/{item}?{query(read_filter(form))}", 303)
    return RedirectResponse("/desk/stories", 303)


def _change(service: Service, given: Sequence[str], state: State | None, by: str) -> None:
    """Change the story under the names given and the other name that the store has for its article."""
    names = [name for each in given for name in names_of(Article(id=each))]
    if not names:
        raise InvalidRequest("give the address or id of the story's article")
    known = articles.find(service.store, names).values()
    names += [name for article in known for name in names_of(Article(id=article.id, url=article.url))]
    service.stories.change(list(dict.fromkeys(names)), state, by=by)
