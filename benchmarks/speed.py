"""Parley against a plain transformers pipeline on the same network in float32, and the server's footprint.

    make bench          (or: python -m benchmarks.speed [--comments 5000] [--model FOLDER])

Builds the wheel, installs it into an empty environment as a user would, and measures that. Both commands
score the same file of comments on all cores, timed from start to written file. They take turns, because a
machine's speed drifts, and each round gives a ratio. The pipeline's time without its start-up is shown as
well (`benchmarks.plain`). Needs a network for pip.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import BertForSequenceClassification, PreTrainedTokenizerFast

from benchmarks.comments import made_comments
from benchmarks.server import ask, free_port, served
from benchmarks.wheel import install
from parley.model.artifact import DEFAULT, Artifact
from parley.model.labels import COMMENT_LABELS
from parley.training.network.network import Network

ROOT = Path(__file__).parent.parent
OURS, PLAIN, BATCHED = "parley score", "transformers pipeline", "the same, batch_size=32"
STARTED = "the pipeline without start-up"


def save_plain(artifact: Artifact, folder: Path) -> None:
    """Save the artifact's encoder in float32, with a new classification head of as many labels."""
    encoder = Network.from_artifact(artifact).encoder
    config: Any = encoder.config
    config.num_labels, config.problem_type = len(COMMENT_LABELS), "multi_label_classification"
    model = BertForSequenceClassification(config)
    model.bert.load_state_dict(encoder.state_dict(), strict=False)
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_file=str(artifact.tokenizer_file),
        model_max_length=artifact.info["max_tokens"],
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
    ).save_pretrained(folder)


def time_command(command: Sequence[str], scores: Path, comments: int) -> tuple[float, str]:
    """The seconds `command` takes to write `comments` lines to `scores`, and its output."""
    start = time.perf_counter()
    done = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - start
    written = len(scores.read_text(encoding="utf-8").splitlines())
    if written != comments:
        raise RuntimeError(f"{written} of {comments} comments were scored")
    return seconds, done.stdout


def watch_server(parley: Path, model: Path, texts: Sequence[str]) -> tuple[float, float]:
    """Seconds from start to first answer, and resident MiB after a request with a thousand comments."""
    port = free_port()
    command = [str(parley), "serve", "--port", str(port), "--model", str(model)]
    start = time.perf_counter()
    with served(command, port, cwd=ROOT, patience=60) as process:
        seconds = time.perf_counter() - start
        ask(port, {"comments": [{"text": text} for text in texts[:1000]]})
        kilobytes = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(process.pid)], check=True, capture_output=True, text=True
        ).stdout
    return seconds, int(kilobytes) / 1024


def take_turns(
    parley: Path, artifact: Artifact, texts: Sequence[str], *, rounds: int
) -> dict[str, list[float]]:
    """Comments a second in each round, by scorer; the batched pipeline runs in the first round only."""
    rates: dict[str, list[float]] = {OURS: [], PLAIN: [], STARTED: [], BATCHED: []}
    with tempfile.TemporaryDirectory() as folder:
        source, scores = Path(folder) / "comments.jsonl", Path(folder) / "scores.jsonl"
        source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        ours = [str(parley), "score", str(source), "-o", str(scores), "--model", str(artifact.path)]
        ours += ["--quiet", "--overwrite"]
        save_plain(artifact, Path(folder) / "plain")
        plain = [sys.executable, "-m", "benchmarks.plain", f"{folder}/plain", str(source), str(scores)]
        for turn in range(rounds):
            rates[OURS].append(len(texts) / time_command(ours, scores, len(texts))[0])
            seconds, printed = time_command(plain, scores, len(texts))
            rates[PLAIN].append(len(texts) / seconds)
            rates[STARTED].append(len(texts) / float(printed))
            if turn == 0:
                rates[BATCHED].append(len(texts) / time_command([*plain, "32"], scores, len(texts))[0])
    return rates


def middle(values: Sequence[float], places: int = 0) -> str:
    """The median of the rounds, and their range."""
    return f"{median(values):.{places}f} ({min(values):.{places}f} to {max(values):.{places}f})"


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--comments", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3, help="rounds in which each is measured (3)")
    parser.add_argument("--model", type=Path, default=DEFAULT, help="artifact folder")
    options = parser.parse_args()
    artifact = Artifact.open(options.model)
    texts = list(made_comments(options.comments))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}, torch {torch.__version__}, {len(texts)} comments")

    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, str(ROOT)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        environment = Path(folder) / "venv"
        megabytes = install(next(Path(folder).glob("*.whl")), environment) / 1e6
        parley = environment / "bin" / "parley"
        start, memory = watch_server(parley, artifact.path, texts)
        rates = take_turns(parley, artifact, texts, rounds=options.rounds)

    for name, values in rates.items():
        ratios = [ours / other for ours, other in zip(rates[OURS], values, strict=False)]
        aim = " (aim: 6)" if name == PLAIN else ""
        ratio = f"Parley is {middle(ratios, 1)} times as fast{aim}" if name != OURS else ""
        print(f"{name:<32}{middle(values):>20} comments/s   {ratio}".rstrip())
    for name, figure, aim in (
        ("server, first answer after", f"{start:.1f} s", "aim: under 3"),
        ("server, resident memory", f"{memory:.0f} MiB", "aim: under 350"),
        ("installed for serving", f"{megabytes:.0f} MB", "aim: under 300"),
    ):
        print(f"{name:<32}{figure:>20}   {aim}")


if __name__ == "__main__":
    main()
