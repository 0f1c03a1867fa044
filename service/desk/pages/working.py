"""Is it working? Arrivals, marked comments, agreement: a few figures, each with a sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from parley.service.desk.access import DeskRoute, SessionDep
from parley.service.desk.pages import figures, words
from parley.service.desk.pages.figures import Figure
from parley.service.desk.pages.filters import read_number
from parley.service.desk.pages.queue import operating_points
from parley.service.desk.pages.reading import wilson
from parley.service.desk.pages.render import page
from parley.service.store.desk import decisions, measures, queues
from parley.service.store.desk.measures import Day
from parley.service.store.desk.tables import ARRIVALS
from parley.service.web.context import Service, ServiceDep

DAYS = 28
ENOUGH = 20
"""The fewest decisions for which a share is shown: with fewer it says little."""
BINS = 5

router = APIRouter(route_class=DeskRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often the model and the moderators agree on a label, or two moderators agree."""

    who: str
    same: int
    of: int

    @property
    def words(self) -> str:
        """The share in per cent with its 95 % Wilson interval."""
        low, high = wilson(self.same, self.of)
        return f"{100 * self.same / self.of:.0f} % ({100 * low:.0f} to {100 * high:.0f} %)"


@router.get("/desk/working")
async def show(request: Request, service: ServiceDep, session: SessionDep) -> Response:
    """The page on how well the model works; on incoming comments by default."""
    queue = read_number(request.query_params.get("queue")) or ARRIVALS
    return await run_in_threadpool(_page, request, service, queue)


def _page(request: Request, service: Service, queue: int) -> Response:
    store = service.store
    since = datetime.now(UTC) - timedelta(days=DAYS)
    standing = [row for row in decisions.standing(store, since=since) if row["queue_id"] in (queue, None)]
    days = measures.by_day(store, queue, days=DAYS)
    return page(
        request,
        "working.html",
        title="Is it working?",
        queue=queue,
        queues=queues.readable(store),
        figures=[figure for figure in (*_of_days(days), _calibration(standing)) if figure],
        by_label=by_label(standing, operating_points(service)),
        by_pair=by_pair(decisions.log(store)),
        times=_times(standing, measures.waits(store, queue)),
        enough=ENOUGH,
    )


def by_label(standing: Sequence[dict[str, Any]], lines: dict[str, float]) -> list[Agreement]:
    """How often a moderator's decision agrees with the label's threshold.

    Above it a rejection for the label's reason agrees; below it anything else does.
    """
    agreements = []
    for label, line in lines.items():
        same = of = 0
        codes = {words.SUGGESTED[label]} | ({"AD"} if label == "spam" else set())
        for row in standing:
            score = decisions.scores_of(row).get(label)
            if score is None:
                continue
            rejected = row["action"] == "reject" and row["reason"] in codes
            same, of = same + ((score >= line) == rejected), of + 1
        if of:
            agreements.append(Agreement(words.LABELS[label], same, of))
    return agreements


def by_pair(log: Iterable[dict[str, Any]]) -> list[Agreement]:
    """How often two moderators agreed on a comment that both decided."""
    last: dict[int, dict[str, str]] = defaultdict(dict)
    for row in log:
        if row["action"] in ("approve", "reject") and row["item_id"] is not None:
            last[row["item_id"]][row["who"]] = row["action"]
    pairs: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for judged in last.values():
        people = sorted(judged)
        for at, first in enumerate(people):
            for second in people[at + 1 :]:
                pairs[first, second].append(judged[first] == judged[second])
    return [
        Agreement(f"{first} and {second}", sum(same), len(same))
        for (first, second), same in sorted(pairs.items())
    ]


def _of_days(days: Sequence[Day]) -> Iterable[Figure]:
    if not days:
        return
    comments, flagged = sum(day.comments for day in days), sum(day.flagged for day in days)
    yield figures.bars_by_day(
        "Comments a day",
        f"{comments:,} comments came in the last {DAYS} days; the policy marks {flagged:,} of them "
        f"({100 * flagged / comments:.1f} %, the lower part).",
        [(day.day, day.comments, day.flagged) for day in days],
        head=("day", "comments", "marked"),
    )
    yield figures.line_by_day(
        "Share that the policy marks",
        "If the share rises or falls while the policy stays the same, readers' comments have changed.",
        [(day.day, day.flagged / day.comments) for day in days],
        head=("day", "marked"),
        percent=True,
    )
    yield figures.line_by_day(
        "Drift of the toxicity score",
        _drift(days),
        [(day.day, day.toxicity) for day in days],
        head=("day", "mean toxicity"),
        percent=True,
    )


def _drift(days: Sequence[Day]) -> str:
    week = days[-1].day - timedelta(days=7)
    new = [day for day in days if day.day > week]
    old = [day for day in days if day.day <= week]
    if not old:
        return "The mean score by day. After a second week this shows how much it has changed."
    now, before = (
        sum(d.toxicity * d.comments for d in some) / sum(d.comments for d in some) for some in (new, old)
    )
    return f"The mean score was {100 * now:.1f} of 100 in the last week, and {100 * before:.1f} before."


def _calibration(standing: Sequence[dict[str, Any]]) -> Figure | None:
    pairs = []
    for row in standing:
        score = decisions.scores_of(row).get("toxicity")
        if score is not None:
            abuse = row["action"] == "reject" and "toxicity" in decisions.LABELS_OF.get(
                row["reason"] or "", ()
            )
            pairs.append((float(score), abuse))
    if len(pairs) < ENOUGH:
        return None
    bins = []
    for at in range(BINS):
        inside = [pair for pair in pairs if int(min(pair[0], 0.999) * BINS) == at]
        if inside:
            score = sum(pair[0] for pair in inside) / len(inside)
            bins.append((score, sum(pair[1] for pair in inside) / len(inside), len(inside)))
    error = sum(count * abs(score - share) for score, share, count in bins) / len(pairs)
    return figures.calibration(
        "Are the scores right?",
        f"Of {len(pairs):,} decisions: across, the toxicity score; up, the share that moderators rejected as "
        f"abuse. Scores are off by {100 * error:.0f} points on average.",
        bins,
        head=("score", "rejected", "decisions"),
    )


def _times(standing: Sequence[dict[str, Any]], waits: Sequence[float]) -> list[str]:
    looks = [row["seconds"] for row in standing if row["seconds"] is not None]
    said = []
    if looks:
        said.append(
            f"A decision takes {_duration(median(looks))} from the first look (median of {len(looks):,})."
        )
    if waits:
        said.append(f"A comment waits {_duration(median(waits))} for a decision (median of {len(waits):,}).")
    return said


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 10 else f"{seconds:.1f} seconds"
