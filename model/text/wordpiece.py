"""BERT's WordPiece: splits a text into pieces, as ids and offsets.

    pieces = WordPiece.read(Path("tokenizer.json"))
    pieces.split("Unbelievable!")        ([4895, 8671, ...], [(0, 2), (2, 5), ...])

Reads the `tokenizer.json` of Hugging Face's tokenizers and splits like that library (a test compares the two
on arbitrary text), but needs no other package: tokenizers depends on the hub's client, 37 MB that a server
which never downloads doesn't need. One deliberate difference: "[SEP]" in a comment is five characters that a
reader typed, not a special token.

Words have no control characters, and no accents or capitals if the vocabulary has none; punctuation and
Chinese characters are split off (J. Devlin and others, BERT, 2019, and its published `tokenization.py`). A
word is split from the left into the longest pieces in the vocabulary; if a rest isn't in the vocabulary, the
whole word is unknown.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

KEPT_WORDS, KEPT_LENGTH = 20_000, 24
"""Number of words whose pieces are cached, and their longest: one of a hundred letters takes 10 KB."""
KEPT_CHARACTERS = 20_000
"""Number of characters whose replacements are cached: all of Unicode would take 200 MB."""
_UNUSUAL = re.compile(r"[^\t\n\r\x20-\x7e]")
_ASCII_WORD = re.compile(r"[^\W_]+|[!-/:-@\[-`{-~]", re.ASCII)
_WORD = re.compile(r"[^ ]+")
_CHINESE = re.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f]"
)

Split = tuple[list[int], list[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The special tokens around a text: a pair is `begin` A `end` B `end`, with B's pieces of type 1.

    If `doubled` (MPNet, RoBERTa), it is `begin` A `end` `end` B `end`, all of type 0.
    """

    begin: int
    end: int
    doubled: bool = False


class WordPiece:
    """A vocabulary, and how it splits words. Thread-safe."""

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        *,
        special: SpecialTokens,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        unknown: str = "[UNK]",
        longest_word: int = 100,
    ) -> None:
        """Raises KeyError if the vocabulary lacks the piece for unknown words."""
        self.vocabulary = vocabulary
        self.special = special
        self._lowercase = lowercase
        self._characters = _Characters(
            lowercase=lowercase, strip_accents=lowercase if strip_accents is None else strip_accents
        )
        self._unknown = vocabulary[unknown]
        self._longest_word = longest_word
        self._longest_piece = max(map(len, vocabulary))
        self._pieces = lru_cache(KEPT_WORDS)(self._find_pieces)

    @classmethod
    def read(cls, file: Path) -> WordPiece:
        """Read a `tokenizer.json`. Raises OSError, or ValueError if it isn't JSON or not BERT's WordPiece."""
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            model, normalizer = content["model"], content["normalizer"]
            kinds = [part["type"] for part in (model, normalizer, content["pre_tokenizer"])]
            if kinds != ["WordPiece", "BertNormalizer", "BertPreTokenizer"]:
                raise ValueError(f"it is {'/'.join(kinds)}, not BERT's WordPiece")
            _check_defaults(model, {"continuing_subword_prefix": "##"})
            _check_defaults(normalizer, {"clean_text": True, "handle_chinese_chars": True})
            return cls(
                model["vocab"],
                special=_special_tokens(content["post_processor"], model["vocab"]),
                lowercase=normalizer["lowercase"],
                strip_accents=normalizer["strip_accents"],
                unknown=model["unk_token"],
                longest_word=model["max_input_chars_per_word"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"a part of it is missing or unsupported ({error})") from error

    def split(self, text: str) -> Split:
        """The ids of the pieces, and the (start, end) of each in characters of the text."""
        if _UNUSUAL.search(text) is None:
            return self._split(text.lower() if self._lowercase else text, _ASCII_WORD)
        normalised = list(map(self._characters.__getitem__, map(ord, text)))
        origin = [i for i, new in enumerate(normalised) for _ in new]
        ids, places = self._split("".join(normalised), _WORD)
        return ids, [(origin[start], origin[end - 1] + 1) for start, end in places]

    def rarity(self, word: str) -> float:
        """How rare a word is: below 1 for a single piece, by its place in the vocabulary (common words
        first).

        Otherwise the number of its pieces, or of its characters if it is unknown.
        """
        word = word.lower() if self._lowercase else word
        place = self.vocabulary.get(word)
        if place is not None:
            return place / (len(self.vocabulary) + 1)
        pieces = self._pieces_of(word)
        return len(pieces) if pieces[0][0] != self._unknown else max(2, len(word))

    def _split(self, plain: str, word: re.Pattern[str]) -> Split:
        ids: list[int] = []
        places: list[tuple[int, int]] = []
        whole = self.vocabulary.get
        for match in word.finditer(plain):
            known = whole(match[0])
            if known is not None:
                ids.append(known)
                places.append(match.span())
            else:
                start = match.start()
                for piece, begin, end in self._pieces_of(match[0]):
                    ids.append(piece)
                    places.append((start + begin, start + end))
        return ids, places

    def _pieces_of(self, word: str) -> tuple[tuple[int, int, int], ...]:
        """`_find_pieces` with a cache, except for long words."""
        return self._pieces(word) if len(word) <= KEPT_LENGTH else self._find_pieces(word)

    def _find_pieces(self, word: str) -> tuple[tuple[int, int, int], ...]:
        """(id, start, end) of each piece, in characters of the word."""
        pieces: list[tuple[int, int, int]] = []
        start = 0
        while start < len(word) <= self._longest_word:
            prefix = "##" if start else ""
            for end in range(min(len(word), start + self._longest_piece), start, -1):
                piece = self.vocabulary.get(prefix + word[start:end])
                if piece is not None:
                    break
            else:
                break
            pieces.append((piece, start, end))
            start = end
        return tuple(pieces) if start == len(word) else ((self._unknown, 0, len(word)),)


class _Characters(dict[int, str]):
    """Replacements by code point: nothing, a blank, or characters; blanks set off those that are words."""

    def __init__(self, *, lowercase: bool, strip_accents: bool) -> None:
        self._lowercase = lowercase
        self._strip_accents = strip_accents

    def __missing__(self, code: int) -> str:
        made = self._make(chr(code))
        if len(self) < KEPT_CHARACTERS:
            self[code] = made
        return made

    def _make(self, char: str) -> str:
        if char in "\t\n\r":
            return " "
        if char == "\ufffd" or _is_control(char):
            return ""
        if char.isspace():
            return " "
        alone = _CHINESE.match(char) is not None
        if self._strip_accents:
            char = "".join(c for c in unicodedata.normalize("NFD", char) if unicodedata.category(c) != "Mn")
        if self._lowercase:
            char = "".join(c.lower() for c in char)
        char = "".join(f" {c} " if _is_punctuation(c) else c for c in char)
        return f" {char} " if alone else char


def _special_tokens(processor: Mapping[str, Any], vocabulary: Mapping[str, int]) -> SpecialTokens:
    if processor["type"] == "RobertaProcessing":
        return SpecialTokens(processor["cls"][1], processor["sep"][1], doubled=True)
    return SpecialTokens(vocabulary["[CLS]"], vocabulary["[SEP]"])


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Co", "Cs"}


def _is_punctuation(char: str) -> bool:
    if char.isascii():
        return char.isprintable() and not char.isalnum() and char != " "
    return unicodedata.category(char).startswith("P")


def _check_defaults(part: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for name, value in expected.items():
        if part[name] != value:
            raise ValueError(f"its {name} is {part[name]!r}; only {value!r} is supported")
