"""The figures of each release against today's aims.

    python -m benchmarks.releases

Reads the artifact's evaluation.json from the repository's history, the newest of each version. Prints a
Markdown table for docs/experiments/.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parley.training.evaluation.aims import against_aims
from parley.training.evaluation.figures import value

FILE = "model/artifacts/parley-minilm/evaluation.json"


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repository", type=Path, default=Path(), help="a clone with its whole history")
    given = parser.parse_args()
    print(table(released(given.repository)))


def released(repository: Path) -> dict[str, Mapping[str, Any]]:
    """The newest report of each version, oldest version first."""
    reports: dict[str, Mapping[str, Any]] = {}
    for commit in _git(repository, "log", "--reverse", "--format=%H", "--", FILE).split():
        report = json.loads(_git(repository, "show", f"{commit}:{FILE}"))
        reports[report["artifact"]["version"]] = report
    return reports


def table(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown row for each aim: empty where a release has no figure, bold where it reached the aim."""
    rows = {
        version: {(row.what, row.measured): row for row in against_aims(of)}
        for version, of in reports.items()
    }
    aims = {aim: row.reach for of in reversed(rows.values()) for aim, row in of.items()}
    lines = [f"| what | measured on | {' | '.join(reports)} | to reach |", "|---" * (len(reports) + 3) + "|"]
    for aim, reach in aims.items():
        cells = []
        for version in reports:
            row = rows[version].get(aim)
            figure = None if row is None else value(row.figure)
            shown = "" if figure is None else f"{figure:.3f}"
            cells.append(f"**{shown}**" if row is not None and row.reached else shown)
        lines.append(f"| {' | '.join(aim)} | {' | '.join(cells)} | {reach} |")
    return "\n".join(lines)


def _git(repository: Path, *arguments: str) -> str:
    call = ["git", "-C", str(repository), *arguments]
    return subprocess.run(call, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
