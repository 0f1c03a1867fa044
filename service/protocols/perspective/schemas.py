"""The bodies of the protocol. Unknown keys are ignored: clients of ten years send many.

Everything is optional here: `analyze` and `suggest` check what is required, in Perspective's words.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from parley.service.web.wire import FirstError


class _Message(BaseModel):
    """A message in Google's JSON: keys in lowerCamelCase or with underscores; null is absent."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _open(cls, value: Any) -> Any:
        """PHP writes an empty object as an empty list."""
        return {} if value == [] else value


class TextEntry(_Message):
    """A text and its type."""

    text: str | None = None
    type: str | None = Field(default=None, description="`PLAIN_TEXT`, or absent.")


class ArticleAndParentComment(_Message):
    """The comment's article and parent."""

    article: TextEntry | None = Field(
        default=None, description="Text or summary; its first line is the title."
    )
    parent_comment: TextEntry | None = None


class Context(_Message):
    """Either form, not both."""

    entries: Annotated[list[TextEntry], FirstError()] | None = Field(
        default=None, description="The article, then the parent comment."
    )
    article_and_parent_comment: ArticleAndParentComment | None = None


class AttributeParameters(_Message):
    """How to answer an attribute."""

    score_type: str | None = Field(default=None, description="`PROBABILITY`, or absent.")
    score_threshold: float | None = Field(default=None, description="Omit the attribute below this score.")


class Score(_Message):
    """A calibrated probability from 0 to 1."""

    value: float | None = None
    type: str | None = Field(default=None, examples=["PROBABILITY"])


class SpanScore(_Message):
    """The score of a part: `begin` inclusive, `end` exclusive, in UTF-16 code units."""

    begin: int | None = None
    end: int | None = None
    score: Score | None = None


class AttributeScores(_Message):
    """The scores of one attribute."""

    span_scores: Annotated[list[SpanScore], FirstError()] | None = None
    summary_score: Score | None = None


def _opened(value: Any) -> Any:
    return {} if value == [] else value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class _Request(_Message):
    comment: TextEntry | None = None
    context: Context | None = None
    languages: Annotated[Annotated[list[str], FirstError()] | None, BeforeValidator(_listed)] = Field(
        default=None, description="BCP 47; detected when absent. One may come without its list."
    )
    do_not_store: bool | None = None
    client_token: str | None = Field(default=None, description="Echoed.")
    session_id: str | None = None
    community_id: str | None = None

    @property
    def text(self) -> str:
        return (self.comment and self.comment.text) or ""


class AnalyzeCommentRequest(_Request):
    """A comment, and the attributes to score it on."""

    model_config = ConfigDict(
        json_schema_extra={
            "required": ["comment", "requestedAttributes"],
            "examples": [
                {
                    "comment": {"text": "You people are idiots, and so is whoever wrote this."},
                    "requestedAttributes": {"TOXICITY": {}, "INSULT": {"scoreThreshold": 0.5}},
                    "languages": ["en"],
                }
            ],
        }
    )

    requested_attributes: Annotated[
        dict[str, AttributeParameters | None] | None, BeforeValidator(_opened)
    ] = None
    drop_unsupported_attributes: bool | None = Field(
        default=None, description="Omit attributes that can't be judged instead of failing the request."
    )
    span_annotations: bool | None = Field(default=None, description="Score each sentence as well.")


class AnalyzeCommentResponse(_Message):
    """`attributeScores` is absent when every attribute stayed below its threshold."""

    attribute_scores: dict[str, AttributeScores] | None = None
    languages: list[str]
    detected_languages: list[str]
    client_token: str | None = None


class SuggestCommentScoreRequest(_Request):
    """A comment and a moderator's scores: 0 no, 1 yes."""

    model_config = ConfigDict(
        json_schema_extra={
            "required": ["comment", "attributeScores"],
            "examples": [
                {
                    "comment": {"text": "It comes down to a simple choice."},
                    "attributeScores": {"TOXICITY": {"summaryScore": {"value": 0}}},
                    "communityId": "/forum/movies",
                    "clientToken": "comment:53922",
                }
            ],
        }
    )

    attribute_scores: dict[str, AttributeScores | None] | None = None


class SuggestCommentScoreResponse(_Message):
    """Acknowledges the scores."""

    client_token: str | None = None
    requested_languages: list[str]
    detected_languages: list[str]


def to_answer(message: BaseModel) -> dict[str, Any]:
    """The message as JSON-ready values, without keys for absent ones."""
    return message.model_dump(by_alias=True, exclude_none=True)
