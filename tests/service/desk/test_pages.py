"""The desk over HTTP: who gets in, what a form does, which comments arrive, what is exported."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from limits import parse
from limits.storage import MemoryStorage
from starlette.requests import Request
from starlette.responses import Response
from typer.testing import CliRunner

from parley.service.commands.cli import app as parley
from parley.service.desk import access
from parley.service.desk.pages import people as people_pages
from parley.service.desk.pages import render, words
from parley.service.desk.pages.render import POLICY
from parley.service.store.desk import decisions, items, leases, listing, people, policies, views
from parley.service.store.desk.decisions import By, Choice
from parley.service.store.desk.listing import Filter
from parley.service.web import app as application
from tests.service.desk.comments import arrived, fill
from tests.service.desk.conftest import LOCAL, Desk

PAGES = ("/desk/queue", "/desk/uploads", "/desk/stories", "/desk/reading", "/desk/working", "/desk/decisions")
HOSTILE = "<script>window.owned=1</script><img src=x onerror=owned=1>\"'>{{7*7}}"


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests may sign in as often as they like."""
    monkeypatch.setattr(people_pages, "_limiter", type(people_pages._limiter)(MemoryStorage()))


def sign_in(desk: Desk, name: str = "Ada", role: people.Role = "admin") -> str:
    _, key = people.create(desk.service.store, name, role=role)
    answer = desk.client.post("/desk/sign-in", data={"key": key})
    assert answer.status_code == 200, answer.text
    return key


# Getting in


def test_pages_open_on_this_machine_without_sign_in(desk: Desk) -> None:
    for page in PAGES:
        answer = desk.get(page)
        assert answer.status_code == 200, page
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["cache-control"] == "no-store"
    assert "unsafe" not in POLICY


@pytest.mark.parametrize(
    "named",
    [
        {"headers": {"x-forwarded-for": "203.0.113.9"}},
        {"headers": {"forwarded": "for=203.0.113.9"}},
    ],
)
def test_callers_through_a_proxy_must_sign_in(desk: Desk, named: dict[str, dict[str, str]]) -> None:
    answer = desk.get("/desk/queue", follow_redirects=False, **named)
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/sign-in?next=/desk/queue")


def test_an_unknown_name_is_refused(desk: Desk) -> None:
    answer = desk.get("/desk/queue", follow_redirects=False, headers={"host": "desk.attacker.example"})
    assert answer.status_code == 403


def test_another_machine_must_sign_in(desk: Desk) -> None:
    far = TestClient(desk.client.app, **{**LOCAL, "client": ("203.0.113.9", 1)})
    assert "/desk/sign-in" in str(far.get("/desk/queue").url)
    assert far.get("/desk/static/desk.css").status_code == 200


def test_from_the_first_user_on_everybody_signs_in(desk: Desk) -> None:
    assert desk.get("/desk/queue").url.path == "/desk/queue"
    key = sign_in(desk)
    fresh = TestClient(desk.client.app, **LOCAL)
    assert fresh.get("/desk/queue?label=spam").url.path == "/desk/sign-in"
    wrong = fresh.post("/desk/sign-in", data={"key": key + "x"})
    assert (wrong.status_code, "is not valid" in wrong.text) == (401, True)
    answer = fresh.post(
        "/desk/sign-in?next=/desk/queue%3Flabel%3Dspam", data={"key": key}, follow_redirects=False
    )
    assert answer.headers["location"] == "/desk/queue?label=spam"
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Path=/desk")), cookie
    assert "Secure" not in cookie
    assert "Ada" in fresh.get("/desk/queue").text


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "/desk\\evil", "/desk//evil.example"]
)
def test_signing_in_redirects_only_to_the_desk(desk: Desk, wanted: str) -> None:
    _, key = people.create(desk.service.store, "Ada", role="admin")
    answer = desk.client.post(
        "/desk/sign-in", params={"next": wanted}, data={"key": key}, follow_redirects=False
    )
    assert answer.headers["location"] == "/desk"


