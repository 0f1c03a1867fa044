"""POST /v1alpha1/comments:analyze: scores for one comment and, on request, for each sentence.

    curl 'http://127.0.0.1:8000/v1alpha1/comments:analyze?key=KEY' -H 'Content-Type: application/json' \\
        -d '{"comment": {"text": "What nonsense."}, "requestedAttributes": {"TOXICITY": {}}}'

Nothing is stored, unless the site stores incoming comments for its moderators (`store.queue`) and the request
has no `doNotStore`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from fastapi import APIRouter, Request, Response

from parley.model.comment import Comment, Prediction
from parley.model.text.language import UNDETERMINED
from parley.service.errors import InvalidRequest
from parley.service.protocols.perspective import context
from parley.service.protocols.perspective.attributes import (
    MAX_ATTRIBUTES,
    NEEDS_ARTICLE,
    left_out,
    lookup,
    score_of,
)
from parley.service.protocols.perspective.errors import documented, invalid
from parley.service.protocols.perspective.schemas import (
    AnalyzeCommentRequest,
    AnalyzeCommentResponse,
    AttributeParameters,
    AttributeScores,
    Score,
    SpanScore,
    TextEntry,
    to_answer,
)
from parley.service.protocols.perspective.spans import Utf16, sentences
from parley.service.web.context import Service, ServiceDep
from parley.service.web.json_body import LenientJsonRoute
from parley.service.web.wire import JSON

MAX_BYTES = 20_480
PROBABILITY = "PROBABILITY"
TEXT_TYPES = ("PLAIN_TEXT", "HTML", "TEXT_TYPE_UNSPECIFIED")

router = APIRouter(route_class=LenientJsonRoute)

Requested = Mapping[str, AttributeParameters]
Site = Mapping[str, str | None]


@router.post(
    "/v1alpha1/comments:analyze",
    summary="Score a comment, as Perspective does",
    responses={200: {"model": AnalyzeCommentResponse}, **documented(400, 403, 429, 500, 503)},
)
async def analyze(request: Request, sent: AnalyzeCommentRequest, service: ServiceDep) -> Response:
    """Attributes that can't be judged (OFF_TOPIC of a comment without words) are omitted."""
    text = check_comment(sent.comment)
    surroundings = context.read(sent.context)
    requested = {
        name: value or AttributeParameters() for name, value in (sent.requested_attributes or {}).items()
    }
    site = service.settings.perspective.attributes
    drop = bool(sent.drop_unsupported_attributes)
    with_article = surroundings.article is not None
    scores = _check_attributes(requested, site, with_article=with_article, drop=drop)
    languages = [language for language in sent.languages or [] if language]
    dropped = _dropped(drop, lambda: _check_declared(service, languages, requested))
    whole = Comment(text=text, article=surroundings.article, parent=surroundings.parent)
    places = sentences(text) if sent.span_annotations else []
    parts = places if len(places) > 1 else []
    predictions = await service.predict(request, [whole, *_sentences(whole, parts)])
    detected = predictions[0].language or UNDETERMINED
    if not languages:
        dropped = _dropped(drop, lambda: _check_detected(service, detected, requested))
    if dropped:
        scores = {}
    answer = AnalyzeCommentResponse(
        attribute_scores=_scores(text, predictions, parts, requested, scores) or None,
        languages=languages or [detected],
        detected_languages=[detected],
        client_token=sent.client_token,
    )
    response = JSON(to_answer(answer))
    if service.keeps_arrivals and not sent.do_not_store:
        comment_id = context.comment_id(surroundings, sent.client_token) or sent.client_token or None
        policy, kept = service.policy(), replace(whole, id=comment_id)
        decided = await service.decide(policy, [kept], predictions[:1])
        response.background = service.queueing([kept], predictions[:1], decided, policy)
    return response


def check_comment(comment: TextEntry | None) -> str:
    """The comment's text. Raises InvalidRequest if it is empty, too long, or not plain text."""
    text = (comment and comment.text) or ""
    if not text.strip():
        raise invalid("COMMENT_EMPTY", "Comment must be non-empty.")
    kind = (comment and comment.type) or "PLAIN_TEXT"
    if kind not in TEXT_TYPES:
        raise invalid("INVALID_REQUEST", "Unknown text type")
    if kind == "HTML":
        raise invalid("INVALID_REQUEST", "Currently, only 'PLAIN_TEXT' comments are supported")
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise invalid(
            "COMMENT_TOO_LONG",
            f"Comment text was too many bytes. Value ({size}) exceeded limit ({MAX_BYTES}).",
        )
    return text


