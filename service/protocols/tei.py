"""POST /predict, POST / and GET /info, as HuggingFace's text-embeddings-inference (TEI) answers them.

    curl http://127.0.0.1:8000/tei/stance/predict -H 'Content-Type: application/json' \\
        -d '{"inputs": ["Council votes for bus lanes", "Finally, lanes are what we need."]}'

`abuse` and `spam` read one text; `off_topic` and `stance` read a pair: article (or target), comment. For
those a single text of several lines is also a pair, with the title in its first line, as Discourse sends it.
/predict answers a single text with `abuse` and a pair with `stance`. Labels are sorted by score, highest
first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from parley import __version__
from parley.model.comment import Article, Comment, Prediction
from parley.model.labels import ABUSE, OFF_TOPIC, SPAM, STANCES
from parley.service.errors import BodyTooLarge, InvalidRequest, Problem
from parley.service.web.context import Service, ServiceDep
from parley.service.web.json_body import JsonRoute
from parley.service.web.wire import JSON, FirstError, Wire

Head = Literal["abuse", "spam", "off_topic", "stance"]
LABELS: Mapping[str, tuple[str, ...]] = {
    "abuse": ABUSE,
    SPAM: (SPAM, "not_spam"),
    OFF_TOPIC: (OFF_TOPIC, "on_topic"),
    "stance": STANCES,
}
PAIRS = (OFF_TOPIC, "stance")
ERROR_TYPES = {413: "validation", 422: "validation", 424: "backend", 429: "overloaded", 503: "unhealthy"}
SMALLEST = 1e-7
"""Scores are clipped this far from 0 and 1 before taking the logarithm."""

router = APIRouter(route_class=JsonRoute, tags=["tei"])


_Texts = Annotated[list[str], FirstError()]


class PredictRequest(BaseModel):
    """A text, a pair, or a batch of both."""

    inputs: str | _Texts | Annotated[list[_Texts], FirstError()] = Field(
        description="A text; two texts: a pair; a list of lists of one or two: a batch.",
        examples=["What nonsense.", ["Bus lanes", "Finally."], [["What nonsense."], ["Thank you."]]],
    )
    raw_scores: bool = Field(
        default=False, description="Logarithms: sigmoid (abuse, spam, off_topic) or softmax gives the scores."
    )
    truncate: bool | None = Field(default=None, description="Ignored: long texts are read whole.")
    truncation_direction: str | None = None


class LabelScore(BaseModel):
    """A label and its score."""

    label: str
    score: float


class TeiError(BaseModel):
    """The shape of TEI's errors."""

    error: str
    error_type: str


class Info(BaseModel):
    """The served model and its limits."""

    model_id: str
    model_sha: str | None
    model_dtype: str
    model_type: dict[str, Any]
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_client_batch_size: int
    auto_truncate: bool
    tokenization_workers: int
    version: str


PREDICT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": list[LabelScore] | list[list[LabelScore]]},
    **{status: {"model": TeiError} for status in (400, 401, 413, 415, 422, 424, 429, 503)},
}
INFO_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": Info},
    **{status: {"model": TeiError} for status in (401, 422, 429, 503)},
}


def render(problem: Problem) -> Response:
    """`problem` in TEI's shape."""
    status = 424 if problem.code == "prediction_failed" else problem.status
    kind = ERROR_TYPES.get(status, problem.code)
    message = problem.message
    if problem.details and problem.details[0]["place"].startswith(
        "inputs."
    ):  # pydantic's message for each form
        message = "inputs: must be a text, two texts (a pair), or a list of lists of one or two texts"
    return JSON({"error": message, "error_type": kind}, status, dict(problem.headers))


@router.post("/", summary="Classify texts, as TEI does at its root", responses=PREDICT_RESPONSES)
async def predict_at_root(request: Request, sent: PredictRequest, service: ServiceDep) -> Response:
    """As /predict."""
    return await _predict(request, sent, service, None)


@router.post("/predict", summary="Classify texts, as TEI does", responses=PREDICT_RESPONSES)
async def predict(request: Request, sent: PredictRequest, service: ServiceDep) -> Response:
    """A single text by the head `abuse`, a pair by `stance`."""
    return await _predict(request, sent, service, None)


@router.post("/tei/{head}/predict", summary="Classify texts by one head", responses=PREDICT_RESPONSES)
async def predict_head(request: Request, head: Head, sent: PredictRequest, service: ServiceDep) -> Response:
    """As /predict, always by this head."""
    return await _predict(request, sent, service, head)


@router.get("/info", summary="Describe the model, as TEI does", responses=INFO_RESPONSES)
async def info(service: ServiceDep) -> Response:
    """The labels are those of the head `abuse`."""
    return _info(service, "abuse")


