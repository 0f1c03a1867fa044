"""The store in SQLite and PostgreSQL: articles, keys, moderators' decisions, migrations."""

from __future__ import annotations

import gc
import os
import socket
import stat
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from parley.model.comment import Article, Comment
from parley.service.errors import PurgeRefused, StoreError
from parley.service.privacy import KeyedHashes
from parley.service.store import articles, database, keys
from parley.service.store.database import HEAD, Store
from parley.service.store.desk import tables  # noqa: F401  adds its tables to the metadata
from parley.service.store.feedback import Feedback, Suggestion
from parley.service.store.retention import purge
from parley.service.store.tables import metadata, sightings, suggestions

MIGRATIONS = Path(__file__).parents[3] / "service" / "store" / "migrations"
URL = "https://news.example/bridge?id=7"
KEY_ROW = {"id": "k", "name": "n", "hash": "h", "created": datetime(2026, 1, 2, tzinfo=UTC)}


@pytest.fixture
def hashes(tmp_path: Path) -> KeyedHashes:
    return KeyedHashes(tmp_path / "author-secret")


# Articles


def test_article_is_found_by_id_and_by_any_spelling_of_its_url(any_store: Store) -> None:
    kept, new = articles.put(
        any_store, Article(id="story-7", url=f"{URL}&utm_source=x#top", title="Bridge to close")
    )
    assert (new, kept.url) == (True, URL)
    for given in ("story-7", URL, "HTTP://NEWS.example:80/bridge/?fbclid=1&id=7"):
        found = articles.get(any_store, given)
        assert found is not None
        assert (found.id, found.title, found.updated.tzinfo) == ("story-7", "Bridge to close", UTC)
    assert articles.get(any_store, "https://news.example/other") is None


def test_article_kept_by_url_is_replaced_and_deleted_by_url(any_store: Store) -> None:
    assert articles.put(any_store, Article(id=URL, title="Old"))[1]
    assert not articles.put(any_store, Article(id=f"{URL}#comments", title="New", text="Lede \0 \ud800"))[1]
    found = articles.get(any_store, URL)
    assert found is not None
    assert (found.title, found.text) == ("New", "Lede \ufffd \ufffd")
    assert articles.delete(any_store, f"{URL}&gclid=2")
    assert not articles.delete(any_store, URL)


def test_find_takes_many_ids_and_returns_the_newest_of_one_url(any_store: Store) -> None:
    for title in ("first", "second"):
        articles.put(any_store, Article(id=title, url=URL, title=title))
    found = articles.find(any_store, [URL, "first", "none", *map(str, range(2000))])
    assert {given: article.title for given, article in found.items()} == {URL: "second", "first": "first"}
    assert articles.find(any_store, []) == {}
    articles.put(any_store, Article(id=URL, title="third"))
    assert articles.find(any_store, [URL])[URL].title == "third"
    articles.put(any_store, Article(id="first", url=URL, title="a site's own, after its page was fetched"))
    assert articles.find(any_store, [URL])[URL].id == "first"
    assert articles.delete(any_store, URL)
    assert articles.find(any_store, [URL, "first"])[URL].id == "first", "the one of exactly that id is gone"


def test_more_names_than_one_query_takes_are_found(store: Store) -> None:
    articles.put(store, Article(id="19999", title="last"))
    assert articles.find(store, map(str, range(20_000)))["19999"].title == "last"


def test_an_id_is_found_as_it_is_stored(any_store: Store) -> None:
    articles.put(any_store, Article(id="a\0b", title="odd"))
    assert articles.get(any_store, "a\0b") is not None
    assert articles.delete(any_store, "a\0b")


# Keys


def test_key_opens_until_it_is_revoked_and_is_kept_only_as_a_hash(any_store: Store) -> None:
    key, secret = keys.create(any_store, "Coral", rate="60/minute")
    assert secret.startswith("parley_")
    assert keys.active(any_store)[keys.hash_of(secret)] == key
    with any_store.read() as connection:
        rows = connection.execute(sa.text("SELECT * FROM api_keys")).all()
    assert secret not in repr(rows)
    assert secret.removeprefix("parley_") not in repr(rows)
    assert keys.revoke(any_store, key.id)
    assert not keys.revoke(any_store, key.id)
    assert not keys.active(any_store)
    assert [k.revoked is not None for k in keys.all_keys(any_store)] == [True]


