"""The corpus readers, on miniature files in every source's format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from parley.training.data.examples import Example
from parley.training.data.preparation import SourceSpec
from parley.training.data.registry import part
from parley.training.data.sources import SOURCES, SPLITS, Split, read
from parley.training.errors import SourceError
from tests.training.mini_corpora import TESTS_ONLY, write_corpora


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpora(tmp_path_factory.mktemp("data"))


def rows(name: str, data_dir: Path, *splits: Split, **options: Any) -> dict[str, Example]:
    """The examples of `splits` (of all, if none is named) by text; the last of equal texts."""
    return {e.text: e for split in splits or SPLITS for e in read(name, data_dir, split, **options)}


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_source_reads_its_corpus(name: str, data_dir: Path) -> None:
    by_split = {split: list(read(name, data_dir, split)) for split in SPLITS}
    examples = [example for split in SPLITS for example in by_split[split]]
    assert examples
    assert {e.source for e in examples} == {name}
    assert all(e.text.strip() for e in examples)
    known = [e.labels or e.stance or e.reply or e.off_topic is not None for e in examples]
    assert all(known) or name == "unhealthy"
    assert bool(by_split["train"]) is (name not in TESTS_ONLY)
    assert by_split["train"] == list(read(name, data_dir, "train")), "the same each time"


def test_toxic_spans_grades_toxicity_and_keeps_the_tasks_splits_and_spans(data_dir: Path) -> None:
    train = rows("toxic_spans", data_dir, "train")
    fool = train["You fool, sit down."]
    assert fool.labels == pytest.approx(
        {"toxicity": 1.0, "insult": 0.6667, "profanity": 0.0, "identity_attack": 0.0, "threat": 0.3333}
    )
    assert fool.spans == ((4, 8),)
    assert train["That dolt again."].spans == ((5, 9),), "what two of three raters marked"
    assert train["The lake is cold."].spans == ()
    assert train["The lake is cold."].labels["toxicity"] == pytest.approx(0.3)
    assert train["Hmm now."].spans is None, "only one of three raters marked something: not enough to use"
    assert rows("toxic_spans", data_dir, "train", floor=0.0)["The lake is cold."].labels["toxicity"] == 0.0
    assert rows("toxic_spans", data_dir, "dev")["What a silly plan."].spans == ()
    assert rows("toxic_spans", data_dir, "test")["Only a clown writes this."].spans == ((7, 12),)


def test_news_comments(data_dir: Path) -> None:
    c3 = rows("c3", data_dir)
    calm = c3["Well argued."]
    assert set(calm.labels.values()) == {0.0}
    assert "profanity" not in calm.labels
    assert c3["You lot again, honestly."].labels == pytest.approx(
        {"toxicity": 0.5, "insult": 0.4, "spam": 0.0}
    )
    assert c3["Disgraceful lot."].labels == {"toxicity": 1.0, "insult": 1.0, "spam": 0.0}
    assert rows("impermium", data_dir)["You are a \\bore\\.\nGo."].labels == {"insult": 1.0}


def test_wikipedia_comments_keep_their_splits(data_dir: Path) -> None:
    assert set(rows("jigsaw_binary", data_dir)) == {"Thanks for the edit", "You vandal"}
    threat = rows("jigsaw_multilabel", data_dir, "test")["I will find you and revert you"]
    assert threat.labels["threat"] == 1.0
    assert len(threat.labels) == 6
    assert rows("robtest", data_dir)["You, sir, are a pest"].labels == {"toxicity": 1.0}


def test_vast_names_its_slices(data_dir: Path) -> None:
    assert {e.slice for e in read("vast", data_dir, "train")} == {None}
    assert rows("vast", data_dir, "test")["Engineers checked it."].slice == "zero-shot"
    assert rows("vast", data_dir, "dev")["Children need that grass."].slice == "few-shot"
    original, swapped = read("vast_sentswap", data_dir, "test")
    assert (original.text, original.slice) == ("A good dam. Good, good!", "original")
    assert (swapped.text, swapped.slice) == ("A serious dam. bad, good!", "swapped")


def test_room_for_debate_keeps_dev_test_and_whole_debates_apart(data_dir: Path) -> None:
    for name in ("ukp", "arc", "debates"):
        train, dev, test = (set(rows(name, data_dir, split)) for split in SPLITS)
        assert "Children need that grass." not in train, f"{name}: a comment of VAST's dev"
        assert "Concrete lasts." not in train | dev, f"{name}: a debate that is only in VAST's test"
        assert "Concrete lasts." in test
        assert "Rails outlive buses." in dev
        assert "No opinion from VAST here." in train
    assert {e.group for e in read("debates", data_dir, "train")} == {"/park", "/mill"}


def test_ukp_turns_both_claims_into_rows(data_dir: Path) -> None:
    pair = [e for e in read("ukp", data_dir, "train") if e.text == "Lock the gates, I say."]
    assert {(e.target, e.stance) for e in pair} == {
        ("Close the park", "favor"),
        ("Keep the park open", "against"),
    }
    assert "On the one hand, on the other." not in rows("ukp", data_dir)


@pytest.mark.parametrize("unrelated", [0, 1, 2])
def test_arc_takes_as_many_unrelated_claims_as_asked(data_dir: Path, unrelated: int) -> None:
    examples = list(read("arc", data_dir, "train", unrelated=unrelated))
    comments = {e.text for e in examples}
    assert len(examples) == len(comments) * (1 + unrelated)
    assert {e.stance for e in examples if e.target in ("Tea beats coffee", "Cats make good neighbours")} <= {
        "none"
    }


def test_debates_carry_the_article_of_the_comment(data_dir: Path) -> None:
    pair = rows("debates", data_dir, "train")["Flour at last."]
    assert (pair.article, pair.off_topic) == ("Should the mill reopen?\nThe mill by the park.", 0.0)


def test_spam(data_dir: Path) -> None:
    spam = rows("youtube_spam", data_dir, holdout="Psy")
    assert spam["Don't miss  my  channel\nlink below"].labels == {"spam": 1.0}
    assert {e.slice for e in read("youtube_spam", data_dir, "test", holdout="Psy")} == {"Psy"}
    assert list(read("youtube_spam", data_dir, "test", holdout=None)) == []
    ads = rows("reddit_ads", data_dir)
    assert {text: e.labels["spam"] for text, e in ads.items()} == {
        "Buy my book today": 1.0,
        "I liked the book": 0.0,
    }
    assert 'See "you at five' in rows("sms_spam", data_dir)


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        ("edos", "Women should be chased off", {"identity_attack": 1.0, "threat": 1.0}),
        ("edos", "Women can not park", {"identity_attack": 1.0, "threat": 0.0}),
        ("edos", "The train was late", {"identity_attack": 0.0}),
        ("hatemoji", "They make this town", {"identity_attack": 0.0, "toxicity": 0.0}),
        ("hatemoji", "They ruin this town", {"identity_attack": 1.0, "toxicity": 1.0, "threat": 1.0}),
        ("gab", "Drive them out", {"identity_attack": 1.0, "toxicity": 1.0, "threat": 1.0}),
        ("gab", "Darn it", {"identity_attack": 0.0, "toxicity": 1.0, "threat": 0.0}),
        ("ethos", "Go home, all of you", {"identity_attack": 0.75, "threat": 0.25}),
        ("reddit_misogyny", "Girls can not count", {"identity_attack": 1.0, "threat": 0.0}),
        ("toxigen", "they are kind\npeople", {"identity_attack": 0.25, "toxicity": 0.25}),
        ("hasoc2019", "A & B", {"toxicity": 0.0, "identity_attack": 0.0, "profanity": 0.0}),
        ("hasoc2019", "Darned fools", {"toxicity": 1.0, "profanity": 1.0}),
        ("olid", '@USER "Nice weather', {"toxicity": 0.0, "insult": 0.0}),
        ("olid", "@USER You are a twit", {"toxicity": 1.0, "insult": 1.0}),
        ("olid", "Darn bus", {"toxicity": 1.0, "insult": 0.0}),
        ("olid", "That party of twits", {"toxicity": 1.0}),
        ("davidson", "RT @a: you pest", {"identity_attack": 1 / 3, "toxicity": 2 / 3}),
        ("wiki_automod", "The city desk of a paper", {"sexually_explicit": 0.0}),
        ("ruddit", "You twerp", {"toxicity": 1.0}),
        ("ruddit", "That is rather rude", {"toxicity": 0.5}),
        ("ruddit", "Have a great time", {"toxicity": 0.0}),
        ("snlp_detox", "see you there, friend!", {"toxicity": 0.0}),
        ("unhealthy", "Good piece", {"toxicity": 0.0}),
        ("unhealthy", "As if", {}),
        ("context_toxicity", "So do you", {"toxicity": 1.0}),
    ],
)
def test_labels(data_dir: Path, name: str, text: str, labels: dict[str, float]) -> None:
    assert rows(name, data_dir)[text].labels == pytest.approx(labels)


def test_convabuse_counts_only_the_experts_who_judged(data_dir: Path) -> None:
    examples = rows("convabuse", data_dir, "train")
    dim, polite = examples["you are dim"].labels, examples["good morning"].labels
    assert (dim["toxicity"], dim["insult"], dim["severe_toxicity"]) == (0.5, 0.5, 0.0)
    assert (polite["toxicity"], polite["insult"]) == (0.0, 0.0)


def test_rows_that_can_not_be_used_are_left_out(data_dir: Path) -> None:
    assert "Half a cell" not in rows("reddit_misogyny", data_dir)
    assert "I agree with him" not in rows("stormfront", data_dir)
    assert "[deleted]" not in rows("ruddit", data_dir)
    assert "broken" not in rows("wiki_automod", data_dir)
    assert "Merci" not in rows("cqa2015", data_dir)
    assert set(rows("davidson", data_dir)) == {"RT @a: you pest", "Fine day"}, (
        "without the dialect test's row"
    )


@pytest.mark.parametrize(
    ("name", "text", "target", "stance"),
    [
        ("covid_stance", "Roads & rails", "face masks", "favor"),
        ("ruw", "Café talk train", "Ukraine", "none"),
        ("vaccine_lies", "So green!", "Jabs turn you green.", "favor"),
        ("ibm30k", "Not for me val", "We should plant trees", "against"),
        ("iam", 'Trees "cool dev', "Should we plant trees?", "against"),
        ("perspectrum", "View 1", "Trees help", "favor"),
        ("perspectrum", "View 3", "Rain hurts", "against"),
        ("ibm_claims", "Kites cut fingers", "kites", "against"),
        ("ibm_claims", "Tea stains", "tea", "against"),
        ("gwsd", "It was always warm.", "Global warming is a serious concern", "against"),
        ("fnc1", "A stone fell on a barn.", "No stone fell", "against"),
        ("spinos", "Reactors are fine", "nuclear energy", "favor"),
        ("spinos", "Cows\neat grass", "veganism", "none"),
        ("mt_csd", "Who says so?", "SpaceX", "none"),
    ],
)
def test_stances(data_dir: Path, name: str, text: str, target: str, stance: str) -> None:
    example = rows(name, data_dir)[text]
    assert (example.target, example.stance) == (target, stance)


def test_a_motion_and_its_subject_may_be_seen_from_two_sides(data_dir: Path) -> None:
    kites = {e.target: e.stance for e in read("ibm_claims", data_dir, "train")}
    assert kites == {"ban kites": "favor", "kites": "against"}


def test_replies_are_under_their_threads_headline(data_dir: Path) -> None:
    pairs = list(read("thread_headlines", data_dir, "test"))
    true = [e for e in pairs if e.off_topic == 0.0]
    topics = ("Biden", "Bitcoin", "SpaceX")
    assert [(e.text, e.article) for e in true] == [
        ("Who says so?", f"Good news on {t} today") for t in topics
    ]
    assert [e.group for e in true] == [f"{t} 1" for t in topics]
    swapped = [e for e in pairs if e.off_topic]
    assert {e.slice for e in swapped} == {"other debate", "near debate", "headline"}


def test_good_answers_are_under_their_own_question_and_under_others(data_dir: Path) -> None:
    pairs = list(read("forum_pairs", data_dir, "test"))
    own = [f"Where to swim, part {n}\nAny pool?" for n in (1, 2)]
    assert {e.text for e in pairs} == {"The one by the park"}, "no dialogues, no bad answers"
    assert [e.article for e in pairs if e.slice == "true pair"] == own
    assert all(e.off_topic == 0.0 for e in pairs if e.slice == "true pair")
    assert len([e for e in pairs if e.off_topic]) == 2


def test_human_judgements_of_relevance(data_dir: Path) -> None:
    examples = rows("appropriateness", data_dir)
    assert (examples["My dog barks"].article, examples["I like it"].off_topic) == ("Is tea good or bad", 0.0)
    assert examples["My dog barks"].off_topic == pytest.approx(2 / 3)
    assert rows("cqa2015", data_dir)["Thanks!"].off_topic == 1.0
    assert rows("cqa2017", data_dir)["I sold mine"].article == "Best bank\nWhich?"


def test_part_is_stable_and_keeps_its_shares() -> None:
    split = [part(f"key {n}", dev=0.1, test=0.2) for n in range(2000)]
    assert split[:5] == [part(f"key {n}", dev=0.1, test=0.2) for n in range(5)]
    assert 0.07 < split.count("dev") / 2000 < 0.13
    assert 0.16 < split.count("test") / 2000 < 0.24
    assert part("\ud800") in SPLITS


# What a user gets wrong


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"name": "vasst"}, "did you mean 'vast'"),
        ({"name": "vast", "options": {"seed": 1}}, "has no option 'seed'"),
        ({"name": "arc", "options": {"unrelatd": 1}}, "it takes unrelated"),
        ({"name": "vast", "wieght": 2}, "Extra inputs"),
        ({"name": "vast", "weight": 0}, "greater than 0"),
        ({"name": "vast", "cap": 0}, "greater than or equal to 1"),
        ({"name": "vast", "identities": 9}, "has no cap"),
    ],
)
def test_a_wrong_entry_is_refused_with_what_to_do(spec: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        SourceSpec.model_validate(spec)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no folder .*VAST.*README\.md.*--data-dir"):
        list(read("vast", tmp_path, "train"))


@pytest.mark.parametrize(
    ("name", "path", "content"),
    [
        ("youtube_spam", "abuse/youtube_spam_merged/YoutubeSpamMergedData.csv", b"a,b\n1,2\n"),
        ("youtube_spam", "abuse/youtube_spam_merged/other.csv", b""),
        ("robtest", "abuse/jigsaw_robtest/test.csv", b"text,maybe\n"),
        ("implicit_hate", "abuse/safenlp/implicitHate.json", b"[{"),
        ("cqa2015", "offtopic/SemEval2015-Task3-cQA/CQA-QL-devel.xml", b"<root>"),
    ],
)
def test_a_file_in_another_format_is_a_clear_error(
    tmp_path: Path, name: str, path: str, content: bytes
) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(SourceError, match=f"source '{name}': can't read"):
        [list(read(name, tmp_path, split)) for split in SPLITS]


def test_entailment_becomes_stance(data_dir: Path) -> None:
    nli = {e.slice: e for e in read("nli", data_dir, "train")}
    assert set(nli) == {"mnli", "snli", "joci", "rte", "scitail"}, (
        "no test rows, and no corpus that forbids commercial use"
    )
    sides = {name: e.stance for name, e in nli.items()}
    assert sides == {
        "mnli": "none",
        "snli": "against",
        "joci": "favor",
        "rte": "not_entailed",
        "scitail": "none",
    }
    assert (nli["joci"].weight, nli["mnli"].weight) == (0.5, 1.0)
    assert (nli["scitail"].text, nli["scitail"].target) == ("Tea is hot", "It rains."), "a claim, not a thing"


def test_replies_have_their_parent_and_titles_only_to_train_on(data_dir: Path) -> None:
    train = list(read("debagreement", data_dir, "train"))
    assert {e.reply for e in train} == {"agree", "disagree", "none"}
    assert {e.parent for e in train} == {"Wind is the way to go."}
    assert all(e.off_topic == 0.0 and e.article and e.beat == "debagreement climate" for e in train)
    test = list(read("debagreement", data_dir, "test"))
    assert len(test) == 4
    assert all(e.article is None for e in test)
    assert {e.group for e in train}.isdisjoint(e.group for e in read("debagreement", data_dir, "dev"))


@pytest.mark.parametrize("name", ["news_posts", "iac_threads", "cocolofa"])
def test_comments_are_under_their_title_and_split_by_it(name: str, data_dir: Path) -> None:
    train, dev, test = (list(read(name, data_dir, split)) for split in SPLITS)
    assert all(e.off_topic == 0.0 for e in train)
    for held_out in (dev, test):
        assert {e.off_topic for e in held_out} == {0.0, 1.0}
        assert {e.slice for e in held_out if e.off_topic} == {"near"}, "the mini corpus has one beat"
        assert {e.group for e in held_out}.isdisjoint(e.group for e in train)
    assert {e.article for e in dev}.isdisjoint(e.article for e in train)
