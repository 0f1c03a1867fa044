"""POST /v1/feedback: stores moderators' decisions for later fine-tuning.

    curl http://127.0.0.1:8000/v1/feedback -H 'Content-Type: application/json' \\
        -d '{"decisions": [{"comment_id": "c-17", "label": "toxicity", "value": 0}]}'

A decision says whether a label is right, or approves or rejects the comment, which is stored as the labels
that it implies (`store.desk.decisions.labels_of`).

The comment's text and its author's keyed hash are stored only if the site turns that on (`store.comments`),
and never with `do_not_store`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from parley.service.errors import BodyTooLarge, InvalidRequest, MalformedBody, StoreError, WrongMediaType
from parley.service.protocols.coral import RejectionCode
from parley.service.store.desk.decisions import labels_of
from parley.service.store.feedback import LABELS, Suggestion
from parley.service.web.context import ServiceDep, token_of
from parley.service.web.json_body import JsonRoute
from parley.service.web.wire import JSON, AtMost, FirstError, Wire, documented

MAX_DECISIONS = 1000

router = APIRouter(route_class=JsonRoute, tags=["feedback"])


def check_not_blank(name: str) -> str:
    """The id as given. Raises PydanticCustomError for a blank one."""
    if not name.strip():  # all blank ids would count as one comment
        raise PydanticCustomError("blank", "is blank: give the comment's id")
    return name


CommentId = Annotated[
    str, AtMost(512), AfterValidator(check_not_blank), Field(json_schema_extra={"pattern": r"\S"})
]


class DecisionIn(BaseModel):
    """A moderator's decision on a comment; a later one on the same label replaces it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "oneOf": [
                {
                    "required": ["label", "value"],
                    "properties": {
                        "label": {"type": "string"},
                        "value": {"type": "number"},
                        "action": {"type": "null"},
                        "reason": {"type": "null"},
                    },
                },
                {
                    "required": ["action"],
                    "properties": {
                        "action": {"type": "string"},
                        "label": {"type": "null"},
                        "value": {"type": "null"},
                    },
                },
            ]
        },
    )

    comment_id: CommentId
    label: Literal[LABELS] | None = None  # type: ignore[valid-type]
    value: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="1: the label is right for the comment; 0: it isn't."
    )
    action: Literal["approve", "reject"] | None = Field(
        None, description="Instead of `label` and `value`: what was done with the comment."
    )
    reason: RejectionCode | None = Field(
        None, description="The reason of a rejection; the labels that it implies are stored."
    )
    text: str | None = Field(None, description="The comment; needed for fine-tuning.")
    author: Annotated[str, AtMost(512)] | None = Field(
        None,
        description="The author's id, for `parley forget`; only its keyed hash is stored.",
    )
    parent_id: Annotated[str, AtMost(512)] | None = None
    article_url: Annotated[str, AtMost(2048)] | None = None
    language: Annotated[str, AtMost(35)] | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        labelled = self.label is not None and self.value is not None
        if self.action is None and labelled and self.reason is None:
            return self
        if self.action is not None and self.label is None and self.value is None:
            return self
        raise PydanticCustomError(
            "decision", "give a label with its value, or an action with its reason, and not both"
        )

    @property
    def taught(self) -> Mapping[str, float]:
        """The decision's labels and values."""
        if self.action is not None:
            return labels_of(self.action, self.reason)
        return {} if self.label is None or self.value is None else {self.label: self.value}


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
    do_not_store: bool = Field(False, description="Store nothing of this, whatever the site's settings say.")


class FeedbackAnswer(BaseModel):
    """How much was stored."""

    model_config = ConfigDict(extra="forbid")

    kept: int = Field(description="Number of labels stored: two per approval, up to two per rejection.")


@router.post(
    "/v1/feedback",
    summary="Store moderators' decisions",
    responses={
        200: {"model": FeedbackAnswer},
        **documented(InvalidRequest, MalformedBody, WrongMediaType, BodyTooLarge, StoreError),
    },
)
async def feedback(request: Request, sent: FeedbackRequest, service: ServiceDep) -> Response:
    """`parley feedback export` writes the stored decisions as training rows."""
    suggestions = [
        Suggestion(
            attribute=label,
            value=value,
            text=decision.text,
            author=decision.author,
            client_token=token_of(request, f"comment:{decision.comment_id}"),
            comment_id=decision.comment_id,
            parent_id=decision.parent_id,
            article_url=decision.article_url,
            language=decision.language,
        )
        for decision in sent.decisions
        for label, value in decision.taught.items()
    ]
    kept = await run_in_threadpool(service.feedback.keep, suggestions, do_not_store=sent.do_not_store)
    return JSON({"kept": kept})


WIRE = Wire(router=router, paths=("/v1/feedback",))
