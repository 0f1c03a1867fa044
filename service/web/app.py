"""The HTTP application: `create_app(settings)` puts the protocols around one batcher.

    uvicorn.run(create_app(Settings.load()))     # `parley serve` does this, with more care

A new protocol is a module with a `WIRE`, and one line in `WIRES`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from parley import __version__
from parley.model.errors import CommentError
from parley.service.articles.fetch import Fetcher
from parley.service.articles.lookup import Articles
from parley.service.articles.stories import Stories
from parley.service.batcher import Batcher, State
from parley.service.desk import decisions as desk_decisions
from parley.service.desk import routes as desk
from parley.service.desk.arrivals import Arrivals
from parley.service.errors import Problem, PurgeRefused, ServiceError, StoreError
from parley.service.logs import describe
from parley.service.metrics import Metrics
from parley.service.policy.decision import Policy
from parley.service.privacy import KeyedHashes
from parley.service.protocols import articles, classify, coral, feedback, health, openai, perspective, tei
from parley.service.settings.schema import Settings
from parley.service.store import retention
from parley.service.store.database import Store
from parley.service.store.feedback import Feedback
from parley.service.web.access import OPEN_PATHS, AccessControl, Gate, is_loopback
from parley.service.web.browser import SameMachine
from parley.service.web.context import Service
from parley.service.web.middleware import Admission, BodyLimit, RequestLog, Unread
from parley.service.web.proxy import Prefix, Proxy
from parley.service.web.wire import Wire, problem_of_framework, problem_of_validation, render

if TYPE_CHECKING:
    from parley.model.classifier import Classifier

WIRES: tuple[Wire, ...] = (
    classify.WIRE,
    articles.WIRE,
    feedback.WIRE,
    perspective.WIRE,
    coral.WIRE,
    openai.WIRE,
    tei.WIRE,
    health.WIRE,
    desk_decisions.WIRE,
    desk.WIRE,
)

PURGE_S = 3600.0
REREAD_S = 5.0
"""Seconds after which a policy version activated in another process takes effect here."""
PREFLIGHT_S = 3600
"""How long a browser may cache a CORS permission."""

log = structlog.get_logger("parley.app")

DESCRIPTION = """
Labels reader comments under news articles for **abuse**, **off-topic** and **stance**, on this machine.

