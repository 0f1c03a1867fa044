"""Stores for tests: SQLite in a temporary folder, and a real PostgreSQL if one is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from fastapi.testclient import TestClient

from parley.model import Classifier
from parley.service.settings.schema import Settings
from parley.service.store.database import Store
from parley.service.store.desk import people
from parley.service.web.app import create_app


def wait_until_ready(client: TestClient) -> None:
    """Return once /health says 200; fail after a minute."""
    deadline = time.monotonic() + 60
    while client.get("/health").status_code != 200:
        assert time.monotonic() < deadline, client.get("/health").text
        time.sleep(0.01)


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> Iterator[None]:
    """The environment of whoever runs the tests must not affect them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PARLEY_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def light_hashes() -> Iterator[None]:
    """Keys of the desk's users are hashed as usual, but cheaply: normally each takes a tenth of a second."""
    with pytest.MonkeyPatch.context() as patch:
        light = PasswordHasher(time_cost=1, memory_cost=64)
        patch.setattr(people, "_hasher", light)
        patch.setattr(people, "_NOBODY", light.hash("nobody"))
        yield


@pytest.fixture(scope="module")
def client(tiny_artifact: Path) -> Iterator[TestClient]:
    """The service with default settings, its model loaded."""
    with TestClient(create_app(Settings(model=tiny_artifact))) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty SQLite store: copying it is faster than running the migrations."""
    file = tmp_path_factory.mktemp("store") / "parley.db"
    Store.open(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def serve_with(classifier: Classifier) -> Iterator[Callable[[Settings], TestClient]]:
    """Makes clients of services with these settings, once their model is loaded."""
    with ExitStack() as opened:

        def make(settings: Settings) -> TestClient:
            client = opened.enter_context(TestClient(create_app(settings, load=lambda: classifier)))
            wait_until_ready(client)
            return client

        yield make


@pytest.fixture
def store_folder(empty_store: Path, tmp_path: Path) -> Path:
    """A folder with an empty store in it."""
    shutil.copy(empty_store, tmp_path)
    return tmp_path


@pytest.fixture
def store(store_folder: Path) -> Iterator[Store]:
    """An empty SQLite store."""
    opened = Store.open(f"sqlite:///{store_folder / 'parley.db'}")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL of our own on a free port, run by an unprivileged user (it refuses to start as root)."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs are not installed (Debian: postgresql)")
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="parley-pg-", dir="/tmp") as folder:
        if user:
            shutil.chown(folder, user)
        data, port = f"{folder}/data", _free_port()

        def call(program: str, *arguments: str) -> None:
            subprocess.run(
                [programs / program, *arguments], user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL
            )

        call("initdb", "-D", data, "-U", "parley", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        call("pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql://parley@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-D", data, "-m", "immediate", "stop")


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> str:
    """The name of a database with an empty store: to copy it takes less than its migrations do."""
    _in_postgres(postgres_url, "CREATE DATABASE template_of_parley")
    Store.open(_database(postgres_url, "template_of_parley")).close()
    return "template_of_parley"


@pytest.fixture
def postgres_copy(postgres_url: str, postgres_template: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL store in a database of its own."""
    _in_postgres(postgres_url, f"CREATE DATABASE parley_test TEMPLATE {postgres_template}")
    yield _database(postgres_url, "parley_test")
    _in_postgres(postgres_url, "DROP DATABASE parley_test WITH (FORCE)")


@pytest.fixture
def postgres_store(postgres_copy: str) -> Iterator[Store]:
    """An empty PostgreSQL store."""
    opened = Store.open(postgres_copy)
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str | None:
    """`store.url` of an empty store, once of SQLite (None: in `store.folder`) and once of PostgreSQL."""
    return None if request.param == "sqlite" else str(request.getfixturevalue("postgres_copy"))


@pytest.fixture(params=["sqlite", "postgres"])
def any_store(request: pytest.FixtureRequest) -> Store:
    """An empty store, once in SQLite and once in PostgreSQL."""
    opened: Store = request.getfixturevalue("store" if request.param == "sqlite" else "postgres_store")
    return opened


def _postgres_programs() -> Path | None:
    """The folder of the newest version: on Debian `initdb` isn't on the PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = str(installed[-1]) if installed else shutil.which("initdb")
    return Path(found).parent if found else None


def _database(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


def _in_postgres(url: str, statement: str) -> None:
    """Execute a statement that no transaction takes."""
    engine = sa.create_engine(
        url.replace("postgresql:", "postgresql+pg8000:"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