# Moderators' decisions

TOXIC = Suggestion(
    attribute="toxicity",
    value=1.0,
    text="a comment",
    author="reader-17",
    client_token="comment:1",
    comment_id="1",
)


def test_neither_text_nor_author_is_kept_unless_turned_on(any_store: Store, hashes: KeyedHashes) -> None:
    feedback = Feedback(any_store, hashes, comments=False)
    assert feedback.keep([TOXIC]) == 1
    (row,) = feedback.rows()
    assert (row["attribute"], row["value"], row["text"], row["author"]) == ("toxicity", 1.0, None, None)


def test_do_not_store_always_wins(any_store: Store, hashes: KeyedHashes) -> None:
    feedback = Feedback(any_store, hashes, comments=True)
    assert feedback.keep([TOXIC], do_not_store=True) == 0
    assert list(feedback.rows()) == []


def test_kept_author_is_a_keyed_hash_and_can_be_forgotten(any_store: Store, hashes: KeyedHashes) -> None:
    feedback = Feedback(any_store, hashes, comments=True)
    others = [Suggestion(attribute="spam", value=0, author="reader-18", comment_id=n) for n in ("2", "3")]
    feedback.keep([TOXIC, *others])
    assert "reader-17" not in repr(list(feedback.rows()))
    assert feedback.forget(author="reader-17") == 1
    assert feedback.forget(comment_id="3") == 1
    assert feedback.forget() == 0
    assert [row["comment_id"] for row in feedback.rows()] == ["2"]


def test_author_of_a_decision_without_one_is_found_by_the_text(any_store: Store, hashes: KeyedHashes) -> None:
    feedback = Feedback(any_store, hashes, comments=True)
    sent = Suggestion(attribute="toxicity", value=1, text="Close  the bridge\nnow", comment_id="1")
    feedback.keep([sent, Suggestion(attribute="toxicity", value=0, text="Keep it open", comment_id="2")])
    for _ in range(2):
        feedback.saw(Comment(text="<p>Close the <b>bridge</b> now</p>", format="html"), "reader-17")
    feedback.saw(Comment(text="Keep it open"), "reader-18")
    assert feedback.forget(author="reader-17") == 1
    assert [row["comment_id"] for row in feedback.rows()] == ["2"]
    with any_store.read() as connection:
        (left,) = connection.execute(sa.select(sightings))
    assert left.author == hashes.author("reader-18")


def test_author_is_found_for_as_long_as_a_decision_is_kept(any_store: Store, hashes: KeyedHashes) -> None:
    feedback = Feedback(any_store, hashes, comments=True)
    feedback.saw(Comment(text="Keep it open"), "reader-18")
    feedback.saw(Comment(text="Close it"), "reader-18")
    with any_store.write() as connection:
        connection.execute(sa.update(sightings).values(seen=datetime.now(UTC) - timedelta(days=91)))
    feedback.keep([Suggestion(attribute="toxicity", value=0, text="Keep it open", comment_id="2")])
    assert purge(any_store, older_than=timedelta(days=90)) == 0
    with any_store.read() as connection:
        assert len(connection.execute(sa.select(sightings)).all()) == 1
    assert feedback.forget(author="reader-18") == 1


def test_authors_are_not_looked_for_without_their_secret(store: Store, tmp_path: Path) -> None:
    elsewhere = Feedback(store, KeyedHashes(tmp_path / "elsewhere" / "author-secret"), comments=True)
    assert elsewhere.forget(author="reader-17") == 0
    feedback = Feedback(store, KeyedHashes(tmp_path / "author-secret"), comments=True)
    feedback.keep([TOXIC])
    with pytest.raises(StoreError, match="the secret for finding them is not here"):
        elsewhere.forget(author="reader-17")
    assert not (tmp_path / "elsewhere").exists()
    assert elsewhere.forget(comment_id="1") == 1


