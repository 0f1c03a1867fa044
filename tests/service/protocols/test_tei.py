"""TEI's protocol: heads as classifiers, for one text, a pair and a batch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from parley.model import Classifier
from parley.model.labels import ABUSE, STANCES
from parley.service.settings.schema import Limits, Settings, Storage
from parley.service.web.app import create_app
from tests.service.conftest import wait_until_ready

TITLE, TEXT = "Council votes on the park", "What a good plan."


def ask(client: TestClient, inputs: Any, path: str = "/predict", **more: Any) -> Any:
    response = client.post(path, json={"inputs": inputs} | more)
    assert response.status_code == 200, response.text
    return response.json()


def by_label(answer: list[dict[str, Any]]) -> dict[str, float]:
    scores = [row["score"] for row in answer]
    assert scores == sorted(scores, reverse=True)
    return {row["label"]: row["score"] for row in answer}


@pytest.fixture
def native(client: TestClient) -> Any:
    comments = [{"text": TEXT, "article": {"title": TITLE}}]
    return client.post("/v1/classify", json={"comments": comments}).json()["results"][0]


def test_one_text_gives_the_abuse_labels(client: TestClient, native: Any) -> None:
    assert by_label(ask(client, TEXT, truncate=True)) == native["abuse"]
    assert ask(client, [TEXT]) == ask(client, TEXT) == ask(client, TEXT, "/tei/abuse/predict")


def test_two_texts_are_a_pair(client: TestClient, native: Any) -> None:
    expected = {name: native["stance"][name] for name in STANCES}
    assert by_label(ask(client, [TITLE, TEXT])) == expected
    assert ask(client, [TITLE, TEXT], "/tei/stance/predict") == ask(client, [TITLE, TEXT])


def test_a_batch_mixes_both(client: TestClient) -> None:
    answer = ask(client, [[TEXT], [TITLE, TEXT], [TITLE]])
    assert answer == [ask(client, TEXT), ask(client, [TITLE, TEXT]), ask(client, TITLE)]


def test_the_other_heads(client: TestClient, native: Any) -> None:
    spam = by_label(ask(client, TEXT, "/tei/spam/predict"))
    assert spam == {"spam": native["spam"], "not_spam": pytest.approx(1 - native["spam"])}
    off_topic = by_label(ask(client, [TITLE, TEXT], "/tei/off_topic/predict"))
    assert off_topic == {"off_topic": native["off_topic"], "on_topic": pytest.approx(1 - native["off_topic"])}


@pytest.mark.parametrize("head", ["off_topic", "stance"])
def test_discourse_sends_title_and_text_as_lines(client: TestClient, head: str) -> None:
    path = f"/tei/{head}/predict"
    assert ask(client, f"{TITLE}\n{TEXT}", path) == ask(client, [TITLE, TEXT], path)


def test_raw_scores_lead_back_to_the_scores(client: TestClient) -> None:
    raw, scores = (by_label(ask(client, TEXT, raw_scores=raw)) for raw in (True, False))
    assert {label: 1 / (1 + math.exp(-value)) for label, value in raw.items()} == pytest.approx(
        scores, abs=1e-6
    )
    raw, scores = (by_label(ask(client, [TITLE, TEXT], raw_scores=raw)) for raw in (True, False))
    total = sum(map(math.exp, raw.values()))
    assert {label: math.exp(value) / total for label, value in raw.items()} == pytest.approx(scores, abs=1e-5)


def test_info_names_the_labels(client: TestClient) -> None:
    info = client.get("/info").json()
    assert list(info["model_type"]["classifier"]["label2id"]) == list(ABUSE)
    assert info["model_id"] == "tiny/abuse"
    for head in ("abuse", "spam", "off_topic", "stance"):
        labels = client.get(f"/tei/{head}/info").json()["model_type"]["classifier"]["id2label"]
        assert set(labels.values()) == set(by_label(ask(client, f"{TITLE}\n{TEXT}", f"/tei/{head}/predict")))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, classifier: Classifier) -> Any:
    store = Storage(folder=tmp_path_factory.mktemp("store"))
    settings = Settings(store=store, limits=Limits(comments=2, text=50))
    with TestClient(create_app(settings, load=lambda: classifier)) as client:
        wait_until_ready(client)
        yield client


@pytest.mark.parametrize(
    ("path", "inputs", "status", "message"),
    [
        ("/predict", None, 422, "must be a text, two texts (a pair), or a list of lists"),
        ("/predict", [["a"], "b"], 422, "must be a text, two texts (a pair), or a list of lists"),
        ("/predict", [], 422, "must hold a text"),
        ("/predict", [[]], 422, "neither one text nor a pair"),
        ("/predict", ["a", "b", "c"], 422, "neither one text nor a pair"),
        ("/predict", [["a"]] * 3, 413, "batch size 3 > maximum allowed batch size 2"),
        ("/predict", "a" * 51, 422, "51 characters, the limit is 50"),
        ("/tei/abuse/predict", ["a", "b"], 422, "abuse reads one text"),
        ("/tei/stance/predict", "no line break", 422, "stance reads a pair"),
        ("/tei/off_topic/predict", ["title", "!"], 422, "a text without words"),
        ("/tei/stance/predict", [" ", "text"], 422, "a text without words"),
        ("/tei/nope/predict", "a", 422, "head: Input should be"),
    ],
)
def test_bad_inputs_have_teis_shape(
    small: TestClient, path: str, inputs: Any, status: int, message: str
) -> None:
    response = small.post(path, json={"inputs": inputs})
    assert response.status_code == status
    assert response.json()["error_type"] == "validation"
    assert message in response.json()["error"]


def test_a_failed_model_has_teis_status(tmp_path: Path) -> None:
    class Broken(Classifier):
        def __init__(self) -> None:
            self.info: dict[str, Any] = {"name": "broken"}
            self.thresholds: dict[str, float] = {}

        def predict(self, comments: Any) -> Any:
            if comments[0].text == "break":
                raise ValueError
            return [None] * len(comments)

        def beside(self) -> Broken:
            return self

    with TestClient(create_app(Settings(store=Storage(folder=tmp_path)), load=Broken)) as client:
        wait_until_ready(client)
        response = client.post("/predict", json={"inputs": "break"})
    assert (response.status_code, response.json()["error_type"]) == (424, "backend")
