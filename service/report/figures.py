"""The plots of a report, made with Plotly, whose JavaScript draws them when the page is opened.

Needs the extra `report`; no other module imports Plotly. Names of articles, authors and targets are
untrusted, and Plotly interprets some HTML in labels, links included, so every name goes through `_label`.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from parley.model.labels import STANCES, UNSURE
from parley.service.errors import DumpError
from parley.service.policy.rules import SCORES
from parley.service.report.counts import Group, stances
from parley.service.report.tally import BINS, Tally
from parley.service.report.words import label, moment, one_line, per, share

COLORS = {
    "approve": "#9db4c0",
    "review": "#e6a117",
    "reject": "#c0392b",
    "abusive": "#b5363a",
    "off_topic": "#8a63b8",
    "favor": "#2a7f9e",
    "against": "#d9722e",
    "none": "#b9bcc0",
    "unsure": "#e3e5e8",
    "bars": "#7d99ab",
}
"""Distinguishable for colour-blind readers; order and labels say the same without the colours."""
SIDES = (*STANCES, UNSURE)
MAX_BINS = 90
"""The most time steps on one plot."""
SMALL = 6
"""Targets whose stance is shown over time, each in a plot of its own."""
_STEP_MS = {
    step: 3_600_000 * hours
    for step, hours in {"hour": 1, "day": 24, "week": 168, "month": 24 * 30, "year": 24 * 365}.items()
}
_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure: its id on the page, a text alternative, its height in pixels and Plotly's JSON."""

    id: str
    alt: str
    height: int
    json: str


def import_plotly() -> tuple[Any, Any]:
    """`plotly.graph_objects` and `plotly.subplots`. Raises DumpError if Plotly is not installed."""
    try:
        import plotly.graph_objects
        import plotly.subplots
    except ImportError as error:
        raise DumpError(
            "the HTML report needs plotly: pip install 'parley-moderation[report]'; --summary works without"
        ) from error
    return plotly.graph_objects, plotly.subplots


