"""Distillation: a larger network's answers, computed once, serve as soft targets besides the labels.

    answers = ask(config.teacher, examples, limits=config.tokens, folder=run_dir / "teacher")
    dataset = tokenise(examples, ..., answers=answers)

The teacher is an artifact from `parley train`, with any encoder; it reads the texts with its own tokenizer
and the run's token limits. Its answers are stored in the run's folder row by row, so that after an
interruption only the missing ones are computed:
    asked.json                                a hash of the questions, and the teacher
    comments.npy, contexts.npy, pairs.npy     one row per question, in half precision; NaN: no answer yet
The loss is in parley.training.fit.loss. Soft targets after Hinton, Vinyals & Dean 2015 (Distilling the
Knowledge in a Neural Network).
"""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from parley.model.artifact import Artifact
from parley.model.errors import ArtifactError
from parley.model.labels import COMMENT_LABELS, STANCES
from parley.model.text.context import pair_context
from parley.model.text.plain import plain_text
from parley.model.text.tokenization import Tokenizer, Tokens
from parley.training.console import progress
from parley.training.data.examples import Example
from parley.training.errors import RunError
from parley.training.fit.config import Teacher, TokenLimits
from parley.training.network.network import Network
from parley.training.network.padding import pad

log = logging.getLogger(__name__)

BATCH_TOKENS = 4096
LABELS = len(COMMENT_LABELS)
Array = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Questions:
    """The texts to ask the teacher about, each once; a pair is (comment, target, article or "")."""

    comments: list[str]
    contexts: list[str]
    pairs: list[tuple[str, str, str]]

    @classmethod
    def of(cls, examples: Sequence[Example], teacher: Teacher) -> Questions:
        """The questions for training on `examples`; comments without context only if `labels` isn't 0."""
        about = [(e.text, e.article) for e in examples if e.article is not None and e.off_topic is not None]
        stances = [e for e in examples if e.stance is not None]
        aimed = [(e.text, e.target or "") for e in stances]
        alone = [e.text for e in examples] if teacher.labels else []
        return cls(
            list(dict.fromkeys([*(text for text, _ in (*about, *aimed)), *alone])),
            list(dict.fromkeys(context for _, context in (*about, *aimed))),
            list(dict.fromkeys((e.text, e.target or "", e.article or "") for e in stances)),
        )

    def rows(self, artifact: Artifact, limits: TokenLimits) -> dict[str, list[Tokens]]:
        """The questions tokenised for the teacher; of a comment, the first window."""
        comments, contexts, pairs = (
            Tokenizer(artifact.tokenizer_file, max_tokens=n, stride=0)
            for n in (limits.comment, limits.context, limits.pair)
        )
        plain = {text: plain_text(text).text for text in (*self.comments, *self.contexts)}
        return {
            "comments": [w[0] for w in comments.comments([plain[t] for t in self.comments])],
            "contexts": contexts.articles([plain[t] for t in self.contexts]),
            "pairs": pairs.pairs(
                [
                    (pair_context(plain[target], plain_text(article).text or None), plain[text])
                    for text, target, article in self.pairs
                ]
            ),
        }


class Answers:
    """The teacher's answers by text. `teacher` identifies it; `weights` weight each kind of answer."""

    def __init__(
        self, questions: Questions, answers: Mapping[str, Array], asked: Mapping[str, Any], weights: Teacher
    ) -> None:
        self.teacher: dict[str, Any] = asked["teacher"]
        self.weights = weights
        self._answers = answers
        self._relatedness = np.array(asked["relatedness"])
        self._comments = {text: i for i, text in enumerate(questions.comments)}
        self._contexts = {text: i for i, text in enumerate(questions.contexts)}
        self._pairs = {pair: i for i, pair in enumerate(questions.pairs)}

    def labels(self, text: str) -> list[float]:
        """The logits of the comment labels; NaN if the teacher was not asked."""
        place = self._comments.get(text)
        return [math.nan] * LABELS if place is None else self._answers["comments"][place, :LABELS].tolist()

    def cosine(self, text: str, context: str) -> float:
        """The cosine of the teacher's embeddings of a comment and a context."""
        comment = self._answers["comments"][self._comments[text], LABELS:].astype(np.float32)
        return float(comment @ self._answers["contexts"][self._contexts[context]].astype(np.float32))

    def stance(self, text: str, target: str, article: str = "") -> list[float]:
        """The logits of favor, against and none, including the relatedness of comment and target."""
        sides = self._answers["pairs"][self._pairs[text, target, article]].astype(np.float64)
        logits: list[float] = (sides + self._relatedness * self.cosine(text, target)).tolist()
        return logits