@router.get("/tei/{head}/info", summary="Describe one head, as TEI does", responses=INFO_RESPONSES)
async def info_head(head: Head, service: ServiceDep) -> Response:
    """The labels of this head."""
    return _info(service, head)


async def _predict(request: Request, sent: PredictRequest, service: Service, head: Head | None) -> Response:
    rows = _rows(sent.inputs)
    batch = isinstance(sent.inputs, list) and bool(sent.inputs) and isinstance(sent.inputs[0], list)
    limit = service.settings.limits.comments
    if not rows:
        raise _invalid("must hold a text")
    if len(rows) > limit:
        raise BodyTooLarge(f"batch size {len(rows)} > maximum allowed batch size {limit}")
    asked = [(head or ("stance" if len(row) == 2 else "abuse"), row) for row in rows]
    comments = [_comment(name, row, service) for name, row in asked]
    predictions = await service.predict(request, comments)
    answers = [
        _labels(name, prediction, raw=sent.raw_scores)
        for (name, _), prediction in zip(asked, predictions, strict=True)
    ]
    return JSON(answers if batch else answers[0])


def _rows(inputs: str | list[str] | list[list[str]]) -> list[tuple[str, ...]]:
    """The texts of each row: one, or a pair. Raises InvalidRequest."""
    if isinstance(inputs, str):
        return [(inputs,)]
    texts = [text for text in inputs if isinstance(text, str)]
    rows = [tuple(texts)] if texts else [tuple(row) for row in inputs]
    if any(len(row) not in (1, 2) for row in rows):
        raise _invalid(
            'has a row that is neither one text nor a pair: a batch is a list of lists, [["a"], ["b"]]'
        )
    return rows


def _comment(head: str, row: tuple[str, ...], service: Service) -> Comment:
    if too_long := service.settings.limits.too_long(max(row, key=len)):
        raise _invalid(f"has a text that {too_long}")
    if head not in PAIRS:
        if len(row) == 2:
            raise _invalid(f"has a pair, and {head} reads one text: send [[text], [text]] for a batch")
        return Comment(text=row[0])
    context, comment = row if len(row) == 2 else _split(head, row[0])
    return Comment(text=comment, article=Article(title=context))


def _split(head: str, text: str) -> tuple[str, str]:
    title, line_break, rest = text.strip().partition("\n")
    if not line_break:
        raise _invalid(
            f"has one text, and {head} reads a pair: [article, comment], or a title's line before the comment"
        )
    return title, rest


def _labels(head: str, prediction: Prediction, *, raw: bool) -> list[dict[str, Any]]:
    """Each label with its score, the highest first."""
    scores = _scores(head, prediction)
    if raw:
        softmax = head == "stance"
        scores = {label: _logarithm(score, softmax=softmax) for label, score in scores.items()}
    ordered = sorted(scores.items(), key=lambda pair: -pair[1])
    return [{"label": label, "score": score} for label, score in ordered]


def _scores(head: str, prediction: Prediction) -> dict[str, float]:
    labels = LABELS[head]
    paths = {"stance": [f"stance.{name}" for name in labels], "abuse": labels}.get(head, [head])
    scores = [score for path in paths if (score := prediction.score(path)) is not None]
    if not scores:
        raise _invalid(f"has a text without words, and {head} compares two texts")
    if len(scores) == 1:
        scores.append(round(1 - scores[0], 6))
    return dict(zip(labels, scores, strict=True))


def _logarithm(score: float, *, softmax: bool) -> float:
    """The logit of `score`, for softmax or the sigmoid."""
    held = min(max(score, SMALLEST), 1 - SMALLEST)
    return math.log(held) if softmax else math.log(held / (1 - held))


def _info(service: Service, head: str) -> Response:
    model, settings = service.model.info, service.settings
    labels = LABELS[head]
    classifier = {
        "id2label": {str(i): label for i, label in enumerate(labels)},
        "label2id": {label: i for i, label in enumerate(labels)},
    }
    return JSON(
        {
            "model_id": f"{model.get('name')}/{head}",
            "model_sha": None,
            "model_dtype": "int8",
            "model_type": {"classifier": classifier},
            "max_concurrent_requests": settings.queue.comments,
            "max_input_length": int(model.get("max_tokens", 256)),
            "max_batch_tokens": int(model.get("max_tokens", 256)) * settings.queue.batch,
            "max_client_batch_size": settings.limits.comments,
            "auto_truncate": False,
            "tokenization_workers": 1,
            "version": __version__,
        }
    )


def _invalid(problem: str) -> InvalidRequest:
    return InvalidRequest(f"inputs: {problem}", details=[{"place": "inputs", "problem": problem}])


WIRE = Wire(
    router=router,
    paths=("/predict", "/info", "/tei/"),
    exactly=("/",),
    predicting=("/", "/predict", *(f"/tei/{head}/predict" for head in LABELS)),
    render=render,
)
