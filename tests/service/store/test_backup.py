"""Backups: complete, of one moment, and restored into either kind of database or not at all."""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from parley.model.comment import Article, Comment
from parley.service.commands.cli import app as parley
from parley.service.errors import StoreError
from parley.service.privacy import KeyedHashes
from parley.service.store import articles, backup, keys
from parley.service.store.database import HEAD, Store, upgrade
from parley.service.store.feedback import Feedback, Suggestion
from parley.service.store.tables import metadata

ODD = 'Zwölf Ponys 🐴\u2028 "quoted" \\ \'n'


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """The secret of author hashes beside the store."""
    return tmp_path / "author-secret"


def fill(store: Store, secret: Path) -> str:
    """Fill the store with something of every kind; returns a valid API key."""
    articles.put(store, Article(id="https://news.example/a", title=ODD, text="Lede \0 text"))
    articles.put(store, Article(id="b", title=None, text="only a text"))
    keys.revoke(store, keys.create(store, "old")[0].id)
    _, key = keys.create(store, ODD, rate="60/minute")
    feedback = Feedback(store, KeyedHashes(secret), comments=True)
    given = [
        Suggestion(attribute="toxicity", value=0.25, text=ODD, author="reader-7", comment_id="c-1"),
        Suggestion(attribute="LIKELY", value=1.0, comment_id="c-2", article_url="https://news.example/a"),
    ]
    feedback.keep(given)
    feedback.saw(Comment(text=ODD), author="reader-7")
    return key


def content(store: Store) -> dict[str, list[Any]]:
    """Every row of every table."""
    with store.read() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr)
            for table in metadata.sorted_tables
        }


@pytest.fixture
def other_store(request: pytest.FixtureRequest) -> Store:
    """An empty store in the other kind of database than `any_store`'s."""
    kind = request.node.callspec.params["any_store"]
    opened: Store = request.getfixturevalue("store" if kind == "postgres" else "postgres_store")
    return opened


def test_a_backup_brings_everything_back(any_store: Store, tmp_path: Path, secret: Path) -> None:
    key = fill(any_store, secret)
    before, secret_before = content(any_store), secret.read_bytes()
    file = tmp_path / "backup.zip"
    written = backup.write(any_store, file, secret=secret, settings={"service.yaml": "port: 1\n"})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert written.rows == {name: len(rows) for name, rows in before.items()}
    articles.delete(any_store, "b")
    keys.create(any_store, "late")
    secret.write_bytes(bytes(32))
    backup.restore(any_store, file, secret=secret, overwrite=True)
    assert content(any_store) == before
    assert secret.read_bytes() == secret_before
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert keys.hash_of(key) in keys.active(any_store)
    # New rows get new numbers, and the author is found with the restored secret.
    feedback = Feedback(any_store, KeyedHashes(secret), comments=True)
    feedback.keep([Suggestion(attribute="spam", value=1.0, text="Buy", author="reader-8", comment_id="c-3")])
    assert feedback.forget(author="reader-7") == 1
    assert len(content(any_store)["suggestions"]) == 2


def test_a_backup_of_one_database_fills_the_other(
    any_store: Store, other_store: Store, tmp_path: Path, secret: Path
) -> None:
    fill(any_store, secret)
    file = tmp_path / "backup.zip"
    backup.write(any_store, file, secret=secret, settings={})
    backup.restore(other_store, file, secret=tmp_path / "elsewhere" / "author-secret")
    assert content(other_store) == content(any_store)
    assert (tmp_path / "elsewhere" / "author-secret").read_bytes() == secret.read_bytes()


