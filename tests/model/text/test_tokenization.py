"""Windows that skip nothing, pairs that fit, and offsets in characters."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from parley.model import Artifact, ArtifactError
from parley.model.text.context import (
    ARTICLE_TOKENS,
    PARENT_TOKENS,
    TARGET_TOKENS,
    pair_context,
    reply_context,
)
from parley.model.text.tokenization import Tokenizer

MAX_TOKENS, STRIDE = 96, 16


@pytest.fixture(scope="module")
def tokenizer(tiny_artifact: Path) -> Tokenizer:
    return Tokenizer(Artifact(tiny_artifact).tokenizer_file, max_tokens=MAX_TOKENS, stride=STRIDE)


@pytest.mark.parametrize("words", [1, MAX_TOKENS - 2, MAX_TOKENS - 1, 500])
def test_windows_overlap_and_cover_every_character(tokenizer: Tokenizer, words: int) -> None:
    text = " ".join(["council", "tax", "road"][i % 3] for i in range(words))
    (windows,) = tokenizer.comments([text])
    assert all(len(window) <= MAX_TOKENS for window in windows)
    places = [[place for place in window.offsets if place != (0, 0)] for window in windows]
    read = sorted({place for of_window in places for place in of_window})
    assert " ".join(text[start:end] for start, end in read) == text
    for before, after in pairwise(places):
        assert before[-STRIDE:] == after[:STRIDE]
    assert (len(windows) == 1) == (words <= MAX_TOKENS - 2)


def test_an_empty_text_is_one_row_of_special_tokens(tokenizer: Tokenizer) -> None:
    assert [len(row) for row in tokenizer.comments(["", " \n"])[1]] == [2]
    assert (tokenizer.comments([]), tokenizer.articles([]), tokenizer.pairs([])) == ([], [], [])


def test_offsets_count_characters_not_bytes(tokenizer: Tokenizer) -> None:
    text = "🙂 café 日 you"
    ((row,),) = tokenizer.comments([text])
    words = [text[start:end] for start, end in row.offsets if start < end]
    words = list(dict.fromkeys(words))  # the name of an emoji is many tokens at one place
    assert words[0] == "🙂"
    assert words[-2:] == ["日", "you"]
    assert "".join(words[1:-2]) == "café"


def test_articles_are_cut_at_the_limit_and_say_so(tokenizer: Tokenizer) -> None:
    short, long = tokenizer.articles(["a city", "city " * 500])
    assert not short.cut
    assert long.cut
    assert len(long) == MAX_TOKENS


def test_a_pair_keeps_room_for_the_comment(tiny_artifact: Path) -> None:
    tokenizer = Tokenizer(Artifact(tiny_artifact).tokenizer_file, max_tokens=160, stride=STRIDE)
    long = "city " * 500
    contexts = (
        pair_context(long, long),
        pair_context(long, None),
        pair_context(None, long),
        reply_context(long),
    )
    lengths = (TARGET_TOKENS + ARTICLE_TOKENS + 3, TARGET_TOKENS + 2, ARTICLE_TOKENS + 2, PARENT_TOKENS + 2)
    for row, length in zip(tokenizer.pairs([(c, long) for c in contexts]), lengths, strict=True):
        assert (row.types.count(0), row.types.count(1)) == (length, 160 - length)
        assert row.cut


def test_a_pair_is_its_context_then_the_comment(tokenizer: Tokenizer) -> None:
    texts = [("a city", None), ("a city", "a new road"), (None, "a new road"), (None, None)]
    rows = tokenizer.pairs([(pair_context(*of), "good") for of in texts])
    target, title = (tokenizer.articles([text])[0].ids[1:] for text in ("a city is good.", "a new road"))
    begin, end = rows[-1].ids[0], rows[-1].ids[-1]
    (good,) = tokenizer.articles(["good"])[0].ids[1:-1]
    contexts = [target, [*target, *title], title, []]
    assert [row.ids for row in rows[:3]] == [[begin, *context, good, end] for context in contexts[:3]]
    assert [row.types.count(1) for row in rows[:3]] == [2, 2, 2]
    assert not any(row.cut for row in rows)


def test_an_article_after_a_target_is_cut_without_a_note(tokenizer: Tokenizer) -> None:
    long = "city " * 60
    (beside, alone) = tokenizer.pairs([(pair_context("tax", long), "no"), (pair_context(None, long), "no")])
    assert (beside.cut, alone.cut) == (False, True)


@pytest.mark.parametrize("most", [16, 63, 64, 65, 66])
def test_a_pair_of_few_tokens_keeps_room_for_the_comment(tiny_artifact: Path, most: int) -> None:
    tokenizer = Tokenizer(Artifact(tiny_artifact).tokenizer_file, max_tokens=most, stride=0)
    long = "city " * 500
    for context in (pair_context(long, long), pair_context(long, None), reply_context(long)):
        for row in tokenizer.pairs([(context, long), (context, "good"), (context, "")]):
            assert len(row) <= most
            assert row.types.count(0) <= most * 2 // 3
            assert row.cut
        assert tokenizer.pairs([(context, long)])[0].types.count(1) >= most // 3


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text("{")
    with pytest.raises(ArtifactError, match=r"tokenizer\.json is not a tokenizer"):
        Tokenizer(file, max_tokens=MAX_TOKENS, stride=STRIDE)
