"""Google's shape of errors: {"error": {"code", "message", "status", "details"}}.

raise invalid("COMMENT_EMPTY", "Comment must be non-empty.")

Clients branch on `details[].errorType` and match messages word for word, so both are Perspective's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from parley.service.errors import InvalidRequest, Problem
from parley.service.web.wire import JSON

_TYPES = "type.googleapis.com"
_METRIC = "Analysis requests (AnalyzeComment)"

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
"""HTTP status to Google's name for it; every error of this protocol has one of these."""


class GoogleStatus(BaseModel):
    """What went wrong; `details[].errorType` is for machines."""

    model_config = ConfigDict(extra="forbid")

    code: int
    message: str
    status: str = Field(examples=list(STATUS_NAMES.values())[:1])
    details: list[dict[str, Any]] | None = None


class GoogleErrorAnswer(BaseModel):
    """The shape of Perspective's errors."""

    model_config = ConfigDict(extra="forbid")

    error: GoogleStatus


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI responses for these statuses."""
    return {s: {"model": GoogleErrorAnswer, "description": f"`{STATUS_NAMES[s]}`"} for s in statuses}


def invalid(error_type: str, message: str, **more: Any) -> InvalidRequest:
    """An error in Perspective's words; `more` is added to its detail, beside `errorType`."""
    return InvalidRequest(message, details=[_detail(error_type) | more])


def render(problem: Problem) -> Response:
    """`problem` in Google's shape."""
    status = _status(problem)
    error: dict[str, Any] = {"code": status, "message": problem.message, "status": STATUS_NAMES[status]}
    details = _details(problem, status)
    if problem.code == "invalid_key":
        error["message"] = "API key not valid. Please pass a valid API key."
    elif problem.code == "rate_limited":
        error["message"] = (
            f"Quota exceeded for quota metric '{_METRIC}' and limit '{_METRIC} per minute' of service "
            "'commentanalyzer.googleapis.com' for consumer 'project_number:1'."
        )
    if details:
        error["details"] = details
    return JSON({"error": error}, status, dict(problem.headers))


def _status(problem: Problem) -> int:
    if problem.code == "missing_key":
        return 403
    if problem.status in STATUS_NAMES:
        return problem.status
    return 400 if problem.status < 500 else 500


def _details(problem: Problem, status: int) -> list[Mapping[str, Any]]:
    if problem.code == "invalid_key":
        return [_error_info("API_KEY_INVALID")]
    if status == 429:
        return _quota(problem)
    if status != 400:
        return []
    own = [detail for detail in problem.details if "errorType" in detail]
    if own:
        return own
    places = [{"field": d["place"], "description": d["problem"]} for d in problem.details]
    violations = {"@type": f"{_TYPES}/google.rpc.BadRequest", "fieldViolations": places}
    return [_detail("INVALID_REQUEST"), *([violations] if places else [])]


def _quota(problem: Problem) -> list[Mapping[str, Any]]:
    details: list[Mapping[str, Any]] = []
    if problem.code == "rate_limited":
        metadata = {
            "quota_limit_value": problem.headers.get("RateLimit-Limit", ""),
            "quota_limit": "AnalyzeRequestsPerMinutePerProject",
            "quota_metric": "CommentAnalyzerService/analyze_requests",
            "service": "commentanalyzer.googleapis.com",
            "consumer": "projects/1",
            "quota_location": "global",
        }
        details.append(_error_info("RATE_LIMIT_EXCEEDED", metadata=metadata))
    if "Retry-After" in problem.headers:
        delay = f"{problem.headers['Retry-After']}s"
        details.append({"@type": f"{_TYPES}/google.rpc.RetryInfo", "retryDelay": delay})
    return details


def _detail(error_type: str) -> dict[str, Any]:
    return {"@type": f"{_TYPES}/google.commentanalyzer.v1alpha1.Error", "errorType": error_type}


def _error_info(reason: str, *, metadata: Mapping[str, str] | None = None) -> dict[str, Any]:
    info = {"@type": f"{_TYPES}/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
    return info | ({"metadata": metadata} if metadata else {})
