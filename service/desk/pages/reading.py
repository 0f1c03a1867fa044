"""How much do I want to read? A slider for each rule, what it costs and finds, and versions of the policy.

A new version is on trial first: it decides nothing, and the page shows what it would have done with the last
week. An admin activates it, and goes back to any earlier one, with one click.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from parley.model.comment import Article, Comment, Prediction
from parley.model.labels import ABUSE
from parley.service.desk.access import AdminDep, DeskRoute, SessionDep
from parley.service.desk.pages import words
from parley.service.desk.pages.filters import read_number
from parley.service.desk.pages.render import page
from parley.service.errors import InvalidRequest, NotReady
from parley.service.policy.decision import Policy, rule_key
from parley.service.policy.rules import Rule
from parley.service.store.desk import decisions, measures, policies, queues
from parley.service.store.desk.items import Item
from parley.service.store.desk.tables import ARRIVALS, SCORES
from parley.service.web.context import Service, ServiceDep

FEW = 10
"""With fewer rejections of a kind, the model's calibration is used instead."""
STEPS = 200

router = APIRouter(route_class=DeskRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a threshold costs and finds, in sentences, and the comments around it."""

    percent: float
    cost: str
    found: str
    above: list[Item]
    below: list[Item]


@router.get("/desk/reading")
async def show(request: Request, service: ServiceDep, session: SessionDep) -> Response:
    """The page of a queue's figures; of incoming comments by default."""
    queue = _queue_id(request.query_params)
    return await run_in_threadpool(_page, request, service, queue)


@router.get("/desk/reading/estimate")
async def show_estimate(request: Request, service: ServiceDep, session: SessionDep) -> Response:
    """The part below one slider, for its current position."""
    params = request.query_params
    key = str(params.get("rule") or "")
    rule = {rule_key(r): r for r in sliding(service.policy_file())}.get(key)
    if rule is None:
        raise InvalidRequest("there is no such rule: reload the page")
    threshold = _threshold(params.get(f"t:{key}"))
    estimated = await run_in_threadpool(estimate, service, _queue_id(params), rule, threshold)
    return page(request, "estimate.html", title="Estimate", it=estimated, key=key)


@router.post("/desk/reading")
async def save(request: Request, service: ServiceDep, session: AdminDep) -> Response:
    """Save a new version on trial."""
    form = await request.form()
    file = service.policy_file()
    chosen = {rule_key(rule): _threshold(form.get(f"t:{rule_key(rule)}")) for rule in sliding(file)}
    await run_in_threadpool(
        policies.save, service.store, file.name, thresholds=chosen, base=file.fingerprint, by=session.name
    )
    return RedirectResponse("/desk/reading#versions", 303)


@router.post("/desk/reading/activate")
async def activate(request: Request, service: ServiceDep, session: AdminDep) -> Response:
    """Activate a version."""
    given = read_number((await request.form()).get("version"))
    file = service.policy_file()
    known = await run_in_threadpool(policies.all_versions, service.store, file.name)
    usable = {0, *(v.version for v in known if v.base == file.fingerprint)}
    if given is None or given not in usable:
        raise InvalidRequest("the policy file's rules have changed since this version was made")
    await run_in_threadpool(policies.activate, service.store, file.name, given)
    service.forget_policy()
    return RedirectResponse("/desk/reading#versions", 303)


def sliding(policy: Policy) -> list[Rule]:
    """The rules that a slider sets: those with a lower bound on a score."""
    return [
        rule
        for rule in policy.rules
        if rule.at_most is None and rule.action != "approve" and rule.when.removeprefix("abuse.") in SCORES
    ]


def estimate(service: Service, queue: int, rule: Rule, threshold: float) -> Estimate:
    """What a rule's threshold would cost and find. Raises StoreError."""
    label = rule.when.removeprefix("abuse.")
    spread = measures.spread(service.store, queue, label, threshold)
    above, below = measures.near(service.store, queue, label, threshold)
    return Estimate(
        percent=threshold,
        cost=_cost(spread, queue),
        found=_found(service, label, threshold, spread),
        above=above,
        below=below,
    )


def would_be(policy: Policy, items: Iterable[Item]) -> Counter[str]:
    """What a policy decides on comments as they were scored."""
    return Counter(policy.decide(comment_of(item), prediction_of(item)).action for item in items)


def comment_of(item: Item) -> Comment:
    """The comment as it was scored."""
    article = Article(
        id=item.article_id, url=item.article_url, title=item.article_title, text=item.article_text
    )
    return Comment(text=item.text, id=item.comment_id, article=article, format=item.format)  # type: ignore[arg-type]


def prediction_of(item: Item) -> Prediction:
    """The stored scores."""
    scores = item.scores
    return Prediction(
        id=item.comment_id,
        abuse={name: score for name in ABUSE if (score := scores[name]) is not None},
        spam=scores["spam"] or 0.0,
        off_topic=scores["off_topic"],
        stance=None,
        language=item.language,
    )


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927)."""
    if not whole:
        return 0.0, 1.0
    z, p = 1.96, part / whole
    middle = (p + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z * math.sqrt(p * (1 - p) / whole + z * z / (4 * whole * whole)) / (1 + z * z / whole)
    return max(0.0, middle - half), min(1.0, middle + half)


def _page(request: Request, service: Service, queue: int) -> Response:
    try:
        file, active = service.policy_file(), service.policy()
    except NotReady:
        return page(request, "reading.html", title="How much do I want to read?", ready=False)
    rules = sliding(file)
    now = {rule_key(rule): active.threshold(rule) for rule in sliding(active)}
    versions = policies.all_versions(service.store, file.name)
    watching = next((v for v in versions if v.state == "watching" and v.base == file.fingerprint), None)
    items = measures.lately(service.store, queue)
    trials = {"active": would_be(active, items)}
    if watching:
        trial = file.with_thresholds(watching.thresholds, version=watching.version)
        trials["watching"] = would_be(trial, items)
    return page(
        request,
        "reading.html",
        title="How much do I want to read?",
        ready=True,
        rules=[(rule_key(rule), rule, now[rule_key(rule)]) for rule in rules],
        estimates={rule_key(r): estimate(service, queue, r, now[rule_key(r)]) for r in rules},
        versions=versions,
        fingerprint=file.fingerprint,
        active=active,
        watching=watching,
        trials=trials,
        looked_at=len(items),
        queue=queue,
        queues=queues.readable(service.store),
        steps=STEPS,
        told_label=lambda rule: words.label_words(rule.when.removeprefix("abuse.")),
    )


def _cost(spread: measures.Spread, queue: int) -> str:
    if not spread.comments:
        return "No comments were scored for this in the last 30 days, so there is no estimate yet."
    if queue != ARRIVALS:
        return f"{spread.over:,} of the {spread.comments:,} comments in this file to read."
    a_day = spread.over / spread.days
    said = f"{a_day:,.0f}" if a_day >= 10 else f"{a_day:.1f}"
    return f"About {said} comments a day to read ({spread.over:,} of {spread.comments:,} counted)."


def _found(service: Service, label: str, threshold: float, spread: measures.Spread) -> str:
    code = words.SUGGESTED[label]
    own = [
        row
        for row in decisions.standing(service.store)
        if row["action"] == "reject" and row["reason"] == code
    ]
    scores = [score for row in own if (score := _score(row, label)) is not None]
    name = words.REJECTIONS[code].lower()
    if len(scores) >= FEW:
        over = sum(score >= threshold for score in scores)
        low, high = wilson(over, len(scores))
        return (
            f"Finds {over} of the {len(scores)} that moderators rejected as {name}: "
            f"{100 * over / len(scores):.0f} % ({100 * low:.0f} to {100 * high:.0f} %). "
            "Comments that nobody read are not counted."
        )
    if not spread.expected:
        return "There is no estimate of what it would find before comments have come."
    share = 100 * spread.expected_over / spread.expected
    return (
        f"Finds about {share:.0f} % of such comments, by the model's own "
        f"calibration (decisions count from {FEW} rejections as {name} on; there are {len(scores)})."
    )


def _score(row: Mapping[str, Any], label: str) -> float | None:
    scores = decisions.scores_of(row)
    value = scores.get(label)
    return float(value) if isinstance(value, int | float) else None


def _threshold(given: Any) -> float:
    try:
        value = float(str(given))
    except ValueError as error:
        raise InvalidRequest("a threshold is a number between 0 and 1: reload the page") from error
    if not 0 <= value <= 1:
        raise InvalidRequest("a threshold is a number between 0 and 1: reload the page")
    return value


def _queue_id(params: Mapping[str, Any]) -> int:
    return read_number(params.get("queue")) or ARRIVALS
