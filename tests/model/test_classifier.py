"""Comments in, predictions out: order, nulls and their notes, long and strange texts, spans."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import parley.model.classifier
from parley.model import Article, Artifact, Classifier, Comment, CommentError, Parent, Prediction
from parley.model.comment import TextFormat
from parley.model.labels import ABUSE, REPLIES, STANCES
from parley.model.text.context import Context
from parley.model.text.tokenization import Tokenizer, Tokens

ARTICLE = Article(title="Council plans a new road", text="The road would pass the old school and the park.")
REPLIED_TO = Parent(text="We should read it first.")
GERMAN = "Das ist doch alles kompletter Unsinn"
NONE_LIKELIEST = {"scale": 0.0, "relatedness": [0.0, 0.0, 0.0], "bias": [0.0, 0.0, 1.0]}
ANY_TEXT = st.text(st.characters(codec=None))
COMMENTS = [
    Comment(id="1", text="You are stupid, stop it", article=ARTICLE),
    Comment(id="2", text="good", target="the new road"),
    Comment(id="3", text=""),
    Comment(id="4", text="why would the city want this road when we have no money for the school? " * 12),
    Comment(id="5", text="<p>Read the <b>paper</b></p>", format="html", article=ARTICLE),
    Comment(id="6", text="Good", article=Article(text="Only a text"), parent=REPLIED_TO, ask=("reply",)),
    Comment(id="7", text="You are stupid, stop it"),
]


def predict_one(classifier: Classifier, text: str = "You should read it", **fields: Any) -> Prediction:
    (prediction,) = classifier.predict([Comment(text=text, **fields)])
    return prediction


@pytest.fixture(scope="module")
def eager(tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """A classifier that finds every token toxic."""
    artifact = Artifact(Path(shutil.copytree(tiny_artifact, tmp_path_factory.mktemp("eager") / "artifact")))
    artifact.thresholds_file.write_text(json.dumps(artifact.thresholds | {"span": 0.0}))
    return Classifier.load(artifact.path)


def test_one_prediction_per_comment_in_order(classifier: Classifier) -> None:
    predictions = classifier.predict(COMMENTS)
    assert [p.id for p in predictions] == [c.id for c in COMMENTS]
    for prediction in predictions:
        assert tuple(prediction.abuse) == ABUSE
        scores = [*prediction.abuse.values(), prediction.spam]
        assert all(0.0 <= score <= 1.0 for score in scores)
        if prediction.stance:
            stance = {name: getattr(prediction.stance, name) for name in STANCES}
            assert sum(stance.values()) == pytest.approx(1.0, abs=1e-5)
            if prediction.stance.label is not None:
                assert stance[prediction.stance.label] == max(stance.values())
        json.dumps(prediction.to_dict())


def test_neither_batch_nor_order_nor_chunk_changes_a_score(
    classifier: Classifier, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = classifier.predict(COMMENTS)
    assert [classifier.predict([comment])[0] for comment in COMMENTS] == together
    assert classifier.predict(COMMENTS[::-1]) == together[::-1]
    monkeypatch.setattr(parley.model.classifier, "CHUNK_COMMENTS", 2)
    assert Classifier.load(tiny_artifact, threads=1).predict(COMMENTS) == together
    monkeypatch.setattr(parley.model.classifier, "CHUNK_CHARACTERS", 30)
    assert Classifier.load(tiny_artifact, threads=3).predict(COMMENTS) == together


def test_overlapping_calls_score_the_same(classifier: Classifier) -> None:
    together = classifier.predict(COMMENTS)
    running = [classifier.start(COMMENTS[:4]), classifier.start(COMMENTS[4:]), classifier.start(COMMENTS)]
    later, first, whole = running[1](), running[0](), running[2]()
    assert first + later == whole == together


def test_none_and_thousands(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    assert classifier.predict([]) == []
    sizes = count_texts(classifier, monkeypatch)
    many = [replace(COMMENTS[i % len(COMMENTS)], id=str(i)) for i in range(3000)]
    predictions = classifier.predict(many)
    assert [p.id for p in predictions] == [c.id for c in many]
    assert replace(predictions[-1], id="x") == replace(predictions[2999 % len(COMMENTS)], id="x")
    assert max(sizes) <= len(COMMENTS)


def count_texts(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts each call tokenises for the comment pass."""
    sizes: list[int] = []
    tokenise = classifier._tokenizer.comments

    def count(texts: list[str]) -> list[list[Tokens]]:
        sizes.append(len(texts))
        return tokenise(texts)

    monkeypatch.setattr(classifier._tokenizer, "comments", count)
    return sizes


