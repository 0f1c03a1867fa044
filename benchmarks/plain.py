"""What one would write without Parley: a transformers pipeline over a file of comments.

    python -m benchmarks.plain MODEL comments.jsonl scores.jsonl [BATCH_SIZE]

`benchmarks.speed` writes the model's folder and runs this. Prints the seconds of scoring, without the
start-up.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from transformers import pipeline


def main(model: str, source: str, scores: str, batch_size: str = "1") -> None:
    """Score the texts of `source`, write the pipeline's answers to `scores` and print the seconds taken."""
    score = pipeline("text-classification", model=model, top_k=None, device="cpu")
    texts = [json.loads(line)["text"] for line in Path(source).read_text(encoding="utf-8").splitlines()]
    start = time.perf_counter()
    with Path(scores).open("w", encoding="utf-8") as file:
        for answer in score(texts, truncation=True, batch_size=int(batch_size)):
            file.write(json.dumps(answer) + "\n")
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