def open_teacher(path: str) -> Artifact:
    """The artifact to learn from. Raises RunError if it is missing or has no weights."""
    try:
        artifact = Artifact.open(path)
    except ArtifactError as error:
        raise RunError(
            f"teacher: {error}; train one first (parley train configs/training/teacher.yaml), "
            "or name another artifact in teacher.artifact"
        ) from error
    if not artifact.encoder_file.is_file():
        raise RunError(f"teacher: {path} has no {artifact.encoder_file.name}: copy the run's whole artifact")
    return artifact


def ask(
    teacher: Teacher, examples: Sequence[Example], *, limits: TokenLimits, folder: Path, half: bool = False
) -> Answers:
    """The teacher's answers for `examples`; those already in `folder` are not computed again.

    `half` computes in bfloat16. Raises RunError if the teacher is needed but can't be opened.
    """
    questions = Questions.of(examples, teacher)
    digest = sha256(json.dumps([asdict(questions), limits.model_dump()]).encode()).hexdigest()
    file = folder / "asked.json"
    asked = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if asked.get("questions") == digest:
        answers = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in asdict(questions)}
        if not any(_unanswered(of).any() for of in answers.values()):
            return Answers(questions, answers, asked, teacher)
    artifact = open_teacher(teacher.artifact)
    who = _who(artifact)
    network = Network.from_artifact(artifact).eval()
    if asked.get("questions") != digest or asked["teacher"] != who:
        asked = {"questions": digest, "teacher": who, "relatedness": network.relatedness.tolist()}
        _prepare(folder, questions, width=network.config.hidden_size)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(asked, indent=2) + "\n", encoding="utf-8")
        part.replace(file)
    answers = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in asdict(questions)}
    _answer(network, questions.rows(artifact, limits), answers, half=half)
    return Answers(questions, answers, asked, teacher)


def _who(artifact: Artifact) -> dict[str, Any]:
    """What an artifact records about its teacher: which one it was, and its training data."""
    info = artifact.info
    past = info["training"]
    return {key: info[key] for key in ("name", "version", "created", "commit")} | {
        "base": past.get("config", {}).get("base"),
        "sources": [name for name, of in past.get("sources", {}).items() if of["train"]],
    }


def _prepare(folder: Path, questions: Questions, *, width: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    widths = {"comments": LABELS + width, "contexts": width, "pairs": len(STANCES)}
    for name, of in asdict(questions).items():
        np.save(folder / f"{name}.npy", np.full((len(of), widths[name]), np.nan, dtype=np.float16))


def _unanswered(answers: Array) -> NDArray[np.bool_]:
    """Which rows have no answer; rows half-written at a crash count as unanswered."""
    return np.asarray(np.isnan(answers).any(axis=1))


def _answer(
    network: Network, rows: Mapping[str, Sequence[Tokens]], answers: Mapping[str, Array], *, half: bool
) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = network.to(device)
    left = {name: np.flatnonzero(_unanswered(of)) for name, of in answers.items()}
    log.info("running the teacher: %s", {name: len(of) for name, of in left.items()})
    with progress(sum(map(len, left.values())), "running the teacher") as advance, torch.no_grad():
        for name, places in left.items():
            for batch in _batches(rows[name], places):
                inputs = pad([rows[name][i].ids for i in batch], [rows[name][i].types for i in batch])
                with torch.autocast(device, dtype=torch.bfloat16, enabled=half):
                    new = _output(network, name, {k: v.to(device) for k, v in inputs.items()})
                answers[name][batch] = new.to("cpu", torch.float16).numpy()
                advance(len(batch))


def _output(network: Network, name: str, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    if name == "pairs":
        return network.pairs(**inputs)[0]
    labels, _, embedding = network.comments(**inputs)
    return torch.cat([labels, embedding], -1) if name == "comments" else embedding


def _batches(rows: Sequence[Tokens], places: NDArray[np.int64]) -> Iterator[list[int]]:
    """Batches of indices of rows with similar lengths, each at most BATCH_TOKENS including padding."""
    batch: list[int] = []
    for place in sorted(places.tolist(), key=lambda i: -len(rows[i])):
        if batch and (len(batch) + 1) * len(rows[batch[0]]) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