def test_the_same_words_score_the_same_in_every_format(classifier: Classifier) -> None:
    plain, html, markdown, disguised = classifier.predict(
        [
            Comment(text="You are stupid & wrong", article=ARTICLE),
            Comment(text="<b>You</b> are stu<i>pid</i> &amp; wrong", format="html", article=ARTICLE),
            Comment(text="**You** are *stupid* &amp; wrong", format="markdown", article=ARTICLE),
            Comment(text="Ｙｏｕ are st\u200bupid & 𝐰𝐫𝐨𝐧𝐠", article=ARTICLE),
        ]
    )
    assert plain == html == markdown == disguised


@pytest.mark.parametrize(
    ("fields", "off_topic", "target", "notes"),
    [
        ({}, False, None, ("no_article", "no_target")),
        ({"article": Article(id="7", url="https://example.org")}, False, None, ("no_article", "no_target")),
        ({"article": Article(title=" \n", text="")}, False, None, ("no_article", "no_target")),
        ({"article": Article(text="A text only.")}, True, None, ("no_target",)),
        ({"article": Article(title="A title")}, True, "A title", ()),
        ({"article": Article(title="A title"), "target": "the road"}, True, "the road", ()),
        ({"article": Article(title="A title"), "target": "\u200b "}, True, "A title", ()),
        ({"target": "the road"}, False, "the road", ("no_article",)),
        ({"target": "the road", "text": "\u200b 🙂!"}, False, None, ("empty_text",)),
        ({"article": ARTICLE, "text": "<p> </p>", "format": "html"}, False, None, ("empty_text",)),
        ({"article": ARTICLE, "language": "de-AT"}, True, ARTICLE.title, ("language_not_supported",)),
        ({"article": ARTICLE, "language": "EN-gb"}, True, ARTICLE.title, ()),
        ({"article": ARTICLE, "text": GERMAN}, True, ARTICLE.title, ("language_not_supported",)),
        ({"target": "road " * 99}, False, "road " * 99, ("no_article", "stance_text_cut")),
        ({"target": "the road", "text": "no " * 99}, False, "the road", ("no_article", "stance_text_cut")),
    ],
)
def test_a_missing_input_gives_null_and_a_note(
    classifier: Classifier,
    fields: dict[str, Any],
    off_topic: bool,
    target: str | None,
    notes: tuple[str, ...],
) -> None:
    prediction = predict_one(classifier, **fields)
    assert (prediction.off_topic is not None) == off_topic
    assert (prediction.stance.target if prediction.stance else None) == target
    assert tuple(note for note in prediction.notes if note != "stance_unsure") == notes
    assert all(type(note) is str for note in prediction.notes)


