"""Reads the file formats in which corpora are published: tables, JSON lines, escapes and markup."""

from __future__ import annotations

import csv
import gzip
import html
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TextIO, cast

_TAG = re.compile(r"<(?:/?[a-zA-Z][^<>]*)>")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[nrt\\'\"])")
_PLAIN = {"\\n": "\n", "\\r": "\n", "\\t": "\t", "\\\\": "\\", "\\'": "'", '\\"': '"'}


def table(
    path: Path,
    *,
    delimiter: str = ",",
    header: tuple[str, ...] | None = None,
    encoding: str = "utf-8-sig",
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL,
) -> Iterator[dict[str, str]]:
    """The rows of a CSV or TSV, by column. `header` names the columns of a file without a header.

    Invalid UTF-8 becomes U+FFFD; missing cells become empty.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with _open(path, encoding=encoding, errors="replace", newline="") as file:
        yield from csv.DictReader(file, header, delimiter=delimiter, quoting=quoting, restval="")


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON lines file."""
    with _open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def json_file(path: Path) -> Any:
    """The contents of a JSON file."""
    with _open(path, encoding="utf-8") as file:
        return json.load(file)


def _open(path: Path, **options: Any) -> TextIO:
    """The file as text, decompressed if necessary."""
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", **options))
    return cast(TextIO, path.open(**options))


def unescape(text: str) -> str:
    r"""The text with literal escapes (`\n`, `\xa0`, `\u2019`) read as the characters they stand for."""

    def character(match: re.Match[str]) -> str:
        escape = match.group()
        return _PLAIN[escape] if escape in _PLAIN else chr(int(escape[2:], 16))

    return _ESCAPE.sub(character, text).replace("\xa0", " ")


def unmark(text: str) -> str:
    """The text without HTML tags and entities."""
    return html.unescape(_TAG.sub(" ", _BREAK.sub("\n", text))).replace("\ufeff", "").strip()
