"""Comments in, predictions out: the one path that REST, dumps and evaluation share.

    classifier = Classifier.load()                          the artifact that comes with the package
    classifier.predict([Comment(text="What nonsense.")])    one Prediction a comment, in order

Three passes of one network: the comment alone (abuse, spam, spans, embedding), article and target alone
(embeddings, kept), and target with comment (stance). `parley.model.artifact` names the network's inputs and
outputs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.model.artifact import DEFAULT, Artifact
from parley.model.calibration import Calibration
from parley.model.comment import Article, Comment, Prediction, Stance
from parley.model.engine import Engine
from parley.model.errors import ArtifactError
from parley.model.labels import ABUSE, COMMENT_LABELS, SPAM, STANCES
from parley.model.notes import Note
from parley.model.spans import Stretch, join_tokens, spans_as_sent
from parley.model.text.language import UNDETERMINED, detect_language
from parley.model.text.plain import PlainText, plain_text
from parley.model.text.tokenization import Tokenizer, Tokens, content_tokens

CHUNK_COMMENTS = 1024
CHUNK_CHARACTERS = 4_000_000
"""Comments are taken in chunks of at most this many (or one longer comment), so that memory stays bounded."""
ARTICLE_CHARACTERS = 20_000
"""Of an article's text; its tokens are cut far earlier, so a longer one would cost time for nothing."""
KEPT_EMBEDDINGS = 4096

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the comment pass gives of one text; probabilities in the order of COMMENT_LABELS."""

    probabilities: list[float]
    embedding: Vector
    spans: list[Stretch]
    windows: Sequence[Tokens]


@dataclass(frozen=True, slots=True)
class _Question:
    """A comment, its texts made plain; `article` and `target` are None where they can't be asked about."""

    comment: Comment
    plain: PlainText
    empty: bool
    article: str | None
    target: str | None
    named: str
    """The target as given, for the answer."""

    @property
    def pair(self) -> tuple[str, str] | None:
        return None if self.target is None else (self.target, self.plain.text)


