"""/v1/articles: an article is sent once; from then on comments name it by id or URL.

    curl -X PUT http://127.0.0.1:8000/v1/articles/https%3A%2F%2Fnews.example%2Fbridge \\
        -H 'Content-Type: application/json' -d '{"title": "Council votes to close the old bridge"}'

URLs are normalised (`parley.service.urls`), in every protocol.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from parley.model.comment import Article
from parley.service.errors import (
    BodyTooLarge,
    InvalidRequest,
    MalformedBody,
    NotFound,
    StoreError,
    WrongMediaType,
)
from parley.service.store import articles
from parley.service.store.desk.stories import State, names_of
from parley.service.urls import MAX_URL, normalise
from parley.service.web.context import Service, ServiceDep
from parley.service.web.json_body import JsonRoute
from parley.service.web.wire import JSON, AtMost, Wire, documented

MAX_ID = 500

router = APIRouter(route_class=JsonRoute, tags=["articles"])

ArticleId = Annotated[
    str,
    Path(
        description=f"The site's id (up to {MAX_ID} characters) or the URL, percent-encoded.",
        examples=["https://news.example/bridge"],
    ),
]


class ArticleBody(BaseModel):
    """An article; a title or a text is required, both are better."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string", "pattern": r"\S"}}}
                for name in ("title", "text")
            ],
            "examples": [
                {
                    "title": "Council votes to close the old bridge",
                    "text": "The city council voted on Monday to close the old bridge for repairs.",
                }
            ],
        },
    )

    title: Annotated[str, AtMost(10_000)] | None = None
    text: str | None = Field(None, description="The lede or the whole text; only its beginning is read.")
    url: Annotated[str, AtMost(2048)] | None = Field(
        None, description="The article's address, if its id isn't its URL."
    )
    published: AwareDatetime | None = Field(
        None, description="When it was published, for sites that close stories by age."
    )
    closed: bool | None = Field(None, description="Whether it takes no more comments; unchanged when absent.")


class ArticleOut(BaseModel):
    """A stored article; `url` is normalised."""

    model_config = ConfigDict(extra="forbid")

    id: str
    url: str | None
    title: str | None
    text: str | None
    updated: datetime
    closed: bool = Field(description="Whether it takes no more comments.")


@router.put(
    "/v1/articles/{article_id:path}",
    summary="Store an article",
    responses={
        200: {"model": ArticleOut, "description": "Replaced"},
        201: {"model": ArticleOut, "description": "New"},
        **documented(InvalidRequest, MalformedBody, WrongMediaType, BodyTooLarge, StoreError),
    },
)
async def put_article(
    request: Request, article_id: ArticleId, sent: ArticleBody, service: ServiceDep
) -> Response:
    """Comments that name this id or URL are compared with this title and text from now on."""
    _check_id(request, article_id)
    if not (sent.title or "").strip() and not (sent.text or "").strip():
        raise _invalid("title", "a title or a text is required: comments are compared with it")
    if sent.url is not None and normalise(sent.url) is None:
        raise _invalid("url", f"must be a web address of at most {MAX_URL} characters, or absent")
    article = Article(id=article_id, url=sent.url, title=sent.title, text=sent.text)
    kept, new = await service.articles.put(article)
    names = names_of(Article(id=kept.id, url=kept.url))
    if sent.published is not None:
        await run_in_threadpool(service.stories.published, names, sent.published)
    if sent.closed is not None:
        state: State = "closed" if sent.closed else "open"
        await run_in_threadpool(service.stories.change, names, state, by="the site")
    return JSON(await run_in_threadpool(_out, service, kept), 201 if new else 200)


@router.get(
    "/v1/articles/{article_id:path}",
    summary="Show an article",
    responses={200: {"model": ArticleOut}, **documented(InvalidRequest, NotFound, StoreError)},
)
async def get_article(request: Request, article_id: ArticleId, service: ServiceDep) -> Response:
    """The article stored under this id or URL."""
    _check_id(request, article_id)
    article = await run_in_threadpool(articles.get, service.store, article_id)
    if article is None:
        raise NotFound("no article is stored under this id or URL: PUT it here")
    return JSON(await run_in_threadpool(_out, service, article))


@router.delete(
    "/v1/articles/{article_id:path}",
    status_code=204,
    summary="Delete an article",
    responses={204: {"description": "Gone"}, **documented(InvalidRequest, NotFound, StoreError)},
)
async def delete_article(request: Request, article_id: ArticleId, service: ServiceDep) -> Response:
    """Comments that name the article are then scored without it."""
    _check_id(request, article_id)
    if not await service.articles.delete(article_id):
        raise NotFound("no article is stored under this id or URL")
    return Response(status_code=204)


def _check_id(request: Request, article_id: str) -> None:
    if not article_id.strip():
        raise _invalid("article_id", "is blank: put the site's id or the URL into the path")
    if normalise(article_id) is None and len(article_id) > MAX_ID:
        raise _invalid("article_id", f"is longer than {MAX_ID} characters: give a shorter id, or a URL")
    if normalise(article_id) and request.query_params.keys() - {
        "key"
    }:  # else ?p=1 and ?p=2 would be one article
        raise _invalid("article_id", "was cut at its question mark: percent-encode the URL (? is %3F)")


def _invalid(place: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"{place}: {problem}", details=[{"place": place, "problem": problem}])


def _out(service: Service, article: articles.StoredArticle) -> dict[str, Any]:
    return {
        "id": article.id,
        "url": article.url,
        "title": article.title,
        "text": article.text,
        "updated": article.updated.isoformat(),
        "closed": service.stories.is_closed(names_of(Article(id=article.id, url=article.url))),
    }


WIRE = Wire(router=router, paths=("/v1/articles",))
