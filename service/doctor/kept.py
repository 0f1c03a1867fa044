"""Checks of stored data: store, secret of author hashes, keys, disk, and the clock."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from parley.service.doctor.finding import State, Told
from parley.service.errors import StoreError
from parley.service.privacy import SECRET_BYTES
from parley.service.settings.schema import Settings
from parley.service.store import keys
from parley.service.store.database import HEAD, Store, shown
from parley.service.store.tables import articles, sightings, suggestions
from parley.service.web.access import is_loopback

NEEDED_MB, WANTED_MB = 100, 1000
"""Limits of free disk space, for an error and a warning."""
AHEAD = timedelta(hours=1)
"""How far in the future a row may be before it counts as a wrong clock."""


def check_store(settings: Settings) -> Told:
    """The database can be used, and its schema is this version's."""
    url = settings.store.database
    if not _store_exists(settings):
        yield "ok", f"{shown(url)} will be created at the first start"
        return
    store = Store.open(url, migrate=False)
    try:
        schema = store.schema
        if schema == HEAD:
            yield "ok", f"{shown(url)}, schema {schema}"
        elif schema and schema < HEAD:
            yield (
                "warning",
                f"schema {schema} is older than this version's ({HEAD}): the next start migrates it; run "
                "`parley backup` first",
            )
        else:
            yield (
                "problem",
                f"schema {schema} is newer than this version's ({HEAD}): install the newer Parley again, or "
                "restore the backup from before the upgrade",
            )
        with store.write():
            pass
    finally:
        store.close()


def check_secret(settings: Settings) -> Told:
    """The secret of author hashes exists if needed, intact and private."""
    file = settings.store.author_secret
    if not file.exists():
        hashed = _hashed_rows(settings)
        if hashed:
            yield (
                "problem",
                f"{file} is missing and {hashed:,} rows have hashes made with it: their authors can't be "
                "found or forgotten; restore it from a backup",
            )
        else:
            yield "ok", "none is needed yet"
        return
    if len(file.read_bytes()) != SECRET_BYTES:
        yield "problem", f"{file} must hold {SECRET_BYTES} bytes: restore it from a backup"
    elif file.stat().st_mode & 0o007:
        yield "problem", f"{file} can be read by other users: chmod 600 {file}"
    else:
        yield "ok", str(file)


def check_keys(settings: Settings) -> Told:
    """Who may call."""
    known = _keys(settings)
    open_keys = [key for key in known if key.revoked is None]
    if settings.access.anonymous:
        yield "warning", "access.anonymous is true: anybody who reaches the port may call, at access.rate"
    elif open_keys:
        yield "ok", f"{len(open_keys)} open"
    elif known:
        yield "problem", "all are revoked, so nobody can call: create one with `parley keys create NAME`"
    elif is_loopback(settings.host):
        yield (
            "warning",
            "none: only direct requests from this machine are answered, none through a proxy; "
            "create one with `parley keys create NAME`",
        )
    else:
        yield (
            "problem",
            f"none, so the service won't start on {settings.host}: create one with `parley keys create NAME`",
        )


def check_clock(settings: Settings) -> Told:
    """The clock agrees with the store, which deletes decisions by age."""
    now, newest = datetime.now(UTC), _newest(settings)
    if newest is None:
        yield "ok", f"{now:%Y-%m-%d %H:%M} UTC"
    elif newest > now + AHEAD:
        yield (
            "problem",
            f"it says {now:%Y-%m-%d %H:%M} UTC, but the store has a row from {newest:%Y-%m-%d %H:%M}: set it",
        )
    elif now - newest > timedelta(days=settings.store.days):
        yield (
            "warning",
            f"it says {now:%Y-%m-%d}, but the newest row is from {newest:%Y-%m-%d}: if it is wrong, set the "
            f"clock before the start, which removes decisions older than {settings.store.days} days",
        )
    else:
        yield "ok", f"{now:%Y-%m-%d %H:%M} UTC; newest row {newest:%Y-%m-%d %H:%M}"


def check_disk(settings: Settings) -> Told:
    """The store's disk has free space."""
    folder = settings.store.path
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free // 1_000_000
    if free >= WANTED_MB:
        yield "ok", f"{free:,} MB free in {folder}"
    else:
        state: State = "problem" if free < NEEDED_MB else "warning"
        yield state, f"{free:,} MB free in {folder}: free some space, or the store can't be written"


def _store_exists(settings: Settings) -> bool:
    url = sa.make_url(settings.store.database)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()


def _query(settings: Settings, *queries: sa.Select[Any]) -> list[object]:
    """The first value of each query; empty if the store can't be read (another check reports that)."""
    if not _store_exists(settings):
        return []
    try:
        store = Store.open(settings.store.database, migrate=False)
    except StoreError:
        return []
    try:
        with store.read() as connection:
            return [connection.scalar(query) for query in queries]
    except StoreError:
        return []
    finally:
        store.close()


def _keys(settings: Settings) -> list[keys.ApiKey]:
    if not _store_exists(settings):
        return []
    store = Store.open(settings.store.database, migrate=False)
    try:
        return keys.all_keys(store)
    finally:
        store.close()


def _hashed_rows(settings: Settings) -> int:
    counts = _query(
        settings,
        sa.select(sa.func.count()).select_from(suggestions).where(suggestions.c.author.is_not(None)),
        sa.select(sa.func.count()).select_from(sightings),
    )
    return sum(count for count in counts if isinstance(count, int))


def _newest(settings: Settings) -> datetime | None:
    columns = (articles.c.updated, suggestions.c.created, sightings.c.seen)
    moments = _query(settings, *(sa.select(sa.func.max(column)) for column in columns))
    return max((moment for moment in moments if isinstance(moment, datetime)), default=None)
