"""Sends each decision, signed as Standard Webhooks defines, until the receiver answers 2xx.

    webhook-id         the decision's key, the same in every attempt, so that receivers can drop duplicates
    webhook-timestamp  seconds since 1970
    webhook-signature  v1,BASE64 of HMAC-SHA256 over "ID.TIMESTAMP.BODY" with the webhook's secret

A decision's deliveries are stored with it, so it arrives at least once, even across a restart. A failed
attempt is repeated after 5 s, then at growing intervals for three days.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from fastapi.concurrency import run_in_threadpool

from parley.service.errors import StoreError
from parley.service.logs import describe
from parley.service.settings.schema import Webhook
from parley.service.store.database import Store
from parley.service.store.desk import deliveries
from parley.service.store.desk.deliveries import Delivery

TIMEOUT_S = 10.0
LOOK_S = 1.0
DELAYS = (5, 30, 120, 600, 1800, 3600, *[6 * 3600] * 12)
"""Seconds before each further attempt."""

log = structlog.get_logger("parley.webhooks")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any, **named: Any) -> None:
        return None  # no redirects: a signed decision goes only where the settings say


_opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


class Deliverer:
    """Delivers what is due, to all receivers in parallel."""

    def __init__(self, store: Store, webhooks: list[Webhook]) -> None:
        self._store = store
        self._secrets = {hook.url: hook.secret.get_secret_value() for hook in webhooks}

    async def run(self) -> None:
        """Deliver until cancelled."""
        while self._secrets:
            try:
                due = await run_in_threadpool(deliveries.due, self._store)
                await asyncio.gather(*(run_in_threadpool(self.deliver, each) for each in due))
            except StoreError as error:
                log.warning("deliveries_wait", **describe(error))
                due = []
            if not due:
                await asyncio.sleep(LOOK_S)

    def deliver(self, delivery: Delivery) -> None:
        """Attempt a delivery, and record the result. Raises StoreError."""
        secret = self._secrets.get(delivery.url)
        if secret is None:
            deliveries.failed(
                self._store, delivery, "this webhook is no longer in the settings", again_in=None
            )
            return
        problem = send(delivery.url, secret, delivery.decision)
        if problem is None:
            deliveries.delivered(self._store, delivery)
            return
        delay = DELAYS[delivery.attempts] if delivery.attempts < len(DELAYS) else None
        again = None if delay is None else timedelta(seconds=delay)
        deliveries.failed(self._store, delivery, problem, again_in=again)
        log.warning("delivery_failed", attempt=delivery.attempts + 1, problem=problem, given_up=again is None)


def send(url: str, secret: str, decision: Mapping[str, Any]) -> str | None:
    """Make one attempt; None on success, else what went wrong."""
    body = body_of(decision)
    headers = signed(str(decision["key"]), int(time.time()), body, secret)
    request = urllib.request.Request(
        url, body, {**headers, "Content-Type": "application/json"}, method="POST"
    )
    try:
        with _opener.open(request, timeout=TIMEOUT_S) as answer:
            return None if 200 <= answer.status < 300 else f"the receiver answered {answer.status}"
    except urllib.error.HTTPError as error:
        return f"the receiver answered {error.code}"
    except TimeoutError:
        return f"the receiver did not answer within {TIMEOUT_S:g} s"
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return f"the receiver can't be reached: {type(reason).__name__}"


def body_of(decision: Mapping[str, Any]) -> bytes:
    """A decision as it is sent."""
    return json.dumps({"type": "decision", "decision": to_json(decision)}).encode()


def signed(key: str, timestamp: int, body: bytes, secret: str) -> dict[str, str]:
    """The headers that sign a body."""
    message = f"{key}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    return {
        "webhook-id": key,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def to_json(decision: Mapping[str, Any]) -> dict[str, Any]:
    """A decision of the log as JSON-ready values."""
    values = {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in decision.items()
    }
    values["scores"] = json.loads(decision["scores"]) if decision.get("scores") else None
    return values