def test_no_author_is_recorded_unless_turned_on(any_store: Store, hashes: KeyedHashes) -> None:
    Feedback(any_store, hashes, comments=False).saw(Comment(text="Keep it open"), "reader-18")
    with any_store.read() as connection:
        assert connection.execute(sa.select(sightings)).all() == []


def test_a_moderators_later_decision_replaces_the_earlier(any_store: Store, hashes: KeyedHashes) -> None:
    feedback = Feedback(any_store, hashes, comments=False)
    feedback.keep([TOXIC])
    feedback.keep([Suggestion(attribute="toxicity", value=0, client_token="comment:1")])
    feedback.keep(
        [Suggestion(attribute="toxicity", value=1, client_token="comment:1", community="other site")]
    )
    feedback.keep([Suggestion(attribute="spam", value=1, client_token="comment:1")])
    assert [(row["attribute"], row["value"], row["community"]) for row in feedback.rows()] == [
        ("toxicity", 0.0, None),
        ("toxicity", 1.0, "other site"),
        ("spam", 1.0, None),
    ]


def test_the_last_decision_of_a_request_counts(any_store: Store, hashes: KeyedHashes) -> None:
    feedback = Feedback(any_store, hashes, comments=False)
    unnamed = Suggestion(attribute="toxicity", value=1)
    assert feedback.keep([TOXIC, unnamed, unnamed, replace(TOXIC, value=0.0)]) == 3
    assert sorted((row["client_token"] or "", row["value"]) for row in feedback.rows()) == [
        ("", 1.0),
        ("", 1.0),
        ("comment:1", 0.0),
    ]


def test_purge_removes_what_is_older(any_store: Store, hashes: KeyedHashes) -> None:
    feedback = Feedback(any_store, hashes, comments=False)
    feedback.keep([TOXIC, Suggestion(attribute="spam", value=1, client_token="comment:2")])
    long_ago = datetime.now(UTC) - timedelta(days=91)
    with any_store.write() as connection:
        connection.execute(
            sa.update(suggestions).where(suggestions.c.attribute == "spam").values(created=long_ago)
        )
        connection.execute(sa.insert(sightings).values(text_hash="t", author="a", seen=long_ago))
    assert purge(any_store, older_than=timedelta(days=90)) == 1
    with any_store.read() as connection:
        assert connection.execute(sa.select(sightings)).all() == []
    assert [row["attribute"] for row in feedback.rows()] == ["toxicity"]


def test_forgetting_an_author_leaves_identical_texts_of_others(any_store: Store, hashes: KeyedHashes) -> None:
    feedback = Feedback(any_store, hashes, comments=True)
    thanks = Suggestion(attribute="toxicity", value=0, text="Thank you!")
    feedback.keep([replace(thanks, author=f"reader-{n}", comment_id=str(n)) for n in (1, 2, 3)])
    feedback.keep([replace(thanks, comment_id="4"), replace(thanks, text="Only mine.", comment_id="5")])
    for author in ("reader-1", "reader-2"):
        feedback.saw(Comment(text="Thank you!"), author)
    feedback.saw(Comment(text="Only mine."), "reader-1")
    assert feedback.forget(author="reader-1") == 2
    assert [row["comment_id"] for row in feedback.rows()] == ["2", "3", "4"]
    assert feedback.forget(author="reader-2") == 1, "4 may be by reader-3"
    assert [row["comment_id"] for row in feedback.rows()] == ["3", "4"]


def test_forgetting_a_comment_forgets_who_was_seen_to_write_it(any_store: Store, hashes: KeyedHashes) -> None:
    feedback = Feedback(any_store, hashes, comments=True)
    sent = Suggestion(attribute="toxicity", value=0, text="Keep it open", comment_id="1")
    feedback.keep([sent, replace(sent, text="Close it", comment_id="2"), replace(sent, text="Close it")])
    for text in ("Keep it open", "Close it"):
        feedback.saw(Comment(text=text), "reader-1")
    assert feedback.forget(comment_id="1") == 2
    assert feedback.forget(comment_id="2") == 1
    with any_store.read() as connection:
        assert connection.execute(sa.select(sightings)).all() == []


