"""POST /v1/classify: 1 to 1,000 comments in, their labels and decisions out, in the same order.

    curl http://127.0.0.1:8000/v1/classify -H 'Content-Type: application/json' \\
        -d '{"comments": [{"text": "What nonsense.", "article": {"title": "Council votes on bus lanes"}}]}'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from parley.model.comment import Article, Comment, Parent, Prediction, Question
from parley.model.labels import ABUSE
from parley.service.errors import (
    BodyTooLarge,
    Busy,
    InvalidRequest,
    MalformedBody,
    NotReady,
    PredictionFailed,
    WrongMediaType,
)
from parley.service.policy.decision import Decision
from parley.service.policy.result import to_result
from parley.service.protocols.health import ModelName
from parley.service.web.context import Service, ServiceDep
from parley.service.web.json_body import JsonRoute
from parley.service.web.wire import JSON, MAX_DETAILS, AtMost, FirstError, Wire, documented

router = APIRouter(route_class=JsonRoute)


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ArticleIn(_Sent):
    """The comment's article; off-topic needs its title or text."""

    id: Annotated[str, AtMost(512)] | None = Field(None, description="The site's own id.")
    url: Annotated[str, AtMost(2048)] | None = None
    title: Annotated[str, AtMost(10_000)] | None = None
    text: str | None = Field(None, description="The lede or the whole text; only its beginning is read.")


class ParentIn(_Sent):
    """The comment replied to."""

    id: Annotated[str, AtMost(512)] | None = None
    text: str | None = None


class AuthorIn(_Sent):
    """Who wrote the comment; only a keyed hash of the id is stored, and only with `store.queue`."""

    id: Annotated[str, AtMost(512)] | None = None


class CommentIn(_Sent):
    """A reader's comment and its context."""

    text: str = Field(description="The comment; not blank, at most `limits.text` characters (100,000).")
    id: Annotated[str, AtMost(512)] | None = Field(None, description="Echoed in the result.")
    article: ArticleIn | None = None
    parent: ParentIn | None = None
    target: Annotated[str, AtMost(10_000)] | None = Field(
        None, description="What the stance is towards; by default the article's title."
    )
    language: Annotated[str, AtMost(35)] | None = Field(None, description="BCP 47; detected when absent.")
    author: AuthorIn | None = None
    format: Literal["plain", "html", "markdown"] = Field(
        "plain", description="How `text` is marked up; spans count in the text as sent."
    )

    def to_comment(self, *, ask: Sequence[Question] = ()) -> Comment:
        """The model's comment, with what is asked about it."""
        article, parent = self.article, self.parent
        return Comment(
            text=self.text,
            id=self.id,
            article=Article(id=article.id, url=article.url, title=article.title, text=article.text)
            if article
            else None,
            parent=Parent(id=parent.id, text=parent.text) if parent else None,
            target=self.target,
            language=self.language,
            format=self.format,
            ask=tuple(ask),
        )


class ClassifyRequest(_Sent):
    """Comments to label."""

    comments: Annotated[list[CommentIn], FirstError()] = Field(
        description="1 to `limits.comments` (1,000) comments.",
        json_schema_extra={"minItems": 1, "maxItems": 1000},
    )
    ask: list[Question] = Field(
        [],
        description="Optional labels: `reply`, whether the comment agrees with its parent.",
        json_schema_extra={"uniqueItems": True},
    )
    policy: Annotated[str, AtMost(512)] | None = Field(
        None, description="Name of the policy that decides; by default the site's."
    )
    do_not_store: bool = Field(
        False, description="Store nothing of this for the moderators' desk, whatever the site's settings say."
    )


class StanceOut(BaseModel):
    """The side that the comment takes towards the target; the three sum to 1.

    `label` is null if a side is the likeliest but not likely enough to be named.
    """

    model_config = ConfigDict(extra="forbid")

    target: str
    favor: float
    against: float
    none: float
    label: Literal["favor", "against", "none"] | None


class ReplyOut(BaseModel):
    """Whether the comment agrees with its parent, disagrees, or neither; the three sum to 1."""

    model_config = ConfigDict(extra="forbid")

    agree: float
    disagree: float
    none: float
    label: Literal["agree", "disagree", "none"]


class SpanOut(BaseModel):
    """A part of the text as sent: start inclusive, end exclusive, in characters (Unicode code points)."""

    model_config = ConfigDict(extra="forbid")

    start: int
    end: int
    label: str
    score: float


class ReasonOut(BaseModel):
    """A rule that applied, with the value found and the threshold it was compared with."""

    model_config = ConfigDict(extra="forbid")

    code: str
    detail: str
    score: float | None
    threshold: float | None


