"""The page in a real browser: plots are drawn, nothing is fetched, no error is logged, nothing hostile runs.

Needs Chromium and its driver (Debian: chromium, chromium-driver) and selenium (the dev extra).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from parley.service.commands.cli import app
from tests.service.chromium import chromium
from tests.service.report.scored import DAY, scored, write

pytest.importorskip("plotly", reason="the HTML report needs the report extra")

HOSTILE = "<script>window.owned = 1</script><img src=x onerror='window.owned = 1'>"
LABEL = "<a href='https://gazette.example/'>Read</a><b>this</b>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The browser with a report open that has hostile comments too; its logs are of this page only."""
    folder = tmp_path_factory.mktemp("report")
    rows = [
        scored(
            f"Comment {i}: the bridge",
            id=str(i),
            author=f"Reader {i % 7}",
            article=f"Article {i % 3}",
            target=f"Target {i % 4}",
            stance=("favor", "against", "none")[i % 3],
            abuse={"toxicity": (i % 10) / 10},
            spam=(i % 8) / 8,
            off_topic=(i % 9) / 8,
            at=DAY + timedelta(hours=7 * i),
        )
        for i in range(60)
    ]
    rows.append(scored("A day of its own", id="one", target="One day", stance="favor", at=DAY))
    rows.append(
        scored(
            f"You fool {HOSTILE}",
            id=HOSTILE,
            author=LABEL,
            article=LABEL,
            target=LABEL,
            abuse={"toxicity": 0.99},
            spans=[(4, 8)],
        )
    )
    write(folder / "out.jsonl", rows)
    result = CliRunner().invoke(app, ["report", str(folder / "out.jsonl"), "-o", str(folder / "page.html")])
    assert result.exit_code == 0, result.output
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get((folder / "page.html").as_uri())
    return browser


def requests(page: Any) -> list[str]:
    """The addresses that the browser requested, from its network log."""
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def test_every_plot_is_drawn(page: Any) -> None:
    drawn = page.execute_script(
        "return Object.fromEntries([...document.querySelectorAll('.plot')].map(plot =>"
        " [plot.id, plot.querySelectorAll('svg .bars path, svg .points path, svg .lines path').length]))"
    )
    assert set(drawn) == {
        "plot-time",
        "plot-stance-time",
        "plot-article",
        "plot-author",
        "plot-target",
        "plot-scores",
        "plot-reasons",
    }
    assert all(drawn.values()), drawn
    # Nine scores, and a line for each of the policy's six thresholds.
    assert page.execute_script("return document.querySelectorAll('#plot-scores .subplot .bars').length") == 9
    assert (
        page.execute_script("return document.querySelectorAll('#plot-scores .shapelayer path').length") == 6
    )
    assert page.execute_script("return document.querySelector('.plot').clientWidth") > 600


@pytest.mark.parametrize("width", [1200, 390])
def test_bars_and_labels_can_be_read(page: Any, width: int) -> None:
    """A target whose comments are all from one day has a bar like the others, and labels don't overlap."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.execute_script("document.querySelectorAll('.plot').forEach((each) => Plotly.Plots.resize(each))")
    widths = page.execute_script(
        "return [...document.querySelectorAll('#plot-stance-time .bars path, #plot-time .bars path')]"
        ".map((bar) => bar.getBoundingClientRect().width)"
    )
    assert min(widths) > 3, min(widths)
    clashes = page.execute_script(
        "return [...document.querySelectorAll('.plot')].flatMap((plot) => {"
        " const labels = [...plot.querySelectorAll('.xaxislayer-above text')].map((l) => [l.textContent,"
        "  l.getBoundingClientRect()]);"
        " return labels.flatMap(([name, a], i) => labels.slice(i + 1).filter(([, b]) =>"
        "  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)"
        "  .map(([other]) => `${plot.id}: ${name} on ${other}`)); })"
    )
    assert clashes == []
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_nothing_is_fetched_and_nothing_complained_of(page: Any) -> None:
    assert [url for url in requests(page) if not url.startswith(("file:", "data:"))] == []
    loaded = page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []
    assert page.get_log("browser") == []


def test_comments_are_text(page: Any) -> None:
    assert page.execute_script("return window.owned") is None
    assert page.execute_script("return document.images.length") == 0
    assert page.execute_script("return document.querySelector('li mark').textContent") == "fool"
    shown = page.execute_script("return document.querySelector('ol.first blockquote').textContent")
    assert shown == f"You fool {HOSTILE}"
    # Plotly turns <a> in labels into links unless they are escaped.
    assert page.execute_script("return document.querySelectorAll('.plot a').length") == 0
    labels = page.execute_script(
        "return [...document.querySelectorAll('#plot-author .yaxislayer-above text')]"
        ".map(text => text.textContent)"
    )
    assert any(label.startswith("<a href='https://gazette") for label in labels), labels


def test_an_injected_script_would_not_run(page: Any) -> None:
    """Should escaping ever fail, the page's own policy applies. Runs last, as it leaves errors in the log."""
    page.execute_script(
        "const script = document.createElement('script'); script.textContent = 'window.owned = 1';"
        "document.body.append(script);"
        "document.body.insertAdjacentHTML('beforeend',"
        ' \'<img src="https://gazette.example/x" onerror="window.owned = 1">\')'
    )
    assert page.execute_script("return window.owned") is None
    complaints = [entry["message"] for entry in page.get_log("browser")]
    assert any("Content Security Policy" in message for message in complaints), complaints
