"""The HTTP application: `create_app(settings)` puts the protocols around one batcher.

    uvicorn.run(create_app(Settings.load()))     # what `parley serve` does, with more care

A new protocol is a module with a `WIRE`, and one line in `WIRES`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from model.errors import CommentError
from service import classify, health
from service.batcher import Batcher, Predictor, State
from service.context import Service
from service.errors import Problem, ServiceError
from service.metrics import Metrics
from service.middleware import BodyLimit, RequestLog
from service.policy import Policy
from service.settings import Settings
from service.wire import Wire, problem_of_framework, problem_of_validation, render

WIRES: tuple[Wire, ...] = (classify.WIRE, health.WIRE)

DESCRIPTION = """
Labels reader comments under news articles for **abuse**, **off-topic** and **stance**, on this machine.

Scores are calibrated probabilities. What lacks its input (off-topic without an article, stance without a
target) is `null`, and `notes` says why. Every error is `{"error": {"code", "message", "details"}}`.
"""


def create_app(
    settings: Settings | None = None,
    *,
    load: Callable[[], Predictor] | None = None,
    on_state: Callable[[State], None] = lambda state: None,
) -> FastAPI:
    """The application; its lifespan starts and drains the batcher.

    `load` makes the model, in the batcher's thread (default: the artifact of the settings); `on_state` hears
    what becomes of it. Raises PolicyError when the settings' policy can't be used.
    """
    settings = settings or Settings()
    Policy.load(settings.policy)  # a bad policy stops the start, not the first request
    metrics = Metrics()

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

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        batcher.close()

    app = FastAPIOffline(
        title="Parley",
        version=version("parley"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        swagger_ui_parameters={"tryItOutEnabled": True, "defaultModelsExpandDepth": 0},
    )
    app.state.service = Service(settings=settings, batcher=batcher, metrics=metrics)
    for wire in WIRES:
        app.include_router(wire.router)
    _answer_errors(app)
    app.add_middleware(BodyLimit, limit=settings.limits.body, wires=WIRES)
    app.add_middleware(RequestLog, metrics=metrics, wires=WIRES)  # the last added is the outermost
    return app


def _load_model(settings: Settings) -> Predictor:
    from model import Classifier  # here, so that the server listens while the engine is imported

    return Classifier.load(settings.model, threads=settings.threads)


def _answer_errors(app: FastAPI) -> None:
    def answer(request: Request, problem: Problem) -> Response:
        return render(request.url.path, problem, WIRES)

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
