"""Parley against a plain transformers pipeline on the same network in float32; and the server's footprint.

    make bench          (or: python -m benchmarks.speed [--comments 5000] [--model FOLDER])

Builds the wheel, installs it into an empty environment as a user would, and measures that. Both score the
same comments on all cores of this machine, one after the other; Parley's time is that of the whole command,
from its start to its written file. Needs a network for pip, and the artifact's `model.safetensors`, which the
repository has.
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
from typing import Any

import torch
from transformers import BertForSequenceClassification, Pipeline, PreTrainedTokenizerFast, pipeline

from benchmarks.comments import made_comments
from benchmarks.server import ask, free_port, served
from benchmarks.wheel import install
from model.artifact import DEFAULT, Artifact
from model.labels import COMMENT_LABELS
from training.network import Network

ROOT = Path(__file__).parent.parent


def plain_pipeline(artifact: Artifact) -> Pipeline:
    """The artifact's encoder in float32 under a fresh classification head of as many labels."""
    encoder = Network.from_artifact(artifact).encoder
    config: Any = encoder.config
    config.num_labels, config.problem_type = len(COMMENT_LABELS), "multi_label_classification"
    model = BertForSequenceClassification(config)
    model.train(False)
    model.bert.load_state_dict(encoder.state_dict(), strict=False)
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_file=str(artifact.tokenizer_file),
        model_max_length=artifact.info["max_tokens"],
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
    )
    return pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None, device="cpu")


def time_pipeline(artifact: Artifact, texts: Sequence[str], *, batch_size: int) -> float:
    """Comments a second, the pipeline being loaded already."""
    score = plain_pipeline(artifact)
    score(list(texts[:8]), truncation=True)
    start = time.perf_counter()
    score(list(texts), truncation=True, batch_size=batch_size)
    return len(texts) / (time.perf_counter() - start)


def time_score(parley: Path, model: Path, texts: Sequence[str]) -> float:
    """Comments a second of `parley score`, start, reading and writing included."""
    with tempfile.TemporaryDirectory() as folder:
        source, scores = Path(folder) / "comments.jsonl", Path(folder) / "scores.jsonl"
        source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        command = [str(parley), "score", str(source), "-o", str(scores), "--model", str(model), "--quiet"]
        start = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - start
        written = len(scores.read_text(encoding="utf-8").splitlines())
    if written != len(texts):
        raise RuntimeError(f"{written} of {len(texts)} comments were scored")
    return len(texts) / seconds


def watch_server(parley: Path, model: Path, texts: Sequence[str]) -> tuple[float, float]:
    """Seconds from the command to its first answer, MiB resident after a request of a thousand comments."""
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--comments", type=int, default=5000)
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
        ours = time_score(parley, artifact.path, texts)
    one = time_pipeline(artifact, texts, batch_size=1)
    many = time_pipeline(artifact, texts, batch_size=32)

    for name, figure, aim in (
        ("parley score", f"{ours:.0f} comments/s", ""),
        (
            "transformers pipeline",
            f"{one:.0f} comments/s",
            f"Parley is {ours / one:.1f} times as fast (aim: 6)",
        ),
        ("the same, batch_size=32", f"{many:.0f} comments/s", f"Parley is {ours / many:.1f} times as fast"),
        ("server, first answer after", f"{start:.1f} s", "aim: under 3"),
        ("server, resident memory", f"{memory:.0f} MiB", "aim: under 350"),
        ("what serving installs", f"{megabytes:.0f} MB", "aim: under 300"),
    ):
        print(f"{name:<28}{figure:>18}   {aim}".rstrip())


if __name__ == "__main__":
    main()
