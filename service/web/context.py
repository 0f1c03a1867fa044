"""Shared by the routes of all protocols: the settings, the batcher, the policies, the metrics.

async def route(request: Request, service: ServiceDep) -> Response:
    predictions = await service.predict(request, comments)
    decision = service.policy("strict").decide(comment, predictions[0])
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect

from parley.model.comment import Comment, Prediction
from parley.model.notes import Note
from parley.service.articles.lookup import Articles
from parley.service.articles.stories import Stories
from parley.service.batcher import Batcher
from parley.service.desk.arrivals import Arrivals, Arrived
from parley.service.errors import InvalidRequest, NotReady
from parley.service.metrics import Metrics
from parley.service.policy.decision import Decision, Policy, shipped
from parley.service.settings.schema import Settings
from parley.service.store.database import Store
from parley.service.store.desk import policies
from parley.service.store.feedback import SCOPE, Feedback

if TYPE_CHECKING:
    from parley.model.classifier import Classifier

INLINE_CHARACTERS = 5_000
"""Characters that a policy reads faster than a thread switch takes."""
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Service:
    """One running service."""

    settings: Settings
    policy_name: str
    batcher: Batcher
    metrics: Metrics
    store: Store
    articles: Articles
    stories: Stories
    feedback: Feedback
    arrivals: Arrivals
    _policies: dict[str, Policy] = field(default_factory=dict)
    _version: int = 0
    """The active version of the site's policy when last read; 0 is the file."""

    @property
    def model(self) -> Classifier:
        """The loaded model, for its `info` and `thresholds`; only the batcher predicts. Raises NotReady."""
        if self.batcher.model is None:
            raise NotReady("the model is still loading: try again in a moment", retry_after=2)
        return self.batcher.model

    @property
    def model_name(self) -> dict[str, Any]:
        """{"name", "version"} of the artifact. Raises NotReady."""
        info = self.model.info
        return {"name": info.get("name"), "version": info.get("version")}

    async def predict(self, request: Request, comments: Sequence[Comment]) -> list[Prediction]:
        """Predictions, same order and length; cancelled when the caller hangs up (ClientDisconnect).

        Articles that comments only name are read from the store; a comment on a closed story gets the note
        `story_closed`. Call it once the body is read.
        Raises NotReady, Busy, PredictionFailed, CommentError.
        """
        comments = await self.articles.fill(comments)
        closed = await self.stories.closed(comments)
        request.state.comments = getattr(request.state, "comments", 0) + len(comments)
        predictions = await unless_hung_up(request, self.batcher.predict(comments))
        self.metrics.comments.inc(len(comments))
        return [
            replace(prediction, notes=(*prediction.notes, Note.STORY_CLOSED.value)) if shut else prediction
            for prediction, shut in zip(predictions, closed, strict=True)
        ]

    async def decide(
        self, policy: Policy, comments: Sequence[Comment], predictions: Sequence[Prediction]
    ) -> list[Decision]:
        """The policy's decision on each comment, same order and length.

        Policies read every text again; long ones in a thread, so that they don't block the event loop.
        """
        if sum(len(comment.text) for comment in comments) <= INLINE_CHARACTERS:
            return _decide(policy, comments, predictions)
        return await run_in_threadpool(_decide, policy, comments, predictions)

    def policy(self, name: str | None = None) -> Policy:
        """The policy of this name, shipped or the site's; None is the site's.

        Raises InvalidRequest for an unknown name, NotReady without a model.
        """
        wanted = self.policy_name if name is None else name
        if wanted not in self._policies:
            names = sorted({*shipped(), self.policy_name})
            if wanted not in names:  # a request can name policies, not open files
                problem = {"place": "policy", "problem": f"no such policy; choose one of {', '.join(names)}"}
                raise InvalidRequest(f"policy: {problem['problem']}", details=[problem])
            source = self.settings.policy if wanted == self.policy_name else wanted
            policy = Policy.load(source, thresholds=self.model.thresholds)
            self._policies[wanted] = self._active(policy) if wanted == self.policy_name else policy
        return self._policies[wanted]

    def queueing(
        self,
        comments: Sequence[Comment],
        predictions: Sequence[Prediction],
        decided: Sequence[Decision],
        policy: Policy,
        *,
        authors: Sequence[str | None] = (),
    ) -> BackgroundTask | None:
        """The task that stores answered comments as the settings say; None if nothing is stored.

        Don't call it for comments whose client asks not to store them.
        """
        if not self.keeps_arrivals:
            return None
        authors = authors or [None] * len(comments)
        arrived = [
            Arrived(comment=comment, prediction=prediction, decision=decision, author=author)
            for comment, prediction, decision, author in zip(
                comments, predictions, decided, authors, strict=True
            )
        ]
        model = self.model_label

        def keep() -> None:
            self.stories.saw(comments)
            self.arrivals.keep(arrived, model=model, policy=policy.label)

        return BackgroundTask(run_in_threadpool, keep)

    @property
    def keeps_arrivals(self) -> bool:
        """Whether anything of incoming comments is stored: for the desk, or for stories' ages."""
        return self.arrivals.on or self.stories.days is not None

    @property
    def model_label(self) -> str:
        """The artifact's name and version, as in the log of decisions. Raises NotReady."""
        return "{name} {version}".format(**self.model_name)

    def policy_file(self) -> Policy:
        """The site's policy from its file, ignoring active versions. Raises NotReady, PolicyError."""
        return Policy.load(self.settings.policy, thresholds=self.model.thresholds)

    def forget_policy(self) -> None:
        """Drop the cached site policy, so that the next use reads it with the active version."""
        self._policies.pop(self.policy_name, None)

    def reread_policy(self) -> None:
        """Notice a version that another process has activated. Raises StoreError."""
        if self.policy_name in self._policies:
            version = policies.active(self.store, self.policy_name)
            if (version.version if version else 0) != self._version:
                self.forget_policy()

    def _active(self, policy: Policy) -> Policy:
        """The version that the desk made active, unless the file's rules have changed since."""
        version = policies.active(self.store, policy.name)
        self._version = version.version if version else 0
        if version is None or version.base != policy.fingerprint:
            return policy
        return policy.with_thresholds(version.thresholds, version=version.version)


def token_of(request: Request, token: str) -> str:
    """A caller's name for a decision as stored, so that callers don't replace each other's decisions."""
    caller = getattr(request.state, "caller", "")
    return f"{caller}{SCOPE}{token}" if caller else token


def _decide(policy: Policy, comments: Sequence[Comment], predictions: Sequence[Prediction]) -> list[Decision]:
    return [policy.decide(*pair) for pair in zip(comments, predictions, strict=True)]


async def unless_hung_up(request: Request, work: Awaitable[T]) -> T:
    """Await `work`; cancelled when the caller hangs up (ClientDisconnect). Read the body first."""
    job = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait({job, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not job.done():
            raise ClientDisconnect
        return job.result()
    finally:
        job.cancel()
        gone.cancel()


async def _hung_up(request: Request) -> None:
    """Return when the caller closed the connection; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def get_service(request: Request) -> Service:  # async: FastAPI would call it in another thread
    """The service that the app was made with, as a FastAPI dependency."""
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


ServiceDep = Annotated[Service, Depends(get_service)]
