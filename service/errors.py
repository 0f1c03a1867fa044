"""The errors of `service` and their HTTP statuses.

ServiceError
├── SettingsError      the settings can't be used (a file, a variable or a flag)
├── PolicyError        a policy can't be used
├── StoreError         the store can't be opened, read or written
│   └── PurgeRefused   a purge would delete most of it
├── FetchError         an article's page can't be fetched
├── StartError         the server can't start (a port in use, no model)
├── DumpError          a dump can't be read or its scores can't be written
│   └── NothingToScore a readable dump without comments
├── InvalidRequest     understood, but a value is missing, unknown or of the wrong kind
├── MalformedBody      not JSON
├── WrongMediaType     a body that isn't declared as JSON
├── NotFound           the requested thing doesn't exist
├── MissingKey         an API key is required
├── InvalidKey         an unknown or revoked API key
├── InvalidSignature   a missing or wrong signature
├── ForeignPage        a request from a web page while there are no keys
├── NotAllowed         the caller is known but lacks the right
├── Conflict           somebody else was faster
├── RateLimited        more requests than the caller may send
├── BodyTooLarge       more bytes than the server reads
├── RequestTimedOut    a body that did not arrive in time
├── Busy               the queue is full: retry later
├── NotReady           the model is still loading, or has stopped
└── PredictionFailed   the model raised on these comments

`STATUS` is the one table from error to HTTP status and code. Every protocol turns a `Problem` into its own
shape; the native one is {"error": {"code", "message", "details"}}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from parley.model.errors import CommentError


class ServiceError(Exception):
    """Base class of every error that `service` raises on purpose; the message says what to do.

    `details` name places in the request and their problems; `retry_after` is in seconds.
    """

    def __init__(
        self, message: str, *, details: Sequence[Mapping[str, Any]] = (), retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.details = tuple(details)
        self.retry_after = retry_after


class SettingsError(ServiceError):
    """The settings can't be used."""


class PolicyError(ServiceError):
    """A policy can't be used."""


class StoreError(ServiceError):
    """The store can't be opened, read or written."""


class PurgeRefused(StoreError):
    """A purge would delete most of the store."""


class FetchError(ServiceError):
    """An article's page can't be fetched, or may not."""


class StartError(ServiceError):
    """The server can't start."""


class DumpError(ServiceError):
    """A dump can't be read, or its scores can't be written."""


class NothingToScore(DumpError):
    """A readable dump without comments."""


class InvalidRequest(ServiceError):
    """A request whose values can't be used; `details` name the places."""


class MalformedBody(ServiceError):
    """A body that is not JSON."""


class WrongMediaType(ServiceError):
    """A body that isn't declared as JSON."""


class NotFound(ServiceError):
    """What the request names doesn't exist."""


class MissingKey(ServiceError):
    """An API key is required."""


class InvalidKey(ServiceError):
    """An unknown or revoked API key."""


class InvalidSignature(ServiceError):
    """A missing or wrong signature."""


class ForeignPage(ServiceError):
    """A request that another site's page may have sent, while no key is needed."""


class NotAllowed(ServiceError):
    """The caller is known but lacks the right."""


class Conflict(ServiceError):
    """Somebody else was faster: the thing is gone or taken."""


class RateLimited(ServiceError):
    """More requests than the caller may send."""


class BodyTooLarge(ServiceError):
    """More bytes than the server reads."""


class RequestTimedOut(ServiceError):
    """A body that did not arrive in time."""


class Busy(ServiceError):
    """The queue is full."""


class NotReady(ServiceError):
    """The model is still loading, or its thread has stopped."""


class PredictionFailed(ServiceError):
    """The model raised on these comments."""


STATUS: dict[type[Exception], tuple[int, str]] = {
    InvalidRequest: (422, "invalid_request"),
    CommentError: (422, "invalid_comment"),
    PolicyError: (422, "invalid_policy"),
    MalformedBody: (400, "malformed_body"),
    WrongMediaType: (415, "wrong_media_type"),
    NotFound: (404, "not_found"),
    MissingKey: (401, "missing_key"),
    InvalidKey: (401, "invalid_key"),
    InvalidSignature: (401, "invalid_signature"),
    ForeignPage: (403, "foreign_page"),
    NotAllowed: (403, "not_allowed"),
    Conflict: (409, "conflict"),
    RateLimited: (429, "rate_limited"),
    BodyTooLarge: (413, "body_too_large"),
    RequestTimedOut: (408, "request_timed_out"),
    Busy: (429, "busy"),
    NotReady: (503, "not_ready"),
    StoreError: (503, "store_unavailable"),
    PredictionFailed: (500, "prediction_failed"),
}
"""Error to HTTP status and code; a subclass has its parent's unless listed itself."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as HTTP sees it, before a protocol gives it its shape."""

    status: int
    code: str
    message: str
    details: tuple[Mapping[str, Any], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: Exception) -> Problem:
        """The problem for an error in STATUS; anything else is an internal error without details."""
        for kind in type(error).__mro__:
            if kind in STATUS:
                status, code = STATUS[kind]
                details = tuple(getattr(error, "details", ()))
                retry_after = getattr(error, "retry_after", None)
                headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
                return cls(status, code, str(error), details, headers)
        return cls(
            500, "internal_error", "Parley failed on this request: search its log for the request's id"
        )

    @classmethod
    def of_status(cls, status: int, headers: Mapping[str, str] | None = None) -> Problem:
        """The problem for a status that the web framework chose (404, 405, ...)."""
        phrase = HTTPStatus(status).phrase
        message = {
            404: "there is nothing at this address: /docs lists the routes",
            405: "this route does not support that method: see /docs",
        }.get(status, phrase)
        return cls(status, phrase.lower().replace(" ", "_"), message, (), dict(headers or {}))

    def to_dict(self) -> dict[str, Any]:
        """The native error shape."""
        return {
            "error": {"code": self.code, "message": self.message, "details": [dict(d) for d in self.details]}
        }
