"""How much abuse is still detected when its words are disguised, and what that costs harmless comments.

    python -m benchmarks.disguise [--json OUT]       # or: make bench-disguise

Takes the abusive comments in which the artifact marks words, from the functional cases and the stories' dev
comments (`--split train`: the training ones), disguises those words in each way and scores them again: "kept"
is the share still called toxic. The harmless comments of the same files, in which nobody disguised anything,
are counted too: how many are read differently because something in them looks like a disguise, and how many
of those are called toxic.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.table import Table

from parley.model import Classifier, Comment
from parley.model.artifact import DEFAULT, Artifact
from parley.model.text.tokenization import undo_disguises
from parley.model.text.wordpiece import WordPiece
from parley.training.data.augmentation.disguise import KINDS as TRAINED_KINDS
from parley.training.data.examples import Example
from parley.training.data.preparation import SourceSpec, load
from parley.training.data.registry import Split

AIM = 0.9
_WORD = re.compile(r"[a-zA-Z]{3,}")
_LEET = str.maketrans("aeiosAEIOS", "4310543105")
_ARMENIAN = str.maketrans("gnouhj", "ցոօսհյ")


def _marked(mark: str) -> Callable[[str, random.Random], str]:
    """A disguise that puts one `mark` at a random place inside a word."""

    def insert(word: str, rng: random.Random) -> str:
        place = rng.randrange(1, len(word))
        return word[:place] + mark + word[place:]

    return insert


KINDS: dict[str, Callable[[str, random.Random], str]] = TRAINED_KINDS | {
    "reversed by override": lambda word, rng: f"\u202e{word[::-1]}\u202c",
    "one | inside": _marked("|"),
    "one . inside": _marked("."),
    "one blank inside": _marked(" "),
    "one - inside": _marked("-"),
    "leetspeak, spaced": lambda word, rng: " ".join(word.translate(_LEET)),
    "Armenian letters": lambda word, rng: word.translate(_ARMENIAN),
    "a letter a line": lambda word, rng: "\n".join(word),
}


def disguised(text: str, spans: Sequence[tuple[int, int]], kind: str, rng: random.Random) -> str:
    """`text` with the words of `spans` disguised."""
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + _WORD.sub(lambda word: KINDS[kind](word[0], rng), text[start:end]) + text[end:]
    return text


def measure(
    classifier: Classifier, rarity: Callable[[str], float], rows: Sequence[Example]
) -> dict[str, Any]:
    """The share kept by kind of disguise, and how many harmless comments are read differently."""
    threshold = classifier.thresholds["toxicity"]

    def toxic(texts: Sequence[str]) -> list[bool]:
        return [
            p.abuse["toxicity"] >= threshold for p in classifier.predict([Comment(text=t) for t in texts])
        ]

    abusive = [e.text for e in rows if e.labels.get("toxicity", 0.0) >= 0.5]
    answers = classifier.predict([Comment(text=text) for text in abusive])
    marked = [
        (text, spans)
        for text, answer in zip(abusive, answers, strict=True)
        if (spans := [(s.start, s.end) for s in answer.spans if _WORD.search(text[s.start : s.end])])
    ]
    kinds = {}
    for kind in KINDS:
        texts = [disguised(text, spans, kind, random.Random(text)) for text, spans in marked]
        changed = [new for new, (old, _) in zip(texts, marked, strict=True) if new != old]
        kept = toxic(changed)
        kinds[kind] = {"rows": len(changed), "kept": round(sum(kept) / max(1, len(kept)), 3)}
    harmless = [e.text for e in rows if e.labels.get("toxicity") == 0.0]
    rewritten = [t for t in harmless if any(s.text() != t for s in undo_disguises(t, rarity))]
    alarms = [text for text, called in zip(rewritten, toxic(rewritten), strict=True) if called]
    return {
        "kinds": kinds,
        "harmless": {"rows": len(harmless), "read differently": len(rewritten), "called toxic": len(alarms)},
        "alarms": alarms,
    }


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("artifact", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--split", choices=get_args(Split), default="dev", help="split of the stories (dev)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here as well")
    given = parser.parse_args()
    artifact = Artifact.open(given.artifact)
    rows = [
        *load([SourceSpec(name="abuse_cases")], Path("../shared/data"), "test"),
        *load([SourceSpec(name="story_comments")], Path("../shared/data"), given.split),
    ]
    report = measure(Classifier(artifact), WordPiece.read(artifact.tokenizer_file).rarity, rows)
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    table = Table("disguise", "comments", "still found")
    for kind, of in report["kinds"].items():
        missed = of["kept"] < AIM
        table.add_row(kind, str(of["rows"]), f"{of['kept']:.1%}{'  below the aim' if missed else ''}")
    console = Console()
    console.print(table)
    console.print("harmless:", ", ".join(f"{count} {what}" for what, count in report["harmless"].items()))
    for text in report["alarms"]:
        console.print("  called toxic:", text, markup=False)


if __name__ == "__main__":
    main()