def over_time(tally: Tally) -> Plot:
    """Comments by decision, and below them the abusive and off-topic shares."""
    go, subplots = import_plotly()
    step, bins = tally.timeline.shown(bins=MAX_BINS)
    times = [time for time, _ in bins]
    figure = _subplots(subplots, rows=2, cols=1, shared_xaxes=True, row_heights=[0.6, 0.4])
    for action in ("approve", "review", "reject"):
        counts = [getattr(each, action) for _, each in bins]
        figure.add_trace(_bar(go, action, x=times, y=counts, width=_bar_ms(step)), row=1, col=1)
    for name, color, shares in (
        ("abusive", "abusive", [counts.abusive_share for _, counts in bins]),
        ("off-topic (of those judged)", "off_topic", [counts.off_topic_share for _, counts in bins]),
    ):
        line = go.Scatter(
            x=times,
            y=shares,
            name=name,
            mode="lines+markers",
            line={"color": COLORS[color], "width": 2},
            marker={"size": 5},
            hovertemplate="%{y:.1%}<extra>" + name + "</extra>",
        )
        figure.add_trace(line, row=2, col=1)
    figure.update_yaxes(title_text=f"comments {per(step)}", tickformat=",", row=1, col=1)
    figure.update_yaxes(title_text="share", tickformat=".0%", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(**_time_axis(times), **_room(bins, step))
    figure.update_layout(hovermode="x unified")
    alt = (
        f"Comments {per(step)} from {moment(times[0], step)} to {moment(times[-1], step)}, by decision, "
        "and the shares of them that are abusive and off-topic. The table below has the numbers."
    )
    return _plot("time", figure, height=440, alt=alt)


def stance_over_time(tally: Tally) -> Plot:
    """For each of the most discussed targets, comments in favor, against, neither and unsure."""
    go, subplots = import_plotly()
    targets = [group for group in tally.targets.most(SMALL, by=stances) if group.counts.stances]
    step, _ = tally.timeline.shown(bins=MAX_BINS)
    rows, columns = (len(targets) + 1) // 2, min(2, len(targets))
    titles = [_label(target.name, 48) for target in targets]
    figure = _subplots(
        subplots,
        rows=rows,
        cols=columns,
        shared_xaxes="all",
        subplot_titles=titles,
        vertical_spacing=0.36 / max(2, rows),
    )
    for place, target in enumerate(targets):
        assert target.timeline is not None
        _, bins = target.timeline.shown(bins=MAX_BINS, step=step)
        for stance in SIDES:
            counts = [getattr(each, stance) for _, each in bins]
            times = [time for time, _ in bins]
            bar = _bar(go, stance, x=times, y=counts, width=_bar_ms(step), showlegend=place == 0)
            figure.add_trace(bar, row=place // columns + 1, col=place % columns + 1)
    figure.update_xaxes(showticklabels=True, **_room(tally.timeline.shown(bins=MAX_BINS)[1], step))
    figure.update_yaxes(tickformat=",")
    alt = (
        f"Comments in favor, against, neither and unsure, {per(step)}, towards {len(targets)} targets. "
        "The table by target has the sums."
    )
    return _plot("stance-time", figure, height=110 + 200 * rows, alt=alt)


def by_group(tally: Tally, kind: str, groups: Sequence[Group]) -> Plot:
    """Abuse, off-topic and stance of each group side by side; `kind` is article, author or target."""
    go, subplots = import_plotly()
    groups = list(reversed(groups))  # Plotly counts upwards
    figure = _subplots(
        subplots,
        rows=1,
        cols=3,
        shared_yaxes=True,
        horizontal_spacing=0.08,
        column_widths=[0.3, 0.3, 0.4],
        subplot_titles=("abusive", "off-topic", "stance"),
    )
    places = list(range(len(groups)))
    for column, color, parts in (
        (1, "abusive", [(g.counts.abusive, g.counts.comments) for g in groups]),
        (2, "off_topic", [(g.counts.off_topic, g.counts.judged) for g in groups]),
    ):
        figure.add_trace(_share_bar(go, color, places, parts), row=1, col=column)
    for stance in SIDES:
        parts = [(getattr(g.counts, stance), g.counts.stances) for g in groups]
        figure.add_trace(_share_bar(go, stance, places, parts, showlegend=True), row=1, col=3)
    names = [_label(group.name, 34) for group in groups]
    figure.update_yaxes(tickmode="array", tickvals=places, ticktext=names, ticklabelstandoff=6)
    figure.update_xaxes(tickformat=".0%", rangemode="tozero", nticks=4)
    figure.update_xaxes(range=[0, 1.02], tickvals=[0, 0.5, 1], row=1, col=3)
    alt = (
        f"For each of {len(groups)} {kind}s the share of abusive and of off-topic comments, and the "
        "shares of the stances. The table below has the numbers."
    )
    return _plot(kind, figure, height=150 + 26 * len(groups), alt=alt)


def distributions(tally: Tally) -> Plot:
    """One histogram per score, on a logarithmic scale, with the policy's thresholds as lines."""
    go, subplots = import_plotly()
    columns = 3
    titles = [label(score) for score in SCORES]
    figure = _subplots(
        subplots, rows=len(SCORES) // columns, cols=columns, subplot_titles=titles, vertical_spacing=0.1
    )
    middles = [(i + 0.5) / BINS for i in range(BINS)]
    for place, score in enumerate(SCORES):
        row, col = place // columns + 1, place % columns + 1
        bar = go.Bar(
            x=middles,
            y=tally.distributions[score].bins,
            width=1 / BINS,
            marker={"color": COLORS["bars"], "line": {"width": 0}},
            hovertemplate="%{y:,} comments near %{x:.2f}<extra></extra>",
            showlegend=False,
        )
        figure.add_trace(bar, row=row, col=col)
        lines = {(line.value, line.action) for line in tally.lines.drawn if line.score == score}
        for value, action in sorted(lines):
            figure.add_vline(
                x=value,
                line={"color": COLORS[action], "width": 2, "dash": "solid" if action == "reject" else "dash"},
                annotation={"text": f"{action} {value:.2g}", "font": {"size": 11}},
                annotation_position="top left" if value > 0.5 else "top right",
                row=row,
                col=col,
            )
    figure.update_xaxes(range=[0, 1], nticks=3)
    highest = max(max(each.bins) for each in tally.distributions.values())
    # One scale for all: a single comment is visible, and the lines' labels fit on top.
    figure.update_yaxes(type="log", dtick=1, range=[math.log10(0.6), math.log10(max(highest, 10)) + 0.5])
    alt = (
        f"Distributions of the {len(SCORES)} scores from 0 to 1, comments on a logarithmic scale, with the "
        f"thresholds of the policy {tally.lines.policy}. The table below has the thresholds."
    )
    return _plot("scores", figure, height=600, alt=alt, legend=False)


def reasons(tally: Tally) -> Plot:
    """How many comments were given each reason."""
    go, _ = import_plotly()
    ranked = tally.reasons.most_common(20)[::-1]
    places = list(range(len(ranked)))
    figure = go.Figure(
        go.Bar(
            y=places,
            x=[count for _, count in ranked],
            orientation="h",
            marker={"color": COLORS["review"]},
            text=[f"{count:,}" for _, count in ranked],
            hovertemplate="%{x:,} comments<extra></extra>",
        )
    )
    figure.update_yaxes(tickmode="array", tickvals=places, ticktext=[_label(name, 40) for name, _ in ranked])
    figure.update_xaxes(title_text="comments", tickformat=",", rangemode="tozero")
    alt = f"Comments by reason, {len(ranked)} reasons. The table below has the numbers."
    return _plot("reasons", figure, height=90 + 26 * len(ranked), alt=alt, legend=False)


def _label(name: str, length: int) -> str:
    """Untrusted text as a label: cut to `length` and escaped."""
    return html.escape(one_line(name, length=length), quote=False)


def _subplots(subplots: Any, **layout: Any) -> Any:
    figure = subplots.make_subplots(**layout)
    figure.update_annotations(font={"size": 13})  # so far the titles are the only annotations
    return figure


def _bar(go: Any, name: str, **values: Any) -> Any:
    return go.Bar(
        name=name,
        legendgroup=name,
        marker={"color": COLORS[name], "line": {"width": 0}},
        hovertemplate="%{y:,}<extra>" + name + "</extra>",
        **values,
    )


def _share_bar(
    go: Any, name: str, places: list[int], parts: Sequence[tuple[int, int]], *, showlegend: bool = False
) -> Any:
    return go.Bar(
        y=places,
        x=[part / whole if whole else None for part, whole in parts],
        name=name,
        orientation="h",
        marker={"color": COLORS[name], "line": {"width": 0}},
        customdata=[f"{part:,} of {whole:,} ({share(part, whole)})" for part, whole in parts],
        hovertemplate="%{customdata}<extra>" + name.replace("_", "-") + "</extra>",
        showlegend=showlegend,
    )


def _time_axis(times: Sequence[Any]) -> dict[str, Any]:
    return {"type": "date", "nticks": 8} if len(times) > 1 else {"type": "date", "tickvals": list(times)}


def _bar_ms(step: str) -> float:
    """The width of a step's bar in milliseconds. Set because Plotly draws a lone bar as a hairline."""
    return 0.82 * _STEP_MS.get(step, _STEP_MS["day"])


def _room(bins: Sequence[tuple[datetime, Any]], step: str) -> dict[str, Any]:
    """The range of a time axis: half a step of margin at both ends, and at least seven steps."""
    length = timedelta(milliseconds=_STEP_MS.get(step, _STEP_MS["day"]))
    first, last = bins[0][0] - length / 2, bins[-1][0] + length / 2
    beside = max(timedelta(), (7 * length - (last - first)) / 2)
    return {"range": [first - beside, last + beside]}


def _plot(id_: str, figure: Any, *, height: int, alt: str, legend: bool = True) -> Plot:
    """The figure in the page's style; the style sheet sets the colours of text and grid."""
    figure.update_layout(
        template="none",
        height=height,
        barmode="stack",
        bargap=0.18,
        font={"family": _FONT, "size": 13},
        margin={"l": 56, "r": 12, "t": 72 if legend else 36, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        # 30 pixels above the plots, clear of their titles.
        legend={
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1 + 30 / (height - 112),
            "x": 1,
            "xanchor": "right",
            "traceorder": "normal",
        },
        hoverlabel={"font": {"family": _FONT}},
    )
    axis = {"fixedrange": True, "automargin": True, "zeroline": False, "title_font_size": 13}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return Plot(id_, alt, height, figure.to_json())
