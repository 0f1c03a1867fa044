"""A queue's filter as a query string, and back: every page of the desk has one in its address.

A browser may send anything: numbers too large for a column, and text that databases can't store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Path

from parley.service.store.desk.items import STATES
from parley.service.store.desk.listing import SORTS, Filter
from parley.service.store.desk.tables import ARRIVALS
from parley.service.store.tables import storable

RowId = Annotated[int, Path(ge=1, lt=2**31)]
"""A row's number in a path."""
AGES: Mapping[str, str] = {"1": "the last hour", "24": "the last day", "168": "the last week"}


def read_number(given: Any) -> int | None:
    """Parse a row's number from an address or a form; None if it can't be one."""
    text = str(given or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def read_filter(values: Mapping[str, Any], queue: int | None = None) -> Filter:
    """The filter in a query string or a form; unreadable values are ignored."""
    state, sort, hours = values.get("state"), values.get("sort"), values.get("age")
    return Filter(
        queue=queue or read_number(values.get("queue")) or ARRIVALS,
        state=state if state in STATES else "waiting",
        flagged=values.get("show") != "all",
        label=_text(values.get("label")),
        story=_text(values.get("story")),
        language=_text(values.get("language")),
        newer_than_hours=float(str(hours)) if hours in AGES else None,
        new_author=values.get("new_author") == "1",
        search=_text(values.get("search")),
        sort=sort if sort in SORTS else "need",
    )


def fields(wanted: Filter) -> dict[str, str]:
    """The fields that differ from the default filter, as in a query string."""
    values = {
        "queue": str(wanted.queue),
        "state": "" if wanted.state == "waiting" else wanted.state,
        "show": "" if wanted.flagged else "all",
        "label": wanted.label or "",
        "story": wanted.story or "",
        "language": wanted.language or "",
        "age": "" if wanted.newer_than_hours is None else f"{wanted.newer_than_hours:g}",
        "new_author": "1" if wanted.new_author else "",
        "search": wanted.search or "",
        "sort": "" if wanted.sort == "need" else wanted.sort,
    }
    return {name: value for name, value in values.items() if value}


def query(wanted: Filter, **changes: Any) -> str:
    """The filter as a query string, with some fields changed."""
    return urlencode(fields(replace(wanted, **changes)), errors="replace")


def is_narrow(wanted: Filter) -> bool:
    """Whether the filter selects less than a whole list."""
    return bool(set(fields(wanted)) - {"queue", "state", "show", "sort"})


def _text(value: Any) -> str | None:
    text = storable(str(value or "")).strip()[:500]
    return text or None
