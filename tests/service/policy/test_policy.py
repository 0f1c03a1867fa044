"""Policies: what the shipped ones do, what a file may contain, and what is true for any comment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.model.comment import Comment, Prediction, Stance
from parley.model.labels import ABUSE
from parley.service.errors import PolicyError
from parley.service.policy.decision import SEVERITY, Policy, shipped
from parley.service.policy.surface import Surface

THRESHOLDS = dict.fromkeys((*ABUSE, "spam", "off_topic"), 0.6)
CALM = "The talks in Paris lasted four hours and ended without an agreement."


def prediction(
    *, spam: float = 0.01, off_topic: float | None = 0.1, language: str | None = "en", **abuse: float
) -> Prediction:
    scores = dict.fromkeys(ABUSE, 0.01) | abuse
    stance = Stance(target="x", favor=0.01, against=0.98, none=0.01, label="against")
    return Prediction(id=None, abuse=scores, spam=spam, off_topic=off_topic, stance=stance, language=language)


def policy_of(tmp_path: Path, yaml: str, **thresholds: float) -> Policy:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml, encoding="utf-8")
    return Policy.load(file, thresholds=thresholds or None)


def one_rule(tmp_path: Path, rule: str, head: str = "") -> Policy:
    return policy_of(tmp_path, f"{head}\nrules:\n  - {{code: mine, action: review, {rule}}}\n")


def fires(policy: Policy, text: str = CALM, **scores: Any) -> bool:
    return policy.decide(Comment(text=text), prediction(**scores)).action != "approve"


# The policies that come with Parley


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_policy_approves_a_calm_comment(name: str) -> None:
    decision = Policy.load(name, thresholds=THRESHOLDS).decide(Comment(text=CALM), prediction())
    assert decision.to_dict() == {"action": "approve", "reasons": []}


def test_default_never_rejects() -> None:
    default = Policy.load("default", thresholds=THRESHOLDS)
    assert {rule.action for rule in default.rules} == {"review"}
    abuse: dict[str, Any] = dict.fromkeys(ABUSE, 1.0)
    worst = default.decide(Comment(text="AAAAAA " * 99), prediction(spam=1.0, off_topic=1.0, **abuse))
    assert worst.action == "review"


@pytest.mark.parametrize(
    ("text", "scores", "action", "code"),
    [
        (CALM, {"toxicity": 0.95}, "reject", "offensive_language"),
        (CALM, {"toxicity": 0.7}, "review", "offensive_language"),
        (CALM, {"profanity": 0.95}, "reject", "profanity"),
        (CALM.upper(), {}, "reject", "all_capitals"),
        (CALM, {"spam": 0.95}, "reject", "spam"),
        (CALM, {"off_topic": 0.97}, "review", "irrelevant"),
    ],
)
def test_coinspeaker_does_what_the_site_prints(
    text: str, scores: dict[str, Any], action: str, code: str
) -> None:
    decision = Policy.load("coinspeaker", thresholds=THRESHOLDS).decide(
        Comment(text=text), prediction(**scores)
    )
    assert (decision.action, [reason.code for reason in decision.reasons]) == (action, [code])


@pytest.mark.parametrize(
    ("text", "scores"), [("NATO, EU, USA!", {}), (CALM, {"off_topic": 0.5}), (CALM, {"off_topic": None})]
)
def test_coinspeaker_leaves_acronyms_and_tangents_alone(text: str, scores: dict[str, Any]) -> None:
    decision = Policy.load("coinspeaker", thresholds=THRESHOLDS).decide(
        Comment(text=text), prediction(**scores)
    )
    assert decision.action == "approve"


# What a rule can say


def test_a_label_counts_from_where_the_policy_acts_on_it(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    rule = "  - {{code: x, when: {}, action: {}}}\n"
    rules = (
        ("abuse.insult, at_least: 0.8", "reject"),
        ("abuse.insult, at_least: 0.7", "review"),
        ("abuse.insult, at_least: 0.1", "approve"),  # only gives the reason
        ("abuse.insult, at_most: 0.05", "review"),
        ("spam, at_least: 0.2, also: [{when: links, at_least: 1}]", "review"),
        ("off_topic, at_least: model", "review"),
    )
    file.write_text("rules:\n" + "".join(rule.format(*each) for each in rules))
    policy = Policy.load(file, thresholds=THRESHOLDS | {"threat": 0.3})
    points = dict.fromkeys((*ABUSE, "spam", "off_topic"), 0.6) | {"insult": 0.7, "threat": 0.3}
    assert policy.operating_points == points
    assert policy.acting_point("spam") is None
    assert policy.acting_point("off_topic") == 0.6


@pytest.mark.parametrize("name", shipped())
def test_shipped_policies_act_on_off_topic_where_the_model_says(name: str) -> None:
    assert (
        Policy.load(name, thresholds=THRESHOLDS | {"off_topic": 0.42}).operating_points["off_topic"] == 0.42
    )


def test_reason_has_the_score_and_the_threshold_of_the_strictest_step() -> None:
    decision = Policy.load("coinspeaker", thresholds=THRESHOLDS).decide(
        Comment(text=CALM), prediction(toxicity=0.93, off_topic=0.99)
    )
    assert decision.to_dict() == {
        "action": "reject",
        "reasons": [
            {
                "code": "offensive_language",
                "detail": "Comments that use offensive language are not published.",
                "score": 0.93,
                "threshold": 0.9,
            },
            {
                "code": "irrelevant",
                "detail": "This comment may have nothing to do with the article.",
                "score": 0.99,
                "threshold": 0.6,
            },
        ],
    }


def test_the_models_own_threshold(tmp_path: Path) -> None:
    yaml = "rules:\n  - {code: toxic, when: abuse.toxicity, at_least: model, action: review}\n"
    assert fires(policy_of(tmp_path, yaml, toxicity=0.3), toxicity=0.3)
    assert not fires(policy_of(tmp_path, yaml, toxicity=0.3), toxicity=0.29)
    assert not fires(policy_of(tmp_path, yaml), toxicity=0.49), (
        "even odds where the artifact has no threshold"
    )


@pytest.mark.parametrize(
    ("rule", "yes", "no"),
    [
        ("when: capitals, at_least: 0.9", "STOP SHOUTING AT EVERYBODY", "Stop shouting at everybody"),
        ("when: capitals, at_least: 0.9, min_letters: 3", "WHY", "Why"),
        ("when: links, at_least: 1", "see www.example.com today", "the end.It was late"),
        (
            "when: links, at_least: 1, ignore_hosts: [example.com]",
            "see https://example.org/a",
            "https://m.example.com/a",
        ),
        ("when: repeated_characters, at_least: 4", "nooooo", "well...    yes"),
        ("when: repeated_words, at_least: 3", "Buy buy, BUY now", "buy, then buy"),
        ("when: words, at_most: 1", "First!", "First of all"),
        ("when: characters, at_least: 5", "12345", "  1234  "),
        ("when: word_list.banned, at_least: 1", "you muppet!", "muppetry"),
        ("when: word_list.banned, at_least: 1", "Ｍｕｐｐｅｔ", "mup pet"),
        ("when: word_list.banned, at_least: 2", "muppet, silly sausage", "silly old sausage, muppet"),
    ],
)
def test_surface_facts(tmp_path: Path, rule: str, yes: str, no: str) -> None:
    policy = one_rule(tmp_path, rule, head="word_lists: {banned: [Muppet, silly sausage]}")
    assert fires(policy, yes)
    assert not fires(policy, no)


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ('<a href="https://example.com/?a=1&amp;b=2">here</a>', 1),
        ('<p><a href="https://example.com/">https://example.com/</a> and www.example.org</p>', 2),
        ("<b>no link</b>", 0),
    ],
)
def test_links_behind_html_count_once(text: str, links: int) -> None:
    assert Surface.of(Comment(text=text, format="html")).links() == links


def test_markup_is_not_shouting() -> None:
    assert Surface.of(Comment(text="<P>quietly</P><P>said</P>", format="html")).capitals(min_letters=1) == 0


def test_also_and_unless_and_languages(tmp_path: Path) -> None:
    also = one_rule(tmp_path, "when: spam, at_least: 0.5, also: [{when: links, at_least: 1}]")
    assert fires(also, "www.example.com", spam=0.5)
    assert not fires(also, CALM, spam=0.5)
    assert not fires(also, "www.example.com", spam=0.4)
    unless = one_rule(tmp_path, "when: spam, at_least: 0.5, unless: [{when: words, at_most: 2}]")
    assert fires(unless, CALM, spam=0.5)
    assert not fires(unless, "so short", spam=0.5)
    languages = one_rule(tmp_path, "when: spam, at_least: 0.5, languages: [en]")
    assert fires(languages, spam=0.5)
    assert not fires(languages, spam=0.5, language="nl")


def test_word_list_in_a_file_beside_the_policy(tmp_path: Path) -> None:
    (tmp_path / "banned.txt").write_text("# ours\nmuppet\n\n", encoding="utf-8")
    policy = one_rule(tmp_path, "when: word_list.ours, at_least: 1", head="word_lists: {ours: banned.txt}")
    decision = policy.decide(Comment(text="What a MUPPET."), prediction())
    assert decision.reasons[0].detail == "word_list.ours 1 (at least 1): muppet"


def test_otherwise_holds_when_no_rule_fires(tmp_path: Path) -> None:
    policy = one_rule(tmp_path, "when: spam, at_least: 0.5", head="otherwise: review")
    assert policy.decide(Comment(text=CALM), prediction()).to_dict() == {"action": "review", "reasons": []}


# What a file may not say

RULE = "rules:\n  - {code: a, when: spam, at_least: 0.5, action: review, REST}\n"


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        (
            "rules:\n  - {code: a, when: stance.against, at_least: 0.5, action: review}",
            "rules[0]: a policy can't act on stance",
        ),
        ("rules:\n  - {code: a, when: toxicity, at_least: 0.5, action: review}", "one of abuse.toxicity"),
        ("rules:\n  - {code: a, when: spam, at_least: 90, action: review}", "between 0 and 1"),
        ("rules:\n  - {code: a, when: spam, at_least: .nan, action: review}", "out of range"),
        ("rules:\n  - {code: a, when: links, at_least: model, action: review}", "no threshold for links"),
        ("rules:\n  - {code: a, when: spam, action: review}", "at_least or at_most"),
        ("rules:\n  - {code: a, when: spam, at_least: 0.5, at_most: 0.6, action: review}", "not both"),
        ("rules:\n  - {code: a, when: spam, at_least: 0.5, action: delete}", "rules[0].action"),
        ("rules:\n  - {code: A b, when: spam, at_least: 0.5, action: review}", "rules[0].code"),
        ("rules:\n  - {when: spam, at_least: 0.5, action: review}", "rules[0].code: missing"),
        (RULE.replace("REST", "atleast: 1"), "rules[0].atleast: unknown key; did you mean 'at_least'?"),
        (
            RULE.replace("REST", "also: [{when: links, at_lest: 1}]"),
            "rules[0].also[0].at_lest: unknown key; did you",
        ),
        (RULE.replace("REST", "min_letters: 4"), "min_letters goes with"),
        (RULE.replace("REST", "ignore_hosts: [a.com]"), "ignore_hosts goes with"),
        (RULE.replace("REST", "unless: [{when: word_list.x, at_least: 1}]"), "word list, 'x'"),
        ("rulse: []", "rulse: unknown key; did you mean 'rules'?"),
        ("word_lists: {x: [yes]}\nrules: []", "quote it"),
        ("word_lists: {x: none.txt}\nrules: []", "word_lists.x: "),
        ("word_lists: {x: [good, '!?']}\nrules: []", "word_lists.x: '!?' has no letter or digit"),
        ("rules: [", "is not YAML"),
        ("- rules", "must hold keys"),
        ("", "must hold keys"),
    ],
)
def test_bad_file_is_reported_with_place_and_fix(tmp_path: Path, yaml: str, says: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy_of(tmp_path, yaml)
    assert says in str(caught.value)
    assert "mine.yaml" in str(caught.value)


def test_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="one of coinspeaker, default, strict"):
        Policy.load("coinspeeker")
    with pytest.raises(PolicyError, match="can't be read"):
        Policy.load(tmp_path)


# What is true for any comment

scores = st.floats(0, 1)
predictions = st.builds(
    prediction,
    spam=scores,
    off_topic=st.none() | scores,
    toxicity=scores,
    threat=scores,
    language=st.sampled_from(["en", "nl", None]),
)
texts = (
    st.text() | st.text(st.characters(categories=["Cs", "Lu", "So"])) | st.just("HTTP://[::1 \0 a.com " * 50)
)


@pytest.mark.parametrize("name", sorted(shipped()))
@settings(max_examples=40, deadline=None)
@given(text=texts, prediction=predictions)
def test_decide_never_raises_and_its_strictest_reason_decides(
    name: str, text: str, prediction: Prediction
) -> None:
    decision = Policy.load(name, thresholds=THRESHOLDS).decide(Comment(text=text), prediction)
    actions = {rule.code: rule.action for rule in Policy.load(name).rules}
    assert (decision.action != "approve") == bool(decision.reasons)
    assert {reason.code for reason in decision.reasons} <= set(actions)


CONDITIONS = st.sampled_from(["abuse.toxicity", "spam", "off_topic", "capitals"])


@settings(max_examples=40, deadline=None)
@given(when=CONDITIONS, low=scores, high=scores, text=texts, prediction=predictions)
def test_a_higher_threshold_is_never_stricter(
    tmp_path_factory: pytest.TempPathFactory,
    when: str,
    low: float,
    high: float,
    text: str,
    prediction: Prediction,
) -> None:
    def action(threshold: float) -> int:
        yaml = f"rules:\n  - {{code: a, when: {when}, at_least: {threshold:.9f}, action: reject}}\n"
        policy = policy_of(tmp_path_factory.getbasetemp(), yaml)
        return SEVERITY[policy.decide(Comment(text=text), prediction).action]

    assert action(max(low, high)) <= action(min(low, high))
