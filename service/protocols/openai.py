"""POST /v1/moderations: OpenAI's moderation protocol, for SDKs and guardrails that take a base URL.

    OpenAI(base_url="http://127.0.0.1:8000/v1").moderations.create(input="What nonsense.")

A category is flagged from the policy's threshold, else the model's. Those that Parley doesn't judge are false
and 0, with an empty list of applied input types: self-harm, illicit, minors, graphic violence, and all
images.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from parley.model.comment import Comment, Prediction
from parley.service.errors import InvalidRequest, NotFound, Problem
from parley.service.web.context import Service, ServiceDep
from parley.service.web.json_body import JsonRoute
from parley.service.web.wire import JSON, FirstError, Wire

CATEGORIES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "harassment": (("toxicity",), ("insult",)),
    "harassment/threatening": (("threat",),),
    "hate": (("identity_attack",),),
    "hate/threatening": (("identity_attack", "threat"),),
    "illicit": (),
    "illicit/violent": (),
    "self-harm": (),
    "self-harm/intent": (),
    "self-harm/instructions": (),
    "sexual": (("sexually_explicit",),),
    "sexual/minors": (),
    "violence": (("threat",),),
    "violence/graphic": (),
}
"""Category to groups of labels: any group, and all labels in it. None: Parley doesn't judge it."""

ERROR_TYPES = {
    401: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}

router = APIRouter(route_class=JsonRoute, tags=["openai"])


class TextPart(BaseModel):
    """A text."""

    type: Literal["text"]
    text: str


class ImageUrl(BaseModel):
    """Where an image is."""

    url: str


class ImagePart(BaseModel):
    """An image; images are not judged."""

    type: Literal["image_url"]
    image_url: ImageUrl


class ModerationRequest(BaseModel):
    """A text, several texts, or the parts of one message."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"input": "You people are idiots."}]})

    input: (
        str
        | Annotated[list[str], FirstError()]
        | Annotated[
            list[
                Annotated[
                    Annotated[TextPart, Tag("text")] | Annotated[ImagePart, Tag("image_url")],
                    Discriminator("type"),
                ]
            ],
            FirstError(),
        ]
    ) = Field(description="A string gives one result, strings one each, parts one together.")
    model: str | None = Field(default=None, description="Any name; the answer has the served model's.")


class ModerationResult(BaseModel):
    """One result; each map has all 13 categories."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[Literal["text"]]]


class ModerationAnswer(BaseModel):
    """One result for a string or for parts, one each for strings."""

    id: str
    model: str
    results: list[ModerationResult]


class Model(BaseModel):
    """A model that can be used."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(BaseModel):
    """All of them."""

    object: Literal["list"]
    data: list[Model]


class OpenAIError(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIErrorAnswer(BaseModel):
    """The shape of OpenAI's errors."""

    error: OpenAIError


_MODEL_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": OpenAIErrorAnswer} for status in (401, 404, 429, 503)
}


def render(problem: Problem) -> Response:
    """`problem` in OpenAI's shape."""
    status = 400 if problem.status == 422 else problem.status
    place, message = problem.details[0]["place"] if problem.details else None, problem.message
    if place and place.startswith("input."):  # pydantic's message for each form that doesn't match
        place, message = (
            "input",
            "input: must be a string, a list of strings, or a list of text and image parts",
        )
    code = {"invalid_key": "invalid_api_key", "rate_limited": "rate_limit_exceeded"}.get(problem.code)
    error = {
        "message": message,
        "type": ERROR_TYPES.get(status, "invalid_request_error"),
        "param": place,
        "code": code,
    }
    return JSON({"error": error}, status, dict(problem.headers))


@router.post(
    "/v1/moderations",
    summary="Moderate texts, as OpenAI does",
    responses={
        200: {"model": ModerationAnswer},
        **{status: {"model": OpenAIErrorAnswer} for status in (400, 401, 413, 415, 429, 500, 503)},
    },
)
async def moderations(request: Request, sent: ModerationRequest, service: ServiceDep) -> Response:
    """Harassment, hate, sexual content and threats; the rest is never flagged."""
    texts = _texts(sent.input)
    _check_limits(texts, service)
    judged = [Comment(text=text) for text in texts if text is not None]
    predictions = iter(await service.predict(request, judged) if judged else ())
    thresholds = service.policy(None).operating_points
    results = [_result(None if text is None else next(predictions), thresholds) for text in texts]
    answer = {
        "id": f"modr-{uuid.uuid4().hex}",
        "model": _model_id(service),
        "results": results,
    }
    return JSON(answer)


@router.get(
    "/v1/models",
    summary="List the model, as OpenAI does",
    responses={200: {"model": ModelList}, **_MODEL_ERRORS},
)
async def models(service: ServiceDep) -> Response:
    """A list of one; moderation requests may use any name."""
    return JSON({"object": "list", "data": [_model(service)]})


@router.get(
    "/v1/models/{model}",
    summary="Describe the model, as OpenAI does",
    responses={200: {"model": Model}, **_MODEL_ERRORS},
)
async def model(model: str, service: ServiceDep) -> Response:
    """404 for any name but the listed one."""
    if model != _model_id(service):
        raise NotFound(f"The model '{model[:60]}' does not exist: GET /v1/models lists the one that does")
    return JSON(_model(service))


def _model_id(service: Service) -> str:
    name = service.model_name
    return f"{name['name']}-{name['version']}"


def _model(service: Service) -> dict[str, Any]:
    return {"id": _model_id(service), "object": "model", "created": 0, "owned_by": "parley"}


def _texts(sent: str | Sequence[str | TextPart | ImagePart]) -> list[str | None]:
    """A text for each result; None if the parts have no text."""
    if isinstance(sent, str):
        return [sent]
    strings = [part for part in sent if isinstance(part, str)]
    if len(strings) == len(sent):
        return list(strings)
    parts = [part.text for part in sent if isinstance(part, TextPart)]
    return ["\n".join(parts) if parts else None]


def _check_limits(texts: Sequence[str | None], service: Service) -> None:
    limits = service.settings.limits
    problem = None
    if not 1 <= len(texts) <= limits.comments:
        problem = f"must hold 1 to {limits.comments} texts, not {len(texts)}"
    elif too_long := limits.too_long(max((text or "" for text in texts), key=len)):
        problem = f"a text {too_long}"
    if problem:
        raise InvalidRequest(f"input: {problem}", details=[{"place": "input", "problem": problem}])


def _result(prediction: Prediction | None, thresholds: Mapping[str, float]) -> dict[str, Any]:
    abuse = prediction.abuse if prediction else {}

    def reached(label: str) -> bool:
        return abuse[label] >= thresholds[label]

    judged = {name: groups if prediction else () for name, groups in CATEGORIES.items()}
    flags = {name: any(all(map(reached, group)) for group in groups) for name, groups in judged.items()}
    scores = {
        name: max((min(abuse[label] for label in group) for group in groups), default=0.0)
        for name, groups in judged.items()
    }
    return {
        "flagged": any(flags.values()),
        "categories": flags,
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] if groups else [] for name, groups in judged.items()},
    }


WIRE = Wire(
    router=router, paths=("/v1/moderations", "/v1/models"), predicting=("/v1/moderations",), render=render
)
