"""Which reader a file of comments gets, and which writer a file of scores.

A name given with `--format` decides; else the file's first bytes where they leave no doubt (Parquet,
Arrow); else its extension; else what its first characters look like. `.gz` is unpacked on the way in,
whatever the format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from service.dumps.csvfile import DELIMITERS, CsvReader
from service.dumps.jsonl import JsonLinesReader
from service.dumps.page import PageReader, looks_like_page
from service.dumps.record import BadRow, Columns, Record
from service.dumps.source import Source
from service.dumps.tables import TableReader
from service.errors import DumpError


class Reader(Protocol):
    """Yields every row of a dump once, in order.

    A row that can't be used is a BadRow, never an exception; DumpError, raised on opening or in the middle,
    means that nothing more can be read.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """The input's columns as the output names them; empty where only the rows know."""

    @property
    def fraction(self) -> float:
        """How much of the input has been read, in [0, 1]."""

    def __iter__(self) -> Iterator[Record | BadRow]: ...


@dataclass(frozen=True, slots=True)
class Input:
    """A format that can be read: `magic` are first bytes only it has, `looks` judges the first characters."""

    open: Callable[[Source, Columns], Reader]
    suffixes: tuple[str, ...]
    looks: Callable[[str], bool] = lambda head: False
    magic: tuple[bytes, ...] = ()


INPUTS: dict[str, Input] = {
    "jsonl": Input(
        JsonLinesReader,
        (".jsonl", ".ndjson", ".json"),
        looks=lambda head: head.lstrip().startswith(("{", "[")),
    ),
    "parquet": Input(TableReader, (".parquet", ".pq"), magic=(b"PAR1",)),
    "arrow": Input(TableReader, (".arrow", ".feather"), magic=(b"ARROW1", b"\xff\xff\xff\xff")),
    "page": Input(PageReader, (".txt",), looks=looks_like_page),
    "csv": Input(
        CsvReader, (".csv", ".tsv"), looks=lambda head: any(d in head.partition("\n")[0] for d in DELIMITERS)
    ),
}
"""Every format by its name for `--format`; the order is that of recognition by content."""

OUTPUTS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
"""Extension of the output to the name of its format."""


def open_reader(source: Source, *, name: str | None = None, columns: Columns | None = None) -> Reader:
    """The reader for `source`. Raises DumpError for an unknown name and for a file that no format fits."""
    if name is not None and name not in INPUTS:
        raise DumpError(f"--format {name}: no such format; the formats are {', '.join(INPUTS)}")
    return INPUTS[name or detect(source)].open(source, columns or Columns())


def detect(source: Source) -> str:
    """The name of the format of `source`. Raises DumpError where nothing fits."""
    for name, form in INPUTS.items():
        if source.head.startswith(form.magic):
            return name
    for name, form in INPUTS.items():
        if source.suffix in form.suffixes:
            return name
    for name, form in INPUTS.items():
        if form.looks(source.head_text):
            return name
    raise DumpError(f"{source.path}: can't tell its format; say --format with one of {', '.join(INPUTS)}")


def output_format(path: Path) -> str:
    """The name of the format that the extension of `path` asks for. Raises DumpError."""
    try:
        return OUTPUTS[path.suffix.lower()]
    except KeyError as error:
        raise DumpError(f"{path}: the output's name must end in one of {', '.join(OUTPUTS)}") from error
