"""Moderators' decisions: sent, exported to train from, forgotten."""

from __future__ import annotations

import csv
import shutil
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from structlog.testing import capture_logs
from typer.testing import CliRunner

from parley.model import Classifier
from parley.service.commands.cli import app as parley
from parley.service.privacy import KeyedHashes
from parley.service.settings.schema import Settings, Storage
from parley.service.store import retention
from parley.service.store.articles import MODEL_READS
from parley.service.store.database import Store
from parley.service.store.feedback import LABELS, Feedback, Suggestion
from parley.service.web.app import create_app
from parley.training.data.decisions import read_own
from tests.service.conftest import wait_until_ready

DECISION = {
    "comment_id": "c-17",
    "label": "toxicity",
    "value": 1,
    "text": "what nonsense",
    "author": "reader-17",
}


@pytest.fixture
def config(tmp_path: Path, empty_store: Path) -> Path:
    (tmp_path / "data").mkdir()
    shutil.copy(empty_store, tmp_path / "data")
    file = tmp_path / "service.yaml"
    file.write_text(f"store: {{folder: '{tmp_path / 'data'}', comments: true}}\n", encoding="utf-8")
    return file


@pytest.fixture
def client(config: Path, classifier: Classifier) -> Iterator[TestClient]:
    """A service of a site that stores comments."""
    with TestClient(create_app(Settings.load(file=config), load=lambda: classifier)) as client:
        yield client


def send(client: TestClient, *decisions: dict[str, Any], **more: Any) -> int:
    answer = client.post("/v1/feedback", json={"decisions": decisions, **more})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["kept"])


