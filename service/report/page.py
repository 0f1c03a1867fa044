"""The report as one self-contained HTML page: no network, no other file.

    write_page(Path("report.html"), tally, facts)

Comments are hostile input. Jinja escapes every value, data goes to the script as JSON without a `<`, and a
Content-Security-Policy allows only the page's two scripts, by their hashes: even markup that slipped through
could neither load nor run anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from parley.model.notes import Note
from parley.model.text.plain import plain_text
from parley.service.errors import DumpError
from parley.service.policy.rules import SCORES
from parley.service.report import figures
from parley.service.report.counts import Counts, Group, Groups, abusive, stances
from parley.service.report.figures import Plot
from parley.service.report.pieces import Piece, covered, covered_plain, cut
from parley.service.report.rows import ScoredRow
from parley.service.report.tally import Pick, Tally
from parley.service.report.words import label, moment, one_line, per, share

SHOWN = 8
"""How many of the comments to look at first are shown; the others are folded away."""
_MARKED_UP = ("html", "markdown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the page says about itself. `top` is the number of rows in the tables of groups."""

    title: str
    sources: tuple[str, ...]
    made_at: datetime
    version: str
    top: int
    unreadable: int = 0
    first_problem: str = ""


@dataclass(frozen=True, slots=True)
class GroupSection:
    """Articles, authors or targets: the plot and the table, or why there is none."""

    kind: str
    lead: str
    missing: str
    groups: Sequence[Group] = ()
    notes: Sequence[str] = field(default=())
    plot: Plot | None = None


def write_page(path: Path, tally: Tally, facts: Facts) -> int:
    """Write the page atomically and return its size in bytes. Raises DumpError."""
    content = render_page(tally, facts).encode(errors="replace")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        raise DumpError(
            f"{path} can't be written: {error.strerror or error}; choose another path with -o"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return len(content)


def render_page(tally: Tally, facts: Facts) -> str:
    """The page as text, for at least one comment. Raises DumpError without the extra `report`."""
    figures.import_plotly()
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise DumpError("the HTML report needs jinja2: pip install 'parley-moderation[report]'") from error

    environment = Environment(
        loader=PackageLoader("parley.service.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"label": label, "name": one_line}
    environment.globals |= {
        "share": share,
        "moment": moment,
        "per": per,
        "pieces": pieces,
        "why": why,
    }
    sections = [*group_sections(tally, top=facts.top)]
    plots = _plots(tally, [section.plot for section in sections if section.plot])
    scripts = [_script(get_plotlyjs()), _script(_resource("page.js"))]
    return environment.get_template("page.html").render(
        tally=tally,
        facts=facts,
        open=SHOWN,
        plots={plot.id: plot for plot in plots},
        sections=sections,
        scores=SCORES,
        steps=tally.timeline.shown(bins=figures.MAX_BINS),
        notes=[(note, _meaning(note), count) for note, count in tally.notes.most_common()],
        figures=_data({plot.id: json.loads(plot.json) for plot in plots}),
        style=_resource("page.css"),
        scripts=scripts,
        policy=_security_policy(scripts),
    )


def group_sections(tally: Tally, *, top: int) -> Iterable[GroupSection]:
    """The sections by article, by author and by target."""

    def section(
        kind: str, groups: Groups, lead: str, missing: str, *, by: Callable[[Counts], int]
    ) -> GroupSection:
        shown = groups.most(top, by=by)
        if not shown:
            return GroupSection(kind, lead, missing)
        notes = _group_notes(kind, groups, shown=len(shown))
        return GroupSection(kind, lead, missing, shown, notes, figures.by_group(tally, kind, shown))

    shares = "Off-topic and stance shares are of the comments scored for them."
    yield section(
        "article",
        tally.articles,
        f"Those with the most abusive comments come first. {shares}",
        "No comments have an article (article.id, article.url or article.title).",
        by=abusive,
    )
    yield section(
        "author",
        tally.authors,
        f"Those with the most abusive comments come first. {shares} Shares of a few comments say little.",
        "No comments have an author (author.id or author.name).",
        by=abusive,
    )
    with_target = tally.own_targets
    lead = "A stance is towards a target, so there are no totals over different targets. "
    lead += (
        f"{with_target:,} comments have a target of their own; for the others it is the article's title."
        if with_target
        else "No comments have a target of their own, so stances are towards the article's title "
        "(the option --target of parley score sets a target)."
    )
    yield section(
        "target",
        tally.targets,
        lead,
        "No stance was judged: no comment has a target or an article's title.",
        by=stances,
    )


def _group_notes(kind: str, groups: Groups, *, shown: int) -> list[str]:
    notes = []
    if groups.dropped:
        notes.append(
            f"There are too many {kind}s to track; the smallest were dropped. {groups.rest.comments:,} "
            f"comments are in no row, and the counts shown can be too low."
        )
    elif len(groups) > shown:
        notes.append(f"{shown} of {len(groups):,} {kind}s are shown; --top shows more.")
    if groups.unnamed:
        notes.append(f"{groups.unnamed:,} comments have no {kind} and are in no row.")
    return notes


def _plots(tally: Tally, by_group: list[Plot]) -> list[Plot]:
    plots = list(by_group)
    if tally.earliest is not None:
        plots.append(figures.over_time(tally))
        if any(group.counts.stances and group.timeline for group in tally.targets.most(1, by=stances)):
            plots.append(figures.stance_over_time(tally))
    if tally.reasons:
        plots.append(figures.reasons(tally))
    return [*plots, figures.distributions(tally)]


def pieces(row: ScoredRow) -> list[Piece]:
    """The comment as readers see it, split at the boundaries of its spans."""
    text, inside = row.text, covered(row.text, row.spans)
    if row.format in _MARKED_UP:
        plain = plain_text(text, row.format)  # type: ignore[arg-type]
        text, inside = plain.text, covered_plain(plain, inside)
    return cut(text, inside)


def why(pick: Pick) -> list[str]:
    """Why a comment is in the list: its reasons, or its highest score if it has none."""
    row = pick.row
    if row.reasons:
        return [f"{reason.get('code')}: {reason.get('detail')}" for reason in row.reasons]
    highest = max(SCORES, key=lambda score: row.scores[score] or 0.0)
    return [f"no rule applies; the highest score is {label(highest)}, {row.scores[highest] or 0.0:.2f}"]


def _meaning(note: str) -> str:
    known = {each.value: each.meaning for each in Note}
    return known.get(note, "This note is unknown to this version of Parley.")


def _resource(name: str) -> str:
    return (resources.files("parley.service.report") / name).read_text(encoding="utf-8")


def _script(code: str) -> str:
    """A script made safe to inline: end tags escaped, line ends as the browser will hash them."""
    return code.replace("\r\n", "\n").replace("\r", "\n").replace("</script", "<\\/script").strip()


def _data(values: Any) -> str:
    """JSON for a data `<script>`: nothing in it can close the element or open another."""
    return json.dumps(values).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _security_policy(scripts: Sequence[str]) -> str:
    digests = (hashlib.sha256(code.encode()).digest() for code in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
