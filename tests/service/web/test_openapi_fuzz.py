"""Schemathesis over the whole OpenAPI document: no 5xx, no status or shape that isn't documented."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import Receive, Scope, Send

from parley.model import Classifier
from parley.service.settings.schema import Settings, Storage
from parley.service.web.app import create_app
from tests.service.conftest import wait_until_ready

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

GOLDEN = json.loads((Path(__file__).parents[1] / "openapi.json").read_text(encoding="utf-8"))
OPERATIONS = [f"{method} {path}" for path, methods in GOLDEN["paths"].items() for method in methods]


@schemathesis.serializer("multipart/mixed")
def as_it_is(context: Any, value: Any) -> bytes:
    """A batch is generated as bytes; protocols/test_perspective_batch.py sends well-formed ones."""
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture(scope="module")
def api(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    app = create_app(Settings(store=Storage(folder=folder)), load=lambda: classifier)
    with TestClient(app) as client:
        wait_until_ready(client)

        async def running(scope: Scope, receive: Receive, send: Send) -> None:
            """The application, started once: Schemathesis would start and stop it for each request."""
            if scope["type"] == "http":
                # Without a key the service answers only to this machine's own names.
                named = [
                    (name, b"localhost" if name == b"host" else value) for name, value in scope["headers"]
                ]
                await app({**scope, "headers": named}, receive, send)
                return
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})

        yield schemathesis.openapi.from_asgi("/openapi.json", running)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_request_breaks_the_document(api: Any, operation: str) -> None:
    method, path = operation.split()
    asked = api[path][method]
    takes_something = "requestBody" in GOLDEN["paths"][path][method] or "{" in path
    modes = [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if takes_something else [])]

    @given(case=st.one_of([asked.as_strategy(generation_mode=mode) for mode in modes]))
    @settings(max_examples=25, suppress_health_check=list(HealthCheck), database=None)
    def check(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    check()
