"""Closed stories: by hand, by age, by the site; and what each protocol says about a comment on one."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from parley.model.comment import Article, Prediction
from parley.service.articles.fetch import Fetcher
from parley.service.desk.arrivals import need
from parley.service.policy.decision import CLOSED, Decision, Reason
from parley.service.settings.schema import Desk as DeskSettings
from parley.service.settings.schema import Fetch
from parley.service.store.database import Store
from parley.service.store.desk import listing, stories
from parley.service.store.desk.listing import Filter
from parley.service.store.desk.stories import is_closed, names_of
from tests.service.desk.comments import arrived, fill
from tests.service.desk.conftest import Desk

URL = "https://news.example/bridge"
OLD = (datetime.now(UTC) - timedelta(days=15)).isoformat()


def classify(desk: Desk, article: dict[str, Any] | None, **body: object) -> dict[str, Any]:
    comment = {"text": "I like the bridge.", "article": article}
    answer = desk.client.post("/v1/classify", json={"comments": [comment], **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["results"][0]
    return found


def closed(desk: Desk, article: dict[str, Any] | None) -> bool:
    found = classify(desk, article, do_not_store=True)
    noted = "story_closed" in found["notes"]
    told = [reason["code"] for reason in found["decision"]["reasons"]]
    assert noted == ("story_closed" in told)
    assert not noted or found["decision"]["action"] == "reject"
    return noted


def test_the_last_change_counts_then_the_age(any_store: Store) -> None:
    names = names_of(Article(id="a-1", url=f"{URL}/?utm_source=x"))
    assert len(names) == 2
    stories.saw(any_store, names)
    stories.published(any_store, names[1:], datetime.now(UTC) - timedelta(days=15))

    def shut(days: int | None) -> bool:
        return is_closed(stories.find(any_store, names).values(), days=days)

    assert (shut(None), shut(14), shut(30)) == (False, True, False)
    stories.change(any_store, names[:1], "open", by="Ada")
    assert not shut(14)
    stories.change(any_store, names[1:], "closed", by="Grace")
    assert shut(None)
    assert stories.latest(any_store)[0].changed_by == "Grace"
    stories.saw(any_store, names)
    assert shut(None), "seeing it again changes nothing"
    stories.change(any_store, names, None, by="Ada")
    assert (shut(None), shut(14)) == (False, True)
    assert not is_closed([], days=1)
    assert names_of(Article(title="no name")) == names_of(None) == []
    text = "What somebody wrote. " * 25
    assert names_of(Article(id=text, url=text)) == []
    assert names_of(Article(id="a-1", url="/bridge")) == ["a-1", "/bridge"]


def test_a_page_closes_and_opens_its_story_and_overrules_nobody(any_store: Store) -> None:
    names = names_of(Article(url=URL))

    def shut() -> bool:
        return is_closed(stories.find(any_store, names).values(), days=None)

    stories.read_page(any_store, names, False)
    assert stories.find(any_store, names) == {}, "it says nothing new"
    for said in (True, True, False, False, True):
        stories.read_page(any_store, names, said)
        assert shut() == said
    assert [story.changed_by for story in stories.latest(any_store)] == [stories.BY_PAGE]
    stories.change(any_store, names, "open", by="Ada")
    stories.read_page(any_store, names, True)
    assert not shut(), "Ada opened it"
    stories.change(any_store, names, "closed", by="the site")
    stories.read_page(any_store, names, False)
    assert shut()
    stories.change(any_store, names, None, by="Ada")
    stories.read_page(any_store, names, True)
    assert shut(), "Ada left it to the page"


def test_comments_for_a_story_that_its_page_closes_are_refused(
    make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Site(Fetcher):
        """Pages without a network."""

        async def _fetch_page(self, url: str) -> bytes:
            notice = '<p class="no-comments">Comments are closed.</p>'
            text = "The council closes the bridge for two years, it said on Monday. " * 9
            return f"<html><body><article><h1>The bridge</h1><p>{text}</p></article>{notice}</body>".encode()

    monkeypatch.setattr("parley.service.web.app.Fetcher", Site)
    desk = make_desk(fetch=Fetch(hosts=["news.example"], closed=True))
    deadline = time.monotonic() + 60
    while not closed(desk, {"url": URL, "title": "The bridge"}):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "its page" in desk.get("/desk/stories").text
    desk.post("/desk/stories", {"name": URL, "action": "open"})
    assert not closed(desk, {"url": URL})


def test_a_story_is_closed_and_opened_from_its_comment(desk: Desk) -> None:
    article = {"id": "a-1", "url": f"{URL}?utm_source=mail"}
    assert not closed(desk, article)
    (item,) = fill(desk.service.store, desk.hashes, [arrived("One", url=URL)])
    assert "Close this story" in desk.get(f"/desk/comments/{item.id}").text
    form = {"name": [URL], "action": "close", "item": str(item.id)}
    answer = desk.post("/desk/stories", form)
    assert (answer.url.path, "Open it again" in answer.text) == (f"/desk/comments/{item.id}", True)
    assert closed(desk, article)
    assert closed(desk, {"url": URL.replace("https", "http") + "/"}), "the same page, spelled differently"
    assert not closed(desk, {"url": f"{URL}-two"})
    assert not closed(desk, {"title": "Only a title"})
    assert not closed(desk, None)
    assert "this machine" in desk.get("/desk/stories").text
    desk.post("/desk/stories", {"name": URL, "action": "open"})
    assert not closed(desk, article)


@pytest.mark.parametrize("form", [{}, {"action": "close"}, {"action": "close", "name": " "}, {"name": URL}])
def test_a_form_that_names_no_story_is_refused(desk: Desk, form: dict[str, str]) -> None:
    assert desk.post("/desk/stories", form).status_code == 422


def test_closing_by_id_closes_the_address_of_the_stored_article(desk: Desk) -> None:
    desk.client.put("/v1/articles/a-7", json={"title": "The bridge", "url": URL})
    desk.post("/desk/stories", {"name": "a-7", "action": "close"})
    assert closed(desk, {"url": URL})


def test_stories_close_by_age(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(desk=DeskSettings(close_after=14))
    put = desk.client.put("/v1/articles/old", json={"title": "Old", "published": OLD})
    assert (put.status_code, put.json()["closed"]) == (201, True)
    assert closed(desk, {"id": "old"})
    classify(desk, {"id": "new"})
    classify(desk, {"id": "unkept"}, do_not_store=True)
    assert set(stories.find(desk.service.store, ["new", "unkept"])) == {"new"}
    assert not closed(desk, {"id": "new"})
    stories.published(desk.service.store, ["new"], datetime.now(UTC) - timedelta(days=15))
    desk.service.stories._known.clear()
    assert closed(desk, {"id": "new"})
    desk.post("/desk/stories", {"name": "new", "action": "open"})
    assert not closed(desk, {"id": "new"})
    desk.post("/desk/stories", {"name": "new", "action": "age"})
    assert closed(desk, {"id": "new"})


def test_the_site_closes_a_story_with_its_article(desk: Desk) -> None:
    put = desk.client.put
    assert put("/v1/articles/a-1", json={"title": "T", "url": URL}).json()["closed"] is False
    assert put("/v1/articles/a-1", json={"title": "T", "url": URL, "closed": True}).json()["closed"] is True
    assert closed(desk, {"url": URL})
    put("/v1/articles/a-1", json={"title": "T2", "url": URL})
    assert desk.client.get("/v1/articles/a-1").json()["closed"] is True, "what was set before stays"
    put("/v1/articles/a-1", json={"title": "T", "url": URL, "closed": False})
    assert not closed(desk, {"id": "a-1"})
    assert put("/v1/articles/a-1", json={"title": "T", "published": "2026-01-01T00:00"}).status_code == 422


def test_every_protocol_that_can_says_that_a_story_is_closed(desk: Desk) -> None:
    """Although the policy only observes: a person closed this story."""
    desk.post("/desk/stories", {"name": URL, "action": "close"})
    body = {
        "comment": {"text": "I like the bridge."},
        "context": {"articleAndParentComment": {"article": {"text": URL}}},
        "requestedAttributes": {"STORY_CLOSED": {}},
    }
    answer = desk.client.post("/v1alpha1/comments:analyze", json=body).json()
    assert answer["attributeScores"]["STORY_CLOSED"]["summaryScore"]["value"] == 1
    body["context"] = {}
    answer = desk.client.post("/v1alpha1/comments:analyze", json=body).json()
    assert answer["attributeScores"]["STORY_CLOSED"]["summaryScore"]["value"] == 0
    sent = {"action": "NEW", "comment": {"body": "I like it"}, "story": {"id": "s-1", "url": URL}}
    coral = desk.client.post("/coral/phase", json=sent).json()
    assert coral["status"] == "REJECTED"
    reason = coral["moderationAction"]["rejectionReason"]
    assert (reason["code"], reason["customReason"]) == ("OTHER", "this story takes no more comments")
    assert reason["detailedExplanation"].startswith("story_closed")
    assert "actions" not in coral, "otherwise an observing policy says nothing"
    assert coral["parley"]["decision"]["reasons"][0]["code"] == "story_closed"
    sent["story"] = {"id": "s-2", "url": f"{URL}-two"}
    assert desk.client.post("/coral/phase", json=sent).status_code == 204


def test_on_a_closed_story_only_threats_need_a_moderator() -> None:
    said = Prediction(id=None, abuse={"toxicity": 0.9}, spam=0.0, off_topic=None, stance=None)
    toxic, threat = (Reason(code=c, detail=c, when=f"abuse.{c}", score=0.9) for c in ("toxicity", "threat"))
    assert need(said, Decision(action="reject", reasons=(toxic,))) >= listing.FLAGGED
    assert need(said, Decision(action="reject", reasons=(CLOSED, toxic))) < listing.FLAGGED
    assert need(said, Decision(action="reject", reasons=(CLOSED, threat))) >= 3


def test_a_comment_on_a_closed_story_does_not_wait_in_the_queue(desk: Desk) -> None:
    desk.post("/desk/stories", {"name": URL, "action": "close"})
    classify(desk, {"url": URL})
    (item,) = listing.page(desk.service.store, Filter(flagged=False))
    assert (item.action, item.label) == ("reject", "story_closed")
    assert "this story takes no more comments" in desk.get("/desk/queue?show=all").text