Scores are calibrated probabilities. What lacks its input (off-topic without an article, stance without a
target) is `null`, and `notes` says why. Every error is `{"error": {"code", "message", "details"}}`.
"""


def create_app(
    settings: Settings | None = None,
    *,
    load: Callable[[], Classifier] | None = None,
    on_state: Callable[[State], None] = lambda state: None,
) -> FastAPI:
    """The application; its lifespan starts and drains the batcher.

    `load` creates the model in the batcher's thread (default: the settings' artifact); `on_state` gets its
    state. Raises PolicyError if the settings' policy can't be used, StoreError without a store.
    """
    settings = settings or Settings()
    service = _make_service(settings, load=load, on_state=on_state)
    gate = Gate(
        service.store,
        anonymous=settings.access.anonymous,
        loopback=is_loopback(settings.host),
        rate=settings.access.rate,
    )
    app = FastAPIOffline(
        title="Parley",
        version=__version__,
        description=DESCRIPTION,
        lifespan=_lifespan,
        redoc_url=None,
        swagger_ui_parameters={"tryItOutEnabled": True, "defaultModelsExpandDepth": 0},
    )
    app.state.service = service
    _describe_keys(app)
    for wire in WIRES:
        app.include_router(wire.router)
    _answer_errors(app)
    app.add_middleware(Prefix)
    larger = {desk.UPLOAD: settings.desk.upload}
    app.add_middleware(BodyLimit, limit=settings.limits.body, larger=larger, wires=WIRES)
    signed = (coral.PATH,) if settings.coral.secrets else ()
    app.add_middleware(AccessControl, gate=gate, wires=WIRES, open_paths=signed)
    app.add_middleware(SameMachine, is_open=gate.is_still_open, wires=WIRES, hosts=[settings.host])
    app.add_middleware(Admission, check=service.batcher.check, wires=WIRES)
    app.add_middleware(RequestLog, metrics=service.metrics, wires=WIRES)
    if origins := settings.access.origins:
        # Outside access: a browser's preflight request has no key.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["X-Request-ID", "Retry-After"],
            max_age=PREFLIGHT_S,
        )
    server = settings.server
    app.add_middleware(Proxy, trusted=server.trusted_proxies, root_path=server.root_path)
    app.add_middleware(Unread)  # the last added is the outermost
    return app


def _describe_keys(app: FastAPI) -> None:
    """Describe API keys in the OpenAPI document, which gives /docs its Authorize button."""
    describe_routes = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe_routes()
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer KEY"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-KEY"},
        }
        document["security"] = [{"bearer": []}, {"header": []}, {}]  # none while there is no key
        for path in OPEN_PATHS:
            for operation in document["paths"].get(path, {}).values():
                operation["security"] = []
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document


def _make_service(
    settings: Settings, *, load: Callable[[], Classifier] | None, on_state: Callable[[State], None]
) -> Service:
    policy = Policy.load(settings.policy)  # a bad policy stops the start, not the first request
    metrics = Metrics()
    store = Store.open(settings.store.database)

    def on_model(state: State) -> None:
        if state == "ready" and batcher.model is not None:
            metrics.model.info({k: str(batcher.model.info.get(k)) for k in ("name", "version")})
        on_state(state)

    batcher = Batcher(
        load or (lambda: _load_model(settings)),
        max_batch=settings.queue.batch,
        max_queue=settings.queue.comments,
        max_wait=settings.queue.wait,
        on_batch=metrics.on_batch,
        on_state=on_model,
    )
    metrics.watch(waiting=lambda: batcher.waiting, up=lambda: batcher.state == "ready")
    hashes = KeyedHashes(settings.store.author_secret)
    stories = Stories(store, days=settings.desk.close_after)
    on_closed = stories.read_page if settings.fetch.closed else None
    return Service(
        settings=settings,
        policy_name=policy.name,
        batcher=batcher,
        metrics=metrics,
        store=store,
        articles=Articles(store, _fetcher(settings), on_closed=on_closed),
        stories=stories,
        feedback=Feedback(store, hashes, comments=settings.store.comments),
        arrivals=Arrivals(store, hashes, on=settings.store.queue),
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    service.batcher.start()
    purging = asyncio.create_task(_purge(service.store, days=service.settings.store.days))
    rereading = asyncio.create_task(_reread(service))
    working = desk.Working(service)
    app.state.scoring = working.scoring
    yield
    purging.cancel()
    rereading.cancel()
    await working.stop()
    await service.articles.close()
    service.batcher.close()
    service.store.close()


def _load_model(settings: Settings) -> Classifier:
    from parley.model import Classifier
    from parley.model.text.language import load_identifier

    # Now, not at the first comment that isn't plainly English; and before the networks take memory.
    load_identifier()
    return Classifier.load(settings.model, threads=settings.threads)


def _fetcher(settings: Settings) -> Fetcher | None:
    fetch = settings.fetch
    if not fetch.hosts:
        return None
    return Fetcher(hosts=fetch.hosts, seconds=fetch.seconds, max_bytes=fetch.bytes, redirects=fetch.redirects)


async def _reread(service: Service) -> None:
    """Follow policy versions that other processes on the same store activate."""
    while True:
        await asyncio.sleep(REREAD_S)
        try:
            await run_in_threadpool(service.reread_policy)
        except StoreError as error:
            log.warning("policy_not_reread", **describe(error))


async def _purge(store: Store, *, days: int) -> None:
    """Delete what is older than `days`, at the start and every hour."""
    while True:
        try:
            purged = await run_in_threadpool(retention.purge, store, older_than=timedelta(days=days))
        except PurgeRefused as error:
            log.warning("purge_refused", reason=str(error))
        except StoreError as error:
            log.warning("purge_failed", **describe(error))
        else:
            if purged:
                log.info("purged", rows=purged)
        await asyncio.sleep(PURGE_S)


def _answer_errors(app: FastAPI) -> None:
    def answer(request: Request, problem: Problem) -> Response:
        return render(request.scope["path"].removeprefix(request.scope["root_path"]), problem, WIRES)

    @app.exception_handler(ServiceError)
    @app.exception_handler(CommentError)
    async def on_own(request: Request, error: Exception) -> Response:
        return answer(request, Problem.of(error))

    @app.exception_handler(RequestValidationError)
    async def on_validation(request: Request, error: RequestValidationError) -> Response:
        return answer(request, problem_of_validation(error))

    @app.exception_handler(HTTPException)
    async def on_framework(request: Request, error: HTTPException) -> Response:
        return answer(request, problem_of_framework(error))
