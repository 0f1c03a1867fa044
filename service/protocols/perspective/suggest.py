"""POST /v1alpha1/comments:suggestscore: stores moderators' decisions for later fine-tuning.

Coral sends each approval (0) and rejection (1) here, with comment id, parent id and story URL as JSON in the
context's text; other clients send the article itself. `parley feedback export` writes what was stored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from parley.model.comment import Article
from parley.model.text.language import UNDETERMINED, detect_language
from parley.service.protocols.perspective import context
from parley.service.protocols.perspective.analyze import PROBABILITY, check_comment
from parley.service.protocols.perspective.attributes import MAX_ATTRIBUTES, lookup, without_version
from parley.service.protocols.perspective.errors import documented, invalid
from parley.service.protocols.perspective.schemas import (
    AttributeScores,
    Score,
    SuggestCommentScoreRequest,
    SuggestCommentScoreResponse,
    to_answer,
)
from parley.service.store.feedback import Suggestion
from parley.service.store.tables import MAX_NAME
from parley.service.web.context import ServiceDep, token_of
from parley.service.web.json_body import LenientJsonRoute
from parley.service.web.wire import JSON

_ATTRIBUTE = re.compile(r"[\w.@:/-]{1,100}")
"""Valid attribute names; a text doesn't match."""

router = APIRouter(route_class=LenientJsonRoute)


@router.post(
    "/v1alpha1/comments:suggestscore",
    summary="Store a moderator's decision, as Perspective does",
    responses={200: {"model": SuggestCommentScoreResponse}, **documented(400, 403, 429, 500, 503)},
)
async def suggest(request: Request, sent: SuggestCommentScoreRequest, service: ServiceDep) -> Response:
    """The text is stored only if the site turns that on; nothing is stored with `doNotStore`."""
    text = check_comment(sent.comment)
    surroundings = context.read(sent.context)
    values = _values(sent.attribute_scores or {})
    languages = [language for language in sent.languages or [] if language]
    detected = await run_in_threadpool(detect_language, text)
    # Coral declares English if its locale isn't one of five.
    language = languages[0] if languages and detected == UNDETERMINED else detected
    article = surroundings.article or Article()
    token = sent.client_token or None  # a blank one would replace all other blank ones
    comment_id = context.comment_id(surroundings, token)
    _check_names(client_token=token, community_id=sent.community_id, comment_id=comment_id)
    suggestions = [
        Suggestion(
            attribute=_label(attribute),
            value=value,
            text=text,
            client_token=token and token_of(request, token),
            community=sent.community_id,
            comment_id=comment_id,
            parent_id=surroundings.parent.id if surroundings.parent else None,
            article_url=article.url,
            article_title=article.title,
            article_text=article.text,
            language=language,
        )
        for attribute, value in values.items()
    ]
    await run_in_threadpool(service.feedback.keep, suggestions, do_not_store=bool(sent.do_not_store))
    answer = SuggestCommentScoreResponse(
        client_token=sent.client_token, requested_languages=languages, detected_languages=[detected]
    )
    return JSON(to_answer(answer))


def _values(sent: Mapping[str, AttributeScores | None]) -> dict[str, float]:
    """The value suggested for each attribute: its summary or, if missing, its highest span."""
    if not sent:
        raise invalid("INVALID_REQUEST", "Missing attribute_scores")
    if len(sent) > MAX_ATTRIBUTES:
        raise invalid("INVALID_REQUEST", f"More than {MAX_ATTRIBUTES} attribute_scores")
    values = {}
    for attribute, scores in sent.items():
        if not _ATTRIBUTE.fullmatch(attribute):
            raise invalid(
                "INVALID_REQUEST",
                "attribute_scores: an attribute has a name of 1 to 100 letters, digits and _ . @ : / -",
            )
        summary = scores.summary_score if scores else None
        spans = (scores.span_scores if scores else None) or []
        if any(span.begin is None or span.end is None for span in spans):
            raise invalid("INVALID_REQUEST", f"Span scores of {attribute[:60]} need begin and end")
        given = [_value(attribute, span.score) for span in spans]
        if summary is None and not given:
            raise invalid(
                "INVALID_REQUEST", f"Attribute {attribute[:60]} has neither summary_score nor span_scores"
            )
        values[attribute] = max(given) if summary is None else _value(attribute, summary)
    return values


def _check_names(**names: str | None) -> None:
    for place, name in names.items():
        if name and len(name) > MAX_NAME:
            raise invalid("INVALID_REQUEST", f"{place}: a name is longer than {MAX_NAME} characters")


def _value(attribute: str, score: Score | None) -> float:
    value = score.value if score else None
    if value is None or not (math.isfinite(value) and 0 <= value <= 1):
        raise invalid("INVALID_REQUEST", f"Score of {attribute[:60]} needs a value from 0 to 1")
    if score and score.type not in (None, "", PROBABILITY, "SCORE_TYPE_UNSPECIFIED"):
        raise invalid("INVALID_REQUEST", f"Score type of {attribute[:60]} must be PROBABILITY")
    return value


def _label(attribute: str) -> str:
    """The name under which a decision is stored: its label or, if there is none, the attribute's name.

    A site's own mapping is ignored: that a comment is likely to be rejected says nothing about its toxicity.
    """
    path = lookup(attribute, site={})
    return path.removeprefix("abuse.") if path else without_version(attribute).lower()
