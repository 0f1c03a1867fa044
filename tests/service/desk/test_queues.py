"""Queues, leases, decisions and their log, in both databases."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from multiprocessing.pool import ThreadPool

import pytest
import sqlalchemy as sa
from argon2 import extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from parley.model.comment import Article, Comment
from parley.service.errors import Conflict, NotFound, PurgeRefused
from parley.service.privacy import KeyedHashes
from parley.service.store.database import Store
from parley.service.store.desk import decisions, items, leases, listing, people, stories
from parley.service.store.desk.decisions import By, Choice
from parley.service.store.desk.listing import Filter
from parley.service.store.desk.stories import names_of
from parley.service.store.desk.tables import queue_items
from parley.service.store.feedback import Feedback, Suggestion
from parley.service.store.retention import purge
from parley.service.store.tables import sightings
from tests.service.desk.comments import arrived, fill

APPROVE = Choice(action="approve")
SPAM = Choice(action="reject", reason="SPAM")
ADA, GRACE = By(who="Ada", session="a"), By(who="Grace", session="g")


def test_threats_come_first_then_rejections_then_reviews_by_score(
    any_store: Store, hashes: KeyedHashes
) -> None:
    items = fill(
        any_store,
        hashes,
        [
            arrived("kind", action="approve", score=0.2),
            arrived("rude", score=0.7),
            arrived("ruder", score=0.9),
            arrived("spam", label="spam", action="reject", score=0.8),
            arrived("threat", label="threat", score=0.6),
        ],
    )
    assert [item.text for item in items] == ["threat", "spam", "ruder", "rude", "kind"]
    assert [item.text for item in listing.page(any_store, Filter())] == ["threat", "spam", "ruder", "rude"]


def test_pages_continue_each_other_in_every_order(any_store: Store, hashes: KeyedHashes) -> None:
    fill(any_store, hashes, [arrived(str(n), score=0.5 + (n % 7) / 20) for n in range(23)])
    for sort in listing.SORTS:
        wanted, after, seen = Filter(sort=sort), None, []
        while found := listing.page(any_store, wanted, after=after, size=4):
            seen += [item.text for item in found]
            after = listing.place(found[-1], wanted)
        assert sorted(seen, key=int) == [str(n) for n in range(23)], sort


def test_filters(any_store: Store, hashes: KeyedHashes) -> None:
    fill(
        any_store,
        hashes,
        [
            arrived("One 100% sure", label="spam", author="r1"),
            arrived("Two", author="r1", title="Bridge"),
            arrived("Drei", author="r2", language="de"),
        ],
    )

    def texts(**wanted: object) -> list[str]:
        return sorted(item.text for item in listing.page(any_store, Filter(**wanted)))  # type: ignore[arg-type]

    assert texts(label="spam") == ["One 100% sure"]
    assert texts(story="Bridge") == ["Two"]
    assert texts(language="de") == ["Drei"]
    assert texts(new_author=True) == ["Drei", "One 100% sure"]
    assert texts(search="0% S") == ["One 100% sure"]
    assert texts(search="_") == []
    assert texts(newer_than_hours=1) == ["Drei", "One 100% sure", "Two"]
    assert texts(queue=77) == []
    assert listing.facets(any_store, Filter(label="spam")) == {
        "label": [("toxicity", 2), ("spam", 1)],
        "story": [("Council votes on bus lanes", 2), ("Bridge", 1)],
        "language": [("en", 2), ("de", 1)],
    }
    assert listing.count(any_store, Filter(label="toxicity")) == 2


def test_counts_stop_where_they_would_take_long(
    any_store: Store, hashes: KeyedHashes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_COUNTED", 5)
    monkeypatch.setattr(listing, "MOST_FACETED", 4)
    some = [
        arrived(f"Comment {n}", label="spam" if n < 4 else "threat", score=0.9 - n / 100) for n in range(9)
    ]
    fill(any_store, hashes, [*some, arrived("Kind words", action="approve")])
    assert listing.count(any_store, Filter(label="threat")) == 5
    assert listing.facets(any_store, Filter())["label"] == [("threat", 4)], "the most urgent"
    none = {"escalated": 0, "approved": 0, "rejected": 0}
    assert listing.totals(any_store, Filter()) == {"waiting": 5, "flagged": 5, **none}
    assert listing.totals(any_store, Filter(state="rejected"))["flagged"] == 0


def test_a_search_reads_so_many_texts_at_a_time(
    any_store: Store, hashes: KeyedHashes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SEARCHED", 4)
    monkeypatch.setattr(listing, "PAGE", 2)
    monkeypatch.setattr(listing, "MOST_FOUND", 3)
    texts = [f"{'Bridge' if n in (0, 1, 2, 3, 9, 10) else 'Road'} {n}" for n in range(11)]
    fill(any_store, hashes, [arrived(text, score=0.9 - (n // 2) / 100) for n, text in enumerate(texts)])
    for sort in listing.SORTS:
        wanted, after = Filter(search="bridge", sort=sort), None
        seen: list[tuple[list[str], int, bool]] = []
        while after or not seen:
            found = listing.search(any_store, wanted, after=after)
            seen.append(([item.text for item in found.items], found.number, found.whole))
            after = found.more
        read = [text for texts, _, _ in seen for text in texts]
        every = [item.text for item in listing.page(any_store, Filter(sort=sort))]
        assert read == [text for text in every if "Bridge" in text], sort
        assert (seen[0][2], seen[-1][2]) == (False, True), sort
    wanted = Filter(search="bridge", sort="oldest")
    first = listing.search(any_store, wanted)
    assert ([item.text for item in first.items], first.number) == (["Bridge 0", "Bridge 1"], 3)
    none = listing.search(any_store, Filter(search="rail", sort="newest"))
    assert (none.items, none.number, none.whole, none.more is None) == ([], 0, False, False)


def test_an_edited_comment_waits_again_and_the_same_one_changes_nothing(
    any_store: Store, hashes: KeyedHashes
) -> None:
    (item,) = fill(any_store, hashes, [arrived("First", id="c1")])
    decisions.decide(any_store, item.id, APPROVE, ADA)
    assert fill(any_store, hashes, [arrived("First", id="c1")]) == []
    (edited,) = fill(any_store, hashes, [arrived("Second", id="c1")])
    assert (edited.id, edited.text, edited.state) == (item.id, "Second", "waiting")


def test_two_moderators_are_never_given_the_same_comment(any_store: Store, hashes: KeyedHashes) -> None:
    fill(any_store, hashes, [arrived(str(n)) for n in range(60)])

    def work(name: str) -> list[int]:
        by, done = By(who=name, session=name), []
        while (item := leases.take_next(any_store, Filter(), name)) is not None:
            decisions.decide(any_store, item.id, APPROVE, by)
            done.append(item.id)
        return done

    with ThreadPool(4) as pool:
        done = pool.map(work, ["a", "b", "c", "d"])
    every = [item for of_one in done for item in of_one]
    assert len(every) == len(set(every)) == 60
    assert listing.count(any_store, Filter(state="approved")) == 60


def test_a_lease_keeps_others_away_until_it_runs_out(any_store: Store, hashes: KeyedHashes) -> None:
    (item,) = fill(any_store, hashes, [arrived("One")])
    assert leases.take(any_store, item.id, "a")
    assert leases.take_next(any_store, Filter(), "g") is None
    seen = leases.take(any_store, item.id, "g")
    assert seen
    assert seen.leased_to_another("g")
    with pytest.raises(Conflict, match="another moderator is reading"):
        decisions.decide(any_store, item.id, APPROVE, GRACE)
    with any_store.write() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(sa.update(queue_items).values(lease_until=past))
    taken = leases.take_next(any_store, Filter(), "g")
    assert taken
    assert taken.id == item.id
    decisions.decide(any_store, item.id, APPROVE, GRACE)
    with pytest.raises(Conflict, match="already approved"):
        decisions.decide(any_store, item.id, SPAM, ADA)
    with pytest.raises(NotFound):
        decisions.decide(any_store, 12345, SPAM, ADA)


def test_what_is_skipped_goes_to_others(any_store: Store, hashes: KeyedHashes) -> None:
    hard, easy = fill(any_store, hashes, [arrived("hard", score=0.9), arrived("easy", score=0.8)])
    taken = leases.take_next(any_store, Filter(), "a")
    assert taken
    assert taken.id == hard.id
    leases.skip(any_store, hard.id, "a")
    following = leases.take_next(any_store, Filter(), "a")
    assert following
    assert following.id == easy.id
    other = leases.take_next(any_store, Filter(), "g")
    assert other
    assert other.id == hard.id


def test_undo_is_a_row_of_its_own_and_gives_the_comment_back(any_store: Store, hashes: KeyedHashes) -> None:
    one, two = fill(any_store, hashes, [arrived("one", score=0.9), arrived("two", score=0.8)])
    first = decisions.decide(any_store, one.id, SPAM, ADA)
    decisions.decide(any_store, two.id, APPROVE, ADA)
    back = decisions.undo(any_store, ADA)
    assert back
    assert (back.id, back.state, back.lease_by) == (two.id, "waiting", "a")
    again = decisions.undo(any_store, ADA)
    assert again
    assert again.id == one.id
    assert decisions.undo(any_store, ADA) is None
    assert decisions.undo(any_store, GRACE) is None
    log = list(decisions.log(any_store))
    assert [row["action"] for row in log] == ["reject", "approve", "undo", "undo"]
    assert (log[3]["undoes"], log[3]["before"], log[3]["after"]) == (first, "rejected", "waiting")
    assert decisions.standing(any_store) == []


def test_an_undo_that_would_override_anothers_decision_is_refused(
    any_store: Store, hashes: KeyedHashes
) -> None:
    (item,) = fill(any_store, hashes, [arrived("one", id="c1")])
    decisions.decide(any_store, item.id, Choice(action="escalate"), ADA)
    decisions.decide(any_store, item.id, SPAM, GRACE)
    with pytest.raises(Conflict, match="decided on again"):
        decisions.undo(any_store, ADA)


def test_an_undo_is_refused_even_if_another_decided_the_same(any_store: Store, hashes: KeyedHashes) -> None:
    (item,) = fill(any_store, hashes, [arrived("one", id="c1")])
    decisions.decide(any_store, item.id, APPROVE, ADA)
    decisions.decide_by_comment(any_store, "c1", APPROVE, By(who="CMS", source="api"))
    with pytest.raises(Conflict, match="decided on again"):
        decisions.undo(any_store, ADA)
    kept = items.get(any_store, item.id)
    assert kept
    assert kept.state == "approved"


def test_an_undo_never_takes_a_comment_that_another_is_reading(any_store: Store, hashes: KeyedHashes) -> None:
    (item,) = fill(any_store, hashes, [arrived("one")])
    decisions.decide(any_store, item.id, Choice(action="escalate"), ADA)
    assert leases.take(any_store, item.id, "g")
    with pytest.raises(Conflict, match="is reading this comment"):
        decisions.undo(any_store, ADA)
    decisions.decide(any_store, item.id, SPAM, GRACE)


def test_a_comment_that_was_edited_is_not_decided_on_unseen(any_store: Store, hashes: KeyedHashes) -> None:
    (item,) = fill(any_store, hashes, [arrived("Kind words", id="c1")])
    fill(any_store, hashes, [arrived("Other words", id="c1")])
    with pytest.raises(Conflict, match="edited since"):
        decisions.decide(any_store, item.id, APPROVE, ADA, seen=item.input_hash)
    (now,) = listing.page(any_store, Filter())
    decisions.decide(any_store, now.id, APPROVE, ADA, seen=now.input_hash)


def test_text_that_no_database_can_store_is_replaced(any_store: Store, hashes: KeyedHashes) -> None:
    (item,) = fill(any_store, hashes, [arrived("a\0b", id="c\0", language="e\0n", author="\0")])
    assert (item.text, item.language) == ("a\ufffdb", "e\ufffdn")
    decisions.decide_by_comment(any_store, "c\0", SPAM, By(who="C\0S", source="api"), key="k\0")
    assert people.check(any_store, "desk_\0_x") is None


def test_names_too_long_for_an_index_lose_no_comment(any_store: Store, hashes: KeyedHashes) -> None:
    pick = random.Random(7)
    long = "".join(chr(pick.randint(0x4E00, 0x9FFF)) for _ in range(9000))
    (item,) = fill(any_store, hashes, [arrived("one", id=long, title=long, parent=long)])
    assert (item.comment_id, item.parent_id, item.article_title) == (None, None, long)
    assert item.story == long[:512]
    assert names_of(Article(id=long)) == []
    stories.saw(any_store, names_of(Article(id=long[:512])))


def test_the_log_has_who_decided_what_and_on_which_text(any_store: Store, hashes: KeyedHashes) -> None:
    (item,) = fill(any_store, hashes, [arrived("one", id="c1", author="reader-1")])
    leases.take(any_store, item.id, "a")
    decisions.decide(any_store, item.id, Choice(action="reject", reason="ABUSIVE", note="Rule 3"), ADA)
    (row,) = decisions.log(any_store)
    assert (row["who"], row["before"], row["after"], row["reason"]) == (
        "Ada",
        "waiting",
        "rejected",
        "ABUSIVE",
    )
    assert (row["model"], row["policy"], row["policy_action"]) == ("tiny 0.0.1", "default@0", "review")
    assert (row["input_hash"], row["note"], row["comment_id"]) == (item.input_hash, "Rule 3", "c1")
    assert decisions.scores_of(row)["toxicity"] == 0.9
    assert 0 <= row["seconds"] < 60
    assert "session" not in row


def test_decisions_by_api_have_a_key_and_need_no_comment(any_store: Store, hashes: KeyedHashes) -> None:
    (item,) = fill(any_store, hashes, [arrived("one", id="c1")])
    by = By(who="CMS", source="api")
    first = decisions.decide_by_comment(any_store, "c1", SPAM, by, key="k1")
    assert decisions.decide_by_comment(any_store, "c1", SPAM, by, key="k1") == first
    elsewhere = decisions.decide_by_comment(any_store, "other", SPAM, by)
    found = items.get(any_store, item.id)
    assert found
    assert found.state == "rejected"
    assert [row["id"] for row in decisions.log(any_store)] == [first, elsewhere]


def test_decisions_are_rows_to_train_from(any_store: Store, hashes: KeyedHashes) -> None:
    some = [
        arrived("bad", id="1", label="insult"),
        arrived("fine", id="2", label="threat"),
        arrived("x", id="3"),
    ]
    for item in fill(any_store, hashes, some):
        choice = {
            "1": Choice(action="reject", reason="ABUSIVE"),
            "2": APPROVE,
            "3": Choice(action="reject", reason="MISINFORMATION"),
        }
        decisions.decide(any_store, item.id, choice[item.comment_id or ""], ADA)
    rows = {row["id"]: row for row in decisions.training_rows(any_store)}
    assert set(rows) == {"1", "2"}, "misinformation implies no label"
    assert (rows["1"]["toxicity"], rows["1"]["insult"]) == (1.0, 1.0)
    assert (rows["2"]["toxicity"], rows["2"]["threat"], rows["2"]["spam"]) == (0.0, 0.0, 0.0)


def test_old_comments_are_deleted_and_their_decisions_stay(any_store: Store, hashes: KeyedHashes) -> None:
    (item, _) = fill(any_store, hashes, [arrived("old", score=0.9), arrived("new", score=0.8)])
    decisions.decide(any_store, item.id, SPAM, ADA)
    with any_store.write() as connection:
        long_ago = datetime.now(UTC) - timedelta(days=91)
        connection.execute(
            sa.update(queue_items).where(queue_items.c.id == item.id).values(received=long_ago)
        )
    assert purge(any_store, older_than=timedelta(days=90)) == 1
    assert items.get(any_store, item.id) is None
    assert len(list(decisions.log(any_store))) == 1


def test_a_clock_that_is_wrong_does_not_empty_the_desk(any_store: Store, hashes: KeyedHashes) -> None:
    fill(any_store, hashes, [arrived(f"comment {n}") for n in range(40)])
    with pytest.raises(PurgeRefused, match="40 of 40 rows of queue_items"):
        purge(any_store, older_than=timedelta(days=-1))
    assert len(listing.page(any_store, Filter(), size=100)) == 40
    assert purge(any_store, older_than=timedelta(days=-1), whatever_share=True) == 40


def test_an_author_is_forgotten(any_store: Store, hashes: KeyedHashes) -> None:
    fill(
        any_store,
        hashes,
        [arrived("one", author="r1"), arrived("two", author="r2", id="c2"), arrived("three")],
    )
    feedback = Feedback(any_store, hashes, comments=True)
    assert feedback.forget(author="r1") == 1
    assert feedback.forget(comment_id="c2") == 1
    assert feedback.forget() == 0
    assert [item.text for item in listing.page(any_store, Filter())] == ["three"]


def test_rows_without_an_author_are_found_by_the_comment(any_store: Store, hashes: KeyedHashes) -> None:
    feedback = Feedback(any_store, hashes, comments=True)
    fill(any_store, hashes, [arrived("one", author="r1", id="c1"), arrived("two", id="c2"), arrived("three")])
    decided = Suggestion(attribute="toxicity", value=1, text="one", comment_id="c1")
    theirs = Suggestion(attribute="toxicity", value=1, text="two", comment_id="c2", author="r1")
    others = Suggestion(attribute="spam", value=1, text="one", comment_id="c1", author="r2")
    feedback.keep([decided, theirs, others, Suggestion(attribute="spam", value=1, text="three")])
    assert feedback.forget(author="r1") == 4
    assert [row["text"] for row in feedback.rows()] == ["one", "three"]
    assert [item.text for item in listing.page(any_store, Filter())] == ["three"]


@pytest.mark.parametrize("by", [{"author": "r1"}, {"comment_id": "c1"}])
def test_a_forgotten_comment_is_not_quoted_by_its_replies(
    any_store: Store, hashes: KeyedHashes, by: dict[str, str]
) -> None:
    feedback = Feedback(any_store, hashes, comments=True)
    fill(any_store, hashes, [arrived("one", author="r1", id="c1"), arrived("two", author="r2", id="c2")])
    with any_store.write() as connection:
        reply = sa.update(queue_items).where(queue_items.c.comment_id == "c2")
        connection.execute(reply.values(parent_id="c1", parent_text="one"))
    assert feedback.forget(**by) == 1
    (left,) = listing.page(any_store, Filter())
    assert (left.text, left.parent_id, left.parent_text) == ("two", "c1", None)


def test_a_comment_that_is_no_longer_stored_is_not_quoted_either(
    any_store: Store, hashes: KeyedHashes
) -> None:
    fill(any_store, hashes, [arrived("two", author="r2", id="c2")])
    with any_store.write() as connection:
        connection.execute(sa.update(queue_items).values(parent_id="c1", parent_text="one"))
    Feedback(any_store, hashes, comments=True).forget(comment_id="c1")
    (left,) = listing.page(any_store, Filter())
    assert (left.text, left.parent_text) == ("two", None)


def test_a_forgotten_comment_at_the_desk_takes_its_sighting_along(
    any_store: Store, hashes: KeyedHashes
) -> None:
    feedback = Feedback(any_store, hashes, comments=True)
    some = [arrived("Thank you!", author="r1", id="c1"), arrived("Thank you!", author="r1", id="c2")]
    fill(any_store, hashes, [*some, arrived("Thank you!", author="r2", id="c3")])
    for author in ("r1", "r2"):
        feedback.saw(Comment(text="Thank  you!"), author)
    for comment_id, left in (("c1", {"r1", "r2"}), ("c2", {"r2"}), ("c3", set())):
        assert feedback.forget(comment_id=comment_id) == 1
        with any_store.read() as connection:
            assert set(connection.scalars(sa.select(sightings.c.author))) == set(map(hashes.author, left))


def test_the_author_is_a_keyed_hash_with_a_history(any_store: Store, hashes: KeyedHashes) -> None:
    first, second = fill(
        any_store, hashes, [arrived("one", author="reader-1", score=0.9), arrived("two", author="reader-1")]
    )
    assert "reader-1" not in repr((first, second))
    decisions.decide(any_store, first.id, SPAM, ADA)
    assert items.author_history(any_store, second) == {"rejected": 1}


# People


AS_SHIPPED = people._NOBODY  # hashed at import, before the tests made hashes cheap


def test_keys_are_hashed_as_the_rfc_has_it() -> None:
    assert extract_parameters(AS_SHIPPED) == RFC_9106_LOW_MEMORY


def test_a_personal_key_opens_until_it_is_revoked(any_store: Store) -> None:
    user, key = people.create(any_store, "Ada", role="admin")
    assert people.check(any_store, key) == user
    assert people.check(any_store, f" {key}\n") == user
    for wrong in (key[:-1], key + "x", "desk_0_x", "", "desk_" + user.id, key.replace(user.id, "0" * 8)):
        assert people.check(any_store, wrong) is None
    session, cookie = people.begin(any_store, user)
    assert people.find(any_store, cookie) == session
    with any_store.read() as connection:
        kept = repr(connection.execute(sa.text("SELECT * FROM users")).all())
        kept += repr(connection.execute(sa.text("SELECT * FROM sessions")).all())
    assert key.split("_", 2)[2] not in kept  # which may hold underscores
    assert cookie not in kept
    assert people.revoke(any_store, user.id)
    assert people.check(any_store, key) is None
    assert people.find(any_store, cookie) is None
    assert not people.revoke(any_store, user.id)


def test_sign_out_everywhere_ends_every_session_of_the_user_and_their_leases(
    any_store: Store, hashes: KeyedHashes
) -> None:
    fill(any_store, hashes, [arrived("one")])
    user, _ = people.create(any_store, "Ada", role="moderator")
    other, _ = people.create(any_store, "Grace", role="moderator")
    (first, cookie), (_, second_cookie) = people.begin(any_store, user), people.begin(any_store, user)
    _, kept_cookie = people.begin(any_store, other)
    assert leases.take_next(any_store, Filter(), first.id)
    people.end(any_store, first, everywhere=True)
    assert people.find(any_store, cookie) is None
    assert people.find(any_store, second_cookie) is None
    assert people.find(any_store, kept_cookie)
    assert leases.take_next(any_store, Filter(), "g")
