"""Strings that are short to write but endless to read if a search starts again at every character."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterable

UNITS = {
    "one letter": "a",
    "one capital": "A",
    "one word": "word ",
    "spaced letters": "a ",
    "letters with dots": "i.d.i.o.t ",
    "letters with bars": "a|",
    "letters and digits": "a1",
    "letters and symbols": "a$",
    "doubled letters": "aab",
    "one letter per line": "a\n",
    "Cyrillic look-alikes": "а",
    "Greek look-alikes": "ο",
    "Armenian look-alikes": "օ",
    "look-alikes between Latin": "aа",
    "look-alikes before Latin": "ааааa",
    "symbols": "©",
    "symbols between Latin": "a©",
    "full-width": "ａ",
    "mathematical": "𝐚",
    "words in one character": "\ufdfa",
    "Chinese": "漢",
    "private use": "\ue000",
    "emoji": "😀",
    "emoji between letters": "a😀",
    "halves of flags": "🇺",
    "combining marks": "\u0301",
    "combining marks out of order": "\u0301\u0316",
    "marks that decompose into two": "\u0f73\u0f75",
    "letter with marks": "a\u0301\u0316",
    "zero width": "\u200b",
    "joiners": "\u200d",
    "overrides": "\u202e",
    "closed overrides": "\u202ea\u202c",
    "isolates": "\u2067a\u2069",
    "spaces": " ",
    "tabs": "\t",
    "lines": "\n",
    "blank paragraphs": "a\n\n",
    "no-break spaces": "\xa0",
    "full stops": ".",
    "sentences": "a. B",
    "marks": "?!",
    "dashes": "-",
    "underscores": "_",
    "tildes": "~",
    "quotes": '"',
    "apostrophes": "'",
    "words with apostrophes": "a'",
    "brackets": "[",
    "closing brackets": "]",
    "parentheses": "(",
    "empty parentheses": "()",
    "braces": "{",
    "objects": '{"a":',
    "lists": "[0,",
    "empty links": "[](",
    "unfinished links": "[a](<",
    "links with titles": '[a](b "',
    "references": "[a]:",
    "footnotes": "[^a]",
    "images": "![",
    "stars": "*",
    "emphasis": "*a_",
    "strong": "a**",
    "backticks": "`",
    "code": "``a`",
    "block quotes": ">",
    "nested block quotes": "> ",
    "list items": "- ",
    "numbers": "1. ",
    "table columns": "|a",
    "table rules": "|-",
    "angle brackets": "<",
    "comments": "<!--",
    "scripts": "<script>",
    "closing scripts": "</script",
    "scripts of JSON-LD": "<script application/ld+json ",
    "attributes": " =\"'",
    "unfinished tags": '<a ="',
    "blocks": "<div>\n",
    "ampersands": "&",
    "entities": "&amp",
    "numbered entities": "&#",
    "slashes": "/",
    "schemes": "http://",
    "schemes with hosts": "http://a",
    "links in parentheses": "http://a.b/(",
    "links after links": "www.a=",
    "hosts after hosts": "www.a.com=",
    "hosts without schemes": "//a.",
    "labels": "a.",
    "labels with dashes": "a.b-",
    "international labels": "xn--",
    "mail": "a@",
    "mail links": "mailto:a",
    "bylines": "by:a\n",
    "equals": "=",
    "commas": ",",
    "semicolons": ";",
    "backslashes": "\\",
}


def repeated(unit: str, length: int) -> str:
    """`length` characters of repeated `unit`."""
    return (unit * (length // len(unit) + 1))[:length]


def seconds(work: Callable[[], object]) -> float:
    """Processor time that `work` takes in this thread, without garbage collection."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        start = time.thread_time()
        work()
        return time.thread_time() - start
    finally:
        if collecting:
            gc.enable()


def slope(work: Callable[[str], object], unit: str, length: int, *, floor: float, good: float) -> float:
    """How many times as long `length` characters take as half of them; 1 if it takes less than `floor`.

    A slope that is too steep is measured again, twice: noise makes nothing faster.
    """
    whole, half = float("inf"), float("inf")
    for _ in range(3):
        whole = min(whole, seconds(lambda: work(repeated(unit, length))))
        if whole < floor:
            return 1.0
        half = min(half, seconds(lambda: work(repeated(unit, length // 2))))
        if whole / half < good:
            break
    return whole / half


def steep(
    work: Callable[[str], object], units: Iterable[str], length: int, *, floor: float, good: float
) -> dict[str, float]:
    """The units, by name, whose slope is above `good`, and that slope.

    These are measured again after all the others: what disturbs a machine for seconds doesn't disturb a unit
    three times, whereas quadratic time is as steep whenever it is measured.
    """
    left = list(units)
    found: dict[str, float] = {}
    for _ in range(3):
        slopes = {unit: slope(work, UNITS[unit], length, floor=floor, good=good) for unit in left}
        found = {unit: times for unit, times in slopes.items() if times > good}
        left = list(found)
    return found


def longest_pause(work: Callable[[], object]) -> float:
    """The longest time that `work` keeps another thread from running, in processor time of this process.

    Wall-clock time would be longer whenever other programs run in between.
    """
    worst, done = 0.0, threading.Event()

    def watch() -> None:
        nonlocal worst
        last = time.process_time()
        while not done.is_set():
            time.sleep(0.001)
            now = time.process_time()
            worst, last = max(worst, now - last), now

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return worst
