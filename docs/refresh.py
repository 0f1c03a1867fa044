"""Write Parley's current answers into the README: to its request, to its example page; and take the pictures.

    make docs          (or: python -m docs.refresh [--model FOLDER])

Run it when the artifact changes. Each block is in README.md between <!-- NAME --> and <!-- /NAME -->;
tests/test_readme.py makes the blocks again and compares them. The pictures need rsvg-convert (librsvg2-bin)
and chromium.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.terminal_theme import MONOKAI
from rich.text import Text

from benchmarks.server import ask, free_port, served

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "images" / "score-example.png"
REPORT_PICTURE = ROOT / "docs" / "images" / "report.png"
REPORT_SIZE = 1200, 1990
"""Pixels; the page down to the end of the plot over time."""
DESK_SIZE = 1100, 860
DESK_PICTURES = {
    name: ROOT / "docs" / "images" / f"desk-{name}.png" for name in ("queue", "comment", "reading")
}
EXAMPLE = ROOT / "docs" / "examples" / "comments.jsonl"
"""Made-up comments."""
PARLEY = Path(sys.executable).parent / "parley"
PICTURE_WIDTH = 132
FONT, FONT_ASPECT = "DejaVu Sans Mono", 0.602
"""Width of a character to its height: with another font's ratio the columns would not align."""


def marked(name: str) -> re.Pattern[str]:
    """Finds the block of that name in the README; group 2 is its content."""
    return re.compile(rf"(<!-- {name} -->\n)(.*?)(<!-- /{name} -->)", re.DOTALL)


def command(program: str, containing: str) -> list[str]:
    """The words of the README's call of `program` that contains `containing`; it is the last in its block."""
    for body in re.findall(
        r"^```sh\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        words = shlex.split(body.replace("\\\n", " "), comments=True)
        starts = [i for i, word in enumerate(words) if Path(word).name == program]
        if starts and containing in body:
            return words[starts[0] :]
    raise SystemExit(f"README.md shows no `{program} ... {containing} ...`")


def answer(model: list[str]) -> str:
    """What a server answers to the README's curl, as a JSON block."""
    words = command("curl", "/v1/classify")
    sent = json.loads(words[words.index("-d") + 1])
    port = free_port()
    with served([str(PARLEY), "serve", "--port", str(port), *model], port, cwd=ROOT, patience=180):
        got = ask(port, sent)
    return f"```json\n{json.dumps(got, indent=2, ensure_ascii=False)}\n```"


def score(model: list[str]) -> list[dict[str, str]]:
    """The rows that the README's `parley score` writes."""
    words = command("parley", "article-page.txt")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.csv"
        words[words.index("-o") + 1] = str(out)
        subprocess.run([str(PARLEY), *words[1:], *model, "--quiet"], cwd=ROOT, check=True)
        with out.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


COLUMNS: dict[str, Callable[[dict[str, str]], str]] = {
    "comment": lambda row: shorten(row["text"], 48),
    "answers": lambda row: shorten(row["parent.text"], 16) if row["parent.id"] else "",
    "toxicity": lambda row: f"{float(row['abuse.toxicity']):.2f}",
    "insult": lambda row: f"{float(row['abuse.insult']):.2f}",
    "spam": lambda row: f"{float(row['spam']):.2f}",
    "off-topic": lambda row: f"{float(row['off_topic']):.2f}" if row["off_topic"] else "",
    "stance": lambda row: row["stance.label"],
    "decision": lambda row: row["decision.action"],
}
SCORES = {"toxicity", "insult", "spam", "off-topic"}


def shorten(text: str, width: int) -> str:
    """The text on one line, cut to `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def scores(model: list[str]) -> str:
    """The example page's scores as a Markdown table."""
    lines = [" | ".join(COLUMNS), " | ".join("---:" if name in SCORES else "---" for name in COLUMNS)]
    lines += [" | ".join(show(row).replace("|", "\\|") for show in COLUMNS.values()) for row in score(model)]
    return "\n".join(f"| {line} |" for line in lines)


def draw(rows: list[dict[str, str]], picture: Path) -> None:
    """Draw the same table as a terminal shows it, with higher scores redder."""
    if not shutil.which("rsvg-convert"):
        raise SystemExit(
            "the picture needs rsvg-convert. On Debian and Ubuntu: sudo apt install librsvg2-bin"
        )
    console = Console(record=True, width=PICTURE_WIDTH, file=io.StringIO())
    console.print(f"$ {shlex.join(command('parley', 'article-page.txt'))}", highlight=False)
    table = Table(box=box.SIMPLE_HEAD)
    for name in COLUMNS:
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*(cell(name, show(row)) for name, show in COLUMNS.items()))
    console.print(table)
    svg = console.export_svg(title="parley", theme=MONOKAI, font_aspect_ratio=FONT_ASPECT)
    picture.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["rsvg-convert", "-o", str(picture)], input=svg.replace("Fira Code", FONT).encode(), check=True
    )


