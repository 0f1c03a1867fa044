"""The plots of calibration and evaluation, made with Plotly: reliability by label, figures with intervals.

Needs the extra `report`. Each function returns a piece of HTML; the page needs `script()` once to draw them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parley.training.errors import RunError

Bins = Sequence[Sequence[float]]
INK, PALE = "#2a7f9e", "#b9bcc0"


def _plotly() -> tuple[Any, Any]:
    try:
        import plotly.graph_objects
        import plotly.subplots
    except ImportError as error:
        raise RunError(
            "the HTML report needs plotly and jinja2: pip install 'parley-moderation[report]'"
        ) from error
    return plotly.graph_objects, plotly.subplots


def script() -> str:
    """Plotly's JavaScript, so that the page needs no network."""
    _plotly()
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def reliability(bins: Mapping[str, Mapping[str, Bins]]) -> str:
    """A small plot per title of the share of positives over the mean score; `bins`: title -> line -> bins."""
    go, subplots = _plotly()
    columns = 4
    rows = max(1, -(-len(bins) // columns))
    figure = subplots.make_subplots(rows=rows, cols=columns, subplot_titles=list(bins))
    for place, lines in enumerate(bins.values()):
        at = {"row": place // columns + 1, "col": place % columns + 1}
        figure.add_trace(
            go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": PALE, "dash": "dot"}), **at
        )
        for color, (name, points) in zip((INK, "#d9722e"), lines.items(), strict=False):
            if not points:
                continue
            mean, share, count = zip(*points, strict=True)
            largest = max(count)
            figure.add_trace(
                go.Scatter(
                    x=mean,
                    y=share,
                    name=name,
                    mode="lines+markers",
                    line={"color": color},
                    marker={"size": [4 + 10 * (n / largest) ** 0.5 for n in count]},
                    customdata=count,
                    hovertemplate="score %{x:.2f}, true in %{y:.0%} of %{customdata} rows<extra>"
                    + name
                    + "</extra>",
                ),
                **at,
            )
    figure.update_xaxes(range=[0, 1])
    figure.update_yaxes(range=[0, 1], tickformat=".0%")
    return _html(figure, height=80 + 240 * rows)


def intervals(figures: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    """One line per figure, from low to high, with the value marked."""
    go, _ = _plotly()
    names = [name for name, _ in reversed(figures)]
    values = [of["value"] for _, of in reversed(figures)]
    error = {
        "type": "data",
        "symmetric": False,
        "array": [of["high"] - of["value"] for _, of in reversed(figures)],
        "arrayminus": [of["value"] - of["low"] for _, of in reversed(figures)],
    }
    figure = go.Figure(
        go.Scatter(x=values, y=names, error_x=error, mode="markers", marker={"color": INK, "size": 8})
    )
    figure.update_xaxes(range=[min(0.4, *(of["low"] for _, of in figures)) if figures else 0, 1.01])
    return _html(figure, height=90 + 24 * len(figures))


def _html(figure: Any, *, height: int) -> str:
    figure.update_layout(
        template="simple_white",
        height=height,
        showlegend=False,
        margin={"l": 10, "r": 10, "t": 40, "b": 30},
        font={"family": "system-ui, sans-serif", "size": 12},
    )
    figure.update_yaxes(automargin=True)
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False}))
