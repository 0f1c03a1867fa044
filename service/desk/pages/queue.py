"""The queue, one comment, and what a moderator does with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any, cast

from cachetools import TTLCache
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from parley.model.comment import Article
from parley.service.desk.access import DeskRoute, SessionDep
from parley.service.desk.pages import words
from parley.service.desk.pages.filters import AGES, RowId, fields, is_narrow, query, read_filter, read_number
from parley.service.desk.pages.render import page
from parley.service.errors import Conflict, InvalidRequest, NotFound, NotReady
from parley.service.policy.decision import Policy
from parley.service.store.desk import decisions, items, leases, listing, queues, views
from parley.service.store.desk.decisions import Action, By, Choice
from parley.service.store.desk.items import Item
from parley.service.store.desk.listing import Filter
from parley.service.store.desk.people import Session
from parley.service.store.desk.stories import names_of
from parley.service.web.context import Service, ServiceDep

MAX_BULK = 500
COUNTS_S = 5.0
"""How long a queue's counts are cached; they need not be exact to the second."""
OFFERED_S = 60.0
"""How long the filters' choices are cached."""
MAX_NOTE = 2000
LATEST_PLACE = 4e9
"""The highest number in a page's position: the latest time; urgencies are far lower."""

router = APIRouter(route_class=DeskRoute, include_in_schema=False)
_counts: TTLCache[Any, Any] = TTLCache(1000, COUNTS_S)
_offered: TTLCache[Any, Any] = TTLCache(1000, OFFERED_S)
_counting = Lock()


@router.get("/desk")
async def start() -> Response:
    """The desk opens with the queue."""
    return RedirectResponse("/desk/queue", 303)


@router.get("/desk/queue")
async def show_queue(request: Request, service: ServiceDep, session: SessionDep) -> Response:
    """A page of a queue, with its counts and filters."""
    wanted = read_filter(request.query_params)
    return await run_in_threadpool(_queue_page, request, service, session, wanted)


@router.post("/desk/next")
async def take_next(request: Request, service: ServiceDep, session: SessionDep) -> Response:
    """Go to the first comment that nobody else is reading."""
    wanted = read_filter(await request.form())
    return await run_in_threadpool(_go_on, service, session, wanted)


@router.get("/desk/comments/{item_id}")
async def show_comment(
    request: Request, item_id: RowId, service: ServiceDep, session: SessionDep
) -> Response:
    """One comment, leased to its reader."""
    wanted = read_filter(request.query_params)
    # Another site's page, or a browser that prefetches, must not take comments away from moderators.
    near = request.headers.get("sec-fetch-site") in (None, "same-origin", "none")
    if near and "prefetch" not in request.headers.get("sec-purpose", ""):
        item = await run_in_threadpool(leases.take, service.store, item_id, session.id)
    else:
        item = await run_in_threadpool(items.get, service.store, item_id)
    if item is None:
        raise NotFound("this comment was deleted: it was older than the site keeps comments")
    return await run_in_threadpool(_comment_page, request, service, session, item, wanted)


@router.post("/desk/comments/{item_id}")
async def decide(request: Request, item_id: RowId, service: ServiceDep, session: SessionDep) -> Response:
    """Approve, reject, escalate, skip or note; then go to the next comment."""
    form = await request.form()
    wanted = read_filter(form)
    if form.get("action") == "skip":
        await run_in_threadpool(leases.skip, service.store, item_id, session.id)
        return await run_in_threadpool(_go_on, service, session, wanted)
    choice = read_choice(form)
    seen = str(form.get("seen") or "") or None
    await run_in_threadpool(_decide, service, item_id, choice, session, seen)
    if choice.action == "note":
        return RedirectResponse(f"/desk/comments/{item_id}?{query(wanted)}", 303)
    return await run_in_threadpool(_go_on, service, session, wanted)


@router.post("/desk/undo")
async def undo(request: Request, service: ServiceDep, session: SessionDep) -> Response:
    """Undo the last decision, and show its comment again."""
    wanted = read_filter(await request.form())
    by = By(who=session.name, session=session.id)
    item = await run_in_threadpool(decisions.undo, service.store, by, urls=webhooks(service))
    if item is None:
        return RedirectResponse(f"/desk/queue?{query(wanted)}&told=nothing-to-undo", 303)
    return RedirectResponse(f"/desk/comments/{item.id}?{query(wanted)}", 303)