def _dropped(drop: bool, check: Callable[[], None]) -> bool:
    """Whether a check fails and the client drops such attributes. Raises InvalidRequest if it doesn't."""
    try:
        check()
    except InvalidRequest:
        if not drop:
            raise
        return True
    return False


def _check_attributes(requested: Requested, site: Site, *, with_article: bool, drop: bool) -> dict[str, str]:
    """The score's path for each requested attribute, without those that the site maps to null and, with
    `drop`, those that can't be answered. Raises InvalidRequest."""
    if not requested:
        raise invalid("NO_REQUESTED_ATTRIBUTES", "Missing requested_attributes")
    if len(requested) > MAX_ATTRIBUTES:
        raise invalid("INVALID_REQUEST", f"More than {MAX_ATTRIBUTES} requested_attributes")
    scores = {}
    for attribute, parameters in requested.items():
        path = lookup(attribute, site=site)
        if left_out(attribute, site=site) or (drop and not _answerable(path, with_article)):
            continue
        if path is None:
            raise invalid("INVALID_REQUEST", f"Unknown requested attribute: {attribute[:60]}")
        if parameters.score_type not in (None, "", PROBABILITY, "SCORE_TYPE_UNSPECIFIED"):
            kind = parameters.score_type[:60]
            raise invalid(
                "INVALID_REQUEST", f"Requested score type {kind} is not supported by attribute {attribute}"
            )
        if path in NEEDS_ARTICLE and not with_article:
            raise invalid(
                "INVALID_REQUEST",
                f"Attribute {attribute} needs the article: send its text or its URL in "
                "context.articleAndParentComment.article.text, or as the first of context.entries",
            )
        scores[attribute] = path
    return scores


def _answerable(path: str | None, with_article: bool) -> bool:
    return path is not None and (with_article or path not in NEEDS_ARTICLE)


def _check_declared(service: Service, languages: Sequence[str], requested: Requested) -> None:
    """Refuse a comment declared only in languages that the model lacks, unless the site wants guesses."""
    ignored = not languages or service.settings.perspective.languages == "ignored"
    if not ignored and not any(_supported(service, language) for language in languages):
        raise _not_supported(next(iter(requested)), requested=languages, detected=[])


def _check_detected(service: Service, detected: str, requested: Requested) -> None:
    """As Perspective did, for sites that want it: refuse a comment whose language is uncertain."""
    if service.settings.perspective.languages != "detected":
        return
    if detected == UNDETERMINED:
        raise invalid("LANGUAGE_DETECTION_FAILED", "Unable to detect language")
    if not _supported(service, detected):
        raise _not_supported(next(iter(requested)), requested=[], detected=[detected])


def _supported(service: Service, language: str) -> bool:
    return language.lower().split("-")[0] in (*service.model.info.get("languages", ["en"]), UNDETERMINED)


def _not_supported(attribute: str, *, requested: Sequence[str], detected: Sequence[str]) -> Exception:
    names = ", ".join(name[:35] for name in requested or detected)
    return invalid(
        "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        f"Attribute {attribute} does not support request languages: {names}",
        languageNotSupportedByAttributeError={
            "detectedLanguages": list(detected),
            "requestedLanguages": list(requested),
            "attribute": attribute,
        },
    )


def _sentences(whole: Comment, places: Iterable[tuple[int, int]]) -> list[Comment]:
    """Each sentence as its own comment under the same article, in the whole's language."""
    return [
        Comment(text=whole.text[start:end], article=whole.article, language=UNDETERMINED)
        for start, end in places
    ]


def _scores(
    text: str,
    predictions: Sequence[Prediction],
    places: Sequence[tuple[int, int]],
    requested: Requested,
    paths: Mapping[str, str],
) -> dict[str, AttributeScores]:
    """Each attribute's summary and spans: the sentences or, if there are none, the whole text."""
    units = Utf16(text)
    answer = {}
    for attribute, path in paths.items():
        parameters = requested[attribute]
        summary = score_of(predictions[0], path)
        if summary is None or summary < (parameters.score_threshold or 0.0):
            continue
        spans = [
            _span(units, place, score)
            for place, prediction in zip(places, predictions[1:], strict=True)
            if (score := score_of(prediction, path)) is not None
        ]
        answer[attribute] = AttributeScores(
            span_scores=spans or [_span(units, (0, len(text)), summary)],
            summary_score=Score(value=summary, type=PROBABILITY),
        )
    return answer


def _span(units: Utf16, place: tuple[int, int], score: float) -> SpanScore:
    begin, end = map(units, place)
    return SpanScore(begin=begin, end=end, score=Score(value=score, type=PROBABILITY))