class Classifier:
    """A loaded artifact. Not thread-safe: one thread owns it.

    A comment scores the same alone and among others, whatever their number and order (see
    `parley.model.engine`).
    """

    def __init__(
        self, artifact: Artifact, *, threads: int | None = None, engine: Engine | None = None
    ) -> None:
        """`engine`: one that has the artifact's network loaded already."""
        self.info: dict[str, Any] = artifact.info
        self.thresholds: dict[str, float] = artifact.thresholds
        try:
            self._toxic = float(self.thresholds[COMMENT_LABELS[0]])
            self._span_threshold = float(self.thresholds["span"])
            self._calibration = Calibration(artifact.calibration)
            self._tokenizer = Tokenizer(
                artifact.tokenizer_file, max_tokens=self.info["max_tokens"], stride=self.info["stride"]
            )
        except (KeyError, TypeError) as error:
            raise ArtifactError(
                f"{artifact.path}: artifact.json, calibration.json or thresholds.json lacks {error}; "
                "copy the artifact again"
            ) from error
        self._engine = engine or Engine(artifact.onnx_file, threads=threads)
        self._languages = frozenset(self.info.get("languages", ["en"]))
        self._kept = _Embeddings(KEPT_EMBEDDINGS)

    @classmethod
    def load(cls, path: Path | str | None = None, *, threads: int | None = None) -> Classifier:
        """The artifact at `path` (None: the package's own), run by `threads` (None: every core).

        Raises ArtifactError.
        """
        return cls(Artifact.open(DEFAULT if path is None else path), threads=threads)

    def predict(self, comments: Sequence[Comment]) -> list[Prediction]:
        """One prediction a comment, in the same order, for any number of comments and any Unicode text.

        Raises CommentError for a comment whose `format` is unknown.
        """
        return self.start(comments)()

    def start(self, comments: Sequence[Comment]) -> Callable[[], list[Prediction]]:
        """Begins to score beside the caller's work; what it returns waits for what `predict` gives.

        Who starts the next comments before waiting for these leaves the engine no pause.
        """
        chunks = _chunks(comments)
        first = next(chunks, None)
        if first is None:
            return list
        started = self._start(first)

        def wait() -> list[Prediction]:
            running, predictions = started, []
            for chunk in chunks:
                following = self._start(chunk)
                predictions += running()
                running = following
            return predictions + running()

        return wait

    def _start(self, comments: Sequence[Comment]) -> Callable[[], list[Prediction]]:
        questions = [_question(comment) for comment in comments]
        # All that needs no score is done while the engine's threads run.
        reading = self._read(q.plain.text for q in questions)
        comparing = self._compare(q.pair for q in questions)
        embedding = self._embed(text for q in questions for text in (q.article, q.target) if text is not None)
        languages = [_language(q) for q in questions]

        def wait() -> list[Prediction]:
            readings, sides, contexts = reading(), comparing(), embedding()
            return [
                self._answer(q, language, readings[q.plain.text], contexts, sides)
                for q, language in zip(questions, languages, strict=True)
            ]

        return wait

    def _read(self, texts: Iterable[str]) -> Callable[[], dict[str, _Reading]]:
        """Begins the comment pass over each text's windows."""
        unique = list(dict.fromkeys(texts))
        windows = self._tokenizer.comments(unique)
        rows = [row for of_text in windows for row in of_text]
        running = self._engine.start(rows, "comment_logits", "span_logits", "embedding")

        def wait() -> dict[str, _Reading]:
            found = running()
            starts = [0, *accumulate(map(len, windows))][:-1]
            # The worst window counts: nothing hides behind harmless text.
            worst = np.maximum.reduceat(found["comment_logits"], starts) if starts else np.empty((0, 8))
            probabilities = self._calibration.comment(worst).round(6).tolist()
            readings = {}
            for text, of_text, start, p in zip(unique, windows, starts, probabilities, strict=True):
                place = slice(start, start + len(of_text))
                readings[text] = _Reading(
                    probabilities=p,
                    embedding=_mean(found["embedding"][place], of_text),
                    spans=self._spans(text, of_text, found["span_logits"][place])
                    if p[0] >= self._toxic
                    else [],
                    windows=of_text,
                )
            return readings

        return wait

    def _spans(self, text: str, windows: Sequence[Tokens], logits: Sequence[Vector]) -> list[Stretch]:
        """Stretches of whole words around the toxic tokens, in characters of the plain text.

        Asked only of toxic comments: the token head has seen few others and would mark something in each.
        """
        tokens: dict[tuple[int, int], float] = {}
        for window, of_window in zip(windows, logits, strict=True):
            probabilities = self._calibration.span(of_window)
            for i in np.flatnonzero(probabilities >= self._span_threshold):
                place = window.offsets[i]
                if place[0] < place[1]:
                    tokens[place] = max(tokens.get(place, 0.0), float(probabilities[i]))
        return join_tokens(text, tokens)

    def _embed(self, texts: Iterable[str]) -> Callable[[], dict[str, Vector]]:
        """Begins the article pass over articles and targets, but for those read lately, which are kept."""
        found = {text: self._kept.get(text) for text in texts}
        new = [text for text, embedding in found.items() if embedding is None]
        running = self._engine.start(self._tokenizer.articles(new), "embedding")

        def wait() -> dict[str, Vector]:
            for text, embedding in zip(new, running()["embedding"], strict=True):
                self._kept.put(text, embedding)
                found[text] = embedding
            return {text: embedding for text, embedding in found.items() if embedding is not None}

        return wait

    def _compare(
        self, pairs: Iterable[tuple[str, str] | None]
    ) -> Callable[[], dict[tuple[str, str], tuple[Vector, bool]]]:
        """Begins the pair pass: logits of STANCES, and whether a text had to be cut."""
        unique = list(dict.fromkeys(pair for pair in pairs if pair is not None))
        rows = self._tokenizer.pairs(unique)
        running = self._engine.start(rows, "stance_logits")

        def wait() -> dict[tuple[str, str], tuple[Vector, bool]]:
            logits = running()["stance_logits"]
            return {pair: (values, row.cut) for pair, values, row in zip(unique, logits, rows, strict=True)}

        return wait

    def _answer(
        self,
        question: _Question,
        language: str,
        reading: _Reading,
        contexts: dict[str, Vector],
        sides: dict[tuple[str, str], tuple[Vector, bool]],
    ) -> Prediction:
        scores = dict(zip(COMMENT_LABELS, reading.probabilities, strict=True))
        notes = [Note.EMPTY_TEXT] if question.empty else []
        off_topic = stance = None
        if question.article is not None:
            cosine = contexts[question.article] @ reading.embedding
            score = self._calibration.off_topic(cosine, np.array(sum(map(content_tokens, reading.windows))))
            off_topic = round(float(score), 6)
        elif not question.empty:
            notes.append(Note.NO_ARTICLE)
        if question.pair is not None:
            logits, cut = sides[question.pair]
            cosine = contexts[question.pair[0]] @ reading.embedding
            stance = self._stance(question.named, logits, cosine)
            notes += [Note.STANCE_TEXT_CUT] if cut else []
        elif not question.empty:
            notes.append(Note.NO_TARGET)
        if language.lower().split("-")[0] not in self._languages | {UNDETERMINED}:
            notes.append(Note.LANGUAGE_NOT_SUPPORTED)
        return Prediction(
            id=question.comment.id,
            abuse={label: scores[label] for label in ABUSE},
            spam=scores[SPAM],
            off_topic=off_topic,
            stance=stance,
            spans=() if question.empty else spans_as_sent(reading.spans, question.plain),
            language=language,
            notes=tuple(map(str, notes)),
        )

    def _stance(self, target: str, logits: Vector, cosine: Vector) -> Stance:
        values = self._calibration.stance(logits[None], cosine[None])[0]
        scores = {name: round(float(value), 6) for name, value in zip(STANCES, values, strict=True)}
        return Stance(target=target, **scores, label=max(scores, key=scores.__getitem__))