def call(config: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(parley, [*arguments, "--config", str(config)])
    return result.exit_code, result.stderr


def exported(config: Path) -> list[dict[str, str]]:
    output = config.with_name("decisions.csv")
    assert call(config, "feedback", "export", "-o", str(output), "--overwrite")[0] == 0
    with output.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_decisions_become_one_training_row_per_comment(client: TestClient, config: Path) -> None:
    assert send(client, DECISION, DECISION | {"label": "spam", "value": 0}) == 2
    send(client, DECISION | {"comment_id": "c-18", "text": 'two\nlines, "quoted"', "label": "off_topic"})
    send(client, DECISION | {"value": 0.0})
    first, second = exported(config)
    assert (first["id"], first["text"], first["toxicity"], first["spam"]) == (
        "c-17",
        "what nonsense",
        "0.0",
        "0.0",
    )
    assert (second["text"], second["off_topic"], second["toxicity"]) == ('two\nlines, "quoted"', "1.0", "")
    assert set(LABELS) < set(first)
    assert stat.S_IMODE(config.with_name("decisions.csv").stat().st_mode) == 0o600


def test_stored_articles_are_exported_with_their_comments(client: TestClient, config: Path) -> None:
    url = "https://news.example/bridge"
    client.put(f"/v1/articles/{url}", json={"title": "The bridge closes", "text": "On Monday."})
    for number, under in enumerate((f"{url}/?utm_source=x#top", "https://news.example/other", None)):
        send(client, DECISION | {"comment_id": str(number), "label": "off_topic", "article_url": under})
    kept, other, none = exported(config)
    assert (kept["article.title"], kept["article.text"]) == ("The bridge closes", "On Monday.")
    assert [row["article.title"] for row in (other, none)] == ["", ""]
    told = call(config, "feedback", "export", "-o", str(config.with_name("d.csv")))[1]
    assert "1 of them belong to articles that are not stored" in told


def test_what_is_exported_can_be_trained_on(client: TestClient, config: Path) -> None:
    """Coral's suggested scores name only the story, whose article was PUT."""
    client.put("/v1/articles/https://news.example/bridge", json={"title": "The bridge closes"})
    suggested = {
        "comment": {"text": "Has anybody seen my cat?"},
        "context": {"entries": [{"text": '{"url": "https://news.example/bridge?commentID=c-1"}'}]},
        "attributeScores": {"OFF_TOPIC": {"summaryScore": {"value": 1}}},
        "clientToken": "comment:c-1",
    }
    assert client.post("/v1alpha1/comments:suggestscore", json=suggested).status_code == 200
    (row,) = exported(config)
    assert (row["off_topic"], row["article.title"]) == ("1.0", "The bridge closes")


SENT = {
    "comment": {"text": "Has anybody seen my cat?"},
    "context": {"entries": [{"text": "The bridge closes\nOn Monday. " + 30_000 * "x"}]},
    "attributeScores": {"OFF_TOPIC": {"summaryScore": {"value": 1}}},
    "clientToken": "c-1",
}


def test_an_article_sent_as_text_can_be_trained_on(client: TestClient, config: Path) -> None:
    assert client.post("/v1alpha1/comments:suggestscore", json=SENT).status_code == 200
    assert client.post("/v1alpha1/comments:suggestscore", json=SENT | {"doNotStore": True}).status_code == 200
    (row,) = exported(config)
    assert (row["off_topic"], row["article.title"]) == ("1.0", "The bridge closes")
    assert row["article.text"].startswith("On Monday. x")
    assert len(row["article.text"]) == MODEL_READS
    (example,) = read_own(config.with_name("decisions.csv"), None).examples
    assert example.off_topic == 1
    assert example.article is not None
    assert example.article.startswith("The bridge closes\nOn Monday.")


def test_a_stored_article_takes_precedence_over_one_sent(client: TestClient, config: Path) -> None:
    store = client.app.state.service.store  # type: ignore[attr-defined]
    hashes = KeyedHashes(config.parent / "secret")
    url = "https://news.example/bridge"
    client.put(f"/v1/articles/{url}", json={"title": "The bridge closes"})
    given = [
        Suggestion(attribute="off_topic", value=1, text="Hm.", article_url=under, article_title="As sent")
        for under in (url, f"{url}/other", None)
    ]
    Feedback(store, hashes, comments=True).keep(given)
    assert [row["article.title"] for row in exported(config)] == ["The bridge closes", "As sent", "As sent"]


def test_no_article_text_is_stored_unless_texts_are(tmp_path: Path, classifier: Classifier) -> None:
    settings = Settings(store=Storage(folder=tmp_path / "data"))
    with TestClient(create_app(settings, load=lambda: classifier)) as client:
        assert client.post("/v1alpha1/comments:suggestscore", json=SENT).status_code == 200
    for file in (tmp_path / "data").iterdir():
        assert b"bridge closes" not in file.read_bytes()


def test_do_not_store_wins_over_the_sites_setting(client: TestClient, config: Path) -> None:
    assert send(client, DECISION, do_not_store=True) == 0
    assert exported(config) == []


def test_author_is_forgotten(client: TestClient, config: Path) -> None:
    send(client, DECISION, DECISION | {"comment_id": "c-18", "author": "reader-18"})
    status, told = call(config, "forget", "reader-17")
    assert (status, told) == (0, "Deleted 1 decisions and comments.\n")
    assert [row["id"] for row in exported(config)] == ["c-18"]
    assert call(config, "forget", "--comment", "c-18")[0] == 0
    assert exported(config) == []
    assert call(config, "forget")[0] == 2


def test_without_texts_there_is_nothing_to_train_from(
    tmp_path: Path, config: Path, classifier: Classifier
) -> None:
    settings = Settings(store=Storage(folder=tmp_path / "data"))
    with TestClient(create_app(settings, load=lambda: classifier)) as client:
        send(client, DECISION)
    output = tmp_path / "out.csv"
    status, told = call(config, "feedback", "export", "-o", str(output))
    assert (status, "Skipped 1 decisions without a text" in told) == (0, True)
    status, told = call(config, "feedback", "export", "-o", str(output))
    assert (status, "--overwrite" in told) == (2, True)
    assert call(config, "feedback", "export", "-o", str(tmp_path / "no" / "out.csv"))[0] == 2


def test_old_decisions_are_purged_when_the_service_starts(
    tmp_path: Path, config: Path, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    purged: list[timedelta] = []

    def purge(store: Store, *, older_than: timedelta) -> int:
        purged.append(older_than)
        return 0

    monkeypatch.setattr(retention, "purge", purge)
    with TestClient(create_app(Settings.load(file=config), load=lambda: classifier)) as client:
        client.get("/health")
    assert purged == [timedelta(days=90)]


def test_a_refused_purge_says_in_the_log_what_to_do(
    client: TestClient, config: Path, classifier: Classifier
) -> None:
    send(client, *(DECISION | {"comment_id": f"c-{number}"} for number in range(40)))
    with client.app.state.service.store.write() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("UPDATE suggestions SET created = '2020-01-01'")
    settings = Settings.load(file=config)
    with (
        capture_logs() as logged,
        TestClient(create_app(settings, load=lambda: classifier)) as another,
    ):
        wait_until_ready(another)
        for _ in range(1000):
            if told := [line for line in logged if line["event"] == "purge_refused"]:
                break
            time.sleep(0.01)
    assert "40 of 40 rows of suggestions" in told[0]["reason"]
    assert "parley feedback purge --all" in told[0]["reason"]


def test_old_decisions_are_not_exported_even_if_no_service_ran(client: TestClient, config: Path) -> None:
    store = client.app.state.service.store  # type: ignore[attr-defined]
    send(client, DECISION, DECISION | {"comment_id": "c-18"})
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE suggestions SET created = '2020-01-01' WHERE comment_id = 'c-17'")
    assert [row["id"] for row in exported(config)] == ["c-18"]


def test_an_action_is_stored_as_the_labels_it_implies(client: TestClient, config: Path) -> None:
    def sent(comment_id: str, **decided: str) -> int:
        decision = {key: DECISION[key] for key in DECISION if key not in ("label", "value")}
        return send(client, decision | {"comment_id": comment_id, "text": comment_id, **decided})

    assert sent("fine", action="approve") == 2
    assert sent("ad", action="reject", reason="AD") == 1
    assert sent("hate", action="reject", reason="HATE_SPEECH") == 2
    assert sent("who knows", action="reject") == 0
    rows = {row["id"]: row for row in exported(config)}
    assert (float(rows["fine"]["toxicity"]), float(rows["fine"]["spam"])) == (0, 0)
    assert (rows["ad"]["spam"], rows["ad"]["toxicity"]) == ("1.0", "")
    assert float(rows["hate"]["identity_attack"]) == 1


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"label": "stance"}, "decisions[0].label"),
        ({"value": 1.5}, "decisions[0].value"),
        ({"value": "yes"}, "decisions[0].value"),
        ({"comment_id": None}, "decisions[0].comment_id"),
        ({"moderator": "me"}, "decisions[0].moderator"),
        ({"comment_id": " "}, "decisions[0].comment_id"),
        ({"label": None}, "decisions[0]"),
        ({"action": "reject"}, "decisions[0]"),
        ({"label": None, "value": None}, "decisions[0]"),
        ({"label": None, "value": None, "action": "ban"}, "decisions[0].action"),
        ({"label": None, "value": None, "action": "reject", "reason": "?"}, "decisions[0].reason"),
    ],
)
def test_bad_decision_is_refused_with_the_place(
    client: TestClient, change: dict[str, Any], place: str
) -> None:
    refused = client.post("/v1/feedback", json={"decisions": [DECISION | change]})
    assert refused.status_code == 422
    assert refused.json()["error"]["details"][0]["place"] == place


def test_author_that_only_coral_names_is_forgotten(client: TestClient, config: Path) -> None:
    wait_until_ready(client)
    phase = {
        "action": "NEW",
        "comment": {"body": "<div>Close the <b>bridge</b> now</div>", "parentID": None},
        "author": {"id": "reader-17", "role": "COMMENTER"},
        "story": {"id": "s", "url": "https://news.example/bridge"},
    }
    assert client.post("/coral/phase", json=phase).status_code in (200, 204)
    suggested = {
        "comment": {"text": "Close the bridge now"},
        "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}},
        "clientToken": "comment:c-17",
    }
    assert client.post("/v1alpha1/comments:suggestscore", json=suggested).status_code == 200
    assert [row["text"] for row in exported(config)] == ["Close the bridge now"]
    assert call(config, "forget", "reader-17") == (0, "Deleted 1 decisions and comments.\n")
    assert exported(config) == []
