"""Prints what each source contains: python -m parley.training.data --data-dir ../shared/data"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from parley.model.labels import COMMENT_LABELS
from parley.training.data.examples import Example
from parley.training.data.sources import SOURCES, SPLITS, read
from parley.training.errors import SourceError


def main() -> None:
    """Print a table of the sources."""
    parser = argparse.ArgumentParser(prog="python -m parley.training.data", description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=Path("../shared/data"), help="default: %(default)s")
    parser.add_argument("names", nargs="*", help="sources to show (default: all)")
    arguments = parser.parse_args()
    console = Console()
    shown = Table(
        "source", "split", "rows", "labels (mean)", "stance", "reply", "off_topic", "spans", "licence"
    )
    for name in arguments.names or SOURCES:
        for split in SPLITS:
            try:
                examples = list(read(name, arguments.data_dir, split))
            except SourceError as error:
                console.print(f"[red]{error}")
                break
            if examples:
                shown.add_row(name, split, str(len(examples)), *_summary(examples), SOURCES[name].licence)
    console.print(shown)


def _summary(examples: list[Example]) -> tuple[str, str, str, str, str]:
    """Label means; counts of stances, replies and off-topic values; annotated rows that have a span."""
    means = []
    for label in COMMENT_LABELS:
        if values := [e.labels[label] for e in examples if label in e.labels]:
            share = "" if len(values) == len(examples) else f" of {len(values)}"
            means.append(f"{label} {sum(values) / len(values):.3f}{share}")
    stances = Counter(e.stance for e in examples if e.stance)
    replies = Counter(e.reply for e in examples if e.reply)
    pairs = Counter(e.off_topic for e in examples if e.off_topic is not None)
    spans = [bool(e.spans) for e in examples if e.spans is not None]
    return (
        "\n".join(means),
        "\n".join(f"{k} {v}" for k, v in sorted(stances.items())),
        "\n".join(f"{k} {v}" for k, v in sorted(replies.items())),
        "\n".join(f"{k} {v}" for k, v in sorted(pairs.items())),
        f"{sum(spans)}/{len(spans)}" if spans else "",
    )


if __name__ == "__main__":
    main()
