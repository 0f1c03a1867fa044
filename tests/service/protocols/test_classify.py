"""POST /v1/classify from outside: what it answers and what it refuses, for any input."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.model import Classifier
from parley.model.comment import Article, Comment, Parent
from parley.service.protocols.classify import EXAMPLES, ClassifyAnswer
from parley.service.settings.schema import Limits, Queue, Settings
from parley.service.web.app import create_app
from tests.service.conftest import wait_until_ready

JSON_TYPE = {"Content-Type": "application/json"}


def classify(client: TestClient, *comments: dict[str, Any], **more: Any) -> dict[str, Any]:
    response = client.post("/v1/classify", json={"comments": list(comments), **more})
    assert response.status_code == 200, response.text
    answer = response.json()
    ClassifyAnswer.model_validate(answer)
    assert len(answer["results"]) == len(comments)
    return dict(answer)


@pytest.fixture(scope="module")
def small(tiny_artifact: Path) -> Iterator[TestClient]:
    """A service with small limits."""
    limits = Limits(comments=3, text=20, body=2000)
    with TestClient(create_app(Settings(model=tiny_artifact, limits=limits))) as client:
        wait_until_ready(client)
        yield client


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_documented_examples_answer(client: TestClient, name: str) -> None:
    value = EXAMPLES[name]["value"]
    answer = classify(client, *value["comments"], **{k: v for k, v in value.items() if k != "comments"})
    assert [r["id"] for r in answer["results"]] == [c.get("id") for c in value["comments"]]


def test_scores_are_those_of_the_classifier(client: TestClient, classifier: Classifier) -> None:
    article = {"title": "Council votes on bus lanes", "text": "The vote was close."}
    answer = classify(
        client, {"id": "a", "text": "Buses are fine.", "article": article, "target": "bus lanes"}
    )
    (expected,) = classifier.predict(
        [Comment(id="a", text="Buses are fine.", article=Article(**article), target="bus lanes")]
    )
    result = answer["results"][0]
    decision = result.pop("decision")
    assert set(decision) == {"action", "reasons"}
    assert decision["action"] != "reject"
    assert result == json.loads(json.dumps(expected.to_dict()))
    assert result["off_topic"] is not None
    assert result["stance"]["target"] == "bus lanes"
    assert answer["model"] == {k: classifier.info[k] for k in ("name", "version")}


def test_a_missing_input_gives_null_and_a_note(client: TestClient) -> None:
    (result,) = classify(client, {"text": "Buses are fine."})["results"]
    assert result["off_topic"] is None
    assert result["stance"] is None
    assert result["notes"]


def test_a_reply_is_judged_when_asked(client: TestClient, classifier: Classifier) -> None:
    reply = {"text": "Buses are fine.", "parent": {"text": "Nobody needs them."}}
    (asked, alone) = classify(client, reply, {"text": "Buses are fine."}, ask=["reply"])["results"]
    (expected,) = classifier.predict(
        [Comment(text=reply["text"], parent=Parent(text="Nobody needs them."), ask=("reply",))]  # type: ignore[arg-type]
    )
    assert expected.reply
    assert asked["reply"] == expected.reply.to_dict()
    assert (alone["reply"], "no_parent" in alone["notes"]) == (None, True)
    (unasked,) = classify(client, reply)["results"]
    assert (unasked["reply"], "no_parent" in unasked["notes"]) == (None, False)
    refused = client.post("/v1/classify", json={"comments": [reply], "ask": ["mood"]})
    assert refused.status_code == 422
    assert "ask[0]" in refused.json()["error"]["message"]


def test_a_thousand_comments_keep_their_order(client: TestClient) -> None:
    comments = [{"id": str(i), "text": f"Comment number {i}."} for i in range(1000)]
    answer = classify(client, *comments)
    assert [r["id"] for r in answer["results"]] == [c["id"] for c in comments]


def test_many_callers_at_once_get_their_own_answers(tiny_artifact: Path) -> None:
    def ask(i: int) -> list[str]:
        comments = [{"id": f"{i}-{j}", "text": f"Caller {i} says {j}."} for j in range(i % 4 + 1)]
        return [r["id"] for r in classify(client, *comments)["results"]]

    patient = Settings(model=tiny_artifact, queue=Queue(wait=60))
    with TestClient(create_app(patient)) as client, ThreadPoolExecutor(16) as pool:
        wait_until_ready(client)
        answers = list(pool.map(ask, range(48)))
    assert answers == [[f"{i}-{j}" for j in range(i % 4 + 1)] for i in range(48)]


def test_the_policy_that_the_request_names_decides(client: TestClient) -> None:
    shouting = {"text": "EVERYONE KNOWS THAT THIS IS A DISGRACE AND NOBODY SAYS SO"}
    observed = classify(client, shouting)["results"][0]["decision"]
    decided = classify(client, shouting, policy="coinspeaker")["results"][0]["decision"]
    assert observed["action"] != "reject"
    assert "all_capitals" in [reason["code"] for reason in decided["reasons"]]


def test_the_sites_own_policy_is_known_by_its_name_not_its_file(tiny_artifact: Path, tmp_path: Path) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text("otherwise: review\nrules: []\n")
    with TestClient(create_app(Settings(model=tiny_artifact, policy=str(file)))) as client:
        wait_until_ready(client)
        for named in ({}, {"policy": "ours"}):
            (result,) = classify(client, {"text": "Buses are fine."}, **named)["results"]
            assert result["decision"]["action"] == "review"
        refused = client.post("/v1/classify", json={"comments": [{"text": "a"}], "policy": str(file)})
        assert "coinspeaker, default, ours, strict" in refused.json()["error"]["message"]
        assert str(tmp_path) not in refused.text


def test_spans_count_in_the_text_as_sent(client: TestClient) -> None:
    text = "<p>You &amp; your <b>idiotic</b> friends \U0001f600</p>"
    (result,) = classify(client, {"text": text, "format": "html"})["results"]
    assert all(0 <= s["start"] < s["end"] <= len(text) for s in result["spans"])


ODD_TEXTS = {
    "surrogate": "a \ud800 b",
    "nothing but a surrogate": "\udfff",
    "NUL": "\x00",
    "NUL inside": "a\x00b",
    "50,000 emoji": "\U0001f600" * 50_000,
    "100,000 letters": "a" * 100_000,
    "direction marks": "\u202e\u200b.",
    "symbols": "?!",
    "byte order mark": "\ufeff",
}


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS)
def test_odd_text_is_judged(client: TestClient, text: str) -> None:
    body = json.dumps({"comments": [{"id": text[:9], "text": text, "target": text[:9]}]})
    response = client.post("/v1/classify", content=body, headers=JSON_TYPE)
    assert response.status_code == 200, response.text[:500]
    (result,) = json.loads(response.content)["results"]
    assert result["id"] == text[:9]


@given(
    st.lists(
        st.fixed_dictionaries(
            {"text": st.text(st.characters(), min_size=1).filter(str.strip)},
            optional={
                "id": st.text(max_size=9),
                "target": st.text(max_size=20),
                "language": st.text(max_size=9),
                "format": st.sampled_from(["plain", "html", "markdown"]),
                "article": st.fixed_dictionaries({"title": st.text(max_size=20)}),
                "parent": st.fixed_dictionaries({"text": st.text(max_size=20)}),
            },
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=40, deadline=None)
def test_any_text_is_answered(client: TestClient, comments: list[dict[str, Any]]) -> None:
    body = json.dumps({"comments": comments})
    response = client.post("/v1/classify", content=body, headers=JSON_TYPE)
    assert response.status_code == 200, response.text
    answer = json.loads(response.content)
    ClassifyAnswer.model_validate(answer)
    assert [r["id"] for r in answer["results"]] == [c.get("id") for c in comments]


BAD_REQUESTS: list[tuple[object, str, str]] = [
    ({}, "comments", "missing"),
    ([], "the body", "must be an object"),
    (None, "the body", "must be an object"),
    ({"comments": None}, "comments", "must be a list"),
    ({"comments": {}}, "comments", "must be a list"),
    ({"comments": []}, "comments", "1 to 1000 comments, not 0"),
    ({"comments": [{"text": "a"}] * 1001}, "comments", "1 to 1000 comments, not 1001"),
    ({"comments": ["a"]}, "comments[0]", "must be an object"),
    ({"comments": [{"text": "a"}, {}]}, "comments[1].text", "missing"),
    ({"comments": [{"text": ""}]}, "comments[0].text", "is blank"),
    ({"comments": [{"text": "a"}, {"text": " \n\t\u00a0"}]}, "comments[1].text", "is blank"),
    ({"comments": [{"text": None}]}, "comments[0].text", "must be text"),
    ({"comments": [{"text": 5}]}, "comments[0].text", "must be text"),
    ({"comments": [{"text": ["a"]}]}, "comments[0].text", "must be text"),
    (
        {"comments": [{"text": "a" * 1_000_000}]},
        "comments[0].text",
        "1000000 characters, the limit is",
    ),
    ({"comments": [{"text": "a", "id": 7}]}, "comments[0].id", "must be text"),
    ({"comments": [{"text": "a", "id": "i" * 513}]}, "comments[0].id", "longer than 512"),
    ({"comments": [{"text": "a", "txt": "b"}]}, "comments[0].txt", "unknown key"),
    ({"comments": [{"text": "a", "article": "b"}]}, "comments[0].article", "must be an object"),
    ({"comments": [{"text": "a", "article": {"titel": "b"}}]}, "comments[0].article.titel", "unknown key"),
    ({"comments": [{"text": "a", "parent": {"text": 1}}]}, "comments[0].parent.text", "must be text"),
    ({"comments": [{"text": "a", "target": []}]}, "comments[0].target", "must be text"),
    ({"comments": [{"text": "a", "format": "rtf"}]}, "comments[0].format", "'markdown'"),
    ({"comments": [{"text": "a"}], "polciy": "strict"}, "polciy", "unknown key"),
    ({"comments": [{"text": "a"}], "policy": "nope"}, "policy", "choose one of coinspeaker, default, strict"),
    ({"comments": [{"text": "a"}], "policy": "/etc/passwd"}, "policy", "no such policy"),
    ({"comments": [{"text": "a"}], "policy": "configs/policies/strict.yaml"}, "policy", "no such policy"),
]


@pytest.mark.parametrize(("body", "place", "problem"), BAD_REQUESTS)
def test_a_bad_request_is_refused_with_its_place(
    client: TestClient, body: object, place: str, problem: str
) -> None:
    response = client.post("/v1/classify", content=json.dumps(body), headers=JSON_TYPE)
    assert response.status_code == 422, response.text[:500]
    error = response.json()["error"]
    assert set(error) == {"code", "message", "details"}
    assert error["code"] == "invalid_request"
    assert {"place": place, "problem": problem} in [
        {"place": d["place"], "problem": problem if problem in d["problem"] else d["problem"]}
        for d in error["details"]
    ]
    assert len(response.content) < 3000


def test_every_bad_comment_is_named_up_to_a_limit(client: TestClient) -> None:
    comments = [{"text": ""}] * 30
    error = client.post("/v1/classify", json={"comments": comments}).json()["error"]
    assert [d["place"] for d in error["details"]] == [f"comments[{i}].text" for i in range(20)]
    assert "and 29 more" in error["message"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "missing"),
        (b'{"comments": [', "line 1, column 15"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b'{"comments": NaN}', "NaN, which is not JSON"),
        (b'{"comments": [{"text": -Infinity}]}', "-Infinity, which is not JSON"),
        (b"[" * 50_000, "nested too deeply"),
        (b'{"comments": ' * 50_000, "nested too deeply"),
        (b'{"comments": ' + b"1" * 5000 + b"}", "number"),
        (b"text=hello", "is not JSON"),
    ],
)
def test_what_is_not_json_is_refused(client: TestClient, body: bytes, message: str) -> None:
    response = client.post("/v1/classify", content=body, headers=JSON_TYPE)
    assert response.status_code == (400 if body else 422)
    assert message in response.json()["error"]["message"]


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_what_is_not_declared_as_json_is_refused(client: TestClient, media_type: str) -> None:
    body = json.dumps({"comments": [{"text": "a"}]})
    response = client.post("/v1/classify", content=body, headers={"Content-Type": media_type})
    assert response.status_code == 415
    assert "Content-Type: application/json" in response.json()["error"]["message"]


def test_a_body_with_another_encoding_than_gzip_is_refused(client: TestClient) -> None:
    body = zlib.compress(json.dumps({"comments": [{"text": "a"}]}).encode())
    headers = JSON_TYPE | {"Content-Encoding": "deflate"}
    response = client.post("/v1/classify", content=body, headers=headers)
    assert response.status_code == 415
    assert "without Content-Encoding" in response.json()["error"]["message"]


def test_json_with_a_charset_or_a_byte_order_mark_is_read(client: TestClient) -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"comments": [{"text": "a"}]}).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert client.post("/v1/classify", content=body, headers=headers).status_code == 200


def test_the_limits_are_settings(small: TestClient) -> None:
    def problem(comments: list[dict[str, str]]) -> tuple[int, str]:
        response = small.post("/v1/classify", json={"comments": comments})
        error = response.json().get("error", {"message": ""})
        return response.status_code, error["message"]

    assert problem([{"text": "a" * 20}] * 3) == (200, "")
    assert problem([{"text": "a"}] * 4) == (422, "comments: must hold 1 to 3 comments, not 4")
    assert problem([{"text": "a" * 21}])[0] == 422
    assert problem([{"text": "a" * 2000}]) == (
        413,
        "the body is longer than 2000 bytes: send fewer comments at once",
    )


def test_a_body_of_unknown_length_is_cut_off_too(small: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"comments": [{"text": "'
        for _ in range(30):
            yield b"a" * 100

    response = small.post("/v1/classify", content=chunks(), headers=JSON_TYPE)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "body_too_large"
