"""Signing in and out, and the files that pages load."""

from __future__ import annotations

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from parley.service.desk.access import COOKIE, SIGN_IN, DeskRoute, SessionDep, is_open, set_cookie
from parley.service.desk.pages.render import file, page
from parley.service.errors import NotFound, RateLimited
from parley.service.store.desk import people
from parley.service.web.context import ServiceDep

ATTEMPTS = parse("10/minute")
"""Sign-ins per address: Argon2 is slow on purpose, which must not be used against the service."""
MOST_WAITING = 20
"""Sign-ins from any address that wait for their turn."""

router = APIRouter(route_class=DeskRoute, include_in_schema=False)
_limiter = MovingWindowRateLimiter(MemoryStorage())
_turn = CapacityLimiter(1)
"""One sign-in at a time: Argon2 takes 64 MB."""


@router.get(SIGN_IN)
async def sign_in_page(request: Request, service: ServiceDep) -> Response:
    """The sign-in form; redirects to the desk if already signed in."""
    if request.state.session is not None:
        return RedirectResponse("/desk", 303)
    users = await run_in_threadpool(people.all_users, service.store)
    return page(request, "sign_in.html", title="Sign in", wrong=False, nobody=not users, next=_next(request))


@router.post(SIGN_IN)
async def sign_in(request: Request, service: ServiceDep) -> Response:
    """Start a session for the key's owner. Raises RateLimited after too many attempts."""
    address = request.client.host if request.client else "unknown"
    if not _limiter.hit(ATTEMPTS, "sign-in", address):
        raise RateLimited("too many attempts to sign in: wait a minute", retry_after=60)
    form = await request.form()
    if _turn.statistics().tasks_waiting >= MOST_WAITING:
        raise RateLimited("too many people are signing in: try again in a moment", retry_after=5)
    user = await to_thread.run_sync(people.check, service.store, str(form.get("key") or ""), limiter=_turn)
    if user is None:
        return page(
            request, "sign_in.html", 401, title="Sign in", wrong=True, nobody=False, next=_next(request)
        )
    _, cookie = await run_in_threadpool(people.begin, service.store, user)
    response = RedirectResponse(_next(request), 303)
    set_cookie(request, response, cookie)
    return response


@router.post("/desk/sign-out")
async def sign_out(request: Request, service: ServiceDep, session: SessionDep) -> Response:
    """End this session, or with `everywhere` all of the user's."""
    everywhere = bool((await request.form()).get("everywhere"))
    await run_in_threadpool(people.end, service.store, session, everywhere=everywhere)
    response = RedirectResponse("/desk" if is_open(service, request) else SIGN_IN, 303)
    response.delete_cookie(COOKIE, path="/desk")
    return response


@router.get("/desk/static/{name}")
async def static(name: str) -> Response:
    """A style sheet, script or icon of the desk. Raises NotFound."""
    response = file(name)
    if response is None:
        raise NotFound("there is no such file")
    return response


def _next(request: Request) -> str:
    """Where to go after signing in; always a page of the desk."""
    wanted = request.query_params.get("next", "")
    return wanted if wanted.startswith("/desk") and "\\" not in wanted and "//" not in wanted else "/desk"