@router.post("/desk/bulk")
async def decide_many(request: Request, service: ServiceDep, session: SessionDep) -> Response:
    """One decision on all selected comments, except those that another moderator is reading."""
    form = await request.form()
    choice, wanted = read_choice(form), read_filter(form)
    chosen = [str(value).partition(".") for value in form.getlist("item")[:MAX_BULK]]
    some = [(number, seen or None) for text, _, seen in chosen if (number := read_number(text))]
    done, left = await run_in_threadpool(_decide_all, service, session, some, choice)
    return RedirectResponse(f"/desk/queue?{query(wanted)}&told=bulk&done={done}&left={left}", 303)


@router.post("/desk/views")
async def save_view(request: Request, service: ServiceDep, session: SessionDep) -> Response:
    """Save the filter under a name, or delete a saved one."""
    form = await request.form()
    wanted = read_filter(form)
    gone, name = read_number(form.get("delete")), str(form.get("name") or "").strip()[:80]
    if gone is not None:
        await run_in_threadpool(views.delete_view, service.store, gone)
    elif name:
        await run_in_threadpool(
            views.save_view, service.store, name=name, query=query(wanted), by=session.name
        )
    return RedirectResponse(f"/desk/queue?{query(wanted)}", 303)


def read_choice(form: FormData | Mapping[str, Any]) -> Choice:
    """Read the choice in a form. Raises InvalidRequest."""
    action = form.get("action")
    if action not in (*decisions.AFTER, "note"):
        raise InvalidRequest("choose approve, reject, escalate, skip or note")
    reason = str(form.get("reason") or "") or None
    if action == "reject" and reason not in words.REJECTIONS:
        raise InvalidRequest("a rejection needs a reason: choose one from the list")
    note = str(form.get("note") or "").strip()[:MAX_NOTE] or None
    if action == "note" and not note:
        raise InvalidRequest("the note is empty")
    return Choice(
        action=cast(Action, action),
        reason=reason if action == "reject" else None,
        explanation=str(form.get("explanation") or "").strip()[:MAX_NOTE] or None,
        note=note,
    )


def webhooks(service: Service) -> list[str]:
    """Where decisions are sent."""
    return [hook.url for hook in service.settings.desk.webhooks]


def site_policy(service: Service) -> Policy | None:
    """The active policy; None before the model is loaded."""
    try:
        return service.policy()
    except NotReady:
        return None


def operating_points(service: Service) -> dict[str, float]:
    """Each label's threshold; empty before the model is loaded."""
    policy = site_policy(service)
    return policy.operating_points if policy else {}


def _go_on(service: Service, session: Session, wanted: Filter) -> Response:
    item = leases.take_next(service.store, wanted, session.id)
    if item is None:
        return RedirectResponse(f"/desk/queue?{query(wanted)}&told=nothing-left", 303)
    return RedirectResponse(f"/desk/comments/{item.id}?{query(wanted)}", 303)


def _decide(service: Service, item_id: int, choice: Choice, session: Session, seen: str | None) -> None:
    by = By(who=session.name, session=session.id)
    decisions.decide(service.store, item_id, choice, by, seen=seen, urls=webhooks(service))


def _decide_all(
    service: Service, session: Session, some: Sequence[tuple[int, str | None]], choice: Choice
) -> tuple[int, int]:
    done = left = 0
    for item_id, seen in some:
        try:
            _decide(service, item_id, choice, session, seen)
            done += 1
        except (Conflict, NotFound):
            left += 1
    return done, left


