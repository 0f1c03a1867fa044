"""The database: opening, migrating, and transactions.

    store = Store.open("sqlite:////var/lib/parley/parley.db")      # or postgresql://user@host/parley
    with store.write() as connection: ...                          # commits, or rolls back on an error

Calls block, for a millisecond or so: from async code use a thread (`asyncio.to_thread`).
"""

from __future__ import annotations

import os
import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from parley.service.errors import StoreError
from parley.service.logs import describe

HEAD = "0007"
"""The newest migration; known here so that starting with a current schema needs no Alembic."""
WAIT_S = 5.0
"""Seconds to wait for a free connection, or for a lock."""
STATEMENT_S = 60.0
"""The most seconds that one statement may take; a full export needs some time."""
SILENT_S = 8.0
"""Seconds within which the database must respond, from the first connection on."""
MIGRATION_S = 120.0
"""Seconds to wait for another process that migrates the database."""
_BROKEN = (ConnectionError, TimeoutError, struct.error)
"""Errors that pg8000 doesn't wrap when a connection breaks."""

log = structlog.get_logger("parley.store")

_MIGRATION_LOCK = 7_069_426_584
"""An arbitrary number: the PostgreSQL advisory lock of a migrating process."""
_BEGIN: dict[str, dict[str, str | None]] = {
    # A writer begins IMMEDIATE, so that it waits for its turn at the start instead of failing in the middle.
    "sqlite": {"read": "BEGIN", "write": "BEGIN IMMEDIATE", "snapshot": "BEGIN"},
    # A read needs no transaction: at the default isolation it would see the same, for two more statements.
    "postgresql": {"read": None, "write": "BEGIN", "snapshot": "BEGIN ISOLATION LEVEL REPEATABLE READ"},
}
"""How each database begins a transaction."""


class Store:
    """An open database with the current schema. Safe to share between threads."""

    def __init__(self, engine: sa.Engine, *, patient: sa.Engine | None = None) -> None:
        """`patient` is an engine without time limits, for migrations."""
        self._engine, self._patient = engine, patient or engine
        self._closed = False
        self.available = True
        """Whether the last use succeeded."""

    @classmethod
    def open(cls, url: str, *, migrate: bool = True) -> Store:
        """The store at `url`, created if it is SQLite and new, migrated if it is old. Raises StoreError.

        Without `migrate` nothing is changed: an old schema stays, and a missing store is an error.
        """
        try:
            parsed = sa.make_url(url)
        except (ArgumentError, ValueError) as error:  # ValueError: the port isn't a number
            raise StoreError(
                "store.url is not a database URL: give sqlite:////full/path/parley.db or postgresql://user@host/name"
            ) from error
        if not migrate:
            _check_exists(parsed)
        patient = None if parsed.get_backend_name() == "sqlite" else _engine(parsed, silent=None)
        store = cls(_engine(parsed, silent=SILENT_S), patient=patient)
        try:
            if migrate:
                with store._engine.connect():
                    pass  # give up on a database that doesn't answer
                store._migrate()
            elif store.schema is None:
                raise StoreError(
                    f"there is no Parley store in {shown(parsed)}; see store.url in the settings"
                )
        except (SQLAlchemyError, *_BROKEN) as error:
            raise StoreError(
                f"the store {shown(parsed)} can't be used: {_reason(error)}; see store.url in the settings"
            ) from error
        return store

    @property
    def schema(self) -> str | None:
        """The database's migration; None before the first. Raises StoreError."""
        with self.read() as connection:
            return schema_of(connection)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection to read from. Raises StoreError."""
        with self._transaction("read") as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction, committed at the end or rolled back if an exception leaves it. Raises StoreError."""
        with self._transaction("write") as connection:
            yield connection
            connection.commit()

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """A connection that reads a consistent snapshot of the store, many rows too. Raises StoreError."""
        with self._transaction("snapshot") as connection:
            yield connection

    @contextmanager
    def migrating(self) -> Iterator[sa.Connection]:
        """A transaction that may change the schema, one process at a time. Raises StoreError."""
        with self._transaction("write", engine=self._patient) as connection:
            _lock_migrations(connection)
            yield connection
            connection.commit()

    def close(self) -> None:
        """Close every connection; those that other threads still use, once they are done."""
        self._closed = True
        self._engine.dispose()
        self._patient.dispose()

    @contextmanager
    def _transaction(self, kind: str, *, engine: sa.Engine | None = None) -> Iterator[sa.Connection]:
        """A connection that is rolled back at its end, unless it was committed."""
        try:
            with (engine or self._engine).execution_options(begin=kind).connect() as connection:
                try:
                    connection.begin()
                    yield connection
                finally:
                    if self._closed:
                        connection.invalidate()  # its pool is gone
        except (SQLAlchemyError, *_BROKEN) as error:
            self.available = False
            log.warning("store_failed", reason=_reason(error), **describe(error))
            raise StoreError(
                "the store can't be used at the moment: see the log, and store.url in the settings"
            ) from error
        self.available = True

    def _migrate(self) -> None:
        with self._patient.execution_options(begin="write").begin() as connection:
            _lock_migrations(connection)
            if schema_of(connection) != HEAD:
                upgrade(connection)


