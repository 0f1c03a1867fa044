"""GET /$discovery/rest: the document that Google's client libraries are built from.

build("commentanalyzer", "v1alpha1",
discoveryServiceUrl="http://127.0.0.1:8000/$discovery/rest?version=v1alpha1")
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from parley.service.errors import NotFound
from parley.service.protocols.perspective import schemas
from parley.service.protocols.perspective.errors import documented
from parley.service.web.context import ServiceDep
from parley.service.web.wire import JSON

VERSION = "v1alpha1"
PATH = "/$discovery/rest"

MESSAGES: tuple[type[BaseModel], ...] = (
    schemas.AnalyzeCommentRequest,
    schemas.AnalyzeCommentResponse,
    schemas.SuggestCommentScoreRequest,
    schemas.SuggestCommentScoreResponse,
)

router = APIRouter()


@router.get(
    PATH,
    summary="The document that Google's client libraries are built from",
    responses={
        200: {"content": {"application/json": {"schema": {"type": "object"}}}},
        **documented(400, 404, 429),
    },
)
async def discovery(request: Request, service: ServiceDep, version: str = VERSION) -> Response:
    """Its `rootUrl` is the setting `public_url`, or the requested address."""
    if version != VERSION:
        raise NotFound(f"there is no version {version[:20]!r} of this API: ask for version={VERSION}")
    return JSON(document(service.settings.public_url or str(request.base_url)))


def document(root_url: str) -> dict[str, Any]:
    """The discovery document of a service at `root_url`."""
    root = root_url.rstrip("/") + "/"
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": f"commentanalyzer:{VERSION}",
        "name": "commentanalyzer",
        "version": VERSION,
        "title": "Parley, in Perspective's protocol",
        "description": "Scores of reader comments, as calibrated probabilities.",
        "protocol": "rest",
        "rootUrl": root,
        "servicePath": "",
        "baseUrl": root,
        "batchPath": "batch",
        "parameters": _parameters(),
        "schemas": _schemas(),
        "resources": {
            "comments": {
                "methods": {
                    "analyze": _method("analyze", "AnalyzeComment", "Scores a comment."),
                    "suggestscore": _method("suggestscore", "SuggestCommentScore", "Stores a decision."),
                }
            }
        },
    }


def _method(name: str, message: str, description: str) -> dict[str, Any]:
    path = f"{VERSION}/comments:{name}"
    return {
        "id": f"commentanalyzer.comments.{name}",
        "path": path,
        "flatPath": path,
        "httpMethod": "POST",
        "description": description,
        "parameters": {},
        "parameterOrder": [],
        "request": {"$ref": f"{message}Request"},
        "response": {"$ref": f"{message}Response"},
    }


def _parameters() -> dict[str, Any]:
    """Query parameters that Google's clients may send with any method."""
    names = ("access_token", "alt", "fields", "key", "oauth_token", "quotaUser", "$.xgafv")
    described: dict[str, Any] = {name: {"type": "string", "location": "query"} for name in names}
    described["prettyPrint"] = {"type": "boolean", "default": "true", "location": "query"}
    return described


def _schemas() -> dict[str, Any]:
    """The messages in discovery's dialect of JSON Schema."""
    schemas: dict[str, Any] = {}
    for message in MESSAGES:
        whole = message.model_json_schema(by_alias=True, ref_template="{model}")
        for name, schema in {message.__name__: whole, **whole.get("$defs", {})}.items():
            properties = {key: _plain(value) for key, value in schema["properties"].items()}
            schemas[name] = {"id": name, "type": "object", "properties": properties}
    return schemas


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A property's schema without null, which discovery lacks."""
    given = next((s for s in schema.get("anyOf", ()) if s.get("type") != "null"), schema)
    plain: dict[str, Any] = {key: given[key] for key in ("type", "$ref") if key in given}
    if "items" in given:
        plain["items"] = _plain(given["items"])
    if "additionalProperties" in given:
        plain["additionalProperties"] = _plain(given["additionalProperties"])
    if plain.get("type") == "number":
        plain["format"] = "double"
    if plain.get("type") == "integer":
        plain["format"] = "int32"
    if "description" in schema:
        plain["description"] = schema["description"]
    return plain