def _queue_page(request: Request, service: Service, session: Session, wanted: Filter) -> Response:
    store, params = service.store, request.query_params
    every = queues.all_queues(store)
    queue = next((each for each in every if each.id == wanted.queue), None)
    if queue is None:
        raise NotFound("there is no such queue: it may have been removed")
    if queue.state not in queues.READABLE:
        return RedirectResponse(f"/desk/uploads/{queue.id}", 303)
    after = _after(params.get("after"))
    found = listing.search(store, wanted, after=after) if wanted.search else None
    number: int | None
    if found:
        items, more, number = found.items, found.more, found.number
    else:
        items = listing.page(store, wanted, after=after, size=listing.PAGE + 1)
        more = listing.place(items[listing.PAGE - 1], wanted) if len(items) > listing.PAGE else None
        number = len(items) if after is None and more is None else None
        items = items[: listing.PAGE]
    return page(
        request,
        "queue.html",
        title=queue.name,
        queue=queue,
        queues=[each for each in every if each.state in queues.READABLE],
        items=items,
        more="{!r}:{}".format(*more) if more else None,
        first=after is None,
        found=found,
        searched=listing.SEARCHED,
        among=words.among(found, wanted.sort, first=after is None) if found else "",
        wanted=wanted,
        fields=fields(wanted),
        query=query,
        narrow=is_narrow(wanted),
        ages=AGES,
        views=views.all_views(store),
        told=_told(params),
        counts=_count(service, wanted, number),
        most=listing.MOST_COUNTED,
        most_shown=listing.MOST_FOUND if found else listing.MOST_COUNTED,
        arriving=service.arrivals.on,
        policy=site_policy(service),
    )


def _comment_page(
    request: Request, service: Service, session: Session, item: Item, wanted: Filter
) -> Response:
    parent, replies = items.thread(service.store, item)
    taken = item.leased_to_another(session.id)
    names = names_of(Article(id=item.article_id, url=words.safe_url(item.article_url)))
    return page(
        request,
        "comment.html",
        title=f"Comment {item.comment_id or item.id}",
        item=item,
        parent=parent,
        replies=replies,
        history=items.author_history(service.store, item),
        log=decisions.latest(service.store, size=20, item_id=item.id),
        bars=words.bars(item, operating_points(service)),
        open=item.state in items.OPEN and not taken,
        taken=taken,
        names=names,
        closed=service.stories.is_closed(names) if names else False,
        wanted=wanted,
        fields=fields(wanted),
        query=query,
    )


def _after(given: str | None) -> tuple[float, int] | None:
    try:
        value, _, last = (given or "").partition(":")
        place, row = float(value), read_number(last)
    except ValueError:
        return None
    return (place, row) if row is not None and 0 <= place <= LATEST_PLACE else None


def _told(params: Mapping[str, str]) -> str | None:
    """The message about the last action; the address only selects one of ours."""
    told = params.get("told")
    if told == "bulk":
        done, left = (read_number(params.get(name)) or 0 for name in ("done", "left"))
        more = f" {left} were skipped: decided, edited, or with another moderator." if left else ""
        return f"{done} comments decided.{more}"
    known = {
        "nothing-left": "Nothing is left here that another moderator isn't reading.",
        "nothing-to-undo": "You have no decision to undo.",
        "removed": "The upload and its comments were removed; the log of decisions stays.",
    }
    return known.get(told or "")


def _count(service: Service, wanted: Filter, shown: int | None) -> dict[str, Any]:
    """The counts beside the list, cached briefly, and the filters' choices, cached for longer.

    `shown` is the number of matching comments, if the page knows it.
    """
    store = service.store
    key = (store, wanted.queue, wanted.state)
    totals = _kept(_counts, key, lambda: listing.totals(store, wanted))
    offered = _kept(_offered, (*key, wanted.flagged), lambda: listing.facets(store, wanted))
    flagged, every = totals["flagged"], totals[wanted.state]
    if shown is None and is_narrow(wanted):
        some = replace(wanted, sort="need")
        shown = _kept(_counts, (store, some), lambda: listing.count(store, some))
    elif shown is None:
        shown = flagged if wanted.flagged else every
    return {
        **offered,
        "shown": shown,
        "flagged": flagged,
        "all": every,
        "states": totals,
        "cut": (flagged if wanted.flagged else every) > listing.MOST_FACETED,
    }


def _kept(cache: TTLCache[Any, Any], key: Any, count: Callable[[], Any]) -> Any:
    with _counting:
        value = cache.get(key)
    if value is None:
        value = count()
        with _counting:
            cache[key] = value
    return value
