"""Suggested scores are stored as rows, unless the client or the site forbids it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from parley.model import Classifier
from parley.service.settings.schema import Settings, Storage
from parley.service.store.feedback import training_rows
from parley.service.web.app import create_app
from tests.service.conftest import wait_until_ready

SUGGEST = "/v1alpha1/comments:suggestscore"
CORAL: dict[str, Any] = {  # as Coral sends an approval
    "comment": {"text": "A mild remark about the park."},
    "context": {
        "entries": [
            {
                "text": '{"url":"https://site.example/story/?commentID=c-9",'
                '"reply_to_id_Coral_comment_id":"c-8","Coral_comment_id":"c-9"}'
            }
        ]
    },
    "attributeScores": {"TOXICITY": {"summaryScore": {"value": 0}}},
    "languages": ["en"],
    "communityId": "Coral:https://tenant.example",
    "clientToken": "comment:c-9",
}


@pytest.fixture(params=[True, False])
def keeps(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def client(store_folder: Path, classifier: Classifier, keeps: bool) -> Iterator[TestClient]:
    """A service with its own store, with or without texts."""
    settings = Settings(store=Storage(folder=store_folder, comments=keeps))
    with TestClient(create_app(settings, load=lambda: classifier)) as client:
        wait_until_ready(client)
        yield client


def rows(client: TestClient) -> list[dict[str, Any]]:
    return list(client.app.state.service.feedback.rows())  # type: ignore[attr-defined]


def test_a_decision_of_corals_becomes_a_row(client: TestClient, keeps: bool) -> None:
    response = client.post(f"{SUGGEST}?key=K", json=CORAL)
    assert response.json() == {
        "clientToken": "comment:c-9",
        "requestedLanguages": ["en"],
        "detectedLanguages": ["en"],
    }
    (row,) = rows(client)
    expected = {
        "attribute": "toxicity",
        "value": 0.0,
        "comment_id": "c-9",
        "parent_id": "c-8",
        "article_url": "https://site.example/story",
        "community": "Coral:https://tenant.example",
        "client_token": "comment:c-9",
        "language": "en",
        "text": CORAL["comment"]["text"] if keeps else None,
    }
    assert {name: row[name] for name in expected} == expected
    exported, without_text = training_rows(rows(client))
    assert (len(exported), without_text) == ((1, 0) if keeps else (0, 1))


@pytest.mark.parametrize(
    ("text", "language"),
    [("Dat is toch volslagen onzin, en iedereen in de gemeente weet het al jaren.", "nl"), ("+1", "en")],
)
def test_the_language_is_the_detected_one_where_that_is_sure(
    client: TestClient, text: str, language: str
) -> None:
    answer = client.post(SUGGEST, json=CORAL | {"comment": {"text": text}}).json()
    assert answer["requestedLanguages"] == ["en"]
    assert [row["language"] for row in rows(client)] == [language]


def test_the_newest_decision_counts(client: TestClient) -> None:
    client.post(SUGGEST, json=CORAL)
    client.post(SUGGEST, json=CORAL | {"attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}}})
    assert [row["value"] for row in rows(client)] == [1.0]


def test_do_not_store_wins(client: TestClient) -> None:
    assert client.post(SUGGEST, json=CORAL | {"doNotStore": True}).status_code == 200
    assert rows(client) == []


def test_highest_span_counts_without_a_summary_and_other_names_are_kept(client: TestClient) -> None:
    spans = [{"begin": 0, "end": 5, "score": {"value": 1}}, {"begin": 6, "end": 9, "score": {"value": 0}}]
    scores = {"OFF_TOPIC": {"spanScores": spans}, "LIKELY_TO_REJECT": {"summaryScore": {"value": 1}}}
    body = {"comment": {"text": "hi"}, "attributeScores": scores, "clientToken": "mine"}
    assert client.post(SUGGEST, json=body).status_code == 200
    assert {row["attribute"]: row["value"] for row in rows(client)} == {
        "off_topic": 1.0,
        "likely_to_reject": 1.0,
    }
    assert {row["comment_id"] for row in rows(client)} == {None}


@pytest.mark.parametrize(
    "scores",
    [
        None,
        {},
        {"TOXICITY": None},
        {"TOXICITY": {}},
        {"TOXICITY": {"summaryScore": {}}},
        {"TOXICITY": {"summaryScore": {"value": None}}},
        {"TOXICITY": {"summaryScore": {"value": 1.1}}},
        {"TOXICITY": {"summaryScore": {"value": 1, "type": "RAW"}}},
        {"TOXICITY": {"spanScores": [{"begin": 0, "score": {"value": 1}}]}},
        {"TOXICITY": {"spanScores": [{"begin": 0, "end": 4}]}},
        {" ": {"summaryScore": {"value": 1}}},
        {"A" * 513: {"summaryScore": {"value": 1}}},
        {f"TOXICITY@{n}": {"summaryScore": {"value": 1}} for n in range(101)},
    ],
)
def test_a_decision_that_says_nothing_is_refused(client: TestClient, scores: Any) -> None:
    response = client.post(SUGGEST, json=CORAL | {"attributeScores": scores})
    assert (response.status_code, response.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert response.json()["error"]["details"][0]["errorType"] == "INVALID_REQUEST"
    assert rows(client) == []


@pytest.mark.parametrize(
    "change",
    [
        {"clientToken": "x" * 513},
        {"communityId": "x" * 513},
        {"context": {"entries": [{"text": '{"Coral_comment_id":"%s"}' % ("x" * 513)}]}},
    ],
)
def test_an_id_too_long_for_an_index_is_refused(client: TestClient, change: dict[str, Any]) -> None:
    response = client.post(SUGGEST, json=CORAL | change)
    assert (response.status_code, "longer than 512" in response.text) == (400, True)
    assert rows(client) == []


def test_decisions_without_a_name_do_not_replace_each_other(client: TestClient) -> None:
    for token in ("", None, ""):
        unnamed = {key: value for key, value in CORAL.items() if key != "context"} | {"clientToken": token}
        assert client.post(SUGGEST, json=unnamed).json().get("clientToken") == token
    assert [(row["client_token"], row["comment_id"]) for row in rows(client)] == [(None, None)] * 3


def test_a_comment_is_needed(client: TestClient) -> None:
    response = client.post(SUGGEST, json=CORAL | {"comment": {"text": ""}})
    assert response.json()["error"]["details"][0]["errorType"] == "COMMENT_EMPTY"
