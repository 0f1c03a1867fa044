"""Pending webhook deliveries: stored with each decision, until delivered or given up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from parley.service.store.database import Store
from parley.service.store.desk.decisions import LOGGED
from parley.service.store.desk.tables import decisions, deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A decision to send to a webhook."""

    id: int
    url: str
    attempts: int
    decision: dict[str, Any]


def due(store: Store, *, size: int = 20) -> list[Delivery]:
    """Deliveries that are due, oldest first. Raises StoreError."""
    columns = [decisions.c[name].label(f"d_{name}") for name in LOGGED]
    query = (
        sa.select(deliveries.c.id, deliveries.c.url, deliveries.c.attempts, *columns)
        .join(decisions, decisions.c.id == deliveries.c.decision_id)
        .where(deliveries.c.next_at <= datetime.now(UTC))
        .order_by(deliveries.c.id)
        .limit(size)
    )
    with store.read() as connection:
        return [
            Delivery(
                id=row.id,
                url=row.url,
                attempts=row.attempts,
                decision={name: row._mapping[f"d_{name}"] for name in LOGGED},
            )
            for row in connection.execute(query)
        ]


def delivered(store: Store, delivery: Delivery) -> None:
    """Record a successful delivery. Raises StoreError."""
    values = {
        "attempts": delivery.attempts + 1,
        "delivered": datetime.now(UTC),
        "next_at": None,
        "problem": None,
    }
    _note(store, delivery, values)


def failed(store: Store, delivery: Delivery, problem: str, *, again_in: timedelta | None) -> None:
    """Record why a delivery failed and when to retry; None gives up. Raises StoreError."""
    next_at = None if again_in is None else datetime.now(UTC) + again_in
    _note(store, delivery, {"attempts": delivery.attempts + 1, "problem": problem, "next_at": next_at})


def owed(store: Store) -> tuple[int, int, str | None]:
    """Pending deliveries, those given up, and the newest problem. Raises StoreError."""
    waiting = sa.select(sa.func.count()).where(deliveries.c.next_at.is_not(None))
    lost = sa.select(sa.func.count()).where(deliveries.c.next_at.is_(None), deliveries.c.delivered.is_(None))
    newest = (
        sa.select(deliveries.c.problem)
        .where(deliveries.c.problem.is_not(None))
        .order_by(deliveries.c.id.desc())
        .limit(1)
    )
    with store.read() as connection:
        return connection.scalar(waiting) or 0, connection.scalar(lost) or 0, connection.scalar(newest)


def _note(store: Store, delivery: Delivery, values: Mapping[str, Any]) -> None:
    with store.write() as connection:
        connection.execute(sa.update(deliveries).where(deliveries.c.id == delivery.id).values(**values))
