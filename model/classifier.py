"""Comments in, predictions out: the one path that REST, dumps and evaluation share.

    classifier = Classifier.load()                          the artifact that comes with the package
    classifier.predict([Comment(text="What nonsense.")])    one Prediction per comment, in order

There are three passes: the comment alone (abuse, spam, spans, embedding); article and target alone
(embeddings, cached); and, by a second network, the comment after its context, which is target and title
(stance, off-topic) or, if asked, the parent (reply). `parley.model.artifact` lists the networks' inputs and
outputs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from parley.model.artifact import DEFAULT, Artifact
from parley.model.calibration import Calibration
from parley.model.comment import Article, Comment, Prediction, Reply, Stance
from parley.model.engine import Engine
from parley.model.errors import ArtifactError
from parley.model.labels import ABUSE, COMMENT_LABELS, REPLIES, SPAM, STANCES
from parley.model.notes import Note
from parley.model.spans import PlainSpan, join_tokens, spans_as_sent
from parley.model.text.context import Context, pair_context, reply_context
from parley.model.text.language import UNDETERMINED, detect_language
from parley.model.text.plain import PlainText, plain_text
from parley.model.text.tokenization import Tokenizer, Tokens

CHUNK_COMMENTS = 1024
CHUNK_CHARACTERS = 4_000_000
"""The most comments and characters in a chunk (unless one comment is longer), to bound memory."""
ARTICLE_CHARACTERS = 20_000
"""The most characters read of an article's text; its tokens are cut far earlier."""
CACHED_EMBEDDINGS = 4096

_LETTER_OR_DIGIT = re.compile(r"[^\W_]")

Vector = NDArray[np.float32]
Pair = tuple[Context, str]