def test_the_cookie_is_secure_behind_tls(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(public_url="https://parley.news.example")
    response = Response()
    request = Request({"type": "http", "scheme": "http", "headers": [], "app": desk.client.app, "path": "/"})
    access.set_cookie(request, response, "x")
    assert "Secure" in response.headers["set-cookie"]


def test_guessing_keys_is_slowed_down(desk: Desk) -> None:
    statuses = [desk.client.post("/desk/sign-in", data={"key": "desk_x_y"}).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]


def test_sign_ins_take_turns(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 64 MB: forty at once, from forty addresses, would take 2.5 GB."""
    at_once: list[int] = []
    monkeypatch.setattr(people_pages, "ATTEMPTS", parse("1000/minute"))

    def check(store: object, key: str) -> None:
        at_once.append(people_pages._turn.borrowed_tokens)
        time.sleep(0.02)

    monkeypatch.setattr(people, "check", check)
    with ThreadPoolExecutor(60) as browsers:
        answers = [
            browsers.submit(desk.client.post, "/desk/sign-in", data={"key": "desk_x_y"}) for _ in range(60)
        ]
        assert {answer.result().status_code for answer in answers} <= {401, 429}
    assert set(at_once) == {1}


def test_signing_out_ends_the_session(desk: Desk) -> None:
    sign_in(desk)
    cookie = desk.client.cookies["parley_desk"]
    assert desk.post("/desk/sign-out").url.path == "/desk/sign-in"
    assert people.find(desk.service.store, cookie) is None


def test_a_revoked_key_ends_the_session_at_once(desk: Desk) -> None:
    sign_in(desk)
    (user,) = people.all_users(desk.service.store)
    people.revoke(desk.service.store, user.id)
    assert desk.get("/desk/queue").url.path == "/desk/sign-in"


def test_a_moderator_may_not_change_the_policy_or_export(desk: Desk) -> None:
    sign_in(desk, "Grace", "moderator")
    assert desk.get("/desk/decisions.csv").status_code == 403
    assert desk.post("/desk/reading", {"t:toxic/abuse.toxicity/review": "0.1"}).status_code == 403
    assert desk.post("/desk/reading/activate", {"version": "0"}).status_code == 403
    assert desk.get("/desk/reading").status_code == 200


# Forged requests

FORMS = (
    "/desk/next",
    "/desk/comments/1",
    "/desk/undo",
    "/desk/bulk",
    "/desk/views",
    "/desk/uploads",
    "/desk/stories",
    "/desk/uploads/2",
    "/desk/uploads/2/remove",
    "/desk/reading",
    "/desk/reading/activate",
    "/desk/sign-out",
)


def test_every_form_is_listed_here(desk: Desk) -> None:
    from parley.service.desk.routes import router

    def paths(of: object) -> set[str]:
        found = set()
        for route in getattr(of, "routes", ()):
            if "POST" in (getattr(route, "methods", None) or ()):
                found.add(route.path)
            found |= paths(getattr(route, "original_router", None) or ())
        return found

    listed = {re.sub(r"/\d+", "/{}", path) for path in FORMS} | {"/desk/sign-in"}
    assert {re.sub(r"\{[^}]+\}", "{}", path) for path in paths(router)} == listed


@pytest.mark.parametrize("path", FORMS)
def test_a_forged_form_is_refused(desk: Desk, path: str) -> None:
    token = desk.csrf
    assert desk.client.post(path, data={"action": "approve"}).status_code == 403
    assert desk.client.post(path, data={"csrf": "x" * len(token)}).status_code == 403
    assert desk.client.post(path, data={"csrf": "é"}).status_code == 403
    origin = {"origin": "https://evil.example"}
    assert desk.client.post(path, data={"csrf": token}, headers=origin).status_code == 403
    assert desk.client.post(path, data={"csrf": token}, headers={"origin": "null"}).status_code == 403
    site = {"sec-fetch-site": "cross-site"}
    assert desk.client.post(path, data={"csrf": token}, headers=site).status_code == 403
    other = TestClient(desk.client.app, **LOCAL)
    other.get("/desk/queue")
    assert other.post(path, data={"csrf": token}).status_code == 403, "the token of another session"


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"sec-purpose": "prefetch"}])
def test_neither_another_site_nor_a_prefetching_browser_takes_a_lease(
    desk: Desk, headers: dict[str, str]
) -> None:
    (item,) = fill(desk.service.store, desk.hashes, [arrived("One")])
    desk.get(f"/desk/comments/{item.id}", headers=headers)
    found = items.get(desk.service.store, item.id)
    assert found
    assert found.lease_by is None


# Reading and deciding


def test_a_comment_says_why_in_words_and_never_in_raw_scores(desk: Desk) -> None:
    text = "You fool, see https://x.example/a"
    (item,) = fill(
        desk.service.store, desk.hashes, [arrived(text, label="insult", score=0.8231, spans=[(4, 8)])]
    )
    for page in (f"/desk/comments/{item.id}", "/desk/queue"):
        shown = desk.get(page).text
        assert "Insult, likely" in shown
        assert "0.8231" not in shown
        assert "abuse.insult" not in shown
    shown = desk.get(f"/desk/comments/{item.id}").text
    assert "<mark>fool</mark>" in shown
    assert "against “Council votes on bus lanes”, likely" in shown
    assert 'value="ABUSIVE" selected' in shown
    assert 'href="https://x.example/a"' in shown.partition("<details>")[2], "inert until asked for"
    assert "https://x.example" not in shown.partition("<details>")[0].partition('id="said"')[0]


def test_deciding_opens_the_next_and_undo_returns(desk: Desk) -> None:
    store = desk.service.store
    one, two = fill(store, desk.hashes, [arrived("One", score=0.9), arrived("Two", score=0.8)])
    answer = desk.post("/desk/next")
    assert answer.url.path == f"/desk/comments/{one.id}"
    answer = desk.post(
        f"/desk/comments/{one.id}", {"action": "reject", "reason": "SPAM", "explanation": "No ads"}
    )
    assert answer.url.path == f"/desk/comments/{two.id}"
    answer = desk.post("/desk/undo")
    assert answer.url.path == f"/desk/comments/{one.id}"
    answer = desk.post(f"/desk/comments/{one.id}", {"action": "note", "note": "ask Grace"})
    assert "ask Grace" in answer.text
    desk.post(f"/desk/comments/{one.id}", {"action": "escalate"})
    answer = desk.post(f"/desk/comments/{two.id}", {"action": "approve"})
    assert (answer.url.path, "Nothing is left here" in answer.text) == ("/desk/queue", True)
    assert [row["action"] for row in decisions.log(store)] == [
        "reject",
        "undo",
        "note",
        "escalate",
        "approve",
    ]
    assert desk.get("/desk/queue?state=escalated").text.count("data-item") == 1


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"action": "delete"},
        {"action": "reject"},
        {"action": "reject", "reason": "BECAUSE"},
        {"action": "note"},
    ],
)
def test_an_empty_decision_is_refused(desk: Desk, form: dict[str, str]) -> None:
    (item,) = fill(desk.service.store, desk.hashes, [arrived("One")])
    answer = desk.post(f"/desk/comments/{item.id}", form)
    assert answer.status_code == 422
    assert "<h1>That did not work</h1>" in answer.text


def test_a_comment_that_another_moderator_has_open_is_shown_and_not_decided(desk: Desk) -> None:
    (item,) = fill(desk.service.store, desk.hashes, [arrived("One")])
    other = Desk(TestClient(desk.client.app, **LOCAL))
    assert other.post("/desk/next").url.path == f"/desk/comments/{item.id}"
    shown = desk.get(f"/desk/comments/{item.id}").text
    assert "Another moderator is reading this comment" in shown
    assert 'value="approve"' not in shown
    assert desk.post(f"/desk/comments/{item.id}", {"action": "approve"}).status_code == 409
    assert desk.post("/desk/next").url.path == "/desk/queue"
    assert "with another moderator" in desk.get("/desk/queue").text


def test_bulk_decisions_skip_comments_that_others_have_open(desk: Desk) -> None:
    store = desk.service.store
    one, two, three = fill(store, desk.hashes, [arrived(str(n), score=0.9 - n / 10) for n in range(3)])
    leases.take(store, one.id, "another")
    form = {"item": [str(one.id), str(two.id), str(three.id)], "action": "reject", "reason": "SPAM"}
    assert "2 comments decided. 1 were skipped" in desk.post("/desk/bulk", form).text
    assert listing.count(store, Filter(state="rejected", flagged=False)) == 2


def test_views_are_saved_and_forgotten(desk: Desk) -> None:
    shown = desk.post("/desk/views", {"name": "Sp<b>am", "label": "spam", "age": "24"}).text
    assert "/desk/queue?queue=1&amp;label=spam&amp;age=24" in shown
    assert "Sp&lt;b&gt;am" in shown
    (view,) = views.all_views(desk.service.store)
    desk.post("/desk/views", {"delete": str(view[0])})
    assert views.all_views(desk.service.store) == []


@pytest.mark.parametrize(
    "query",
    [
        "queue=x",
        "queue=99999999999",
        "queue=²",
        "after=x",
        "after=nan:1",
        "after=1e300:1&sort=newest",
        "after=1:99999999999999999999",
        "state=gone&sort=up&age=9",
        "label=%00&story=%00&language=%00&search=%00",
        "label=%ED%A0%80",
        "told=bulk&done=²&left=" + "9" * 5000,
    ],
)
def test_a_malformed_address_is_not_a_server_error(desk: Desk, query: str) -> None:
    assert desk.get(f"/desk/queue?{query}").status_code in (200, 404)


@pytest.mark.parametrize("number", ["²", "9" * 30, "3000000000", "-1", "x"])
def test_the_number_of_a_missing_row_is_not_a_server_error(desk: Desk, number: str) -> None:
    for page in ("/desk/comments/", "/desk/uploads/"):
        assert desk.get(page + number).status_code in (404, 422), page
    assert desk.get("/desk/decisions", params={"before": number}).status_code == 200
    assert desk.get("/desk/working", params={"queue": number}).status_code == 200
    assert desk.post("/desk/bulk", {"item": number, "action": "approve"}).status_code == 200
    assert desk.post("/desk/views", {"delete": number}).status_code == 200
    assert desk.post("/desk/reading/activate", {"version": number}).status_code == 422


def test_a_page_that_is_older_than_the_comment_decides_nothing(desk: Desk) -> None:
    store = desk.service.store
    (item,) = fill(store, desk.hashes, [arrived("Kind words", id="c1")])
    old = f"{item.id}.{item.input_hash}"
    assert old in desk.get("/desk/queue").text
    fill(store, desk.hashes, [arrived("Other words", id="c1")])
    form = {"action": "approve", "seen": item.input_hash}
    answer = desk.post(f"/desk/comments/{item.id}", form)
    assert (answer.status_code, "edited since" in answer.text) == (409, True)
    assert "1 were skipped" in desk.post("/desk/bulk", {"item": old, "action": "approve"}).text
    assert list(decisions.log(store)) == []


def test_the_number_of_notes_and_views_is_limited(desk: Desk) -> None:
    store = desk.service.store
    (item,) = fill(store, desk.hashes, [arrived("One")])
    desk.post(f"/desk/comments/{item.id}", {"action": "note", "note": "\u202ex" * 50_000})
    (row,) = decisions.log(store)
    assert len(row["note"]) == 2000
    assert "\u202e" not in desk.get(f"/desk/comments/{item.id}").text
    for n in range(views.MOST):
        views.save_view(store, name=str(n), query="label=x", by="Ada")
    assert desk.post("/desk/views", {"name": "one more"}).status_code == 422
    assert len(views.all_views(store)) == views.MOST


def test_a_list_of_long_comments_is_quick(desk: Desk) -> None:
    some = [arrived("<b>a</b> " * 11_000, id=str(n), format="html") for n in range(25)]
    fill(desk.service.store, desk.hashes, some)
    taken = []
    for _ in range(4):
        started = time.process_time()
        desk.get("/desk/queue")
        taken.append(time.process_time() - started)
    assert min(taken) < 0.5, "hundredths of a second; with each text read whole, it took seconds"


def test_counting_a_search_stops_at_a_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_FOUND", 28)
    fill(desk.service.store, desk.hashes, [arrived(f"Comment {n}") for n in range(31)])

    def counted(search: str) -> str:
        found = re.search(r'id="counted">([^ ]+) comment', desk.get(f"/desk/queue?search={search}").text)
        assert found
        return found[1]

    assert (counted("comment"), counted("comment+2"), counted("kind")) == ("28+", "11", "0")
    assert desk.get("/desk/queue?search=comment").text.count("data-item") == listing.PAGE


def test_a_search_says_how_far_it_went_and_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SEARCHED", 4)
    monkeypatch.setattr(words, "SEARCHED", 4)
    fill(desk.service.store, desk.hashes, [arrived(f"Comment {n}", score=0.9 - n / 100) for n in range(10)])

    def read(address: str) -> tuple[str, int, str | None]:
        """What the page says it found, the number of comments on it, and where it goes on."""
        page = desk.get(address).text
        told = re.search(r'id="counted">([^<]+?)\.\s', page)
        more = re.search(r'<a href="([^"]+)" rel="next">Search the next 4</a>', page)
        assert told
        assert "disabled>Start reading" not in page
        return told[1], page.count("data-item"), html.unescape(more[1]) if more else None

    told, number, more = read("/desk/queue?search=comment+9")
    assert (told, number) == ("0 comments found marked by the policy, among the 4 most urgent", 0)
    told, number, more = read(f"/desk/queue{more}")
    assert (told, number) == ("0 comments found marked by the policy, among the next 4", 0)
    told, number, more = read(f"/desk/queue{more}")
    assert (told, number, more) == ("1 comment found marked by the policy, among the rest", 1, None)
    assert read("/desk/queue?search=comment+9&sort=newest")[:2] == (
        "1 comment found marked by the policy, among the 4 newest",
        1,
    )


def test_a_filter_without_a_match_offers_the_comments_that_are_not_marked(desk: Desk) -> None:
    some = [arrived("Rude words"), arrived("Kind words", score=0.1, action="approve")]
    fill(desk.service.store, desk.hashes, some)
    shown = desk.get("/desk/queue?search=kind").text
    (address,) = re.findall(r'<a href="([^"]+)">look in all</a>', shown)
    found = desk.get(f"/desk/queue{html.unescape(address)}").text
    assert ("Kind words" in found, "look in all" in found) == (True, False)
    assert "look in all" not in desk.get("/desk/queue?search=kind&state=approved").text


def test_every_key_is_explained() -> None:
    script, told = ((render.HERE / name).read_text() for name in ("static/desk.js", "templates/keys.html"))
    keys = set(re.findall(r'^  "?(.)"?: (?:\(|reject)', script, re.MULTILINE))
    assert len(keys) == 10
    assert keys <= set(re.findall(r"<kbd>(.)</kbd>", told)), keys


def test_the_start_page_is_for_browsers(desk: Desk) -> None:
    answer = desk.get("/", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.headers["content-security-policy"] == POLICY
    for href in ("desk", "docs", "health"):
        assert f'href="{href}"' in answer.text
    for accept in ("application/json", "*/*"):
        answer = desk.get("/", headers={"accept": accept}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (307, "docs")


def test_a_missing_queue(desk: Desk) -> None:
    assert desk.get("/desk/queue?queue=77").status_code == 404
    assert desk.get("/desk/comments/77").status_code == 404
    assert desk.get("/desk/uploads/1").status_code == 404
    assert desk.get("/desk/static/secret").status_code == 404


def test_markup_from_strangers_is_text_on_every_page(desk: Desk) -> None:
    store = desk.service.store
    (item,) = fill(
        store,
        desk.hashes,
        [
            arrived(
                HOSTILE,
                id=HOSTILE,
                title=HOSTILE,
                url="javascript:alert(1)",
                author=HOSTILE,
                language=HOSTILE,
            )
        ],
    )
    decisions.decide(store, item.id, Choice(action="note", note=HOSTILE), By(who=HOSTILE))
    views.save_view(store, name=HOSTILE, query="label=x", by=HOSTILE)
    for page in (
        "/desk/queue",
        f"/desk/comments/{item.id}",
        "/desk/reading",
        "/desk/working",
        "/desk/decisions",
    ):
        shown = desk.get(page).text
        assert "<script>window" not in shown, page
        assert "<img" not in shown, page
        assert "javascript:" not in shown.replace("&#34;", ""), page
        assert re.search(r'\son\w+="', shown) is None, page
        assert re.search(r"\sstyle=", shown) is None, "the policy would not let it"


# Arrivals


def classify(desk: Desk, **body: object) -> None:
    comment = {"id": "c1", "text": "You are a stupid idiot", "author": {"id": "reader-1"}}
    answer = desk.client.post("/v1/classify", json={"comments": [comment], "policy": "strict", **body})
    assert answer.status_code == 200, answer.text


def waiting(desk: Desk) -> list[items.Item]:
    return listing.page(desk.service.store, Filter(flagged=False))


def test_comments_arrive_by_rest_with_their_author_as_a_hash(desk: Desk) -> None:
    classify(desk)
    (item,) = waiting(desk)
    assert (item.comment_id, item.text, item.policy) == ("c1", "You are a stupid idiot", "strict@0")
    assert item.author == desk.hashes.author("reader-1")
    assert item.model == "tiny 0.0.1"


def test_do_not_store_wins(desk: Desk) -> None:
    classify(desk, do_not_store=True)
    body = {"comment": {"text": "Stupid"}, "requestedAttributes": {"TOXICITY": {}}, "doNotStore": True}
    assert desk.client.post("/v1alpha1/comments:analyze", json=body).status_code == 200
    assert waiting(desk) == []


def test_nothing_arrives_unless_turned_on(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(queue=False)
    classify(desk)
    assert waiting(desk) == []
    assert "store.queue: true" in desk.get("/desk/queue").text


def test_comments_arrive_by_perspective_and_coral(desk: Desk) -> None:
    body = {
        "comment": {"text": "Stupid one"},
        "requestedAttributes": {"TOXICITY": {}},
        "clientToken": "comment:p1",
    }
    assert desk.client.post("/v1alpha1/comments:analyze", json=body).status_code == 200
    body = {
        "action": "NEW",
        "comment": {"body": "<p>Stupid two</p>"},
        "author": {"id": "r"},
        "story": {"id": "s"},
    }
    assert desk.client.post("/coral/phase", json=body).status_code in (200, 204)
    items = {item.text: item for item in waiting(desk)}
    assert set(items) == {"Stupid one", "<p>Stupid two</p>"}
    assert (items["Stupid one"].comment_id, items["<p>Stupid two</p>"].author) == (
        "p1",
        desk.hashes.author("r"),
    )
    assert "Stupid two" in desk.get("/desk/queue?show=all").text


# Decisions by REST, and exports


def test_decisions_by_rest(desk: Desk) -> None:
    (item,) = fill(desk.service.store, desk.hashes, [arrived("One", id="c1")])
    sent = {"comment_id": "c1", "action": "reject", "reason": "SPAM", "moderator": "Grace", "key": "k-1"}
    answer = desk.client.post("/v1/decisions", json={"decisions": [sent, sent]})
    assert answer.status_code == 200, answer.text
    first, again = answer.json()["ids"]
    assert first == again
    found = items.get(desk.service.store, item.id)
    assert found
    assert found.state == "rejected"
    for wrong in ({"action": "ban"}, {"comment_id": " "}, {"reason": "BECAUSE"}, {"key": ""}):
        assert desk.client.post("/v1/decisions", json={"decisions": [{**sent, **wrong}]}).status_code == 422


def test_exports_read_back(desk: Desk) -> None:
    store = desk.service.store
    one, two = fill(
        store, desk.hashes, [arrived("One", id="=1+1", score=0.9), arrived("Two", id="2", score=0.8)]
    )
    desk.post(f"/desk/comments/{one.id}", {"action": "reject", "reason": "SPAM", "explanation": 'an\n"ad"'})
    desk.post(f"/desk/comments/{two.id}", {"action": "approve"})
    rows = list(csv.DictReader(io.StringIO(desk.get("/desk/decisions.csv").text)))
    assert [row["action"] for row in rows] == ["reject", "approve"]
    assert (rows[0]["comment_id"], rows[0]["explanation"]) == ("'=1+1", 'an\n"ad"')
    lines = [json.loads(line) for line in desk.get("/desk/decisions.jsonl").text.splitlines()]
    assert (lines[0]["comment_id"], lines[0]["scores"]["toxicity"], lines[0]["who"]) == (
        "=1+1",
        0.9,
        "this machine",
    )
    (statement,) = [json.loads(line) for line in desk.get("/desk/statements.jsonl").text.splitlines()]
    assert (statement["category"], statement["automated_decision"]) == ("SPAM", False)
    assert "Spam" in statement["ground"]
    assert "reject as spam" in desk.get("/desk/decisions").text


# How much to read


def test_a_version_observes_then_decides_then_is_rolled_back(desk: Desk) -> None:
    store = desk.service.store
    fill(store, desk.hashes, [arrived(str(n), score=n / 20) for n in range(20)])
    desk.service.forget_policy()
    shown = desk.get("/desk/reading").text
    names = re.findall(r'name="(t:[^"]+)"', shown)
    assert "t:toxic/abuse.toxicity/review" in names
    estimate = {"rule": "toxic/abuse.toxicity/review", "t:toxic/abuse.toxicity/review": "0.75"}
    assert "5 of 20 counted" in desk.get("/desk/reading/estimate", params=estimate).text
    form = dict.fromkeys(names, "0.99") | {"t:toxic/abuse.toxicity/review": "0.75"}
    shown = desk.post("/desk/reading", form).text
    assert re.search(r"On trial \(version 1\).*?>15<.*?>5<.*?>0<", shown, re.DOTALL)
    assert desk.service.policy().version == 0, "it doesn't decide yet"
    desk.post("/desk/reading/activate", {"version": "1"})
    assert desk.service.policy().label == "default@1"
    assert policies.active(store, "default") is not None
    desk.post("/desk/reading/activate", {"version": "0"})
    assert desk.service.policy().label == "default@0"
    assert desk.post("/desk/reading/activate", {"version": "7"}).status_code == 422
    assert desk.post("/desk/reading", form | {names[0]: "2"}).status_code == 422
    assert desk.get("/desk/reading/estimate?rule=none").status_code == 422


def test_a_version_that_another_process_activates_decides_here_too(make_desk: Callable[..., Desk]) -> None:
    one, two = make_desk(), make_desk()
    assert two.service.policy().version == 0
    file = one.service.policy_file()
    thresholds = {"toxic/abuse.toxicity/review": 0.75}
    policies.save(one.service.store, "default", thresholds=thresholds, base=file.fingerprint, by="Ada")
    policies.activate(one.service.store, "default", 1)
    two.service.reread_policy()
    assert two.service.policy().label == "default@1"
    kept = two.service.policy()
    two.service.reread_policy()
    assert two.service.policy() is kept, "nothing has changed"
    policies.activate(one.service.store, "default", 0)
    two.service.reread_policy()
    assert two.service.policy().version == 0


def test_the_policy_is_reread_by_itself(
    make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "REREAD_S", 0.05)
    desk = make_desk()
    base = desk.service.policy().fingerprint
    policies.save(desk.service.store, "default", thresholds={}, base=base, by="Ada")
    policies.activate(desk.service.store, "default", 1)
    deadline = time.monotonic() + 60
    while desk.service.policy().version != 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_version_made_from_other_rules_is_left_alone(desk: Desk) -> None:
    policies.save(desk.service.store, "default", thresholds={}, base="0" * 64, by="Ada")
    policies.activate(desk.service.store, "default", 1)
    desk.service.forget_policy()
    assert desk.service.policy().version == 0
    assert "made from other rules" in desk.get("/desk/reading").text


def test_recall_is_counted_from_the_sites_own_decisions_once_there_are_enough(desk: Desk) -> None:
    store = desk.service.store
    items = fill(store, desk.hashes, [arrived(str(n), score=0.5 + n / 100) for n in range(20)])
    params = {"rule": "toxic/abuse.toxicity/review", "t:toxic/abuse.toxicity/review": "0.6"}
    assert "model's own calibration" in desk.get("/desk/reading/estimate", params=params).text.replace(
        "&#39;", "'"
    )
    for item in items:
        choice = Choice(action="reject", reason="ABUSIVE")
        decisions.decide(store, item.id, choice, By(who="Ada"))
    assert (
        "Finds 10 of the 20 that moderators rejected as abusive: 50 % (30 to 70 %)"
        in desk.get("/desk/reading/estimate", params=params).text
    )


# Is it working?


def test_figures_and_agreement(desk: Desk) -> None:
    store = desk.service.store
    items = fill(store, desk.hashes, [arrived(str(n), score=0.5 + n / 100) for n in range(40)])
    for n, item in enumerate(items):
        choice = Choice(action="reject", reason="ABUSIVE") if n % 2 else Choice(action="approve")
        decisions.decide(store, item.id, choice, By(who="Ada", session="a"))
    decisions.undo(store, By(who="Ada", session="a"))
    decisions.decide(store, items[-1].id, Choice(action="approve"), By(who="Grace"))
    shown = desk.get("/desk/working").text
    assert "40 comments came in the last 28 days; the policy marks 40" in shown
    assert "Are the scores right?" in shown
    assert "Ada and Grace" in shown
    assert re.search(r'<th scope="row">Toxic</th><td>\d+ % ', shown)
    assert "A comment waits" in shown


# The command line


def test_users_are_created_listed_and_revoked(tmp_path: Path) -> None:
    config = tmp_path / "service.yaml"
    config.write_text(f"store: {{folder: {tmp_path}}}")
    run = CliRunner().invoke
    made = run(parley, ["users", "create", "Ada", "--role", "admin", "--config", str(config)])
    assert made.exit_code == 0, made.output
    assert made.stdout.startswith("desk_")
    user_id = made.stdout.split("_")[1]
    assert "Ada" in run(parley, ["users", "list", "--config", str(config)]).output
    assert run(parley, ["users", "revoke", user_id, "--config", str(config)]).exit_code == 0
    assert run(parley, ["users", "revoke", user_id, "--config", str(config)]).exit_code == 2
    assert run(parley, ["users", "create", "x", "--role", "king", "--config", str(config)]).exit_code == 2