def test_a_backup_shows_one_moment_of_a_running_service(
    any_store: Store, tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write adds an article and a key with the same number: no backup may have one without the other."""

    def add(number: int) -> None:
        with any_store.write() as connection:
            row = {"id": str(number), "updated": datetime.now(UTC)}
            connection.execute(sa.insert(metadata.tables["articles"]).values(row))
            key = {"id": str(number), "name": "", "hash": str(number), "created": datetime.now(UTC)}
            connection.execute(sa.insert(metadata.tables["api_keys"]).values(key))

    for number in range(50):
        add(number)
    lines = backup._lines
    more = iter(range(50, 10_000))

    def slowly(*given: Any) -> Iterator[bytes]:
        writer = threading.Thread(target=add, args=(next(more),))  # while the table is being read
        writer.start()
        writer.join(10)
        assert not writer.is_alive(), "a backup blocks the service"
        yield from lines(*given)

    monkeypatch.setattr(backup, "_lines", slowly)
    written = backup.write(any_store, tmp_path / "backup.zip", secret=secret, settings={})
    assert written.rows["articles"] == written.rows["api_keys"] == 50
    assert len(content(any_store)["articles"]) > 50


def test_a_store_that_is_not_empty_is_left_alone(any_store: Store, tmp_path: Path, secret: Path) -> None:
    fill(any_store, secret)
    file = tmp_path / "backup.zip"
    backup.write(any_store, file, secret=secret, settings={})
    articles.delete(any_store, "b")
    before = content(any_store)
    with pytest.raises(StoreError, match=r"not empty.*--overwrite"):
        backup.restore(any_store, file, secret=secret)
    assert content(any_store) == before


def test_a_restore_that_fails_changes_nothing(any_store: Store, tmp_path: Path, secret: Path) -> None:
    fill(any_store, secret)
    file, bad = tmp_path / "backup.zip", tmp_path / "bad.zip"
    written = backup.write(any_store, file, secret=secret, settings={})
    secret.write_bytes(bytes(32))
    keys.create(any_store, "late")
    before = content(any_store)
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(bad, "w") as new:
        for name in old.namelist():
            told = old.read(name)
            if name == backup.MANIFEST:  # complete, but for one row of the last table
                last = list(written.rows)[-1]
                told = json.dumps({**json.loads(told), "rows": {**written.rows, last: 99}}).encode()
            new.writestr(name, told)
    with pytest.raises(StoreError, match="99"):
        backup.restore(any_store, bad, secret=secret, overwrite=True)
    assert content(any_store) == before
    assert secret.read_bytes() == bytes(32)


@pytest.mark.parametrize("place", ["middle", "cut", "empty", "other"])
def test_a_damaged_backup_is_refused_before_anything_happens(
    store: Store, tmp_path: Path, secret: Path, place: str
) -> None:
    fill(store, secret)
    file = tmp_path / "backup.zip"
    backup.write(store, file, secret=secret, settings={})
    whole = bytearray(file.read_bytes())
    if place == "cut":
        whole = whole[: len(whole) // 2]
    elif place == "empty":
        whole = bytearray()
    elif place == "other":
        with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
            archive.writestr(backup.MANIFEST, '{"format": 1, "else": []}')
        whole = bytearray((tmp_path / "other.zip").read_bytes())
    else:
        at = whole.index(b"suggestions.jsonl") + 60  # in its compressed rows
        whole[at : at + 8] = b"damaged!"
    file.write_bytes(whole)
    before = content(store)
    with pytest.raises(StoreError, match="damaged"):
        backup.restore(store, file, secret=secret, overwrite=True)
    assert content(store) == before


def test_a_changed_byte_is_noticed_or_changes_nothing(store: Store, tmp_path: Path, secret: Path) -> None:
    fill(store, secret)
    file = tmp_path / "backup.zip"
    written = backup.write(store, file, secret=secret, settings={})
    whole = file.read_bytes()
    noticed = 0
    for place in range(0, len(whole), 11):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            assert backup.read_manifest(file) == written
        except StoreError:
            noticed += 1
    assert noticed > len(whole) / 11 / 2


def test_a_backup_of_a_newer_parley_is_refused(store: Store, tmp_path: Path, secret: Path) -> None:
    fill(store, secret)
    file, newer = tmp_path / "backup.zip", tmp_path / "newer.zip"
    backup.write(store, file, secret=secret, settings={})
    before = content(store)
    for change, message in (({"schema": "9999"}, "newer"), ({"format": 2}, "newer")):
        with zipfile.ZipFile(file) as old, zipfile.ZipFile(newer, "w") as new:
            for name in old.namelist():
                told = old.read(name)
                if name == backup.MANIFEST:
                    told = json.dumps({**json.loads(told), **change}).encode()
                new.writestr(name, told)
        with pytest.raises(StoreError, match=message):
            backup.restore(store, newer, secret=secret, overwrite=True)
        assert content(store) == before


def test_tables_of_others_in_the_same_database_are_left_alone(
    any_store: Store, tmp_path: Path, secret: Path
) -> None:
    fill(any_store, secret)
    with any_store.write() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (a integer)")
        connection.exec_driver_sql("INSERT INTO theirs VALUES (7)")
    written = backup.write(any_store, tmp_path / "backup.zip", secret=secret, settings={})
    assert "theirs" not in written.rows
    backup.restore(any_store, tmp_path / "backup.zip", secret=secret, overwrite=True)
    with any_store.read() as connection:
        assert connection.exec_driver_sql("SELECT a FROM theirs").scalar() == 7


def test_every_column_can_be_backed_up() -> None:
    """A new type of column must first be supported by backups."""
    known = (sa.DateTime, sa.LargeBinary, sa.Text, sa.String, sa.Integer, sa.Float, sa.Boolean, sa.JSON)
    for table in metadata.sorted_tables:
        for column in table.columns:
            kind = getattr(column.type, "impl_instance", column.type)
            assert isinstance(kind, known), f"{table.name}.{column.name}"


# The store of 0.4.0, as its own code wrote it

OLD = "0003"
OLD_ROWS = Path(__file__).parent / "store-0.4.0.sql"


@pytest.fixture
def old_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a store written by 0.4.0, in each kind of database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'old.db'}"
    else:
        url = request.getfixturevalue("postgres_url")
    store = Store.open(url)
    with store.write() as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
        upgrade(connection, OLD)
        for line in OLD_ROWS.read_text(encoding="utf-8").splitlines():
            if line.startswith("INSERT"):
                connection.exec_driver_sql(line)
    yield url
    if request.param != "sqlite":
        with store.write() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
    store.close()


@pytest.mark.parametrize("old_url", ["sqlite", "postgres"], indirect=True)
def test_upgrade_from_0_4_0_keeps_everything_and_can_be_rolled_back(
    old_url: str, tmp_path: Path, secret: Path
) -> None:
    file = tmp_path / "before.zip"
    old = Store.open(old_url, migrate=False)
    secret.write_bytes(bytes(range(32)))  # the secret that 0.4.0 wrote the rows with
    written = backup.write(old, file, secret=secret, settings={})
    assert (written.schema, old.schema) == (OLD, OLD)
    old.close()

    new = Store.open(old_url)  # the upgrade
    assert new.schema == HEAD
    article = articles.get(new, "https://news.example/bridge")
    assert article is not None
    assert article.title == "Council votes to close the old bridge"
    assert [key.name for key in keys.active(new).values()] == ["comment system"]
    feedback = Feedback(new, KeyedHashes(secret), comments=True)
    assert len(list(feedback.rows())) == 2
    articles.put(new, Article(id="new", title="after the upgrade"))

    backup.restore(new, file, secret=secret, overwrite=True, keep_schema=True)  # the rollback
    assert new.schema == OLD
    with new.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM articles").scalar() == 1
        assert connection.exec_driver_sql("SELECT count(*) FROM suggestions").scalar() == 2
    backup.restore(new, file, secret=secret, overwrite=True)  # and the upgrade again
    assert new.schema == HEAD
    assert feedback.forget(author="reader-17") == 1
    new.close()


# The commands


def call(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(parley, [str(argument) for argument in arguments])
    return result.exit_code, result.stderr


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A site's settings file, with its own policy, and something in its store."""
    shutil.copy(Path(__file__).parents[3] / "configs" / "policies" / "strict.yaml", tmp_path / "ours.yaml")
    file = tmp_path / "service.yaml"
    file.write_text(f"store: {{folder: '{tmp_path / 'kept'}'}}\npolicy: {tmp_path / 'ours.yaml'}\n")
    store = Store.open(f"sqlite:///{tmp_path / 'kept' / 'parley.db'}")
    fill(store, tmp_path / "kept" / "author-secret")
    store.close()
    return file


def test_commands_save_and_restore(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_LOG_LEVEL", "warning")
    folder, found = tmp_path / "backups", tmp_path / "found"
    folder.mkdir()
    found.mkdir()
    status, told = call("backup", folder, "--config", config)
    assert status == 0, told
    (file,) = folder.iterdir()
    assert str(file) in told
    assert call("restore", "--check", file)[0] == 0
    status, told = call("restore", file, "--config", config)
    assert (status, "not empty" in told) == (2, True)
    shutil.rmtree(tmp_path / "kept")
    status, told = call("restore", file, "--config", config, "--settings-to", found)
    assert status == 0, told
    store = Store.open(f"sqlite:///{tmp_path / 'kept' / 'parley.db'}")
    assert len(content(store)["articles"]) == 2
    store.close()
    assert (found / "service.yaml").read_text() == config.read_text()
    assert (found / "policy.yaml").read_text() == (tmp_path / "ours.yaml").read_text()
    assert (found / "environment").read_text() == "PARLEY_LOG_LEVEL=warning\n"
    assert all(stat.S_IMODE(f.stat().st_mode) == 0o600 for f in found.iterdir())


def test_commands_say_what_is_wrong(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    out.write_text("somebody's")
    for arguments, message in (
        (("backup", out, "--config", config), "exists"),
        (("backup", tmp_path / "none" / "out.zip", "--config", config), "No such file"),
        (("restore", out, "--config", config), "not a Parley backup"),
        (("restore", tmp_path / "none.zip", "--config", config), "No such file"),
    ):
        status, told = call(*arguments)
        assert (status, message in told) == (2, True), told
        assert "Traceback" not in told
    assert out.read_text() == "somebody's"
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".out")]


def test_a_missing_store_is_not_created(tmp_path: Path) -> None:
    config = tmp_path / "service.yaml"
    config.write_text(f"store: {{folder: '{tmp_path / 'nowhere'}'}}\n")
    status, told = call("backup", tmp_path / "out.zip", "--config", config)
    assert (status, "there is no store" in told) == (2, True)
    assert not (tmp_path / "nowhere").exists()
    assert not (tmp_path / "out.zip").exists()
