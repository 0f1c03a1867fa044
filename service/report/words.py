"""How a report words numbers, names and times, on the page and in the terminal."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def clean(text: str) -> str:
    """The text with control characters, terminal escapes and lone surrogates replaced by U+FFFD."""
    return _UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str, *, length: int) -> str:
    """A name for a label or a cell: at most `length` characters on one line, without direction marks."""
    shown = "".join(char for char in clean(text) if unicodedata.category(char) != "Cf")
    shown = " ".join(shown.split()) or "(no name)"
    return shown if len(shown) <= length else shown[: length - 1].rstrip() + "…"


def share(part: int, whole: int) -> str:
    """A percentage, or a dash if `whole` is 0."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    return f"{percent:.1f}%" if 0 < percent < 10 else f"{percent:.0f}%"


def moment(time: datetime, step: str) -> str:
    """The start of a timeline's step, as text."""
    return time.strftime({"hour": "%Y-%m-%d %H:00", "month": "%Y-%m", "year": "%Y"}.get(step, "%Y-%m-%d"))


def per(step: str) -> str:
    """A timeline's step, as in "comments a day"."""
    return f"an {step}" if step == "hour" else f"a {step}"


def label(score: str) -> str:
    """A score's name for people: `abuse.severe_toxicity` is "severe toxicity"."""
    return score.removeprefix("abuse.").replace("_", "-" if score == "off_topic" else " ")
