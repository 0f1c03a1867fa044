"""POST /coral/phase: Coral's external moderation phase, answered as the site's policy decides.

Signed requests (`coral.secrets`) are checked over their raw bytes, and need no API key; unsigned ones need
one in the callback URL (`?key=KEY`), unless the service is open.

    approve   204, no opinion: Coral's later phases decide
    review    SYSTEM_WITHHELD, until a moderator has decided (`coral.review: flag` only flags it)
    reject    REJECTED, with a reason for the author (DSA)

A policy that only observes gives no opinion: `parley_decisions_total` in /metrics counts what it would have
done. A comment on a closed story is rejected anyway.

Coral discards the whole answer if it doesn't know a value: the enumerations below are its own. It sends
neither the article nor the parent; the article is looked up in the store by the story's URL or id.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.background import BackgroundTask, BackgroundTasks
from starlette.types import Message

from parley.model.comment import Article, Comment, Parent
from parley.service.errors import (
    BodyTooLarge,
    Busy,
    InvalidRequest,
    InvalidSignature,
    MalformedBody,
    NotReady,
    PredictionFailed,
    StoreError,
    WrongMediaType,
)
from parley.service.logs import describe
from parley.service.policy.decision import CLOSED, Decision, Reason
from parley.service.policy.rules import WORD_LIST
from parley.service.web.context import Service, ServiceDep, get_service
from parley.service.web.json_body import JsonRoute
from parley.service.web.wire import JSON, Wire, documented

PATH = "/coral/phase"
log = structlog.get_logger("parley.coral")
SIGNATURE_HEADER = "X-Coral-Signature"

RejectionCode = Literal[
    "OFFENSIVE",
    "ABUSIVE",
    "SPAM",
    "BANNED_WORD",
    "AD",
    "ILLEGAL_CONTENT",
    "HARASSMENT_BULLYING",
    "MISINFORMATION",
    "HATE_SPEECH",
    "IRRELEVANT_CONTENT",
    "OTHER",
]
FlagReason = Literal["COMMENT_DETECTED_TOXIC", "COMMENT_DETECTED_SPAM"]

CODES: Mapping[str, RejectionCode] = {
    "abuse.toxicity": "ABUSIVE",
    "abuse.severe_toxicity": "ABUSIVE",
    "abuse.insult": "ABUSIVE",
    "abuse.identity_attack": "HATE_SPEECH",
    "abuse.profanity": "OFFENSIVE",
    "abuse.threat": "HARASSMENT_BULLYING",
    "abuse.sexually_explicit": "OFFENSIVE",
    "spam": "SPAM",
    "links": "SPAM",
    "off_topic": "IRRELEVANT_CONTENT",
}
"""A rule's `when` to Coral's code; a word list is BANNED_WORD, all else OTHER."""


class CoralComment(BaseModel):
    """The reader's text, as HTML or plain text by Coral's setting."""

    id: str | None = None
    body: str | None = None
    parentID: str | None = None


class CoralAuthor(BaseModel):
    """Who wrote it."""

    id: str | None = None


class CoralStory(BaseModel):
    """The article's names, without its text."""

    id: str | None = None
    url: str | None = None


class CoralRequest(BaseModel):
    """What Coral sends; keys that Parley doesn't use are ignored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "action": "NEW",
                    "comment": {"body": "Well argued, thank you.", "parentID": None},
                    "author": {"id": "reader-17", "role": "COMMENTER"},
                    "story": {"id": "story-3", "url": "https://news.example/bridge"},
                    "site": {"id": "site-1"},
                    "tenantID": "tenant-1",
                    "tenantDomain": "news.example",
                }
            ]
        }
    )

    action: str | None = Field(default=None, description="`NEW` or `EDIT`.")
    comment: CoralComment
    author: CoralAuthor | None = None
    story: CoralStory | None = None


class CoralFlag(BaseModel):
    """A flag on the comment."""

    actionType: Literal["FLAG"] = "FLAG"
    reason: FlagReason


class CoralRejectionReason(BaseModel):
    """What the author is told (DSA)."""

    code: RejectionCode
    detailedExplanation: str
    customReason: str | None = None


class CoralModerationAction(BaseModel):
    """Only beside `REJECTED`: Coral tells the author of a rejection wherever it finds this."""

    status: Literal["REJECTED"] = "REJECTED"
    rejectionReason: CoralRejectionReason


class CoralAnswer(BaseModel):
    """What Coral should do; without a `status` its later phases decide."""

    status: Literal["REJECTED", "SYSTEM_WITHHELD"] | None = None
    actions: list[CoralFlag] | None = None
    moderationAction: CoralModerationAction | None = None
    parley: dict[str, Any] | None = Field(
        default=None, description="The decision behind it; Coral ignores this key."
    )


class _SignedRoute(JsonRoute):
    """Checks the signature before the body is parsed."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_signed(request: Request) -> Response:
            secrets = (await get_service(request)).settings.coral.secrets
            unread: list[Message] = [{"type": "http.request", "body": await request.body()}]
            check_signature(unread[0]["body"], ",".join(request.headers.getlist(SIGNATURE_HEADER)), secrets)

            async def receive() -> Message:
                return unread.pop() if unread else await request.receive()

            return await handle(Request(request.scope, receive))

        return handle_signed


router = APIRouter(route_class=_SignedRoute, tags=["coral"])


