"""The Python API: a model that takes texts, dictionaries or tables and returns predictions in the same form.

    model = parley.load()
    model.predict("What nonsense.")                                a Prediction
    model.predict(["First!", "Agreed."], article="A title")        a list of Predictions
    model.predict(frame, text="body")                              the frame, with columns of scores

Texts and dictionaries become `Comment`s; tables go through narwhals, so that one code path serves pandas,
polars and Arrow. `parley.model.Classifier` scores everything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar, overload

import narwhals as nw

from parley.model.classifier import Classifier
from parley.model.comment import Article, Comment, Parent, Prediction, Reply, Stance
from parley.model.errors import CommentError
from parley.model.labels import ABUSE

Frame = TypeVar("Frame")
Given = str | Mapping[str, Any] | Comment
SLICE = 512
"""Comments per step of the progress bar."""
BAR_FROM = 2_000
"""The fewest comments for which a progress bar is shown."""

_OBJECTS = {
    name: tuple(field.name for field in fields(kind)) for name, kind in (("stance", Stance), ("reply", Reply))
}
"""The fields of objects that may be null; a table has their columns all the same."""
_ARTICLE_COLUMNS = tuple(f"article.{field.name}" for field in fields(Article))
_PARENT_COLUMNS = tuple(f"parent.{field.name}" for field in fields(Parent))
_COMMENT_COLUMNS = ("id", "target", "language", "format", *_ARTICLE_COLUMNS, *_PARENT_COLUMNS)


def load(path: Path | str | None = None, *, threads: int | None = None) -> Model:
    """Load the model in the artifact folder `path` (None: the shipped one).

    `threads` limits the cores it uses (None: all). Raises ArtifactError if the folder isn't an artifact.
    """
    return Model(Classifier.load(path, threads=threads))


class Model:
    """A loaded model. Use it from one thread at a time."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    def __repr__(self) -> str:
        return f"<parley model {self.name} {self.version}>"

    @property
    def name(self) -> str:
        """The artifact's name."""
        return str(self._classifier.info["name"])

    @property
    def version(self) -> str:
        """The artifact's version."""
        return str(self._classifier.info["version"])

    @property
    def thresholds(self) -> dict[str, float]:
        """The threshold of each label: the score from which it counts."""
        return dict(self._classifier.thresholds)

    @overload
    def predict(  # type: ignore[overload-overlap]  # a str is a Sequence[str] too
        self,
        comments: Given,
        *,
        article: str | Mapping[str, Any] | Article | None = None,
        target: str | None = None,
        reply: bool = False,
    ) -> Prediction: ...

    @overload
    def predict(
        self,
        comments: Sequence[Given],
        *,
        article: str | Mapping[str, Any] | Article | None = None,
        target: str | None = None,
        reply: bool = False,
    ) -> list[Prediction]: ...

    @overload
    def predict(
        self,
        comments: Frame,
        *,
        text: str = "text",
        article: str | Mapping[str, Any] | Article | None = None,
        target: str | None = None,
        reply: bool = False,
    ) -> Frame: ...

    def predict(
        self,
        comments: Any,
        *,
        text: str = "text",
        article: str | Mapping[str, Any] | Article | None = None,
        target: str | None = None,
        reply: bool = False,
    ) -> Any:
        """Score `comments` and return the results in the same form and order.

        - a text, a dictionary with the keys of `Comment`, or a `Comment`: a `Prediction`
        - a list (or other sequence) of these: a list of `Prediction`s
        - a pandas or polars frame, an Arrow table, a `datasets.Dataset`: the same with the columns
          that docs/output.md lists, from `abuse.toxicity` on. The comment is in the column `text`; `id`,
          `target`, `language`, `format`, `article.title`, `article.text`, `parent.text` are read if
          present.

        `article` (a title, a dictionary or an `Article`) and `target` apply to comments without one; with
        `reply`, comments are also compared with their parents. Raises CommentError for a comment or table
        that can't be read, TypeError for anything else.
        """
        default = Comment(text="", article=_article(article), target=target, ask=("reply",) if reply else ())
        if isinstance(comments, (str, Mapping, Comment)):
            return self._score([_comment(comments, default)])[0]
        if (dataset := _arrow_of_dataset(comments)) is not None:
            scored = self._predict_table(nw.from_native(dataset, eager_only=True), text, default)
            return type(comments)(scored.to_native())
        table = nw.from_native(comments, eager_only=True, pass_through=True)
        if isinstance(table, nw.DataFrame):
            return self._predict_table(table, text, default).to_native()
        if isinstance(comments, Sequence) and not isinstance(comments, (bytes, bytearray)):
            return self._score(list(_comments(comments, default)))
        raise TypeError(
            f"predict can't read a {type(comments).__name__}; give a text, a dict or a Comment, a list of "
            "these, or a pandas, polars, Arrow or datasets table with a column of texts"
        )

    def _score(self, comments: Sequence[Comment]) -> list[Prediction]:
        if len(comments) < BAR_FROM or not sys.stderr.isatty():
            return self._classifier.predict(comments)
        from rich.console import Console
        from rich.progress import track

        starts = range(0, len(comments), SLICE)
        steps = track(starts, description="Scoring", console=Console(stderr=True), transient=True)
        return [p for i in steps for p in self._classifier.predict(comments[i : i + SLICE])]

    def _predict_table(self, table: nw.DataFrame[Any], text: str, default: Comment) -> nw.DataFrame[Any]:
        if text not in table.columns:
            raise CommentError(
                f"the table has no column {text!r}; its columns are {', '.join(table.columns)}: "
                "name the one that holds the comments with text="
            )
        comments = [_comment(row, default) for row in _rows(table, text)]
        columns = _columns(self._score(comments))
        # `language` doesn't clash: it is read from the table and returned.
        clashing = [name for name in columns if name in table.columns and name != "language"]
        table = table.rename({name: f"input.{name}" for name in clashing})
        backend = table.implementation
        return table.with_columns(
            *(nw.new_series(name, values, backend=backend) for name, values in columns.items())
        )


