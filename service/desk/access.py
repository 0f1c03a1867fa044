"""Who may see the desk: a session per browser, and the checks on every change.

Routes of the desk are `DeskRoute`s. Without any user the desk is open to a browser on this machine, at a
loopback address and not through a proxy; once a user exists (`parley users create`), everybody signs in. A
POST must come from the desk's own pages: the browser's Origin header and the form's token are checked.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from parley.service.errors import NotAllowed
from parley.service.store.desk import people
from parley.service.store.desk.people import Session
from parley.service.web.access import is_loopback
from parley.service.web.context import Service, get_service

COOKIE = "parley_desk"
SIGN_IN = "/desk/sign-in"
OPEN_PATHS = (SIGN_IN, "/desk/static/")
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


class DeskRoute(APIRoute):
    """A route that finds the browser's session and refuses requests that other pages make."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Check session, origin and token before the route's function runs."""
        handle = super().get_route_handler()

        async def handle_desk(request: Request) -> Response:
            service = await get_service(request)
            cookie = request.cookies.get(COOKIE)
            session, made = await run_in_threadpool(_session, service, request, cookie)
            request.state.session = session
            if session is None and not request.url.path.startswith(OPEN_PATHS):
                asked = f"?next={quote(_local(request))}" if request.method == "GET" else ""
                return RedirectResponse(SIGN_IN + asked, 303)
            try:
                if request.method != "GET":
                    await check_origin(request, session)
                response = await handle(request)
            finally:
                await request.close()  # closes the temporary file of an upload
            if made:
                set_cookie(request, response, made)
            return response

        return handle_desk


async def get_session(request: Request) -> Session:
    """The browser's session, found by `DeskRoute`."""
    session = request.state.session
    assert isinstance(session, Session)
    return session


async def get_admin(request: Request) -> Session:
    """The session of an admin. Raises NotAllowed for anybody else."""
    session = await get_session(request)
    if not session.is_admin:
        raise NotAllowed("this page is for admins: ask one of yours")
    return session


SessionDep = Annotated[Session, Depends(get_session)]
AdminDep = Annotated[Session, Depends(get_admin)]


async def check_origin(request: Request, session: Session | None) -> None:
    """Refuse a change requested by another site's page. Raises NotAllowed."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    elsewhere = origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
    if elsewhere or site not in (None, "same-origin", "none"):
        raise NotAllowed("this request came from another site's page: use the desk's own pages")
    if session is None or request.url.path == SIGN_IN:  # there is no token yet
        return
    form = await request.form()
    token = str(form.get("csrf") or request.headers.get("x-csrf-token") or "")
    if not hmac.compare_digest(token.encode(), session.csrf.encode()):
        raise NotAllowed("this page is from an older session: go back, reload it and try again")


def set_cookie(request: Request, response: Response, value: str) -> None:
    """The session's cookie: HttpOnly, SameSite, and Secure if the request came over TLS."""
    service: Service = request.app.state.service
    tls = request.url.scheme == "https" or (service.settings.public_url or "").startswith("https://")
    seconds = int(people.SESSION.total_seconds())
    response.set_cookie(
        COOKIE, value, max_age=seconds, path="/desk", httponly=True, samesite="lax", secure=tls
    )


def is_open(service: Service, request: Request) -> bool:
    """Whether the desk is open without signing in: no user yet, and a browser on this machine.

    A Host header that isn't loopback means another site's page (DNS rebinding) or a proxy. Raises StoreError.
    """
    forwarded = any(name in request.headers for name in FORWARDED)
    address = request.client.host if request.client else ""
    near = is_loopback(service.settings.host) and _is_near(address) and _is_near(request.url.hostname or "")
    return near and not forwarded and not people.all_users(service.store)


def _session(service: Service, request: Request, cookie: str | None) -> tuple[Session | None, str | None]:
    """The browser's session, and the cookie if it is new."""
    session = people.find(service.store, cookie) if cookie else None
    if session is not None and session.user is not None:
        return session, None
    if not is_open(service, request):
        return None, None
    return (session, None) if session else people.begin(service.store, None)


def _is_near(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _local(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
