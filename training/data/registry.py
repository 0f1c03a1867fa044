"""The registry of sources: each one's reader, folder, licence and note.

@source("sms_spam", folder="abuse/sms_spam", licence="none", commercial=False, note="text messages")
def sms_spam(folder: Path, split: Split) -> Iterator[Example]: ...
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

from parley.training.data.examples import Example
from parley.training.errors import SourceError

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
Reader = Callable[..., Iterator[Example]]
HERE = Path(__file__).parent
"""The folder of the corpora that are part of the repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A corpus; `read(folder, split, **options)` yields its examples. `commercial`: its licence allows it."""

    name: str
    folder: str
    licence: str
    commercial: bool
    note: str
    read: Reader

    def locate(self, data_dir: Path | None) -> Path | None:
        """Its folder under `data_dir`, or the one in the repository; None if neither exists."""
        tops = (HERE,) if data_dir is None else (data_dir, HERE)
        return next((top / self.folder for top in tops if (top / self.folder).is_dir()), None)

    @property
    def options(self) -> tuple[str, ...]:
        """The names of the options that the reader takes."""
        parameters = inspect.signature(self.read).parameters.values()
        return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


SOURCES: dict[str, Corpus] = {}


def source(
    name: str, *, folder: str, licence: str, commercial: bool, note: str
) -> Callable[[Reader], Reader]:
    """Register a reader under `name`. `folder` is relative to the data folder."""

    def register(reader: Reader) -> Reader:
        SOURCES[name] = Corpus(
            name=name, folder=folder, licence=licence, commercial=commercial, note=note, read=reader
        )
        return reader

    return register


def get(name: str) -> Corpus:
    """The source of that name. Raises SourceError, suggesting a similar name."""
    if name in SOURCES:
        return SOURCES[name]
    near = difflib.get_close_matches(name, SOURCES, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise SourceError(f"unknown source {name!r}: {hint}known are {', '.join(sorted(SOURCES))}")


def read(name: str, data_dir: Path, split: Split, **options: Any) -> Iterator[Example]:
    """The examples of one split of one source. Raises SourceError if the folder or a file is missing."""
    corpus = get(name)
    folder = corpus.locate(data_dir)
    if folder is None:
        raise SourceError(
            f"source {name!r}: no folder {data_dir / corpus.folder}; put the corpus there "
            f"({data_dir / 'README.md'} says where it comes from), point --data-dir at the right folder, "
            "or remove the source from the config"
        )
    try:
        yield from corpus.read(folder, split, **options)
    except (OSError, KeyError, ValueError, ParseError, BadZipFile) as error:
        raise SourceError(
            f"source {name!r}: can't read {folder}: {type(error).__name__}: {error}; "
            "compare its files with what the reader's docstring names"
        ) from error


def part(key: str, *, dev: float = 0.1, test: float = 0.0) -> Split:
    """The split of `key` (a group or a text), by hash: shares `test` and `dev`, the rest train."""
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    place = int.from_bytes(digest, "big") / 2**64
    return "test" if place < test else "dev" if place < test + dev else "train"
