"""Versions of the site's policy made at the desk: the file's rules with other thresholds.

Version 0 is the file. A new version is on trial ("watching") first: it decides nothing, and the desk shows
what it would have done. At most one version is active, and any can be activated again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from parley.service.store.database import Store
from parley.service.store.desk.tables import policy_versions


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """One version; `thresholds` are by rule (see `Policy.with_thresholds`)."""

    id: int
    version: int
    created: datetime
    created_by: str
    base: str
    thresholds: Mapping[str, float]
    state: str


def all_versions(store: Store, policy: str) -> list[PolicyVersion]:
    """Every version of a policy, newest first. Raises StoreError."""
    query = (
        sa.select(policy_versions)
        .where(policy_versions.c.policy == policy)
        .order_by(policy_versions.c.version.desc())
    )
    with store.read() as connection:
        return [_version(row) for row in connection.execute(query)]


def active(store: Store, policy: str) -> PolicyVersion | None:
    """The active version; None is the file. Raises StoreError."""
    here = (policy_versions.c.policy == policy) & (policy_versions.c.state == "active")
    with store.read() as connection:
        row = connection.execute(sa.select(policy_versions).where(here)).first()
    return None if row is None else _version(row)


def save(store: Store, policy: str, *, thresholds: Mapping[str, float], base: str, by: str) -> int:
    """Save a new version on trial, replacing any other; returns its number. Raises StoreError."""
    of = policy_versions.c
    with store.write() as connection:
        last = connection.scalar(sa.select(sa.func.max(of.version)).where(of.policy == policy)) or 0
        _change(connection, (of.policy == policy) & (of.state == "watching"), "former")
        values: dict[str, Any] = {
            "policy": policy,
            "version": last + 1,
            "created": datetime.now(UTC),
            "created_by": by,
            "base": base,
            "thresholds": json.dumps(dict(thresholds)),
            "state": "watching",
        }
        connection.execute(sa.insert(policy_versions).values(**values))
    return int(last) + 1


def activate(store: Store, policy: str, version: int) -> None:
    """Activate a version; 0 is the file. Raises StoreError."""
    of = policy_versions.c
    with store.write() as connection:
        _change(connection, (of.policy == policy) & (of.state == "active"), "former")
        _change(connection, (of.policy == policy) & (of.version == version), "active")


def _change(connection: sa.Connection, which: sa.ColumnElement[bool], state: str) -> None:
    connection.execute(sa.update(policy_versions).where(which).values(state=state))


def _version(row: sa.Row[Any]) -> PolicyVersion:
    values = {field: row._mapping[field] for field in PolicyVersion.__slots__}
    return PolicyVersion(**{**values, "thresholds": json.loads(row.thresholds)})
