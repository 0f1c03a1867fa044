"""What the routes of every protocol share: the settings, the batcher, the policies, the metrics.

async def route(request: Request, service: ServiceDep) -> Response:
    predictions = await service.predict(request, comments)
    decision = service.policy("strict").decide(comment, predictions[0])
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from starlette.requests import ClientDisconnect

from parley.model.comment import Comment, Prediction
from parley.service.articles.lookup import Articles
from parley.service.batcher import Batcher, Predictor
from parley.service.errors import InvalidRequest, NotReady
from parley.service.metrics import Metrics
from parley.service.policy.decision import Policy, shipped
from parley.service.settings.schema import Settings
from parley.service.store.database import Store
from parley.service.store.feedback import SCOPE, Feedback

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
    feedback: Feedback
    _policies: dict[str, Policy] = field(default_factory=dict)

    @property
    def model(self) -> Predictor:
        """The loaded model, for its `info` and `thresholds`: the batcher alone predicts. Raises NotReady."""
        if self.batcher.model is None:
            raise NotReady("the model is still loading: try again in a moment", retry_after=2)
        return self.batcher.model

    @property
    def model_name(self) -> dict[str, Any]:
        """{"name", "version"} of the artifact. Raises NotReady."""
        info = self.model.info
        return {"name": info.get("name"), "version": info.get("version")}

    async def predict(self, request: Request, comments: Sequence[Comment]) -> list[Prediction]:
        """Predictions, same order and length; given up when the caller hangs up (ClientDisconnect).

        Articles that comments name and don't hold come from the store. Call it once the body is read.
        Raises NotReady, Busy, PredictionFailed, CommentError.
        """
        comments = await self.articles.fill(comments)
        request.state.comments = getattr(request.state, "comments", 0) + len(comments)
        predictions = await unless_hung_up(request, self.batcher.predict(comments))
        self.metrics.comments.inc(len(comments))
        return predictions

    def policy(self, name: str | None = None) -> Policy:
        """The policy that a request names: one that comes with Parley or the site's own; None is the site's.

        Raises InvalidRequest for a name there is not, NotReady without a model.
        """
        wanted = self.policy_name if name is None else name
        if wanted not in self._policies:
            names = sorted({*shipped(), self.policy_name})
            if wanted not in names:  # a request names policies, it never opens files
                problem = {"place": "policy", "problem": f"no such policy; there are {', '.join(names)}"}
                raise InvalidRequest(f"policy: {problem['problem']}", details=[problem])
            source = self.settings.policy if wanted == self.policy_name else wanted
            self._policies[wanted] = Policy.load(source, thresholds=self.model.thresholds)
        return self._policies[wanted]


def token_of(request: Request, token: str) -> str:
    """What a caller calls a decision, as it is kept: another caller's decision of that name stays."""
    caller = getattr(request.state, "caller", "")
    return f"{caller}{SCOPE}{token}" if caller else token


async def unless_hung_up(request: Request, work: Awaitable[T]) -> T:
    """What `work` gives; cancelled when the caller hangs up (ClientDisconnect). Read the body first."""
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
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


ServiceDep = Annotated[Service, Depends(get_service)]
