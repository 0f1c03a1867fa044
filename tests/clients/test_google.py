"""google-api-python-client, built from Parley's discovery document by changing one string."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httplib2
import pytest
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from tests.clients.conftest import Server


@pytest.fixture
def service(server: Server) -> Iterator[Any]:
    """The client, built as in every program that used Perspective."""
    with build(
        "commentanalyzer",
        "v1alpha1",
        developerKey=server.key,
        discoveryServiceUrl=f"{server.url}/$discovery/rest?version=v1alpha1",
        static_discovery=False,
    ) as built:
        yield built


def request(text: str, **more: Any) -> dict[str, Any]:
    return {"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}} | more


def test_analyze(service: Any) -> None:
    answer = service.comments().analyze(body=request("What a good plan.", clientToken="t")).execute()
    assert 0 <= answer["attributeScores"]["TOXICITY"]["summaryScore"]["value"] <= 1
    assert answer["attributeScores"]["TOXICITY"]["spanScores"][0]["score"]["type"] == "PROBABILITY"
    assert answer["clientToken"] == "t"


def test_suggestscore(service: Any, server: Server) -> None:
    body = {
        "comment": {"text": "What a good plan."},
        "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}},
        "communityId": "google-client",
        "clientToken": "g-1",
    }
    answer = service.comments().suggestscore(body=body).execute()
    assert answer["clientToken"] == "g-1"
    kept = [row for row in server.app.state.service.feedback.rows() if row["community"] == "google-client"]
    assert [(row["attribute"], row["value"], row["text"]) for row in kept] == [("toxicity", 1.0, None)]


def test_errors_have_their_details(service: Any) -> None:
    with pytest.raises(HttpError, match="Comment must be non-empty") as error:
        service.comments().analyze(body=request("")).execute()
    assert error.value.status_code == 400
    assert error.value.error_details[0]["errorType"] == "COMMENT_EMPTY"


def test_a_bad_key_is_reported_as_google_reports_it(server: Server) -> None:
    http = httplib2.Http()  # our own connection, because the client leaves its own open when it fails
    with pytest.raises(HttpError, match=r"API key not valid\. Please pass a valid API key\."):
        build(
            "commentanalyzer",
            "v1alpha1",
            http=http,
            developerKey="wrong",
            discoveryServiceUrl=f"{server.url}/$discovery/rest?version=v1alpha1",
            static_discovery=False,
        )
    http.close()


def test_batches(service: Any) -> None:
    answers: dict[str, Any] = {}

    def keep(request_id: str, answer: Any, error: HttpError | None) -> None:
        answers[request_id] = error or answer

    batch = service.new_batch_http_request(callback=keep)
    texts = ["One good plan.", "", "Twö: \U0001f600"] + [f"Plan {n}" for n in range(40)]
    for n, text in enumerate(texts):
        batch.add(service.comments().analyze(body=request(text)), request_id=str(n))
    batch.execute()
    assert len(answers) == len(texts)
    failed = answers.pop("1")
    assert isinstance(failed, HttpError)
    assert (failed.status_code, failed.error_details[0]["errorType"]) == (400, "COMMENT_EMPTY")
    for place, answer in answers.items():
        alone = service.comments().analyze(body=request(texts[int(place)])).execute()
        assert answer == alone
