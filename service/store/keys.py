"""API keys: created, looked up, revoked. A key is shown once, when created; only its hash is stored.

A key has 192 random bits, so a plain SHA-256 is enough: slow password hashes are for guessable secrets, and a
fast hash lets every request be checked.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from parley.service.store.database import Store
from parley.service.store.tables import api_keys

PREFIX = "parley_"
"""Prefix of every key, so that scanners for leaked secrets can recognise it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key's record, without the key."""

    id: str
    name: str
    rate: str | None
    created: datetime
    revoked: datetime | None


def create(store: Store, name: str, *, rate: str | None = None) -> tuple[ApiKey, str]:
    """Create a key for `name`; returns it and the secret. `rate` such as "60/minute". Raises StoreError."""
    secret = PREFIX + secrets.token_urlsafe(24)
    key = ApiKey(id=secrets.token_hex(4), name=name, rate=rate, created=datetime.now(UTC), revoked=None)
    values = {field: getattr(key, field) for field in key.__slots__} | {"hash": hash_of(secret)}
    with store.write() as connection:
        connection.execute(sa.insert(api_keys).values(values))
    return key, secret


def all_keys(store: Store) -> list[ApiKey]:
    """Every key, oldest first. Raises StoreError."""
    with store.read() as connection:
        return [_key(row) for row in connection.execute(sa.select(api_keys).order_by(api_keys.c.created))]


def active(store: Store) -> dict[str, ApiKey]:
    """The active keys by hash. Raises StoreError."""
    query = sa.select(api_keys).where(api_keys.c.revoked.is_(None))
    with store.read() as connection:
        return {row.hash: _key(row) for row in connection.execute(query)}


def revoke(store: Store, key_id: str) -> bool:
    """Revoke a key; false if no active key has this id. Raises StoreError."""
    where = (api_keys.c.id == key_id) & api_keys.c.revoked.is_(None)
    with store.write() as connection:
        statement = sa.update(api_keys).where(where).values(revoked=datetime.now(UTC))
        return connection.execute(statement).rowcount > 0


def hash_of(secret: str) -> str:
    """The hash under which a key is stored."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: sa.Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(**{field: row._mapping[field] for field in ApiKey.__slots__})