def cell(name: str, shown: str) -> Text:
    """A table's cell; a score is coloured from green at 0 to red at 1."""
    if name not in SCORES or not shown:
        return Text(shown)
    red = round(255 * float(shown))
    return Text(shown, style=f"rgb({max(red, 90)},{max(255 - red, 90)},90)")


def look(address: str, picture: Path, size: tuple[int, int]) -> None:
    """Take a picture of the page at an address, as a browser shows it."""
    browser = shutil.which("chromium")
    if not browser:
        raise SystemExit("the picture needs chromium. On Debian: sudo apt install chromium")
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-component-update"
    picture.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        words = [
            *(browser, *flags.split(), "--disable-background-networking", "--disable-sync"),
            *(f"--user-data-dir={profile}", "--hide-scrollbars", "--virtual-time-budget=5000"),
            *("--window-size={},{}".format(*size), f"--screenshot={picture}", address),
        ]
        subprocess.run(words, check=True, capture_output=True, timeout=600)


def photograph_desk(model: list[str], pictures: Mapping[str, Path]) -> None:
    """Take pictures of the desk with the example comments waiting: queue, one toxic comment, sliders."""
    comments = [json.loads(line) for line in EXAMPLE.read_text(encoding="utf-8").splitlines()]
    sent = [
        {
            "id": comment["id"],
            "text": comment["text"],
            "article": comment["article"],
            "author": {"id": comment["author"]["id"]},
        }
        for comment in comments
    ]
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "service.yaml"
        config.write_text(f"store: {{folder: '{folder}', queue: true}}\n", encoding="utf-8")
        serve = [str(PARLEY), "serve", "--port", str(port), "--config", str(config), *model]
        desk = f"http://127.0.0.1:{port}/desk"
        with served(serve, port, cwd=ROOT, patience=600):
            ask(port, {"comments": sent})
            look(f"{desk}/queue", pictures["queue"], DESK_SIZE)
            look(f"{desk}/comments/{first_toxic(desk)}", pictures["comment"], DESK_SIZE)
            look(f"{desk}/reading", pictures["reading"], DESK_SIZE)


def first_toxic(desk: str) -> str:
    """The number of the first toxic comment in the queue."""
    with urllib.request.urlopen(f"{desk}/queue?label=toxicity", timeout=60) as page:
        found = re.search(r'data-item="(\d+)"', page.read().decode())
    if not found:
        raise SystemExit(f"no comment at {desk} is toxic")
    return found[1]


def photograph(model: list[str], picture: Path) -> None:
    """Take a picture of the report on the example comments."""
    with tempfile.TemporaryDirectory() as folder:
        scored, page = Path(folder) / "comments.jsonl", Path(folder) / "report.html"
        score_example = ["score", "docs/examples/comments.jsonl", "-o", str(scored), *model, "--quiet"]
        report = ["report", str(scored), "-o", str(page), *model, "--top", "4", "--quiet"]
        for words in (score_example, [*report, "--title", "A week of comments in Aldenmouth"]):
            subprocess.run([str(PARLEY), *words], cwd=ROOT, check=True)
        look(page.as_uri(), picture, REPORT_SIZE)


BLOCKS: dict[str, Callable[[list[str]], str]] = {"answer": answer, "scores": scores}


def main() -> None:
    """Write each generated block into README.md, and its picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="artifact folder, instead of the one that comes with Parley")
    given: Any = parser.parse_args()
    model = ["--model", given.model] if given.model else []

    text = README.read_text(encoding="utf-8")
    for name, make in BLOCKS.items():
        found = marked(name).search(text)
        if not found:
            raise SystemExit(f"README.md has no <!-- {name} --> ... <!-- /{name} -->")
        text = text[: found.start(2)] + make(model) + "\n" + text[found.end(2) :]
    README.write_text(text, encoding="utf-8")
    draw(score(model), PICTURE)
    photograph(model, REPORT_PICTURE)
    photograph_desk(model, DESK_PICTURES)
    made = (PICTURE, REPORT_PICTURE, *DESK_PICTURES.values())
    pictures = ", ".join(str(picture.relative_to(ROOT)) for picture in made)
    print(f"wrote {README.name}, {pictures}: look at them before you commit them")


if __name__ == "__main__":
    main()