def article_text(article: Article) -> str | None:
    """What the article pass reads: title, a line break, text; None where both are missing or blank."""
    parts = (_plain(article.title), _plain((article.text or "")[:ARTICLE_CHARACTERS]))
    return "\n".join(part for part in parts if part) or None


def _plain(text: str | None) -> str:
    return plain_text(text or "").text.strip()


class _Embeddings:
    """The embeddings used last, by a digest of their text."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[bytes, Vector] = OrderedDict()

    def get(self, text: str) -> Vector | None:
        key = _digest(text)
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, text: str, embedding: Vector) -> None:
        self._kept[_digest(text)] = embedding.copy()
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def _chunks(comments: Sequence[Comment]) -> Iterator[list[Comment]]:
    chunk: list[Comment] = []
    characters = 0
    for comment in comments:
        if chunk and (len(chunk) == CHUNK_COMMENTS or characters + len(comment.text) > CHUNK_CHARACTERS):
            yield chunk
            chunk, characters = [], 0
        chunk.append(comment)
        characters += len(comment.text)
    if chunk:
        yield chunk


def _question(comment: Comment) -> _Question:
    plain = plain_text(comment.text, comment.format)
    if not any(map(str.isalnum, plain.text)):
        return _Question(comment, plain, empty=True, article=None, target=None, named="")
    title = comment.article.title if comment.article else None
    named = next((text for text in (comment.target, title) if text and _plain(text)), "")
    return _Question(
        comment,
        plain,
        empty=False,
        article=article_text(comment.article) if comment.article else None,
        target=_plain(named) or None,
        named=named,
    )


def _language(question: _Question) -> str:
    """The declared language, else the one found."""
    return question.comment.language or (
        UNDETERMINED if question.empty else detect_language(question.plain.text)
    )


def _mean(embeddings: Sequence[Vector], windows: Sequence[Tokens]) -> Vector:
    """Mean of unit vectors by the windows' lengths, made a unit vector again."""
    if len(windows) == 1:
        return embeddings[0]
    mean = np.average(embeddings, axis=0, weights=[len(window) for window in windows])
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), dtype=np.float32)
