"""A backup: one ZIP file with every row of the store, the secret of author hashes, and the settings.

    manifest = backup.write(store, file, secret=folder / "author-secret", settings={"service.yaml": config})
    backup.restore(store, file, secret=folder / "author-secret", overwrite=True)

The rows are JSON lines, read in one transaction, so a backup of a running service is a consistent snapshot,
and one of SQLite can be restored into PostgreSQL and vice versa. The manifest, written last, has the rows'
migration and a SHA-256 for each member. A restore is one transaction.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from parley import __version__
from parley.service.errors import StoreError
from parley.service.store.database import Store, schema_of, upgrade

FORMAT = 1
MANIFEST = "manifest.json"
SECRET = "secrets/author-secret"
ROWS_AT_ONCE = 200
"""Rows per statement: databases limit its parameters."""
CHUNK = 1 << 20
# What zipfile raises for a damaged file; RuntimeError if it seems to be encrypted.
_UNREADABLE = (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    LookupError,
    TypeError,
    RuntimeError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The contents of a backup: `rows` by table, `sha256` by member of the ZIP file."""

    format: int
    parley: str
    schema: str
    created: str
    database: str
    rows: dict[str, int]
    sha256: dict[str, str]


def write(store: Store, file: Path, *, secret: Path, settings: Mapping[str, Path | str]) -> Manifest:
    """Back up `store` into `file`, readable by its owner only, all or nothing.

    `settings` are other files or texts to include, by name. Raises StoreError, OSError.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # mode 0600
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
                manifest = _fill(archive, store, secret=secret, settings=settings)
            raw.flush()
            os.fsync(raw.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return manifest


def read_manifest(file: Path) -> Manifest:
    """The manifest of a backup, after checking every member's hash. Raises StoreError."""
    try:
        with zipfile.ZipFile(file) as archive:
            told = json.loads(archive.read(MANIFEST))
            if told["format"] != FORMAT:
                raise StoreError(f"{file} has format {told['format']}: restore it with a newer Parley")
            manifest = Manifest(**told)
            for name, wanted in manifest.sha256.items():
                if _hash_of(archive, name) != wanted:
                    raise StoreError(f"{file} is damaged: {name} doesn't match its hash; use another backup")
    except _UNREADABLE as error:
        told = error.strerror if isinstance(error, OSError) else "it is not a Parley backup, or it is damaged"
        raise StoreError(f"{file} can't be read: {told}") from error
    return manifest


def restore(
    store: Store, file: Path, *, secret: Path, overwrite: bool = False, keep_schema: bool = False
) -> Manifest:
    """Replace the contents of `store` and of the file `secret` by the backup's.

    `overwrite` allows that if they aren't empty. `keep_schema` doesn't migrate the rows, so that the older
    Parley that saved them can use them. Raises StoreError.
    """
    manifest = read_manifest(file)
    with zipfile.ZipFile(file) as archive:
        saved = archive.read(SECRET) if SECRET in manifest.sha256 else None
        if saved and not overwrite and secret.exists() and secret.read_bytes() != saved:
            raise StoreError(f"{secret} differs from the backup's; --overwrite replaces store and secret")
        with _replaced(secret, saved), store.migrating() as connection:
            _clear(connection, overwrite=overwrite)
            upgrade(connection, manifest.schema)
            for table in reversed(_tables(connection, manifest.schema)):
                connection.execute(sa.delete(table))  # rows inserted by migrations
            for name, rows in manifest.rows.items():
                _insert(connection, archive, name, rows)
            if not keep_schema:
                upgrade(connection)
    return manifest