@dataclass(frozen=True, slots=True)
class _Reading:
    """The result of the comment pass for one text; probabilities are in the order of COMMENT_LABELS."""

    probabilities: list[float]
    embedding: Vector
    spans: list[PlainSpan]


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The result of the pair pass for one row, as logits; `cut` as in `Tokens`."""

    stance: Vector
    off_topic: Vector
    reply: Vector
    cut: bool


@dataclass(frozen=True, slots=True)
class _Question:
    """A comment with its texts as plain text; missing inputs are None."""

    comment: Comment
    plain: PlainText
    empty: bool = False
    article: str | None = None
    target: str | None = None
    named: str = ""
    """The target as given, repeated in the answer."""
    pair: Pair | None = None
    """The pair row for stance and off-topic."""
    reply: Pair | None = None


class Classifier:
    """A loaded artifact. Not thread-safe: one thread owns it.

    A comment's scores don't depend on the other comments in a call, their number or their order (see
    `parley.model.engine`).
    """

    def __init__(
        self, artifact: Artifact, *, threads: int | None = None, engine: Engine | None = None
    ) -> None:
        """`engine` may already have the artifact's networks loaded."""
        self._artifact = artifact
        self.info: dict[str, Any] = artifact.info
        self.thresholds: dict[str, float] = artifact.thresholds
        try:
            self._toxic = float(self.thresholds[COMMENT_LABELS[0]])
            self._span_threshold = float(self.thresholds["span"])
            self._side_threshold = float(self.thresholds["stance"])
            self._calibration = Calibration(artifact.calibration)
            self._tokenizer = Tokenizer(
                artifact.tokenizer_file, max_tokens=self.info["max_tokens"], stride=self.info["stride"]
            )
        except (KeyError, TypeError) as error:
            raise ArtifactError(
                f"{artifact.path}: artifact.json, calibration.json or thresholds.json lacks {error}; "
                "copy the artifact again"
            ) from error
        self._engine = engine or Engine(*artifact.network_files, threads=threads)
        self._languages = frozenset(self.info.get("languages", ["en"]))
        self._cache: LRUCache[bytes, Vector] = LRUCache(CACHED_EMBEDDINGS)
        """Embeddings by the digest of their text."""

    @classmethod
    def load(cls, path: Path | str | None = None, *, threads: int | None = None) -> Classifier:
        """Load the artifact at `path` (None: the shipped one), to run on `threads` threads (None: all cores).

        Raises ArtifactError.
        """
        return cls(Artifact.open(DEFAULT if path is None else path), threads=threads)

    def beside(self) -> Classifier:
        """A second classifier for another thread, with the same networks and lower priority."""
        return Classifier(self._artifact, engine=self._engine.beside())

    def predict(self, comments: Sequence[Comment]) -> list[Prediction]:
        """One prediction per comment, in the same order, for any number of comments and any Unicode text.

        Raises CommentError for a comment whose `format` is unknown.
        """
        return self.start(comments)()

    def start(self, comments: Sequence[Comment]) -> Callable[[], list[Prediction]]:
        """Start scoring in parallel with the caller; returns a function that waits for `predict`'s result.

        Start the next batch before waiting for this one, so that the engine never idles.
        """
        chunks = _chunks(comments)
        first = next(chunks, None)
        if first is None:
            return list
        started = self._start(first)

        def await_predictions() -> list[Prediction]:
            running, predictions = started, []
            for chunk in chunks:
                following = self._start(chunk)
                predictions += running()
                running = following
            return predictions + running()

        return await_predictions

    def _start(self, comments: Sequence[Comment]) -> Callable[[], list[Prediction]]:
        questions = [_question(comment) for comment in comments]
        # Work that doesn't need scores is done while the engine's threads run.
        reading = self._read(q.plain.text for q in questions)
        comparing = self._compare(pair for q in questions for pair in (q.pair, q.reply) if pair is not None)
        embedding = self._embed(text for q in questions for text in (q.article, q.target) if text is not None)
        languages = [_language(q) for q in questions]

        def await_answers() -> list[Prediction]:
            readings, comparisons, contexts = reading(), comparing(), embedding()
            return [
                self._answer(q, language, readings[q.plain.text], contexts, comparisons)
                for q, language in zip(questions, languages, strict=True)
            ]

        return await_answers

    def _read(self, texts: Iterable[str]) -> Callable[[], dict[str, _Reading]]:
        """Start the comment pass over each text's windows."""
        unique = list(dict.fromkeys(texts))
        windows = self._tokenizer.comments(unique)
        rows = [row for of_text in windows for row in of_text]
        running = self._engine.start(rows, "comment_logits", "span_logits", "embedding")

        def await_readings() -> dict[str, _Reading]:
            outputs = running()
            starts = [0, *accumulate(map(len, windows))][:-1]
            # The worst window counts, so that abuse can't hide in harmless text.
            worst = np.maximum.reduceat(outputs["comment_logits"], starts) if starts else np.empty((0, 8))
            probabilities = self._calibration.comment(worst).round(6).tolist()
            readings = {}
            for text, of_text, start, p in zip(unique, windows, starts, probabilities, strict=True):
                place = slice(start, start + len(of_text))
                readings[text] = _Reading(
                    probabilities=p,
                    embedding=_mean(outputs["embedding"][place], of_text),
                    spans=self._spans(text, of_text, outputs["span_logits"][place])
                    if p[0] >= self._toxic
                    else [],
                )
            return readings

        return await_readings

    def _spans(self, text: str, windows: Sequence[Tokens], logits: Sequence[Vector]) -> list[PlainSpan]:
        """Spans of whole words around toxic tokens, in characters of the plain text.

        Called only for toxic comments: the span head has seen few others and would mark something in each.
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
        """Start the article pass over articles and targets that aren't cached."""
        cached = {text: self._cache.get(_digest(text)) for text in texts}
        new = [text for text, embedding in cached.items() if embedding is None]
        running = self._engine.start(self._tokenizer.articles(new), "embedding")

        def await_embeddings() -> dict[str, Vector]:
            for text, embedding in zip(new, running()["embedding"], strict=True):
                self._cache[_digest(text)] = embedding.copy()
                cached[text] = embedding
            return {text: embedding for text, embedding in cached.items() if embedding is not None}

        return await_embeddings

    def _compare(self, pairs: Iterable[Pair]) -> Callable[[], dict[Pair, _Comparison]]:
        """Start the pair pass, one row per context."""
        unique = list(dict.fromkeys(pairs))
        rows = self._tokenizer.pairs(unique)
        outputs = ("stance_logits", "off_topic_logits", "reply_logits")
        running = self._engine.start(rows, *outputs)

        def await_comparisons() -> dict[Pair, _Comparison]:
            logits = running()
            of_rows = zip(*(logits[name] for name in outputs), (row.cut for row in rows), strict=True)
            return {pair: _Comparison(*values) for pair, values in zip(unique, of_rows, strict=True)}

        return await_comparisons

    def _answer(
        self,
        question: _Question,
        language: str,
        reading: _Reading,
        contexts: dict[str, Vector],
        comparisons: dict[Pair, _Comparison],
    ) -> Prediction:
        scores = dict(zip(COMMENT_LABELS, reading.probabilities, strict=True))
        notes = [Note.EMPTY_TEXT] if question.empty else []
        off_topic = stance = reply = None
        if question.article is not None and question.pair is not None:
            cosine = contexts[question.article] @ reading.embedding
            score = self._calibration.off_topic(comparisons[question.pair].off_topic, cosine)
            off_topic = round(float(score), 6)
        elif not question.empty:
            notes.append(Note.NO_ARTICLE)
        if question.target is not None and question.pair is not None:
            compared = comparisons[question.pair]
            cosine = contexts[question.target] @ reading.embedding
            stance = self._stance(question, compared.stance, cosine)
            notes += [Note.STANCE_UNSURE] if stance.label is None else []
            notes += [Note.STANCE_TEXT_CUT] if compared.cut else []
        elif not question.empty:
            notes.append(Note.NO_TARGET)
        if question.reply is not None:
            compared = comparisons[question.reply]
            reply = self._reply(compared.reply)
            notes += [Note.REPLY_TEXT_CUT] if compared.cut else []
        elif "reply" in question.comment.ask and not question.empty:
            notes.append(Note.NO_PARENT)
        if language.lower().split("-")[0] not in self._languages | {UNDETERMINED}:
            notes.append(Note.LANGUAGE_NOT_SUPPORTED)
        return Prediction(
            id=question.comment.id,
            abuse={label: scores[label] for label in ABUSE},
            spam=scores[SPAM],
            off_topic=off_topic,
            stance=stance,
            reply=reply,
            spans=() if question.empty else spans_as_sent(reading.spans, question.plain),
            language=language,
            notes=tuple(map(str, notes)),
        )

    def _stance(self, question: _Question, logits: Vector, cosine: Vector) -> Stance:
        article = question.article is not None
        scores = _scores(STANCES, self._calibration.stance(logits[None], cosine[None], article=article)[0])
        likeliest = max(scores, key=scores.__getitem__)
        unsure = likeliest != "none" and scores[likeliest] < self._side_threshold
        return Stance(target=question.named, **scores, label=None if unsure else likeliest)

    def _reply(self, logits: Vector) -> Reply:
        scores = _scores(REPLIES, self._calibration.reply(logits))
        return Reply(**scores, label=max(scores, key=scores.__getitem__))


