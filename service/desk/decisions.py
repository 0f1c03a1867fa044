"""POST /v1/decisions: decisions made outside the desk, for its queue, log and webhooks.

    curl http://127.0.0.1:8000/v1/decisions -H 'Content-Type: application/json' \\
        -d '{"decisions": [{"comment_id": "c-17", "action": "reject", "reason": "SPAM", "moderator": "Ada"}]}'
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from parley.service.errors import BodyTooLarge, InvalidRequest, MalformedBody, StoreError, WrongMediaType
from parley.service.protocols.coral import RejectionCode
from parley.service.protocols.feedback import MAX_DECISIONS, CommentId, check_not_blank
from parley.service.store.desk import decisions
from parley.service.store.desk.decisions import By, Choice
from parley.service.web.context import Service, ServiceDep
from parley.service.web.json_body import JsonRoute
from parley.service.web.wire import JSON, AtMost, Wire, documented

router = APIRouter(route_class=JsonRoute, tags=["desk"])


class ModerationIn(BaseModel):
    """What a moderator decided on one comment."""

    model_config = ConfigDict(extra="forbid")

    comment_id: CommentId
    action: Literal["approve", "reject", "escalate"]
    reason: RejectionCode | None = Field(None, description="Of a rejection; `OTHER` when absent.")
    explanation: Annotated[str, AtMost(2000)] | None = Field(None, description="For the author.")
    note: Annotated[str, AtMost(2000)] | None = Field(None, description="For other moderators.")
    moderator: Annotated[str, AtMost(200)] | None = Field(None, description="Who decided.")
    key: Annotated[str, AtMost(36), AfterValidator(check_not_blank)] | None = Field(
        None,
        description="Idempotency key, such as a UUID: sent again, it changes nothing.",
        json_schema_extra={"pattern": r"\S"},
    )


class ModerationsRequest(BaseModel):
    """Moderators' decisions."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "decisions": [
                        {"comment_id": "c-17", "action": "reject", "reason": "SPAM", "moderator": "Ada"}
                    ]
                }
            ]
        },
    )

    decisions: list[ModerationIn] = Field(min_length=1, max_length=MAX_DECISIONS)


class ModerationsAnswer(BaseModel):
    """The log's numbers of the decisions, in the order sent."""

    model_config = ConfigDict(extra="forbid")

    ids: list[int]


@router.post(
    "/v1/decisions",
    summary="Record moderators' decisions",
    responses={
        200: {"model": ModerationsAnswer},
        **documented(InvalidRequest, MalformedBody, WrongMediaType, BodyTooLarge, StoreError),
    },
)
async def decide(sent: ModerationsRequest, service: ServiceDep) -> Response:
    """A comment waiting at the desk leaves its queue; for any other the decision is only logged."""
    return JSON({"ids": await run_in_threadpool(_decide, service, sent.decisions)})


def _decide(service: Service, sent: list[ModerationIn]) -> list[int]:
    urls = [hook.url for hook in service.settings.desk.webhooks]
    ids = []
    for each in sent:
        reason = (each.reason or "OTHER") if each.action == "reject" else None
        choice = Choice(action=each.action, reason=reason, explanation=each.explanation, note=each.note)
        by = By(who=each.moderator or "API", source="api")
        ids.append(
            decisions.decide_by_comment(service.store, each.comment_id, choice, by, key=each.key, urls=urls)
        )
    return ids


WIRE = Wire(router=router, paths=("/v1/decisions",))