def extract_settings(file: Path, folder: Path) -> list[Path]:
    """Write the settings of a backup into `folder`; never over a file. Raises StoreError, OSError."""
    manifest = read_manifest(file)
    written = []
    with zipfile.ZipFile(file) as archive:
        for name in manifest.sha256:
            kind, _, base = name.partition("/")
            if kind != "settings" or Path(base).name != base:
                continue
            with open(os.open(folder / base, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
                out.write(archive.read(name))
            written.append(folder / base)
    return written


def _fill(
    archive: zipfile.ZipFile, store: Store, *, secret: Path, settings: Mapping[str, Path | str]
) -> Manifest:
    rows: dict[str, int] = {}
    hashes: dict[str, str] = {}
    with store.snapshot() as connection:
        schema = schema_of(connection)
        if schema is None:
            raise StoreError("nothing to back up: the store has never been used")
        for table in _tables(connection, schema):
            rows[table.name] = 0
            with _member(archive, hashes, f"tables/{table.name}.jsonl") as write_line:
                for line in _lines(connection, table):
                    write_line(line)
                    rows[table.name] += 1
        # After the first read, within its snapshot: the secret is older than any hash in it.
        if secret.exists():
            settings = {**settings, SECRET: secret}
        database = connection.dialect.name
    for name, source in settings.items():
        content = source.encode() if isinstance(source, str) else source.read_bytes()
        with _member(archive, hashes, name if name == SECRET else f"settings/{name}") as write_bytes:
            write_bytes(content)
    manifest = Manifest(
        format=FORMAT,
        parley=__version__,
        schema=schema,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        database=database,
        rows=rows,
        sha256=hashes,
    )
    archive.writestr(MANIFEST, json.dumps(asdict(manifest), indent=1))
    return manifest


class _member:
    """A member of the ZIP file to write to, hashed while writing."""

    def __init__(self, archive: zipfile.ZipFile, hashes: dict[str, str], name: str) -> None:
        self._out: IO[bytes] = archive.open(name, "w", force_zip64=True)
        self._hashes, self._name, self._hash = hashes, name, hashlib.sha256()

    def __enter__(self) -> Any:
        return self._write

    def __exit__(self, *error: object) -> None:
        self._out.close()
        self._hashes[self._name] = self._hash.hexdigest()

    def _write(self, content: bytes) -> None:
        self._hash.update(content)
        self._out.write(content)


def _hash_of(archive: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as member:
        while chunk := member.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _seeds(schema: str) -> dict[str, int]:
    """The names of Parley's tables at this migration, each with the number of rows that migrations insert.

    Found by migrating a scratch database: a PostgreSQL database may have other tables.
    """
    scratch = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    ours = sa.MetaData()
    with scratch.begin() as empty:
        upgrade(empty, schema)
        ours.reflect(empty)
        seeds = {name: _count(empty, table) for name, table in ours.tables.items()}
    scratch.dispose()
    del seeds["alembic_version"]
    return seeds


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _tables(connection: sa.Connection, schema: str) -> list[sa.Table]:
    """Parley's tables as they are in the database, parents before children, without Alembic's."""
    metadata = sa.MetaData()
    metadata.reflect(connection, only=list(_seeds(schema)))
    return list(metadata.sorted_tables)


def _lines(connection: sa.Connection, table: sa.Table) -> Iterator[bytes]:
    options = {"stream_results": True, "yield_per": 1000}
    for row in connection.execute(sa.select(table).order_by(*table.primary_key), execution_options=options):
        values = {name: _to_json(value, table.name, name) for name, value in row._mapping.items()}
        yield json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _to_json(value: Any, table: str, column: str) -> Any:
    match value:
        case datetime():
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
        case bytes() | memoryview():
            return base64.b64encode(value).decode()
        case None | bool() | int() | float() | str() | dict() | list():
            return value
    raise StoreError(f"{table}.{column} holds a {type(value).__name__}, which backups can't hold")


def _from_json(value: Any, column: sa.Column[Any], *, naive: bool) -> Any:
    if value is None:
        return None
    if isinstance(column.type, sa.DateTime):
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=None) if naive else moment
    return base64.b64decode(value) if isinstance(column.type, sa.LargeBinary) else value


def _clear(connection: sa.Connection, *, overwrite: bool) -> None:
    """Drop Parley's tables."""
    schema = schema_of(connection)
    if schema is None:
        return
    tables, seeds = _tables(connection, schema), _seeds(schema)
    full = [table.name for table in tables if _count(connection, table) > seeds[table.name]]
    if full and not overwrite:
        raise StoreError(
            f"the store is not empty (it has {', '.join(full)}): back it up, then replace it with --overwrite"
        )
    for table in reversed(tables):
        table.drop(connection)
    connection.execute(sa.text("DROP TABLE alembic_version"))


def _insert(connection: sa.Connection, archive: zipfile.ZipFile, name: str, rows: int) -> None:
    table = sa.Table(name, sa.MetaData(), autoload_with=connection)
    naive = connection.dialect.name == "sqlite"
    inserted = 0
    with archive.open(f"tables/{name}.jsonl") as lines:
        while some := list(islice(lines, ROWS_AT_ONCE)):
            values = [
                {key: _from_json(value, table.c[key], naive=naive) for key, value in json.loads(line).items()}
                for line in some
            ]
            connection.execute(sa.insert(table).values(values))
            inserted += len(some)
    if inserted != rows:
        raise StoreError(f"the backup has {inserted} rows of {name}, its manifest says {rows}")
    if not naive:
        _advance_sequences(connection, table)


def _advance_sequences(connection: sa.Connection, table: sa.Table) -> None:
    """Set PostgreSQL's sequences, which don't notice rows inserted with explicit numbers."""
    for column in table.primary_key:
        if isinstance(column.type, sa.Integer):
            sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
            newest = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
            connection.execute(sa.select(sa.func.setval(sequence, newest, False)))


@contextmanager
def _replaced(secret: Path, content: bytes | None) -> Iterator[None]:
    """Write `content` to `secret`, and restore it if the block fails. None changes nothing."""
    before = secret.read_bytes() if secret.exists() else None
    if content in (None, before):
        yield
        return
    assert content
    _write_private(secret, content)
    try:
        yield
    except BaseException:
        if before is None:
            secret.unlink()
        else:
            _write_private(secret, before)
        raise


def _write_private(secret: Path, content: bytes) -> None:
    """Write the secret atomically, readable by its owner only. Raises StoreError."""
    try:
        secret.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f"{secret.name}.", dir=secret.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fsync(file.fileno())
        os.replace(name, secret)
    except OSError as error:
        raise StoreError(f"{secret} can't be written: {error.strerror}; see store.folder") from error