class DecisionOut(BaseModel):
    """The policy's decision."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["approve", "review", "reject"]
    reasons: list[ReasonOut]


class ResultOut(BaseModel):
    """One comment's labels: calibrated probabilities. A label whose input is missing is null; see `notes`."""

    model_config = ConfigDict(extra="forbid")

    id: str | None
    abuse: dict[str, float] = Field(description=f"One score each for {', '.join(ABUSE)}.")
    spam: float
    off_topic: float | None
    stance: StanceOut | None
    reply: ReplyOut | None = Field(description="Null if not asked for, or without the parent's text.")
    spans: list[SpanOut]
    language: str | None
    decision: DecisionOut
    notes: list[str]


class ClassifyAnswer(BaseModel):
    """One result per comment, in the order sent."""

    model_config = ConfigDict(extra="forbid")

    model: ModelName
    results: list[ResultOut]


EXAMPLES: dict[str, Any] = {
    "one": {
        "summary": "One comment",
        "description": "Abuse and spam need only the comment.",
        "value": {"comments": [{"text": "You people are idiots, and so is whoever wrote this."}]},
    },
    "reply": {
        "summary": "A reply, with its article and a target",
        "description": "Off-topic needs the article; the target is what the stance is towards. "
        "`ask` adds whether the comment agrees with its parent.",
        "value": {
            "comments": [
                {
                    "id": "c-17",
                    "text": "Finally. My bus took forty minutes for two miles, only lanes help.",
                    "article": {
                        "id": "a-3",
                        "url": "https://news.example/bus-lanes",
                        "title": "Council votes for bus lanes on Harbour Road",
                        "text": "The city council approved two bus lanes on Harbour Road on Monday evening.",
                    },
                    "parent": {"text": "Nobody asked for this."},
                    "target": "bus lanes on Harbour Road",
                    "language": "en",
                }
            ],
            "ask": ["reply"],
        },
    },
    "batch": {
        "summary": "Several comments, marked up, under a policy",
        "description": "Up to 1,000; results keep the order. `policy` names the rules that decide.",
        "value": {
            "comments": [
                {"id": "1", "text": "<p>Well argued, <b>thank you</b>.</p>", "format": "html"},
                {"id": "2", "text": "I earn **$500 a day** from home, see my page!", "format": "markdown"},
                {"id": "3", "text": "THIS IS A DISGRACE AND EVERYONE KNOWS IT"},
            ],
            "policy": "strict",
        },
    },
}


@router.post(
    "/v1/classify",
    tags=["classify"],
    summary="Label comments",
    responses={
        200: {"model": ClassifyAnswer},
        **documented(
            InvalidRequest, MalformedBody, WrongMediaType, BodyTooLarge, Busy, NotReady, PredictionFailed
        ),
    },
)
async def classify(
    request: Request,
    service: ServiceDep,
    sent: Annotated[ClassifyRequest, Body(openapi_examples=EXAMPLES)],
) -> Response:
    """Abuse, spam, off-topic, stance, toxic spans and a decision for each comment, in the order sent."""
    check_limits(sent, service)
    policy = service.policy(sent.policy)
    comments = [comment.to_comment(ask=sent.ask) for comment in sent.comments]
    predictions = await service.predict(request, comments)
    decided = await service.decide(policy, comments, predictions)
    response = _answer(service.model_name, predictions, decided)
    if not sent.do_not_store:
        authors = [comment.author.id if comment.author else None for comment in sent.comments]
        response.background = service.queueing(comments, predictions, decided, policy, authors=authors)
    return response


def check_limits(sent: ClassifyRequest, service: Service) -> None:
    """Check the site's limits. Raises InvalidRequest, which names every place."""
    limits, count = service.settings.limits, len(sent.comments)
    if not 1 <= count <= limits.comments:
        problem = f"must hold 1 to {limits.comments} comments, not {count}"
        raise InvalidRequest(f"comments: {problem}", details=[{"place": "comments", "problem": problem}])
    details = []
    for i, comment in enumerate(sent.comments):
        if not comment.text.strip():
            details.append({"place": f"comments[{i}].text", "problem": "is blank: omit this comment"})
        elif too_long := limits.too_long(comment.text):
            details.append({"place": f"comments[{i}].text", "problem": too_long})
    if details:
        more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
        message = f"{details[0]['place']}: {details[0]['problem']}{more}"
        raise InvalidRequest(message, details=details[:MAX_DETAILS])


def _answer(
    model: dict[str, Any], predictions: Sequence[Prediction], decided: Sequence[Decision]
) -> Response:
    results = [to_result(*pair) for pair in zip(predictions, decided, strict=True)]
    return JSON({"model": model, "results": results})


WIRE = Wire(router=router, paths=("/v1/classify",), predicting=("/v1/classify",))
