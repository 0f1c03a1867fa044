"""Perspective's protocol: analyze, with every documented error in Perspective's own words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.model import Classifier
from parley.service.protocols.perspective.attributes import BUILT_IN
from parley.service.settings.schema import Access, Perspective, Settings, Storage
from parley.service.store import keys
from parley.service.store.database import Store
from parley.service.web.app import create_app
from tests.service.conftest import wait_until_ready

ANALYZE = "/v1alpha1/comments:analyze"
TOXICITY: dict[str, Any] = {"TOXICITY": {}}
CONTEXT = {"articleAndParentComment": {"article": {"text": "Council votes on the park\nIt was a long day."}}}
ERROR_TYPE = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"


def ask(client: TestClient, text: str = "What a good plan.", **more: Any) -> dict[str, Any]:
    body = {"comment": {"text": text}, "requestedAttributes": TOXICITY} | more
    response = client.post(ANALYZE, json=body)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert isinstance(answer, dict)
    return answer


def test_an_answer_has_summary_span_languages_and_token(client: TestClient) -> None:
    answer = ask(client, "This is a really good plan for all of us.", clientToken="t-1", doNotStore=True)
    score = answer["attributeScores"]["TOXICITY"]["summaryScore"]
    assert score["type"] == "PROBABILITY"
    assert answer["attributeScores"]["TOXICITY"]["spanScores"] == [{"begin": 0, "end": 41, "score": score}]
    assert (answer["languages"], answer["detectedLanguages"]) == (["en"], ["en"])
    assert answer["clientToken"] == "t-1"
    assert "clientToken" not in ask(client)


def test_scores_are_those_of_the_native_api(client: TestClient) -> None:
    text, title, lede = "You people are wrong about it.", "Council votes on the park", "It was a long day."
    comment = {"text": text, "article": {"title": title, "text": lede}}
    native = client.post("/v1/classify", json={"comments": [comment]}).json()["results"][0]
    asked = dict.fromkeys([*BUILT_IN], None)
    scores = {
        name: of["summaryScore"]["value"]
        for name, of in ask(client, text, requestedAttributes=asked, context=CONTEXT)[
            "attributeScores"
        ].items()
    }
    assert set(scores) == set(BUILT_IN)
    for name, value in native["abuse"].items():
        assert scores[name.upper()] == scores[f"{name.upper()}_EXPERIMENTAL"] == value
    assert scores["TOXICITY_FAST"] == native["abuse"]["toxicity"]
    assert (scores["SPAM"], scores["OFF_TOPIC"]) == (native["spam"], native["off_topic"])
    stance = native["stance"]
    assert (scores["STANCE_FAVOR"], scores["STANCE_AGAINST"]) == (stance["favor"], stance["against"])


def test_each_sentence_is_scored(client: TestClient) -> None:
    text = "What kind of idiot name is foo? Sorry, I like your name."
    of = ask(client, text, spanAnnotations=True, languages=["en"])["attributeScores"]["TOXICITY"]
    assert [(span["begin"], span["end"]) for span in of["spanScores"]] == [(0, 31), (32, 56)]
    for span in of["spanScores"]:
        alone = ask(client, text[span["begin"] : span["end"]])["attributeScores"]["TOXICITY"]["summaryScore"]
        assert span["score"] == alone


def test_spans_count_utf_16_code_units(client: TestClient) -> None:
    text = "\U0001f600 is the answer. \U0001f600\U0001f600 too!"
    spans = ask(client, text, spanAnnotations=True)["attributeScores"]["TOXICITY"]["spanScores"]
    utf16 = text.encode("utf-16-le")
    parts = [utf16[2 * span["begin"] : 2 * span["end"]].decode("utf-16-le") for span in spans]
    assert parts == ["\U0001f600 is the answer.", "\U0001f600\U0001f600 too!"]
    whole = ask(client, text)["attributeScores"]["TOXICITY"]["spanScores"]
    assert (whole[0]["begin"], whole[0]["end"]) == (0, len(utf16) // 2)


def test_what_is_below_its_threshold_is_left_out(client: TestClient) -> None:
    attributes = {"TOXICITY": {"scoreThreshold": 1}, "INSULT": {"scoreThreshold": 0}}
    assert set(ask(client, requestedAttributes=attributes)["attributeScores"]) == {"INSULT"}
    assert "attributeScores" not in ask(client, requestedAttributes={"TOXICITY": {"scoreThreshold": 1}})


def test_attributes_are_named_as_asked(client: TestClient) -> None:
    assert set(ask(client, requestedAttributes={"TOXICITY@6": None})["attributeScores"]) == {"TOXICITY@6"}


def test_languages_mirror_the_request_and_the_detected_one_is_reported(client: TestClient) -> None:
    answer = ask(client, "Das ist doch kompletter Unsinn, meine Damen und Herren.", languages=["en", "de"])
    assert (answer["languages"], answer["detectedLanguages"]) == (["en", "de"], ["de"])
    assert ask(client, "lol", languages=[])["languages"] == ["und"]


def test_a_comment_without_words_keeps_its_other_attributes(client: TestClient) -> None:
    asked: dict[str, Any] = {"TOXICITY": {}, "OFF_TOPIC": {}, "STANCE_FAVOR": {}}
    answer = ask(client, "\U0001f600!", requestedAttributes=asked, context=CONTEXT)
    assert set(answer["attributeScores"]) == {"TOXICITY"}


@pytest.mark.parametrize(
    "context",
    [
        CONTEXT,
        {"entries": [{"text": "Council votes on the park\nIt was a long day."}]},
        {"entries": [{"text": "Council votes on the park\nIt was a long day."}, {"text": "No!"}]},
        {"entries": [{"text": "https://news.example/park?utm_source=x"}]},
        {"entries": [{"text": '{"url": "http://news.example/park/?commentID=4", "Coral_comment_id": "4"}'}]},
    ],
)
def test_every_form_of_context_gives_the_article(client: TestClient, context: dict[str, Any]) -> None:
    article = {"title": "Council votes on the park", "text": "It was a long day."}
    client.put("/v1/articles/https://news.example/park", json=article)
    asked: dict[str, Any] = {"OFF_TOPIC": {}, "STANCE_AGAINST": {}}
    expected = ask(client, requestedAttributes=asked, context=CONTEXT)
    assert ask(client, requestedAttributes=asked, context=context) == expected
    client.delete("/v1/articles/https://news.example/park")


def test_an_unknown_article_leaves_its_attributes_out(client: TestClient) -> None:
    context = {"entries": [{"text": "https://news.example/nobody-knows"}]}
    answer = ask(client, requestedAttributes={"TOXICITY": {}, "OFF_TOPIC": {}}, context=context)
    assert set(answer["attributeScores"]) == {"TOXICITY"}


def test_json_needs_no_declaration_and_names_may_have_underscores(client: TestClient) -> None:
    body = json.dumps({"comment": {"text": "a"}, "requested_attributes": TOXICITY, "someKey": 1})
    response = client.post(f"{ANALYZE}?alt=json&prettyPrint=false&key=K", content=body)
    assert response.status_code == 200, response.text


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"comment": {"text": ""}}, "COMMENT_EMPTY", "Comment must be non-empty."),
    ({"comment": {"text": " \n"}}, "COMMENT_EMPTY", "Comment must be non-empty."),
    ({"comment": None}, "COMMENT_EMPTY", "Comment must be non-empty."),
    (
        {"comment": {"text": "é" * 11_684}},
        "COMMENT_TOO_LONG",
        "Comment text was too many bytes. Value (23368) exceeded limit (20480).",
    ),
    ({"requestedAttributes": {}}, "NO_REQUESTED_ATTRIBUTES", "Missing requested_attributes"),
    ({"requestedAttributes": None}, "NO_REQUESTED_ATTRIBUTES", "Missing requested_attributes"),
    (
        {"requestedAttributes": {f"TOXICITY@{n}": {} for n in range(101)}},
        "INVALID_REQUEST",
        "More than 100 requested_attributes",
    ),
    ({"requestedAttributes": {"FOO": {}}}, "INVALID_REQUEST", "Unknown requested attribute: FOO"),
    (
        {"requestedAttributes": {"TOXICITY": {"scoreType": "RAW"}}},
        "INVALID_REQUEST",
        "Requested score type RAW is not supported by attribute TOXICITY",
    ),
    (
        {"comment": {"text": "a", "type": "HTML"}},
        "INVALID_REQUEST",
        "Currently, only 'PLAIN_TEXT' comments are supported",
    ),
    ({"comment": {"text": "a", "type": "RTF"}}, "INVALID_REQUEST", "Unknown text type"),
    (
        {"context": {"entries": [{"text": "a"}], **CONTEXT}},
        "INVALID_REQUEST",
        "Context can have either entries or article_and_parent_comment, but both fields were populated.",
    ),
    (
        {"context": {"entries": [{"text": "a" * 1_000_001}]}},
        "INVALID_REQUEST",
        "Context text was too many bytes. Value (1000001) exceeded limit (1000000).",
    ),
    (
        {"languages": ["om"], "requestedAttributes": {"SEXUALLY_EXPLICIT": {}}},
        "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        "Attribute SEXUALLY_EXPLICIT does not support request languages: om",
    ),
    (
        {"requestedAttributes": {"OFF_TOPIC": {}}},
        "INVALID_REQUEST",
        "Attribute OFF_TOPIC needs the article: send its text or its URL in "
        "context.articleAndParentComment.article.text, or as the first of context.entries",
    ),
    ({"comment": {"text": 5}}, "INVALID_REQUEST", "comment.text: must be text (a JSON string)"),
]


@pytest.mark.parametrize(("change", "kind", "message"), BAD)
def test_documented_errors(client: TestClient, change: dict[str, Any], kind: str, message: str) -> None:
    body = {"comment": {"text": "a"}, "requestedAttributes": TOXICITY} | change
    response = client.post(ANALYZE, json=body)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert error["message"] == message
    assert (error["details"][0]["@type"], error["details"][0]["errorType"]) == (ERROR_TYPE, kind)


def test_an_unsupported_language_names_attribute_and_languages(client: TestClient) -> None:
    body = {"comment": {"text": "a"}, "requestedAttributes": TOXICITY, "languages": ["om", "sw"]}
    detail = client.post(ANALYZE, json=body).json()["error"]["details"][0]
    assert detail["languageNotSupportedByAttributeError"] == {
        "detectedLanguages": [],
        "requestedLanguages": ["om", "sw"],
        "attribute": "TOXICITY",
    }


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"a"', b"\xff", b"[" * 100_000])
def test_errors_for_invalid_requests_have_googles_shape(client: TestClient, body: bytes) -> None:
    response = client.post(ANALYZE, content=body)
    assert (response.status_code, response.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_errors_for_wrong_addresses_and_methods_have_googles_shape(client: TestClient) -> None:
    assert client.post("/v1alpha1/comments:nope").json()["error"]["status"] == "NOT_FOUND"
    assert client.get(ANALYZE).json()["error"]["status"] == "UNIMPLEMENTED"


@pytest.fixture
def own(tmp_path: Path, serve_with: Callable[[Settings], TestClient]) -> Callable[..., TestClient]:
    """Makes a client of a service with these Perspective settings."""

    def make(**perspective: Any) -> TestClient:
        return serve_with(Settings(store=Storage(folder=tmp_path), perspective=Perspective(**perspective)))

    return make


def test_a_site_maps_its_own_names(own: Any) -> None:
    client = own(attributes={"LIKELY_TO_REJECT": "spam"})
    asked: dict[str, Any] = {"LIKELY_TO_REJECT": {}, "SPAM": {}}
    scores = ask(client, requestedAttributes=asked)["attributeScores"]
    assert scores["LIKELY_TO_REJECT"] == scores["SPAM"]


def test_a_mapping_to_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no score is called 'abuse\.rude'"):
        Perspective(attributes={"RUDE": "abuse.rude"})


def test_a_site_may_check_languages_as_strictly_as_perspective_or_not_at_all(own: Any) -> None:
    german = {"comment": {"text": "Das ist doch kompletter Unsinn, meine Damen und Herren."}}
    strict = own(languages="detected")
    response = strict.post(ANALYZE, json=german | {"requestedAttributes": TOXICITY})
    detail = response.json()["error"]["details"][0]["languageNotSupportedByAttributeError"]
    assert detail["detectedLanguages"] == ["de"]
    response = strict.post(ANALYZE, json={"comment": {"text": "lol"}, "requestedAttributes": TOXICITY})
    assert response.json()["error"]["message"] == "Unable to detect language"
    assert response.json()["error"]["details"][0]["errorType"] == "LANGUAGE_DETECTION_FAILED"
    assert ask(own(languages="ignored"), languages=["om"])["languages"] == ["om"]


@pytest.fixture
def guarded(tmp_path: Path, store: Store, classifier: Classifier) -> Iterator[tuple[TestClient, str]]:
    """A service with a key for two requests a minute, and the key."""
    _, secret = keys.create(store, "test", rate="2/minute")
    with TestClient(
        create_app(Settings(store=Storage(folder=tmp_path), access=Access()), load=lambda: classifier)
    ) as client:
        wait_until_ready(client)
        yield client, secret


def test_keys_and_quota_fail_as_google_says(guarded: tuple[TestClient, str]) -> None:
    client, key = guarded
    body = {"comment": {"text": "a"}, "requestedAttributes": TOXICITY}
    missing = client.post(ANALYZE, json=body)
    assert (missing.status_code, missing.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    for refused in (
        client.post(f"{ANALYZE}?key=nope-nope", json=body),
        client.get("/$discovery/rest?version=v1alpha1&key=nope-nope"),
    ):
        assert refused.status_code == 400
        assert refused.json()["error"]["message"] == "API key not valid. Please pass a valid API key."
        assert refused.json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"
        assert "nope-nope" not in refused.text
    assert client.get("/$discovery/rest?version=v1alpha1").status_code == 200
    for headers in ({"x-goog-api-key": key}, {"Authorization": f"Bearer {key}"}):
        assert client.post(ANALYZE, json=body, headers=headers).status_code == 200
    response = client.post(f"{ANALYZE}?key={key}", json=body)
    error = response.json()["error"]
    assert (response.status_code, error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert error["message"].startswith(
        "Quota exceeded for quota metric 'Analysis requests (AnalyzeComment)' and limit "
        "'Analysis requests (AnalyzeComment) per minute' of service 'commentanalyzer.googleapis.com'"
    )
    assert error["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"
    assert error["details"][0]["metadata"]["quota_limit_value"] == "2"
    assert int(response.headers["Retry-After"]) > 0
    assert key not in response.text


def test_discovery_names_the_address_that_was_asked_or_the_settings(client: TestClient, own: Any) -> None:
    for path in ("/$discovery/rest", "/%24discovery/rest"):
        document = client.get(path, params={"version": "v1alpha1"}, headers={"host": "localhost:81"}).json()
        assert document["rootUrl"] == "http://localhost:81/"
    assert client.get("/$discovery/rest?version=v2").json()["error"]["status"] == "NOT_FOUND"
    for method in document["resources"]["comments"]["methods"].values():
        assert {method["request"]["$ref"], method["response"]["$ref"]} <= set(document["schemas"])
    assert set(references(document["schemas"])) <= set(document["schemas"])


def test_discovery_uses_the_public_url(tmp_path: Path, classifier: Classifier) -> None:
    settings = Settings(store=Storage(folder=tmp_path), public_url="https://parley.example/p")
    with TestClient(create_app(settings, load=lambda: classifier)) as client:
        assert client.get("/$discovery/rest").json()["rootUrl"] == "https://parley.example/p/"


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        for inner in value.values():
            yield from references(inner)


@given(st.text(st.characters(), min_size=1).filter(str.strip), st.booleans())
@settings(max_examples=40, deadline=None)
def test_any_text_has_spans_within_it(client: TestClient, text: str, annotated: bool) -> None:
    answer = ask(client, text, spanAnnotations=annotated)
    spans = answer["attributeScores"]["TOXICITY"]["spanScores"]
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    assert spans
    assert all(0 <= span["begin"] < span["end"] <= units for span in spans)
    assert all(a["end"] <= b["begin"] for a, b in pairwise(spans))