def _article(given: str | Mapping[str, Any] | Article | None) -> Article | None:
    if given is None or isinstance(given, Article):
        return given
    if isinstance(given, str):
        return Article(title=given)
    if isinstance(given, Mapping):
        return Article(**_known(given, Article, "an article"))
    raise TypeError(f"article is a title, a dict or an Article, not a {type(given).__name__}")


def _comments(given: Iterable[Any], default: Comment) -> Iterator[Comment]:
    for place, one in enumerate(given):
        try:
            yield _comment(one, default)
        except CommentError as error:
            raise CommentError(f"comment {place}: {error}") from error


def _comment(given: Any, default: Comment) -> Comment:
    """The caller's value as a Comment; `default` fills missing fields."""
    if isinstance(given, str):
        comment = Comment(text=given)
    elif isinstance(given, Comment):
        comment = given
    elif isinstance(given, Mapping):
        values = _known(given, Comment, "a comment")
        if not isinstance(values.get("text"), str):
            raise CommentError("a comment needs its text under the key 'text'")
        values["article"] = _article(values.get("article"))
        if isinstance(parent := values.get("parent"), str):
            values["parent"] = Parent(text=parent)
        elif isinstance(parent, Mapping):
            values["parent"] = Parent(**_known(parent, Parent, "a parent"))
        values["ask"] = tuple(values.get("ask", ()))
        comment = Comment(**values)
    else:
        raise CommentError(
            f"a comment is a text, a dict or a Comment, not a {type(given).__name__}: {given!r:.60}"
        )
    return replace(
        comment,
        article=comment.article or default.article,
        target=comment.target or default.target,
        ask=comment.ask or default.ask,
    )


def _known(given: Mapping[str, Any], kind: type[Any], what: str) -> dict[str, Any]:
    names = [field.name for field in fields(kind)]
    if unknown := [str(key) for key in given if key not in names]:
        raise CommentError(f"{what} has no key {unknown[0]!r}; its keys are {', '.join(names)}")
    return dict(given)


def _rows(table: nw.DataFrame[Any], text: str) -> Iterator[dict[str, Any]]:
    """Each row as a comment's dictionary; a missing text becomes empty."""
    read = [name for name in _COMMENT_COLUMNS if name in table.columns]
    for row in table.select(text, *(name for name in read if name != text)).iter_rows(named=True):
        values: dict[str, Any] = {"text": _text(row[text]) or ""}
        for name in read:
            outer, _, inner = name.partition(".")
            if (value := _text(row[name])) is None:
                continue
            if inner:
                values.setdefault(outer, {})[inner] = value
            else:
                values[outer] = value
        yield values


def _text(value: Any) -> str | None:
    """A cell as text; None if it is missing (NaN in pandas)."""
    return None if value is None or value != value else str(value)


def _columns(predictions: Sequence[Prediction]) -> dict[str, list[Any]]:
    """The predictions as columns, named as in docs/output.md."""
    rows = [_flat(prediction) for prediction in predictions]
    names = _flat(Prediction(id=None, abuse=dict.fromkeys(ABUSE, 0.0), spam=0.0, off_topic=None, stance=None))
    return {name: [row[name] for row in rows] for name in names}


def _flat(prediction: Prediction) -> dict[str, Any]:
    nested = prediction.to_dict()
    del nested["id"]
    for name, inner in _OBJECTS.items():
        nested[name] = nested[name] or dict.fromkeys(inner)
    return {
        f"{name}.{inner}" if inner else name: value
        for name, of in nested.items()
        for inner, value in (of.items() if isinstance(of, dict) else (("", of),))
    }


def _arrow_of_dataset(given: Any) -> Any:
    """The Arrow table of a `datasets.Dataset`; None for anything else."""
    if not type(given).__module__.startswith("datasets.") or not hasattr(given, "with_format"):
        return None
    return given.with_format("arrow")[:]