@router.post(
    PATH,
    summary="Coral's external moderation phase",
    responses={
        200: {"model": CoralAnswer},
        204: {"description": "No opinion"},
        **documented(
            InvalidRequest,
            InvalidSignature,
            MalformedBody,
            WrongMediaType,
            BodyTooLarge,
            Busy,
            NotReady,
            PredictionFailed,
        ),
    },
)
async def phase(request: Request, sent: CoralRequest, service: ServiceDep) -> Response:
    """Coral continues without an opinion if it gets an error or has waited too long."""
    settings = service.settings.coral
    comment = _comment(sent, html=settings.body == "html")
    if not comment.text.strip():
        return Response(status_code=204)  # a rating without words
    _check_length(comment, service)
    prediction = (await service.predict(request, [comment]))[0]
    policy = service.policy()
    [decision] = await service.decide(policy, [comment], [prediction])
    service.metrics.decisions.labels(policy.name, decision.action).inc()
    told = decision
    if policy.observe:
        closed = CLOSED in decision.reasons
        told = Decision(action="reject", reasons=(CLOSED,)) if closed else Decision(action="approve")
    answer = to_answer(told, withhold=settings.review == "withhold")
    if answer is None:
        response = Response(status_code=204)
    else:
        behind = {"model": service.model_name, "decision": decision.to_dict()}
        response = JSON({**answer.model_dump(exclude_none=True), "parley": behind})
    author = sent.author.id if sent.author else None
    kept = replace(comment, id=sent.comment.id)
    queueing = service.queueing([kept], [prediction], [decision], policy, authors=[author])
    noting = BackgroundTask(_note_author, service, comment, author) if author else None
    response.background = BackgroundTasks([task for task in (noting, queueing) if task is not None])
    return response


async def _note_author(service: Service, comment: Comment, author: str) -> None:
    """Record the comment's author, if the site stores comments: Coral's suggested scores don't have it."""
    try:
        await run_in_threadpool(service.feedback.saw, comment, author)
    except StoreError as error:
        log.warning("author_not_noted", **describe(error))


def check_signature(body: bytes, header: str | None, secrets: Sequence[SecretStr]) -> None:
    """Accept `body` if any signature in `header` was made with any of `secrets`; without secrets, always.

    While a secret is rotated, Coral signs with the old and the new one: `sha256=<hex>,sha256=<hex>`.
    Raises InvalidSignature.
    """
    if not secrets:
        return
    given = [part.strip().removeprefix("sha256=").encode() for part in (header or "").split(",")]
    good = False
    for secret in secrets:
        made = hmac.new(secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest().encode()
        for signature in given:
            good |= hmac.compare_digest(made, signature)  # every pair, so that the time reveals nothing
    if not good:
        raise InvalidSignature(
            f"{SIGNATURE_HEADER} is missing, or by none of the secrets in coral.secrets: copy the phase's "
            "signing secret from Coral whole, empsec_ included"
        )


def to_answer(decision: Decision, *, withhold: bool) -> CoralAnswer | None:
    """A decision as sent to Coral; None is no opinion.

    `withhold`: a comment to review is not shown before a moderator has decided.
    """
    if decision.action == "approve":
        return None
    flags = _flags(decision.reasons)
    if decision.action == "reject":
        reason = _rejection_reason(decision.reasons)
        action = CoralModerationAction(rejectionReason=reason)
        return CoralAnswer(status="REJECTED", actions=flags or None, moderationAction=action)
    if withhold:
        return CoralAnswer(status="SYSTEM_WITHHELD", actions=flags or None)
    return CoralAnswer(actions=flags) if flags else None


def _flags(reasons: Sequence[Reason]) -> list[CoralFlag]:
    flags: list[CoralFlag] = []
    if any((reason.when or "").startswith("abuse.") for reason in reasons):
        flags.append(CoralFlag(reason="COMMENT_DETECTED_TOXIC"))
    if any(_code(reason) == "SPAM" for reason in reasons):
        flags.append(CoralFlag(reason="COMMENT_DETECTED_SPAM"))
    return flags


def _rejection_reason(reasons: Sequence[Reason]) -> CoralRejectionReason:
    """From the strictest rule, which comes first; the explanation names all that applied."""
    code = _code(reasons[0]) if reasons else "OTHER"
    explanation = "; ".join(_explain(reason) for reason in reasons)
    custom = reasons[0].detail if reasons and code == "OTHER" else None
    return CoralRejectionReason(code=code, detailedExplanation=explanation, customReason=custom)


def _explain(reason: Reason) -> str:
    if reason.score is None or reason.threshold is None:
        return f"{reason.code}: {reason.detail}"
    return f"{reason.code}: {reason.detail} [{reason.score:.4g}, threshold {reason.threshold:.4g}]"


def _code(reason: Reason) -> RejectionCode:
    when = reason.when or ""
    return "BANNED_WORD" if when.startswith(WORD_LIST) else CODES.get(when, "OTHER")


def _comment(sent: CoralRequest, *, html: bool) -> Comment:
    story, parent = sent.story, sent.comment.parentID
    return Comment(
        text=sent.comment.body or "",
        article=Article(id=story.id, url=story.url) if story else None,
        parent=Parent(id=parent) if parent else None,
        format="html" if html else "plain",
    )


def _check_length(comment: Comment, service: Service) -> None:
    if problem := service.settings.limits.too_long(comment.text):
        raise InvalidRequest(
            f"comment.body: {problem}", details=[{"place": "comment.body", "problem": problem}]
        )


WIRE = Wire(router=router, paths=(PATH,), predicting=(PATH,))
