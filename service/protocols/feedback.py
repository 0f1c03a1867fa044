"""POST /v1/feedback: moderators' decisions, kept as rows that a later fine-tune reads.

    curl http://127.0.0.1:8000/v1/feedback -H 'Content-Type: application/json' \\
        -d '{"decisions": [{"comment_id": "c-17", "label": "toxicity", "value": 0}]}'

The text of the comment and its author's keyed hash are kept only where the site has turned that on
(`store.comments`), and never with `do_not_store`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from parley.service.errors import BodyTooLarge, InvalidRequest, MalformedBody, StoreError, WrongMediaType
from parley.service.store.feedback import LABELS, Suggestion
from parley.service.web.context import ServiceDep, token_of
from parley.service.web.wire import JSON, AtMost, FirstError, JsonRoute, Wire, documented

MAX_DECISIONS = 1000

router = APIRouter(route_class=JsonRoute, tags=["feedback"])


def check_not_blank(name: str) -> str:
    if not name.strip():  # all of them would be one comment
        raise PydanticCustomError("blank", "is blank: give the comment's id")
    return name


class DecisionIn(BaseModel):
    """What a moderator says of one label of one comment; a later decision on it replaces this one."""

    model_config = ConfigDict(extra="forbid")

    comment_id: Annotated[str, AtMost(512), AfterValidator(check_not_blank)] = Field(
        json_schema_extra={"pattern": r"\S"}
    )
    label: Literal[LABELS]  # type: ignore[valid-type]
    value: Annotated[
        float, Field(ge=0, le=1, description="1: the label is right for the comment; 0: it isn't.")
    ]
    text: str | None = Field(None, description="The comment; a fine-tune needs it.")
    author: Annotated[str, AtMost(512)] | None = Field(
        None,
        description="The author's id, so that `parley forget` finds what is kept; only its keyed hash is.",
    )
    parent_id: Annotated[str, AtMost(512)] | None = None
    article_url: Annotated[str, AtMost(2048)] | None = None
    language: Annotated[str, AtMost(35)] | None = None


class FeedbackRequest(BaseModel):
    """Moderators' decisions."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "decisions": [
                        {"comment_id": "c-17", "label": "toxicity", "value": 0, "text": "What nonsense."}
                    ]
                }
            ]
        },
    )

    decisions: Annotated[list[DecisionIn], FirstError()] = Field(min_length=1, max_length=MAX_DECISIONS)
    do_not_store: bool = Field(False, description="Keep nothing of this, whatever the site's settings.")


class FeedbackAnswer(BaseModel):
    """How many decisions were kept."""

    model_config = ConfigDict(extra="forbid")

    kept: int


@router.post(
    "/v1/feedback",
    summary="Keep moderators' decisions",
    responses={
        200: {"model": FeedbackAnswer},
        **documented(InvalidRequest, MalformedBody, WrongMediaType, BodyTooLarge, StoreError),
    },
)
async def feedback(request: Request, sent: FeedbackRequest, service: ServiceDep) -> Response:
    """`parley feedback export` writes what is kept as training rows."""
    suggestions = [
        Suggestion(
            attribute=decision.label,
            value=decision.value,
            text=decision.text,
            author=decision.author,
            client_token=token_of(request, f"comment:{decision.comment_id}"),
            comment_id=decision.comment_id,
            parent_id=decision.parent_id,
            article_url=decision.article_url,
            language=decision.language,
        )
        for decision in sent.decisions
    ]
    kept = await run_in_threadpool(service.feedback.keep, suggestions, do_not_store=sent.do_not_store)
    return JSON({"kept": kept})


WIRE = Wire(router=router, paths=("/v1/feedback",))
