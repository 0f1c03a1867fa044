"""Augmented contexts of a comment; explicit statements; abuse hidden in long comments."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from parley.training.data.augmentation.contexts import partly, turned, under_other_titles, without_lede
from parley.training.data.augmentation.explicit import explicit, related
from parley.training.data.augmentation.hidden import hidden
from parley.training.data.examples import Example


def pair(number: int, beat: str, **values: object) -> Example:
    given = {
        "text": f"The plan number {number} for {beat} is too slow for us",
        "source": "mine",
        "article": f"{beat} {number} before the council",
        "off_topic": 0.0,
        "beat": beat,
        "target": f"the {beat} plan {number}",
        "stance": "against",
        "group": f"{beat} {number}",
        "weight": 0.5,
    }
    return Example(**given | values)  # type: ignore[arg-type]


PAIRS = [pair(n, beat) for beat in ("bridge", "school", "harbour") for n in range(40)]


def test_near_titles_are_of_the_same_beat_and_far_ones_of_another() -> None:
    made = under_other_titles(PAIRS, seed=1, near=1.0, far=0.5)
    assert made == under_other_titles(PAIRS, seed=1, near=1.0, far=0.5)
    by_kind = Counter(e.slice for e in made)
    assert by_kind["near"] == len(PAIRS)
    assert 0.3 < by_kind["far"] / len(PAIRS) < 0.7
    own = {e.text: e for e in PAIRS}
    for example in made:
        true = own[example.text]
        assert example.article != true.article
        assert (example.beat or "") in example.text
        assert example.article
        assert example.article.startswith(f"{true.beat} ") is (example.slice == "near")
        assert example.off_topic == 1.0
        assert example.labels == {}
        assert example.weight == (0.375 if example.slice == "near" else 0.5)
    with_target = [e for e in made if e.target]
    assert 0.3 < len(with_target) / len(made) < 0.7
    articles = {(e.article, e.target) for e in PAIRS}
    assert all((e.article, e.target) in articles for e in with_target), "a target of the other title"
    assert {e.stance for e in with_target} == {None, "none"}
    assert {e.slice for e in with_target if e.stance} == {"far"}, (
        "a near target may be one that the comment is about"
    )


def test_short_comments_go_under_other_titles_less_often() -> None:
    short = [pair(n, "bridge", text=f"Too slow {n}") for n in range(200)]
    made = under_other_titles([*short, *PAIRS], seed=1, near=1.0, far=0.0)
    assert 0.25 < sum(e.text.startswith("Too slow") for e in made) / 200 < 0.55


def test_a_beat_with_one_title_has_nothing_near() -> None:
    lone = [pair(1, "bridge"), pair(1, "school")]
    assert {e.slice for e in under_other_titles(lone, seed=1, near=1.0, far=1.0)} == {"far"}


def test_turned_targets_turn_the_side_and_claims_stay() -> None:
    rows = [pair(n, "bridge", stance=s) for n, s in enumerate(("favor", "against", "none") * 40)]
    claims = [pair(n, "school", target=f"Plan {n} is a mistake.") for n in range(40)]
    found = turned([*rows, *claims], seed=1, share=0.5)
    assert len(found) == len(rows) + len(claims)
    assert found[len(rows) :] == claims
    changed = [(a, b) for a, b in zip(rows, found, strict=False) if a != b]
    assert 0.3 < len(changed) / len(rows) < 0.7
    for before, after in changed:
        assert after.target == f"{before.target} is bad."
        assert (before.stance, after.stance) in {
            ("favor", "against"),
            ("against", "favor"),
            ("none", "none"),
        }


def test_parts_of_a_context_are_left_out() -> None:
    found = partly(PAIRS, seed=1, untitled=0.3, untargeted=0.2)
    kinds = Counter((e.article is not None, e.target is not None) for e in found)
    assert kinds[False, False] == 0
    assert min(kinds[True, True], kinds[False, True], kinds[True, False]) > 10
    assert all((e.off_topic is None) is (e.article is None) for e in found)
    assert all((e.stance is None) is (e.target is None) for e in found)


def test_some_articles_lose_their_lede_and_nothing_else() -> None:
    rows = [pair(n, "bridge") for n in range(40)]
    rows = [replace(e, article=f"{e.article}\nA lede.") for e in rows[:30]] + rows[30:]
    found = without_lede(rows, seed=1, share=0.5)
    cut = [(was, now) for was, now in zip(rows, found, strict=True) if was != now]
    assert 5 < len(cut) < 25
    assert all(was == replace(now, article=f"{now.article}\nA lede.") for was, now in cut)
    assert without_lede(rows, seed=1, share=0.0) == rows


def test_explicit_statements_name_their_target_and_keep_their_side() -> None:
    made = explicit(PAIRS, seed=1, rows=600)
    assert made == explicit(PAIRS, seed=1, rows=600)
    assert len(made) == 600
    assert {e.stance for e in made} == {"favor", "against", "none"}
    assert all(e.article is None and e.off_topic is None and e.weight == 0.6 for e in made)
    thanks = [e for e in made if "count me in for" in e.text.lower()]
    assert thanks
    for example in thanks:
        assert example.target
        asked = example.target.lower()
        turned_round = asked.startswith(("opposition", "rejecting", "getting rid", "stopping"))
        named = asked in example.text.lower() or asked.split(" ", 1)[1] in example.text.lower()
        expected = "against" if turned_round else "favor" if named else "none"
        assert example.stance in (expected, "none")
    assert explicit(PAIRS[:1], seed=1, rows=5) == [], "with one target alone nothing tells the sides apart"


def test_related_statements_are_asked_for_a_target_whose_side_follows() -> None:
    closing, keeping, council = "closing the bridge", "keeping the bridge open", "the council"
    sides = [
        (one, other, said)
        for one, other in (("favor", "against"), ("against", "favor"))
        for said in ("favor", "against")
    ]
    rows = [
        pair(0, "bridge", text=f"Comment {number}", target=target, stance=side)
        for number, of in enumerate(sides)
        for target, side in zip((closing, keeping, council), of, strict=True)
    ]
    assert related(rows, seed=1, rows=9) == [], "which targets have the same side is not known"
    other = "shutting the bridge"
    rows += [replace(e, target=other) for e in rows if e.target == closing]
    made = related(rows, seed=1, rows=3000)
    assert made == related(rows, seed=1, rows=3000)
    assert len(made) == 3000
    about = {name: [e for e in made if name in e.text.lower()] for name in (closing, keeping, other, council)}
    assert not about[council], "the sides on it follow from no other target"
    against = {
        (name, e.target): e.stance
        for name in about
        for e in about[name]
        if "count me in for" in e.text.lower()
    }
    assert against[closing, keeping] == against[keeping, other] == "against"
    assert against[closing, other] == against[other, closing] == against[keeping, keeping] == "favor"


def test_abuse_is_hidden_in_long_harmless_comments_with_its_spans() -> None:
    toxic = Example(
        text="You are a fool.", source="mine", labels={"toxicity": 1.0, "insult": 1.0}, spans=((10, 14),)
    )
    calm = " ".join(f"Word{n}" for n in range(80))
    frame = Example(text=calm, source="mine", labels={"toxicity": 0.0}, article="A\nB", off_topic=0.0)
    made = hidden([toxic, frame, pair(1, "bridge")], seed=1, rows=40)
    wholes = [e for e in made if e.slice == "hidden"]
    assert len(wholes) == 40
    assert len({e.text for e in wholes}) > 10
    for example in wholes:
        assert example.labels == toxic.labels
        assert example.spans is not None
        assert [example.text[a:b] for a, b in example.spans] == ["fool"]
        assert example.text.replace(" ".join([toxic.text, ""]), "").replace(f" {toxic.text}", "") == calm
    alone = [e for e in made if e.slice == "long"]
    assert len(alone) == 80, "two for each, or length would predict abuse"
    assert all(e.text == calm and e.labels == frame.labels and e.article is None for e in alone)
    assert hidden([toxic], seed=1, rows=3) == []