def upsert(connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> None:
    """Insert a row, or replace the one with its primary key; safe under concurrency."""
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    keys = [column.name for column in table.primary_key]
    rest = {name: value for name, value in values.items() if name not in keys}
    connection.execute(insert(table).values(values).on_conflict_do_update(index_elements=keys, set_=rest))


def shown(url: str | sa.URL) -> str:
    """A database's URL without its password."""
    return sa.make_url(url).render_as_string(hide_password=True)


def schema_of(connection: sa.Connection) -> str | None:
    """This database's migration; None before the first."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return None if version is None else str(version)


def upgrade(connection: sa.Connection, to: str = "head") -> None:
    """Migrate the schema. Raises StoreError for a migration that this Parley doesn't know."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    folder = str(resources.files("parley.service.store") / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, to)
    except CommandError as error:
        raise StoreError(
            f"the store was created by a newer Parley ({error}): install that version"
        ) from error


def _lock_migrations(connection: sa.Connection) -> None:
    """Wait until no other process migrates this database, and log it. Raises StoreError."""
    if connection.dialect.name != "postgresql":
        return  # SQLite allows one writer at a time
    deadline = time.monotonic() + MIGRATION_S
    ask = sa.text("SELECT pg_try_advisory_xact_lock(:lock)")
    while not connection.scalar(ask, {"lock": _MIGRATION_LOCK}):
        if time.monotonic() > deadline:
            raise StoreError(
                f"another process has been migrating the store for {MIGRATION_S:g} s: wait for it, or stop it"
            )
        log.warning("waiting_for_store", reason="another process is migrating it")
        time.sleep(1)
    connection.execute(sa.text("SET LOCAL statement_timeout = 0"))  # no limit for migrations


def _check_exists(url: sa.URL) -> None:
    """SQLite would create the file."""
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise StoreError(
            f"there is no store in {url.database}; see store.folder and store.url in the settings"
        )


def _engine(url: sa.URL, *, silent: float | None) -> sa.Engine:
    """`hide_parameters` keeps texts and hashes out of every error and log.

    `silent`: seconds within which PostgreSQL must answer; None waits forever.
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+pg8000")
    if url.get_backend_name() != "postgresql":
        raise StoreError(f"store.url: Parley supports sqlite and postgresql, not {url.drivername}")
    try:
        engine = sa.create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_timeout=WAIT_S,
            connect_args={"timeout": silent},
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise StoreError(
            "a PostgreSQL store needs its driver: pip install 'parley-moderation[postgres]'"
        ) from error
    sa.event.listen(engine, "connect", _limit_statements)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: sa.Connection) -> None:
    """Begin a transaction; neither database's driver is left to do it."""
    kind = connection.get_execution_options().get("begin", "read")
    if statement := _BEGIN[connection.dialect.name][kind]:
        connection.exec_driver_sql(statement)


def _limit_statements(connection: Any, record: Any) -> None:
    """Limit how long a statement waits for a lock or a failing database."""
    connection.autocommit = True
    cursor = connection.cursor()
    for name, seconds in (("statement_timeout", STATEMENT_S), ("lock_timeout", WAIT_S)):
        cursor.execute(f"SET {name} = {int(seconds * 1000)}")
    cursor.close()


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    if url.database and url.database != ":memory:":
        _create_private(Path(url.database))
    engine = sa.create_engine(url, hide_parameters=True, poolclass=sa.NullPool)

    # As SQLAlchemy's manual advises: Python's sqlite3 begins transactions late or not at all; `_begin` does.
    @sa.event.listens_for(engine, "connect")
    def on_connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("busy_timeout=10000", "synchronous=FULL", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # Another process is switching this new file to WAL, which SQLite doesn't wait for; WAL persists.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise

    sa.event.listen(engine, "begin", _begin)
    return engine


def _create_private(file: Path) -> None:
    """Create `file`, readable by its owner only, and its folder."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(
            f"{file} can't be created: {error.strerror}; set store.folder to a writable folder"
        ) from error


def _reason(error: Exception) -> str:
    """The driver's message without SQLAlchemy's; pg8000 has it under M of a mapping."""
    cause: Any = getattr(error, "orig", None) or error
    first = cause.args[0] if getattr(cause, "args", None) else cause
    return str(first.get("M", first) if isinstance(first, dict) else first).strip()