@pytest.mark.parametrize("comments", [False, True])
def test_ids_and_urls_cannot_contain_a_text(any_store: Store, hashes: KeyedHashes, comments: bool) -> None:
    text = "What somebody wrote. " * 1000
    sent = Suggestion(attribute="spam", value=1, article_url=text, parent_id=text, language=text)
    feedback = Feedback(any_store, hashes, comments=comments)
    feedback.keep([sent, replace(sent, article_url="https://news.example/" + "a" * 3000)])
    for row in feedback.rows():
        assert (row["article_url"], row["parent_id"], row["language"]) == (None, None, None)
    url = "https://news.example/bridge"
    feedback.keep([Suggestion(attribute="spam", value=1, article_url=url, parent_id="7", language="en-GB")])
    row = list(feedback.rows())[-1]
    assert (row["article_url"], row["parent_id"], row["language"]) == (url, "7", "en-GB")
    for more in (" What somebody\nwrote", "#What somebody wrote"):
        sent = Suggestion(
            attribute="spam", value=1, article_url=f"https://ann:secret@news.example/bridge{more}"
        )
        feedback.keep([sent])
        stored = list(feedback.rows())[-1]["article_url"]
        assert "ann" not in stored
        assert "secret" not in stored
        assert "\n" not in stored
        assert " " not in stored
    assert stored == url


def test_a_clock_that_is_wrong_does_not_empty_the_store(any_store: Store, hashes: KeyedHashes) -> None:
    feedback = Feedback(any_store, hashes, comments=True)
    feedback.keep([replace(TOXIC, client_token=None, comment_id=str(n)) for n in range(40)])
    with pytest.raises(PurgeRefused, match=r"40 of 40 rows of suggestions .*parley feedback purge --all"):
        purge(any_store, older_than=timedelta(days=-1))
    assert len(list(feedback.rows())) == 40
    assert purge(any_store, older_than=timedelta(days=-1), whatever_share=True) == 40


# The secret of author hashes


def test_secret_is_created_once_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "new" / "author-secret"
    first = KeyedHashes(file).author("reader-17")
    assert first == KeyedHashes(file).author("reader-17")
    assert first != KeyedHashes(tmp_path / "other").author("reader-17")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["author-secret"]


def test_secret_is_created_despite_leftovers_of_a_crash_and_by_many_at_once(tmp_path: Path) -> None:
    (tmp_path / f"author-secret.{os.getpid()}").write_bytes(
        b"half"
    )  # in a container the process number is the same
    many = [KeyedHashes(tmp_path / "author-secret") for _ in range(16)]
    with ThreadPool(16) as pool:
        assert len(set(pool.map(lambda hashes: hashes.author("reader-17"), many))) == 1


def test_damaged_secret_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "author-secret"
    file.write_bytes(b"short")
    with pytest.raises(StoreError, match="must hold 32 bytes"):
        KeyedHashes(file).author("reader-17")


# The database itself


def test_migrations_lead_to_the_tables(any_store: Store) -> None:
    with any_store.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_head_is_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))
    assert scripts.get_current_head() == HEAD


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    first = Store.open(url)
    articles.put(first, Article(id="a", title="t"))
    first.close()
    second = Store.open(url)
    assert articles.get(second, "a") is not None
    second.close()


def test_closing_a_store_closes_connections_in_use_once_they_are_done(
    postgres_store: Store, postgres_url: str
) -> None:
    ask = sa.text("SELECT count(*) FROM pg_stat_activity WHERE datname = 'parley_test'")
    with postgres_store.read() as connection:
        mine = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        postgres_store.close()
        assert connection.scalar(sa.text("SELECT pg_backend_pid()")) == mine
    watcher = Store.open(postgres_url)
    deadline = time.monotonic() + 60
    with watcher.read() as connection:
        while connection.scalar(ask):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    watcher.close()


def test_a_read_needs_no_transaction_and_a_failed_write_leaves_nothing(any_store: Store) -> None:
    def add(*, times: int) -> None:
        with any_store.write() as connection:
            for _ in range(times):
                connection.execute(sa.insert(metadata.tables["api_keys"]).values(KEY_ROW))

    with pytest.raises(StoreError):
        add(times=2)  # two keys of one id
    assert keys.all_keys(any_store) == []
    add(times=1)
    with any_store.read() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM api_keys")) == 1
        if connection.dialect.name == "postgresql":
            began = sa.text("SELECT now() = statement_timestamp()")
            time.sleep(0.01)
            assert connection.scalar(began), "each statement is its own transaction"