def test_a_side_is_named_only_where_it_is_likely_enough(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = predict_one(classifier, target="the road").stance
    assert scored
    scores = {name: getattr(scored, name) for name in STANCES}
    likeliest = max(scores, key=scores.__getitem__)
    assert likeliest != "none"
    for threshold, label in ((scores[likeliest], likeliest), (scores[likeliest] + 1e-6, None)):
        monkeypatch.setattr(classifier, "_side_threshold", threshold)
        prediction = predict_one(classifier, target="the road")
        assert prediction.stance == replace(scored, label=label)
        assert ("stance_unsure" in prediction.notes) == (label is None)
    monkeypatch.setattr(classifier._calibration, "_stance_without_article", NONE_LIKELIEST)
    monkeypatch.setattr(classifier, "_side_threshold", 1.0)
    none = predict_one(classifier, target="the road")
    assert none.stance
    assert (none.stance.label, "stance_unsure" in none.notes) == ("none", False)


@pytest.mark.parametrize(
    ("fields", "answered", "note"),
    [
        ({"parent": REPLIED_TO}, False, None),
        ({"parent": REPLIED_TO, "ask": ("reply",)}, True, None),
        ({"parent": Parent(text="city " * 99), "ask": ("reply",)}, True, "reply_text_cut"),
        ({"parent": Parent(id="7", text=" "), "ask": ("reply",)}, False, "no_parent"),
        ({"ask": ("reply",)}, False, "no_parent"),
        ({"parent": REPLIED_TO, "ask": ("reply",), "text": "!"}, False, "empty_text"),
    ],
)
def test_a_reply_is_judged_when_asked(
    classifier: Classifier, fields: dict[str, Any], answered: bool, note: str | None
) -> None:
    prediction = predict_one(classifier, **fields)
    assert [n for n in prediction.notes if n not in ("no_article", "no_target")] == ([note] if note else [])
    assert (prediction.reply is not None) == answered
    if prediction.reply:
        scores = {name: getattr(prediction.reply, name) for name in REPLIES}
        assert sum(scores.values()) == pytest.approx(1.0, abs=1e-5)
        assert scores[prediction.reply.label] == max(scores.values())


def test_one_row_answers_stance_and_off_topic(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    tokenise = classifier._tokenizer.pairs

    def note(pairs: list[tuple[Context, str]]) -> list[Tokens]:
        asked.extend([part.text for part in context] for context, _ in pairs)
        return tokenise(pairs)

    monkeypatch.setattr(classifier._tokenizer, "pairs", note)
    title, article = ARTICLE.title, f"{ARTICLE.title}\n{ARTICLE.text}"
    predict_one(classifier, article=ARTICLE, target="the new road")
    predict_one(classifier, article=ARTICLE)
    predict_one(classifier, article=ARTICLE, target=title)
    predict_one(classifier, article=Article(text="A lede.\nAnd more."))
    predict_one(classifier, target="the new road")
    assert asked == [
        ["the new road is good.", article],
        [article],
        [article],
        ["A lede.\nAnd more."],
        ["the new road is good."],
    ]


def test_the_language_is_the_declared_or_the_detected_one(classifier: Classifier) -> None:
    assert predict_one(classifier, language="pt-BR").language == "pt-BR"
    assert predict_one(classifier, text="You should have read it before you wrote this.").language == "en"
    assert predict_one(classifier, text="ok").language == "und"
    assert predict_one(classifier, text="...").language == "und"


def test_abuse_is_judged_from_the_comment_alone(classifier: Classifier) -> None:
    alone = predict_one(classifier)
    other = predict_one(classifier, article=ARTICLE, target="the road")
    assert (alone.abuse, alone.spam, alone.spans) == (other.abuse, other.spam, other.spans)


def test_another_article_gives_another_answer(classifier: Classifier) -> None:
    titles = "A new road", "School news", "A new road"
    first, second, again = (predict_one(classifier, article=Article(title=title)) for title in titles)
    assert first == again
    assert first.off_topic != second.off_topic


def test_an_article_is_read_once(tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parley.model.classifier, "CACHED_EMBEDDINGS", 2)
    classifier = Classifier.load(tiny_artifact, threads=1)
    read: list[str] = []
    tokenise = classifier._tokenizer.articles

    def note(texts: list[str]) -> list[Tokens]:
        read.extend(texts)
        return tokenise(texts)

    monkeypatch.setattr(classifier._tokenizer, "articles", note)
    for title in ("A", "B", "A", "C", "A", "B"):
        predict_one(classifier, article=Article(text=title))
    # The last two used are kept: C evicts B, not A.
    assert read == ["A", "B", "C", "B"]


def test_the_worst_window_of_a_long_comment_counts(classifier: Classifier, tiny_artifact: Path) -> None:
    words = ["you", "are", "stupid", "and", "wrong", "the", "city", "money", "school", "not", "good"]
    text = " ".join(f"{word} road" for word in words * 20)
    tokenizer = Tokenizer(Artifact(tiny_artifact).tokenizer_file, max_tokens=96, stride=16)
    (windows,) = tokenizer.comments([text])
    assert len(windows) > 3
    parts = [text[window.offsets[1][0] : window.offsets[-2][1]] for window in windows]
    of_parts = classifier.predict([Comment(text=part) for part in parts])
    whole = predict_one(classifier, text=text)
    assert whole.spam == max(p.spam for p in of_parts)
    for label in ABUSE:
        assert whole.abuse[label] == max(p.abuse[label] for p in of_parts)


@pytest.mark.parametrize(
    "text",
    [
        "you are stupid. " * 62_500,
        "🙂" * 50_000,
        "🙂 " * 50_000,
        "\x00" * 1000 + "you",
        "\ud800\udfff you \ud83d",
        "a" * 1_000_000,
        "́" * 10_000,
        "字" * 20_000,
    ],
    ids=["1 MB", "emoji", "spaced emoji", "NUL", "surrogates", "one word", "accents", "ideographs"],
)
def test_strange_and_long_texts_score(eager: Classifier, text: str) -> None:
    (prediction,) = eager.predict([Comment(text=text, article=ARTICLE)])
    assert all(0.0 <= score <= 1.0 for score in prediction.abuse.values())
    assert all(0 <= span.start < span.end <= len(text) for span in prediction.spans)


@given(text=ANY_TEXT, other=ANY_TEXT, form=st.sampled_from(get_args(TextFormat)))
def test_any_unicode_scores(eager: Classifier, text: str, other: str, form: TextFormat) -> None:
    comment = Comment(text=text, format=form, target=other, article=Article(title=other, text=text))
    (prediction,) = eager.predict([comment])
    ends = [0, *(place for span in prediction.spans for place in (span.start, span.end)), len(text)]
    assert ends == sorted(ends)
    if prediction.off_topic is None:
        assert {"empty_text", "no_article"} & set(prediction.notes)
    if prediction.stance is None:
        assert {"empty_text", "no_target"} & set(prediction.notes)


def test_spans_are_whole_words_of_the_text_as_sent(eager: Classifier) -> None:
    text = "<p>You <b>unbeliev</b>able&nbsp;f&#111;ol!</p><p>Go</p>"
    spans = predict_one(eager, text=text, format="html").spans
    found = [text[span.start : span.end] for span in spans]
    assert found == ["You <b>unbeliev</b>able&nbsp;f&#111;ol!</p><p>Go"]
    assert spans[0].label == "toxicity"
    assert 0.0 < spans[0].score < 1.0


def test_words_with_a_likely_token_make_the_spans(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "you are stupid. the city, the road, the school! why not read? no money, no tax."
    ((row,),) = classifier._tokenizer.comments([text])
    logits = classifier._engine.run([row], "span_logits")["span_logits"][0]
    likely = classifier._calibration.span(logits)
    threshold = float(np.median(likely))
    monkeypatch.setattr(classifier, "_span_threshold", threshold)
    spans = predict_one(classifier, text=text).spans
    for match in re.finditer(r"\w+", text):
        tokens = [p for p, place in zip(likely, row.offsets, strict=True) if place == match.span()]
        inside = [s for s in spans if s.start <= match.start() and match.end() <= s.end]
        assert len(inside) == (tokens[0] >= threshold)
    assert len(spans) > 1
    assert max(span.score for span in spans) <= round(float(max(likely)), 6)


def test_an_unknown_format_is_refused(classifier: Classifier) -> None:
    with pytest.raises(CommentError, match="rtf"):
        predict_one(classifier, format="rtf")