def _scores(names: Sequence[str], probabilities: NDArray[Any]) -> dict[str, float]:
    return {name: round(float(value), 6) for name, value in zip(names, probabilities, strict=True)}


def _plain(text: str | None) -> str:
    return plain_text(text or "").text.strip()


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
    if not _LETTER_OR_DIGIT.search(plain.text):
        return _Question(comment, plain, empty=True)
    article = comment.article or Article()
    named = next((text for text in (comment.target, article.title) if text and _plain(text)), "")
    target, title, text = (
        _plain(named),
        _plain(article.title),
        _plain((article.text or "")[:ARTICLE_CHARACTERS]),
    )
    read = "\n".join(part for part in (title, text) if part)
    context = pair_context(target if target != title else None, read)
    parent = _plain(comment.parent.text) if comment.parent and "reply" in comment.ask else ""
    return _Question(
        comment,
        plain,
        article=read or None,
        target=target or None,
        named=named,
        pair=(context, plain.text) if context else None,
        reply=(reply_context(parent), plain.text) if parent else None,
    )


def _language(question: _Question) -> str:
    """The declared language, or the detected one if none is declared."""
    return question.comment.language or (
        UNDETERMINED if question.empty else detect_language(question.plain.text)
    )


def _mean(embeddings: Sequence[Vector], windows: Sequence[Tokens]) -> Vector:
    """The mean of unit vectors, weighted by the windows' lengths and normalised again."""
    if len(windows) == 1:
        return embeddings[0]
    mean = np.average(embeddings, axis=0, weights=[len(window) for window in windows])
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), dtype=np.float32)