def test_a_store_of_an_older_parley_is_migrated_and_keeps_its_rows(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        row = {"created": datetime(2026, 1, 2), "attribute": "spam", "value": 1.0}
        connection.execute(sa.table("suggestions", *map(sa.column, row)).insert().values(row))
    engine.dispose()
    store = Store.open(url)
    with store.read() as connection:
        assert connection.execute(sa.select(suggestions.c.attribute, suggestions.c.text_hash)).all() == [
            ("spam", None)
        ]
    store.close()


def test_several_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    with ThreadPool(4) as pool:
        for store in pool.map(Store.open, [url] * 4):
            store.close()


def test_writers_wait_for_each_other(any_store: Store) -> None:
    with ThreadPool(8) as pool:
        pool.map(lambda n: articles.put(any_store, Article(id=str(n % 3), title="t")), range(40))
    assert len(articles.find(any_store, ["0", "1", "2"])) == 3


def test_sqlite_file_is_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "data" / "parley.db"
    Store.open(f"sqlite:///{file}").close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_an_error_rolls_back_and_never_quotes_what_was_sent(store: Store) -> None:
    with pytest.raises(StoreError) as caught, store.write() as connection:
        connection.execute(sa.insert(suggestions).values(text="secret words", attribute="spam", value=1.0))
    assert "secret words" not in str(caught.value)
    assert "secret words" not in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("parley.db", "not a database URL"),
        ("postgresql://parley:hidden@127.0.0.1:port/parley", "not a database URL"),
        ("mysql://root@127.0.0.1/parley", "sqlite and postgresql"),
        ("sqlite:////proc/nowhere/parley.db", "can't be created"),
        ("postgresql://parley:hidden@127.0.0.1:1/parley", "can't be used"),
    ],
)
def test_a_store_that_cannot_be_opened_says_what_to_do(url: str, says: str) -> None:
    with pytest.raises(StoreError, match=says) as caught:
        Store.open(url)
    assert "hidden" not in str(caught.value)


def test_a_store_of_a_newer_parley_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    store = Store.open(url)
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(StoreError, match="install that version"):
        Store.open(url)


# A database that hangs


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A database that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(10)
        yield int(listener.getsockname()[1])


def test_a_silent_database_is_given_up(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pg8000")
    monkeypatch.setattr(database, "SILENT_S", 0.2)
    with pytest.raises(StoreError, match=r"the store .* can't be used"):  # without a limit it waits for ever
        Store.open(f"postgresql://parley:secret@127.0.0.1:{silent_port}/parley")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # pg8000 leaves its socket to the garbage collector
        gc.collect()


@pytest.mark.parametrize(
    "error", [ConnectionResetError("gone"), TimeoutError("late"), BrokenPipeError("cut")]
)
def test_a_connection_that_breaks_is_a_store_error_and_logged(
    store: Store, error: Exception, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StoreError, match="see the log"), store.read():
        raise error
    assert not store.available
    assert (
        "store_failed" in capsys.readouterr().out + caplog.text
    )  # depending on how logging was set up before
    with store.read() as connection:
        connection.execute(sa.text("SELECT 1"))
    assert store.available


def test_a_statement_that_waits_for_a_lock_is_ended(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAIT_S", 0.3)
    store = Store.open(postgres_url)
    with store.write() as connection:
        connection.execute(sa.text("LOCK TABLE suggestions IN ACCESS EXCLUSIVE MODE"))
        start = time.monotonic()
        with pytest.raises(StoreError), store.read() as other:
            other.execute(sa.select(suggestions)).all()
        assert time.monotonic() - start < database.STATEMENT_S / 2  # which would end it without WAIT_S
    with store.write() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    store.close()


def test_decisions_last_through_a_power_cut(store: Store) -> None:
    with store.read() as connection:
        assert connection.scalar(sa.text("PRAGMA synchronous")) == 2  # FULL
