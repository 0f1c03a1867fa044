"""The people at the desk: moderators and admins with a personal key each, and their sessions.

A personal key is `desk_ID_SECRET`: the id finds the user, Argon2 checks the rest. It is shown once, when
created. A session is a random cookie of which only the SHA-256 is stored.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from parley.service.store.database import Store
from parley.service.store.desk.tables import queue_items, sessions, users
from parley.service.store.tables import storable

Role = Literal["moderator", "admin"]
PREFIX = "desk_"
SESSION = timedelta(hours=12)
_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_urlsafe(8))
"""Checked for unknown users, so that response times reveal nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of the desk, without the key."""

    id: str
    name: str
    role: Role
    created: datetime
    revoked: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed-in browser; `user` None is whoever uses this machine. `id` is the cookie's hash."""

    id: str
    csrf: str
    user: User | None

    @property
    def name(self) -> str:
        """The name in the log."""
        return self.user.name if self.user else "this machine"

    @property
    def is_admin(self) -> bool:
        """Whether they have admin rights."""
        return self.user is None or self.user.role == "admin"


def create(store: Store, name: str, *, role: Role) -> tuple[User, str]:
    """Create a user; returns it and the personal key. Raises StoreError."""
    user_id, secret = secrets.token_hex(4), secrets.token_urlsafe(24)
    user = User(id=user_id, name=name, role=role, created=datetime.now(UTC), revoked=None)
    values = {field: getattr(user, field) for field in user.__slots__} | {"hash": _hasher.hash(secret)}
    with store.write() as connection:
        connection.execute(sa.insert(users).values(**values))
    return user, f"{PREFIX}{user_id}_{secret}"


def all_users(store: Store) -> list[User]:
    """Every user, oldest first. Raises StoreError."""
    with store.read() as connection:
        return [_user(row) for row in connection.execute(sa.select(users).order_by(users.c.created))]


def revoke(store: Store, user_id: str) -> bool:
    """Revoke a user's key and end their sessions; false if no active user has this id. Raises StoreError."""
    here = (users.c.id == user_id) & users.c.revoked.is_(None)
    with store.write() as connection:
        _end(connection, sessions.c.user_id == user_id)
        return connection.execute(sa.update(users).where(here).values(revoked=datetime.now(UTC))).rowcount > 0


def check(store: Store, key: str) -> User | None:
    """The user with this personal key, or None. Slow on purpose. Raises StoreError."""
    user_id, _, secret = key.strip().removeprefix(PREFIX).partition("_")
    query = sa.select(users).where(users.c.id == storable(user_id), users.c.revoked.is_(None))
    with store.read() as connection:
        row = connection.execute(query).first()
    try:
        _hasher.verify(_NOBODY if row is None else row.hash, secret)
    except (VerificationError, InvalidHashError):
        return None
    return None if row is None else _user(row)


def begin(store: Store, user: User | None) -> tuple[Session, str]:
    """A new session, and its cookie. Raises StoreError."""
    cookie, now = secrets.token_urlsafe(32), datetime.now(UTC)
    session = Session(id=_hash(cookie), csrf=secrets.token_urlsafe(32), user=user)
    values = {"id": session.id, "csrf": session.csrf, "user_id": user.id if user else None}
    with store.write() as connection:
        connection.execute(sa.delete(sessions).where(sessions.c.expires < now))
        connection.execute(sa.insert(sessions).values(**values, created=now, expires=now + SESSION))
    return session, cookie


def find(store: Store, cookie: str) -> Session | None:
    """The session of a cookie, unless it has expired or its user's key was revoked. Raises StoreError."""
    query = (
        sa.select(sessions, users.c.name, users.c.role, users.c.created.label("since"), users.c.revoked)
        .outerjoin(users, users.c.id == sessions.c.user_id)
        .where(sessions.c.id == _hash(cookie), sessions.c.expires > datetime.now(UTC))
    )
    with store.read() as connection:
        row = connection.execute(query).first()
    if row is None or row.revoked is not None:
        return None
    user = None
    if row.user_id is not None:
        user = User(id=row.user_id, name=row.name, role=row.role, created=row.since, revoked=None)
    return Session(id=row.id, csrf=row.csrf, user=user)


def end(store: Store, session: Session, *, everywhere: bool = False) -> None:
    """Sign out of this browser, or of all. Raises StoreError."""
    with store.write() as connection:
        own = sessions.c.id == session.id
        all_own = sessions.c.user_id == session.user.id if everywhere and session.user else own
        _end(connection, all_own)


def _end(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    held = queue_items.c.lease_by.in_(sa.select(sessions.c.id).where(which))
    connection.execute(sa.update(queue_items).where(held).values(lease_by=None, lease_until=None))
    connection.execute(sa.delete(sessions).where(which))


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()


def _user(row: sa.Row[tuple[object, ...]]) -> User:
    return User(**{field: row._mapping[field] for field in User.__slots__})
