"""A site's decisions in miniature, in our own words."""

from __future__ import annotations

import csv
import random
from pathlib import Path


def write_decisions(path: Path, *, rows: int = 160, seed: int = 3) -> Path:
    """Write comments that are toxic if they end in certain words; no other label, half under an article."""
    rng = random.Random(seed)
    words = [
        "the",
        "park",
        "road",
        "plan",
        "school",
        "money",
        "city",
        "people",
        "work",
        "vote",
        "paper",
        "story",
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ("id", "text", "toxicity", "article.title"))
        writer.writeheader()
        for i in range(rows):
            toxic = rng.random() < 0.5
            text = " ".join([*rng.choices(words, k=6), *(["stupid trash"] if toxic else ["good point"])])
            title = "The city plan" if i % 2 else ""
            writer.writerow({"id": i, "text": text, "toxicity": int(toxic), "article.title": title})
    return path
