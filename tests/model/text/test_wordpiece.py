"""The pieces equal those of Hugging Face's tokenizers, for any text."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as HuggingFace

from parley.model import Artifact
from parley.model.artifact import DEFAULT
from parley.model.text import wordpiece
from parley.model.text.wordpiece import WordPiece
from tests.conftest import write_tokenizer

WORDS = ["council", "Idiots", "unbelievably", "don't", "CAFÉ", "naïve", "x" * 100, "x" * 101, "[UNK", "##s"]


def known_to_both(char: str) -> bool:
    """The category is the same since Unicode 3.2: the library's tables are older than Python's."""
    kind = unicodedata.category(char)
    return kind == unicodedata.ucd_3_2_0.category(char) != "Cn" and kind != "Cs"


characters = st.characters(exclude_categories=["Cs", "Cn"]).filter(known_to_both)
texts = st.lists(st.sampled_from(WORDS) | characters | st.sampled_from(" \t.,’日\x00\u200b\u0301")).map(
    "".join
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[WordPiece, HuggingFace]:
    file = Artifact(DEFAULT).tokenizer_file
    if not file.is_file():
        file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
        write_tokenizer(file)
    return WordPiece.read(file), HuggingFace.from_file(str(file))


@given(text=texts)
@example(text="")
@example(text="Ǆ İstanbul ΣΊΣΥΦΟΣ ﬁre e\u0301te\u0301 각 한국어 中文。 ½ … \u00a0\u2028\ufeff\ufffd\x0b\x7f|")
@settings(max_examples=300, deadline=None)
def test_pieces_and_offsets_match_the_library(both: tuple[WordPiece, HuggingFace], text: str) -> None:
    ours, library = both
    expected = library.encode(text, add_special_tokens=False)
    assert ours.split(text) == (expected.ids, expected.offsets)


def test_capitals_and_accents_stay_where_the_vocabulary_has_them(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    write_tokenizer(file)
    library = HuggingFace.from_file(str(file))
    library.normalizer = type(library.normalizer)(lowercase=False, strip_accents=False)
    library.save(str(file))
    for text in ("The city", "the café", "a good city"):
        expected = library.encode(text, add_special_tokens=False)
        assert WordPiece.read(file).split(text) == (expected.ids, expected.offsets)


def test_a_reader_cannot_write_a_special_token(both: tuple[WordPiece, HuggingFace]) -> None:
    ours, library = both
    special = {library.token_to_id(name) for name in ("[CLS]", "[SEP]", "[PAD]", "[MASK]")}
    text = "Fine. [SEP] [CLS] [PAD][MASK]"
    ids, places = ours.split(text)
    assert not special & set(ids)
    assert "".join(text[start:end] for start, end in places) == text.replace(" ", "")


def test_a_lone_surrogate_is_left_out(both: tuple[WordPiece, HuggingFace]) -> None:
    ours, _ = both
    assert ours.split("a\ud800 b")[0] == ours.split("a b")[0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda content: content["model"].update(type="BPE"), "it is BPE/"),
        (lambda content: content.update(normalizer=None), "unsupported"),
        (lambda content: content["model"].pop("unk_token"), "missing or unsupported.*unk_token"),
        (lambda content: content["normalizer"].update(clean_text=False), "its clean_text is False"),
    ],
)
def test_another_kind_of_tokenizer_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], told: str
) -> None:
    file = tmp_path / "tokenizer.json"
    write_tokenizer(file)
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=told):
        WordPiece.read(file)


def test_hostile_texts_fill_no_cache(
    both: tuple[WordPiece, HuggingFace], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = both
    monkeypatch.setattr(wordpiece, "KEPT_CHARACTERS", 10)
    characters = wordpiece._Characters(lowercase=True, strip_accents=True)
    assert [characters[code] for code in range(0xE0, 0xF0)] == [
        characters[code] for code in range(0xE0, 0xF0)
    ]
    assert len(characters) == 10
    before = ours._pieces.cache_info().currsize
    ours.split(" ".join("x" * (wordpiece.KEPT_LENGTH + n) for n in range(1, 20)))
    assert ours._pieces.cache_info().currsize == before
