"""GET /health and GET /metrics."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from parley.service.batcher import LOADING_RETRY_S
from parley.service.web.context import ServiceDep
from parley.service.web.wire import JSON, Wire

router = APIRouter()


class ModelName(BaseModel):
    """The artifact being served."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(examples=["parley-minilm"])
    version: str | None = Field(examples=["0.1.0"])


class Health(BaseModel):
    """Whether Parley can answer."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["ok", "loading", "failed", "stopped"]
    model: ModelName | None = None
    waiting: int = Field(description="Comments in the queue.")
    store: Literal["ok", "unavailable"] = Field(
        description="Whether the database answered when last used; comments are scored without it too."
    )


@router.head("/health", include_in_schema=False)  # as some load balancers ask
@router.get(
    "/health",
    tags=["operation"],
    summary="Is the model running?",
    responses={
        200: {"model": Health},
        503: {"model": Health, "description": "The model is loading or has stopped"},
    },
)
async def health(service: ServiceDep) -> Response:
    """200 while the model is loaded and its thread is alive; 503 before and after."""
    state = service.batcher.state
    answer: dict[str, Any] = {
        "status": "ok" if state == "ready" else state,
        "model": service.model_name if state == "ready" else None,
        "waiting": service.batcher.waiting,
        "store": "ok" if service.store.available else "unavailable",
    }
    if state == "ready":
        return JSON(answer)
    return JSON(answer, 503, {"Retry-After": str(LOADING_RETRY_S)} if state == "loading" else None)


@router.get(
    "/metrics",
    tags=["operation"],
    summary="Counters and times for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(service: ServiceDep) -> Response:
    """Requests, comments, queue, batches, model and process in the Prometheus text format."""
    return Response(service.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


WIRE = Wire(router=router, paths=("/health", "/metrics"))
