"""Selects the reader of a file of comments, and the writer of a file of scores.

`--format` decides; else the file's beginning, if only one format begins so (first bytes, first keys, the
header row); else its extension; else what its first characters look like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from parley.service.dumps.formats.generic import json_ld
from parley.service.dumps.formats.generic.csv_file import DELIMITERS, CsvReader
from parley.service.dumps.formats.generic.json_lines import JsonLinesReader
from parley.service.dumps.formats.generic.page import PageReader, looks_like_page
from parley.service.dumps.formats.generic.presets import PRESETS, Preset, PresetReader
from parley.service.dumps.formats.generic.tables import TableReader
from parley.service.dumps.formats.native import Native, NativeReader
from parley.service.dumps.formats.platforms import (
    activitystreams,
    discourse_topic,
    hacker_news,
    mastodon,
    reddit,
    reddit_listing,
    stack_exchange,
    telegram,
    youtube,
    yt_dlp,
)
from parley.service.dumps.formats.reply_tree import Index, JoinedTable
from parley.service.dumps.formats.systems import (
    artalk,
    blogger,
    commento,
    coral,
    coral_talk,
    disqus,
    disqus_api,
    github,
    isso,
    remark42,
    valine,
    wordpress,
)
from parley.service.dumps.reading.record import Columns, RawRow, Record
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError


class Reader(Protocol):
    """Yields every row of a dump once, in order.

    A row that can't be used stays a RawRow, and is never an exception; DumpError, raised on opening or in the
    middle, means that nothing more can be read.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """The input's columns under their output names; empty if only the rows have them."""

    @property
    def fraction(self) -> float:
        """How much of the input has been read, in [0, 1]."""

    def __iter__(self) -> Iterator[Record | RawRow]: ...


class PartReader(Reader, Protocol):
    """A reader whose rows can be joined with those of other files: `rows` gives them unjoined."""

    def rows(self, index: Index) -> Iterator[Record | RawRow]:
        """The records, joined with the `index` of all files."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input format and how it is detected.

    `magic` are first bytes that only it has; `known` says that the first characters are certainly its,
    `looks` that they may be. `parents_first` and `rooted` are as in `Native`.
    """

    open: Callable[[Source, Columns], PartReader]
    suffixes: tuple[str, ...] = ()
    looks: Callable[[str], bool] = lambda head: False
    known: Callable[[str], bool] = lambda head: False
    magic: tuple[bytes, ...] = ()
    parents_first: bool = False
    rooted: bool = False


def _native(native: Native, known: Callable[[str], bool], *, magic: tuple[bytes, ...] = ()) -> Input:
    return Input(
        partial(NativeReader, native=native),
        known=known,
        magic=magic,
        parents_first=native.parents_first,
        rooted=native.rooted,
    )


def _preset(preset: Preset) -> Input:
    return Input(partial(PresetReader, preset=preset), known=preset.looks)


def _joined(open: Callable[[Source, Columns], Reader]) -> Callable[[Source, Columns], PartReader]:
    return lambda source, columns: JoinedTable(open(source, columns), source)


INPUTS: dict[str, Input] = {
    "jsonl": Input(
        _joined(JsonLinesReader),
        (".jsonl", ".ndjson", ".json"),
        looks=lambda head: head.lstrip().startswith(("{", "[")),
    ),
    "parquet": Input(_joined(TableReader), (".parquet", ".pq"), magic=(b"PAR1",)),
    "arrow": Input(_joined(TableReader), (".arrow", ".feather"), magic=(b"ARROW1", b"\xff\xff\xff\xff")),
    "page": Input(PageReader, (".txt",), looks=looks_like_page),
    "csv": Input(
        _joined(CsvReader),
        (".csv", ".tsv"),
        looks=lambda head: any(d in head.partition("\n")[0] for d in DELIMITERS),
    ),
    "disqus": _native(disqus.FORMAT, disqus.looks),
    "wordpress": _native(wordpress.FORMAT, wordpress.looks),
    "coral": _native(coral.FORMAT, coral.looks),
    "coral-csv": _native(coral.CSV_FORMAT, coral.looks_csv),
    "reddit-listing": _native(reddit_listing.FORMAT, reddit_listing.looks),
    "yt-dlp": _native(yt_dlp.FORMAT, yt_dlp.looks),
    "discourse-topic": _native(discourse_topic.FORMAT, discourse_topic.looks),
    "mastodon": _native(mastodon.FORMAT, mastodon.looks),
    "hacker-news": _native(hacker_news.FORMAT, hacker_news.looks),
    "stack-exchange": _native(stack_exchange.FORMAT, stack_exchange.looks),
    "telegram": _native(telegram.FORMAT, telegram.looks),
    "disqus-api": _native(disqus_api.FORMAT, disqus_api.looks),
    "github": _native(github.FORMAT, github.looks),
    "valine": _native(valine.FORMAT, valine.looks),
    "artalk": _native(artalk.FORMAT, artalk.looks),
    "coral-talk": _native(coral_talk.FORMAT, coral_talk.looks),
    "blogger": _native(blogger.FORMAT, blogger.looks),
    "reddit": _native(reddit.FORMAT, reddit.looks),
    "youtube": _native(youtube.FORMAT, youtube.looks),
    "isso": _native(isso.FORMAT, lambda head: False, magic=(isso.MAGIC,)),
    "isso-json": _native(isso.JSON_FORMAT, isso.looks),
    "remark42": _native(remark42.FORMAT, remark42.looks),
    "commento": _native(commento.FORMAT, commento.looks),
    "activitystreams": _native(activitystreams.FORMAT, activitystreams.looks),
    "json-ld": _native(json_ld.FORMAT, json_ld.looks),
    **{name: _preset(preset) for name, preset in PRESETS.items()},
}
"""Every format by its name for `--format`, in the order of detection by content."""

OUTPUTS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
"""Extension of the output to the name of its format."""


GENERIC = ("jsonl", "csv", "page")
"""Formats that many files which aren't dumps look like."""


def known_format(name: str) -> str:
    """The name, if there is such a format. Raises DumpError."""
    if name not in INPUTS:
        raise DumpError(f"--format {name}: no such format; the formats are {', '.join(INPUTS)}")
    return name


def open_reader(source: Source, *, name: str | None = None, columns: Columns | None = None) -> Reader:
    """The reader for `source`. Raises DumpError for an unknown name, or if no format fits."""
    columns = columns or Columns()
    name = known_format(name) if name else detect(source, mapped=bool(columns.mapped))
    return INPUTS[name].open(source, columns)


def detect(source: Source, *, mapped: bool = False) -> str:
    """The name of the format of `source`. Raises DumpError if none fits.

    `mapped` columns mean a table or JSON lines, whatever else it might be.
    """
    for name, form in INPUTS.items():
        if source.head.startswith(form.magic):
            return name
    by_name = next((name for name, form in INPUTS.items() if source.suffix in form.suffixes), None)
    if not (mapped and by_name in ("jsonl", "csv")):
        for name, form in INPUTS.items():
            if form.known(source.head_text):
                return name
    if by_name is not None:
        return by_name
    for name, form in INPUTS.items():
        if form.looks(source.head_text):
            return name
    raise DumpError(f"{source.place}: can't detect its format; give --format with one of {', '.join(INPUTS)}")


def output_format(path: Path) -> str:
    """The name of the format that the extension of `path` asks for. Raises DumpError."""
    try:
        return OUTPUTS[path.suffix.lower()]
    except KeyError as error:
        raise DumpError(f"{path}: the output's name must end in one of {', '.join(OUTPUTS)}") from error
