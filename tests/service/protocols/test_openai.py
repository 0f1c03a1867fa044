"""OpenAI's moderation: results for each form of input, an honest mapping, errors in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from parley.model.classifier import Classifier
from parley.model.comment import Comment, Prediction
from parley.model.labels import ABUSE
from parley.service.protocols.openai import CATEGORIES
from parley.service.settings.schema import Limits, Settings, Storage
from parley.service.store import keys
from parley.service.store.database import Store
from parley.service.web.app import create_app
from tests.service.conftest import wait_until_ready

URL = "/v1/moderations"
ALL = {
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent"),
    *("self-harm", "self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors"),
    *("violence", "violence/graphic"),
}
JUDGED = {"harassment", "harassment/threatening", "hate", "hate/threatening", "sexual", "violence"}


class Fake(Classifier):
    """Gives 0.6 to the labels that a text names."""

    def __init__(self) -> None:
        self.info = {"name": "fake", "version": "1"}
        self.thresholds = dict.fromkeys(ABUSE, 0.5)

    def predict(self, comments: Sequence[Comment]) -> list[Prediction]:
        return [
            Prediction(
                id=None,
                abuse={label: 0.6 if label in comment.text.split() else 0.1 for label in ABUSE},
                spam=0.0,
                off_topic=None,
                stance=None,
            )
            for comment in comments
        ]

    def beside(self) -> Fake:
        return self


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Any:
    store = Storage(folder=tmp_path_factory.mktemp("store"))
    settings = Settings(store=store, limits=Limits(comments=3, text=50))
    with TestClient(create_app(settings, load=Fake)) as client:
        wait_until_ready(client)
        yield client


def ask(client: TestClient, sent: Any, **more: Any) -> list[dict[str, Any]]:
    response = client.post(URL, json={"input": sent} | more)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["id"].startswith("modr-")
    for result in answer["results"]:
        for name in ("categories", "category_scores", "category_applied_input_types"):
            assert set(result[name]) == ALL
        assert result["flagged"] == any(result["categories"].values())
        for category in ALL - (JUDGED if any(result["category_applied_input_types"].values()) else set()):
            assert result["categories"][category] is False
            assert result["category_scores"][category] == 0
            assert result["category_applied_input_types"][category] == []
    assert isinstance(answer["results"], list)
    return answer["results"]


@pytest.mark.parametrize(
    ("text", "flagged"),
    [
        ("nothing", set()),
        ("profanity", set()),
        ("toxicity", {"harassment"}),
        ("insult", {"harassment"}),
        ("identity_attack", {"hate"}),
        ("threat", {"harassment/threatening", "violence"}),
        ("identity_attack threat", {"hate", "hate/threatening", "harassment/threatening", "violence"}),
        ("sexually_explicit", {"sexual"}),
    ],
)
def test_categories_follow_the_labels(fake: TestClient, text: str, flagged: set[str]) -> None:
    (result,) = ask(fake, text)
    assert {name for name, flag in result["categories"].items() if flag} == flagged
    for name in JUDGED:
        assert result["category_scores"][name] == (0.6 if name in flagged else 0.1)
        assert result["category_applied_input_types"][name] == ["text"]


def test_a_result_for_a_string_each_string_or_all_parts(fake: TestClient) -> None:
    threat, calm = ask(fake, "threat")[0], ask(fake, "calm")[0]
    assert ask(fake, ["calm", "threat", "calm"], model="omni-moderation-latest") == [calm, threat, calm]
    image = {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}
    assert ask(fake, [{"type": "text", "text": "threat"}, image, {"type": "text", "text": "calm"}]) == [
        threat
    ]
    (unjudged,) = ask(fake, [image])
    assert not any(unjudged["category_applied_input_types"].values())


def test_the_answer_names_the_model_that_answered(fake: TestClient) -> None:
    assert fake.post(URL, json={"input": "a", "model": "text-moderation-stable"}).json()["model"] == "fake-1"


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({}, "input", "missing"),
        ({"input": None}, "input", "must be a string, a list of strings, or"),
        ({"input": [1, 2]}, "input", "must be a string, a list of strings, or"),
        ({"input": [{"type": "video"}]}, "input", "must be a string, a list of strings, or"),
        ({"input": ["a", {"type": "text", "text": "b"}]}, "input", "must be a string, a list of strings, or"),
        ({"input": []}, "input", "1 to 3 texts, not 0"),
        ({"input": ["a"] * 4}, "input", "1 to 3 texts, not 4"),
        ({"input": "a" * 51}, "input", "51 characters, the limit is 50"),
        ({"input": "a", "model": 5}, "model", "must be text"),
    ],
)
def test_bad_requests_have_openais_shape(fake: TestClient, body: Any, param: str, message: str) -> None:
    response = fake.post(URL, json=body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert message in error["message"]


def test_a_bad_key_has_openais_shape(tmp_path: Path, store: Store) -> None:
    keys.create(store, "test")
    with TestClient(create_app(Settings(store=Storage(folder=tmp_path)), load=Fake)) as client:
        response = client.post(URL, json={"input": "a"}, headers={"Authorization": "Bearer nope"})
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")


def test_the_real_classifier_answers(client: TestClient) -> None:
    assert len(ask(client, ["you are wrong", "", "\U0001f600"])) == 3
    assert set(CATEGORIES) == ALL
