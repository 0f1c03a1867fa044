"""Coral's external moderation phase: signatures, answers, and no value that Coral would drop."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from parley.model.comment import Comment, Prediction
from parley.model.labels import ABUSE
from parley.service.errors import InvalidSignature
from parley.service.policy.decision import Decision, Policy, Reason
from parley.service.policy.rules import COUNTS, SCORES, SHARES
from parley.service.protocols.coral import CODES, RejectionCode, check_signature, to_answer
from parley.service.settings.schema import Coral, Settings, Storage
from parley.service.store import keys
from parley.service.store.database import Store

SECRETS = ["empsec_" + "0" * 64, "empsec_" + "1" * 64]
SIGNATURES = [  # published with Coral's protocol, for BODY and these secrets
    "sha256=5426cf8170d971c40f20b278364f1a5db51289920e2200ecad2c83f74cd5c7d6",
    "sha256=5fa0b8a8e9d1d4c9860f7f6f66d21675d3809bf6c3b1ad2862a98b7e041e5873",
]
PAYLOAD = {
    "action": "NEW",
    "comment": {"body": "Here's a comment!", "parentID": None},
    "author": {"id": "baf4e943-3594-4fcc-b2ba-3e8de7a76352", "role": "COMMENTER"},
    "story": {
        "id": "245b3856-b0a0-4d2f-a6bb-58c71f18d6a6",
        "url": "http://localhost:1313/posts/a-story-url/",
    },
    "site": {"id": "a4bede88-2d2c-4424-bc18-4322a9e285a6"},
    "tenantID": "19ba5794-7eeb-4d46-a81b-c00c61672501",
    "tenantDomain": "localhost",
}
BODY = json.dumps(PAYLOAD, indent=2, ensure_ascii=False).encode()

# What Coral accepts, repeated here independently: it drops an answer with anything else as a whole.
STATUSES = {"NONE", "APPROVED", "REJECTED", "PREMOD", "SYSTEM_WITHHELD"}
FLAGS = {"COMMENT_DETECTED_TOXIC", "COMMENT_DETECTED_SPAM"}
REASONS = {
    *("OFFENSIVE", "ABUSIVE", "SPAM", "BANNED_WORD", "AD", "ILLEGAL_CONTENT", "HARASSMENT_BULLYING"),
    *("MISINFORMATION", "HATE_SPEECH", "IRRELEVANT_CONTENT", "OTHER"),
}

POLICY = """
rules:
  - {code: shouting, when: capitals, at_least: 0.9, action: reject, message: Please don't shout.}
  - {code: ad, when: links, at_least: 2, action: reject}
  - {code: link, when: links, at_least: 1, action: review}
  - {code: short, when: words, at_most: 1, action: review}
  - {code: banned, when: word_list.banned, at_least: 1, action: reject}
  - {code: elsewhere, when: off_topic, at_least: 0, action: review}
word_lists: {banned: [blimey]}
"""


@pytest.fixture
def serve(store_folder: Path, serve_with: Callable[[Settings], TestClient]) -> Callable[..., TestClient]:
    """Makes a client of a service with POLICY and these Coral settings."""
    policy = store_folder / "site.yaml"
    policy.write_text(POLICY, encoding="utf-8")

    def make(**coral: Any) -> TestClient:
        store = Storage(folder=store_folder)
        return serve_with(Settings(policy=str(policy), store=store, coral=Coral(**coral)))

    return make


def ask(client: TestClient, body: str, **more: Any) -> Any:
    """The answer without the keys that Coral ignores; None for 204."""
    response = client.post("/coral/phase", json=PAYLOAD | {"comment": {"body": body}} | more)
    assert response.status_code in (200, 204), response.text
    if response.status_code == 204:
        assert response.content == b""
        return None
    return {key: value for key, value in response.json().items() if key != "parley"}


def test_the_body_of_the_published_vectors() -> None:
    assert len(BODY) == 461
    assert (
        hashlib.sha256(BODY).hexdigest() == "2c8fdaf97b15560480781d687c3652c0a1fd31b6ee473b31a4139cbcd70480ed"
    )


@pytest.mark.parametrize(
    ("secrets", "header"),
    [
        (SECRETS[:1], SIGNATURES[0]),
        (SECRETS[1:], SIGNATURES[1]),
        (SECRETS, SIGNATURES[1]),
        (SECRETS[:1], ",".join(reversed(SIGNATURES))),  # Coral rotates: the old and the new
        (SECRETS[1:], ", ".join(SIGNATURES)),
        ([], None),
    ],
)
def test_published_signatures_are_accepted(secrets: list[str], header: str | None) -> None:
    check_signature(BODY, header, [SecretStr(secret) for secret in secrets])


@pytest.mark.parametrize(
    ("body", "header"),
    [
        (BODY, None),
        (BODY, ""),
        (BODY, "sha256="),
        (BODY, SIGNATURES[1]),
        (BODY, SIGNATURES[0].upper()),
        (BODY, SIGNATURES[0][:-1]),
        (BODY, "sha1=" + SIGNATURES[0].removeprefix("sha256=")),
        (BODY, "sha256=é"),
        (BODY + b"\n", SIGNATURES[0]),
        (json.dumps(PAYLOAD).encode(), SIGNATURES[0]),
    ],
)
def test_other_signatures_are_not(body: bytes, header: str | None) -> None:
    with pytest.raises(InvalidSignature):
        check_signature(body, header, [SecretStr(SECRETS[0])])


def test_signed_requests_need_no_key_and_unsigned_ones_are_refused(serve: Any, tmp_path: Path) -> None:
    client = serve(secrets=SECRETS[:1])
    keys.create(client.app.state.service.store, "other clients")
    headers = {"Content-Type": "application/json", "X-Coral-Signature": SIGNATURES[0]}
    assert client.post("/coral/phase", content=BODY, headers=headers).status_code == 204
    split = [("Content-Type", "application/json"), *(("X-Coral-Signature", s) for s in reversed(SIGNATURES))]
    assert client.post("/coral/phase", content=BODY, headers=split).status_code == 204
    for bad in ({}, {"X-Coral-Signature": SIGNATURES[1]}):
        response = client.post(
            "/coral/phase", content=BODY, headers={"Content-Type": "application/json"} | bad
        )
        assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_signature")
        assert SECRETS[0] not in response.text
    assert SECRETS[0] not in repr(client.app.state.service.settings)


def test_without_secrets_a_key_in_the_callback_url_is_enough(serve: Any, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'parley.db'}")
    _, secret = keys.create(store, "coral")
    store.close()
    client = serve()
    assert client.post("/coral/phase", json=PAYLOAD).status_code == 401
    assert client.post(f"/coral/phase?key={secret}", json=PAYLOAD).status_code in (200, 204)


def test_a_short_secret_is_refused_without_being_quoted() -> None:
    with pytest.raises(ValueError, match="at least 16 characters") as error:
        Coral(secrets=[SecretStr("empsec_")])
    assert "'empsec_'" not in str(error.value)


def test_no_opinion_is_204(serve: Any) -> None:
    assert ask(serve(), "A mild and long remark about it.") is None
    assert ask(serve(), "") is None
    assert ask(serve(), "<div> <br></div>") is not None  # no words: the policy has a rule for that


def test_a_rejection_states_its_reasons(serve: Any) -> None:
    answer = ask(serve(), "<div>THIS IS A VERY LOUD REMARK ABOUT NOTHING</div>")
    assert answer == {
        "status": "REJECTED",
        "moderationAction": {
            "status": "REJECTED",
            "rejectionReason": {
                "code": "OTHER",
                "detailedExplanation": "shouting: Please don't shout. [1, threshold 0.9]",
                "customReason": "Please don't shout.",
            },
        },
    }
    answer = ask(serve(), "See https://a.example/x and https://b.example/y now")
    assert answer["moderationAction"]["rejectionReason"]["code"] == "SPAM"
    assert answer["actions"] == [{"actionType": "FLAG", "reason": "COMMENT_DETECTED_SPAM"}]
    assert (
        ask(serve(), "Well, blimey, that was long")["moderationAction"]["rejectionReason"]["code"]
        == "BANNED_WORD"
    )


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b"\xff", BODY])
def test_nothing_unsigned_is_even_read(serve: Any, body: bytes) -> None:
    client = serve(secrets=SECRETS)
    headers = {"Content-Type": "application/json", "X-Coral-Signature": "sha256=00"}
    refused = client.post("/coral/phase", content=body, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_signature")


def test_review_withholds_or_flags(serve: Any) -> None:
    text, flag = "See https://a.example/x for more", {"actionType": "FLAG", "reason": "COMMENT_DETECTED_SPAM"}
    assert ask(serve(), text) == {"status": "SYSTEM_WITHHELD", "actions": [flag]}
    assert ask(serve(review="flag"), text) == {"actions": [flag]}
    assert ask(serve(), "Short") == {"status": "SYSTEM_WITHHELD"}
    assert ask(serve(review="flag"), "Short") is None


def test_a_policy_reads_a_long_comment_outside_the_event_loop(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, decide = serve(), Policy.decide
    loops: list[bool] = []

    def watched(self: Policy, comment: Comment, prediction: Prediction) -> Decision:
        try:
            asyncio.get_running_loop()
            loops.append(True)
        except RuntimeError:
            loops.append(False)
        return decide(self, comment, prediction)

    monkeypatch.setattr(Policy, "decide", watched)
    ask(client, "Close the bridge.")
    ask(client, "|a" * 3000)
    assert loops == [True, False]


def test_the_format_of_the_body_is_a_setting(serve: Any) -> None:
    assert ask(serve(body="html"), "<b>Short</b>") == {"status": "SYSTEM_WITHHELD"}
    assert ask(serve(body="plain"), "2 < 3 and <b>that's</b> that") is None


def test_off_topic_works_by_the_storys_url_or_id(serve: Any) -> None:
    client, text = serve(), "A mild and long remark about it."
    assert ask(client, text) is None
    client.put("/v1/articles/https://localhost:1313/posts/a-story-url", json={"title": "A vote on the park"})
    assert ask(client, text) == {"status": "SYSTEM_WITHHELD"}
    assert ask(client, text, story={"id": "s-1", "url": "https://elsewhere.example/"}) is None
    client.put("/v1/articles/s-1", json={"title": "A vote on the park"})
    assert ask(client, text, story={"id": "s-1", "url": "https://elsewhere.example/"}) is not None


@pytest.mark.parametrize(
    "payload", [{}, {"comment": None}, {"comment": {"body": 5}}, [], {"comment": {"body": "a" * 100_001}}]
)
def test_what_coral_never_sends_is_refused(serve: Any, payload: Any) -> None:
    assert serve().post("/coral/phase", json=payload).status_code == 422


def test_the_answer_includes_what_the_native_api_decides(serve: Any) -> None:
    client, text = serve(), "See https://a.example/x for more"
    native = client.post("/v1/classify", json={"comments": [{"text": text}]}).json()["results"][0]
    response = client.post("/coral/phase", json=PAYLOAD | {"comment": {"body": text}})
    assert response.json()["parley"]["decision"] == native["decision"]
    assert native["decision"]["action"] == "review"


def test_a_policy_that_observes_holds_no_comment_back(serve: Any, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "observe: true\nrules: [{code: any, when: characters, at_least: 1, action: review}]"
    )
    for review in ("withhold", "flag"):
        client = serve(review=review)
        assert ask(client, "See https://a.example/x for more") is None
        assert 'parley_decisions_total{action="review",policy="site"} 1.0' in client.get("/metrics").text


def test_the_default_policy_observes() -> None:
    assert Policy.load("default").observe
    assert not Policy.load("strict").observe
    assert not Policy.load("coinspeaker").observe


WHENS = (*SCORES, *SHARES, *COUNTS, "word_list.banned", None, "something.new")
reasons = st.builds(
    Reason,
    code=st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True),
    detail=st.text(st.characters()),
    score=st.none() | st.floats(0, 1),
    threshold=st.none() | st.floats(0, 1),
    when=st.sampled_from(WHENS),
)
decisions = st.builds(
    Decision,
    action=st.sampled_from(["approve", "review", "reject"]),
    reasons=st.lists(reasons, max_size=5).map(tuple),
)


@given(decisions, st.booleans())
def test_never_a_value_that_coral_would_drop(decision: Decision, withhold: bool) -> None:
    answer = to_answer(decision, withhold=withhold)
    if decision.action == "approve":
        assert answer is None
    if answer is None:
        return
    sent = answer.model_dump(exclude_none=True)
    assert sent.keys() <= {"status", "actions", "moderationAction"}
    assert sent
    assert sent.get("status", "NONE") in STATUSES
    for action in sent.get("actions", []):
        assert action.keys() == {"actionType", "reason"}
        assert action["actionType"] == "FLAG"
        assert action["reason"] in FLAGS
    moderation = sent.get("moderationAction")
    assert (moderation is not None) == (sent.get("status") == "REJECTED") == (decision.action == "reject")
    if moderation:
        assert moderation["status"] == "REJECTED"
        assert moderation["rejectionReason"]["code"] in REASONS
        assert isinstance(moderation["rejectionReason"]["detailedExplanation"], str)
        assert ("customReason" in moderation["rejectionReason"]) <= (
            moderation["rejectionReason"]["code"] == "OTHER"
        )


def test_every_score_has_a_code() -> None:
    assert {f"abuse.{name}" for name in ABUSE} <= set(CODES)
    assert set(get_args(RejectionCode)) == REASONS


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Any] = []
    real = hmac.compare_digest

    def compare(a: Any, b: Any) -> bool:
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    check_signature(BODY, ",".join(SIGNATURES), [SecretStr(secret) for secret in SECRETS])
    assert len(compared) == 4
