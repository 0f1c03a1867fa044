"""Upload of a file: its columns are guessed, shown and confirmed, then it is scored into a queue of its own.

The file stays in the store's folder until it is scored. Rows and the reading position are stored in one
transaction, so that a restarted server resumes where it stopped.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from starlette.datastructures import UploadFile

from parley.service.desk.access import DeskRoute, SessionDep
from parley.service.desk.pages.filters import RowId
from parley.service.desk.pages.render import page
from parley.service.dumps.formats.generic.csv_file import CsvReader
from parley.service.dumps.formats.generic.json_lines import JsonLinesReader
from parley.service.dumps.formats.generic.tables import TableReader
from parley.service.dumps.formats.registry import Reader, detect, open_reader
from parley.service.dumps.reading.names import FIELDS
from parley.service.dumps.reading.record import Columns, Record
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError, InvalidRequest, NotFound
from parley.service.store.desk import queues
from parley.service.store.desk.queues import Queue
from parley.service.store.desk.tables import ARRIVALS
from parley.service.web.context import Service, ServiceDep

UPLOAD = "/desk/uploads"
TABLES: Mapping[str, Callable[[Source, Columns], Reader]] = {
    "csv": CsvReader,
    "jsonl": JsonLinesReader,
    "parquet": TableReader,
    "arrow": TableReader,
}
"""Formats without names of their own, whose columns are asked about."""
SHOWN_ROWS = 3
GUESSES: Mapping[str, str] = {
    "text": (
        r"^(.*[ _.-])?(text|comment|body|message|content|post|kommentar|comentario|commentaire)s?"
        r"([ _.-](text|body|content))?$"
    ),
    "id": r"^(id|uuid|key|nr\.?|(comment|post|message)[ _.-]?id)$",
    "author.id": r"^(author|user|commenter|member|account)([ _.-]?(id|name))?$|^username$|^by$",
    "article.title": (
        r"(article|story|post|page|news)[ _.-]?(title|headline|name)|^(title|headline|article|story)$"
    ),
    "article.url": r"(article|story|post|page)[ _.-]?(url|link|uri)|^(url|link|permalink)$",
    "article.text": r"(article|story)[ _.-]?(text|body|lede|lead|content)|^lede$",
    "parent.id": r"(parent|reply|in[ _.-]?reply)[ _.-]?(to)?[ _.-]?(id|comment)?$",
    "created_at": r"^(created|date|time|timestamp|posted|published|written)([ _.-]?(at|on|time|date|utc))?$",
    "language": r"^(lang|language|locale)$",
}
"""What other systems call their columns; earlier fields choose first."""
FIELD_WORDS: Mapping[str, str] = {
    "text": "the comment",
    "id": "the comment's id",
    "author.id": "the author",
    "article.title": "the article's title",
    "article.url": "the article's address",
    "article.text": "the article's text",
    "parent.id": "the id of the comment it replies to",
    "created_at": "when it was written",
    "language": "its language",
}

router = APIRouter(route_class=DeskRoute, include_in_schema=False)


@router.get(UPLOAD)
async def show_uploads(request: Request, service: ServiceDep, session: SessionDep) -> Response:
    """The form that takes a file, and the uploads so far."""
    every = await run_in_threadpool(queues.all_queues, service.store)
    limit = service.settings.desk.upload // 1_000_000
    return page(request, "uploads.html", title="Upload a file", limit=limit, queues=every[1:])


@router.post(UPLOAD)
async def upload(request: Request, service: ServiceDep, session: SessionDep) -> Response:
    """Keep the file and ask about its columns."""
    sent = (await request.form()).get("file")
    if not isinstance(sent, UploadFile) or not sent.filename:
        raise InvalidRequest("no file was sent: choose one first")
    name = _file_name(sent.filename)
    queue_id = await run_in_threadpool(_keep, service, sent.file, name, session.name)
    return RedirectResponse(f"{UPLOAD}/{queue_id}", 303)


@router.get("/desk/uploads/{queue_id}")
async def show_upload(
    request: Request, queue_id: RowId, service: ServiceDep, session: SessionDep
) -> Response:
    """The columns to confirm, or how far the scoring has come."""
    queue = await run_in_threadpool(_queue, service, queue_id)
    if queue.state == "ready":
        return RedirectResponse(f"/desk/queue?queue={queue.id}", 303)
    columns = await run_in_threadpool(_preview, service, queue) if queue.state == "columns" else None
    return page(
        request,
        "upload.html",
        title=queue.name,
        queue=queue,
        columns=columns,
        words_of=FIELD_WORDS,
        part=False,
    )


@router.get("/desk/uploads/{queue_id}/progress")
async def show_progress(
    request: Request, queue_id: RowId, service: ServiceDep, session: SessionDep
) -> Response:
    """The progress part of the page; once scored, a link to the queue."""
    queue = await run_in_threadpool(_queue, service, queue_id)
    response = page(request, "progress.html", title=queue.name, queue=queue, part=True)
    if queue.state == "ready":
        response.headers["HX-Redirect"] = f"/desk/queue?queue={queue.id}"
    return response


@router.post("/desk/uploads/{queue_id}")
async def confirm(request: Request, queue_id: RowId, service: ServiceDep, session: SessionDep) -> Response:
    """Start scoring with these columns."""
    form = await request.form()
    queue = await run_in_threadpool(_queue, service, queue_id)
    if queue.state == "columns":
        chosen = {field: str(form.get(field)) for field in FIELD_WORDS if form.get(field)}
        target = str(form.get("target") or "").strip()[:1000] or None
        await run_in_threadpool(_confirm, service, queue, chosen, target)
        request.app.state.scoring.wake()
    return RedirectResponse(f"{UPLOAD}/{queue_id}", 303)


@router.post("/desk/uploads/{queue_id}/remove")
async def remove(request: Request, queue_id: RowId, service: ServiceDep, session: SessionDep) -> Response:
    """Delete an upload with its comments."""
    queue = await run_in_threadpool(_queue, service, queue_id)
    await run_in_threadpool(queues.delete_queue, service.store, queue.id)
    path_of(service, queue).unlink(missing_ok=True)
    return RedirectResponse("/desk/queue?told=removed", 303)


def guess(columns: list[str]) -> dict[str, str]:
    """Guess from the columns' names which holds which field; a column holds one field."""
    chosen: dict[str, str] = {}
    for field in GUESSES:
        same = next((column for column in columns if column == field), None)
        fitting = (c for c in columns if re.search(GUESSES[field], c.strip(), re.IGNORECASE))
        column = same or next((c for c in fitting if c not in chosen.values()), None)
        if column is not None:
            chosen[field] = column
    return chosen


def open_records(path: Path, columns: Mapping[str, str]) -> tuple[Source, Reader]:
    """The source and its reader, with these columns mapped. Raises DumpError."""
    source = Source(path)
    try:
        return source, open_reader(source, columns=Columns(columns))
    except DumpError:
        source.close()
        raise


def path_of(service: Service, queue: Queue) -> Path:
    """Where an upload is stored until it is scored."""
    return _folder(service) / (queue.file or "none")


def _folder(service: Service) -> Path:
    return service.settings.store.path / "uploads"


def _queue(service: Service, queue_id: int) -> Queue:
    queue = queues.get_queue(service.store, queue_id)
    if queue is None or queue.id == ARRIVALS:
        raise NotFound("there is no such upload: it may have been removed")
    return queue


def _file_name(given: str) -> str:
    return re.split(r"[\\/]", given)[-1].strip()[:200] or "upload"


def _keep(service: Service, sent: BinaryIO, name: str, by: str) -> int:
    """Copy the upload into the store's folder, readable by its owner only, and check that it can be read."""
    folder = _folder(service)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    suffixes = "".join(s for s in Path(name).suffixes[-2:] if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", s))
    stored = f"{secrets.token_hex(8)}{suffixes}"
    path = folder / stored
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            while chunk := sent.read(2**20):
                file.write(chunk)
        with closing(Source(path)) as source:
            detect(source)
    except DumpError as error:
        path.unlink(missing_ok=True)
        raise InvalidRequest(f"{name} can't be used: {str(error).replace(str(path), 'it')}") from error
    except OSError as error:
        path.unlink(missing_ok=True)
        raise InvalidRequest(f"{name} can't be stored: {error.strerror}") from error
    return queues.new_queue(service.store, name=name, by=by, file=stored)


def _preview(service: Service, queue: Queue) -> dict[str, Any]:
    """The format; for a table also its columns, their first values and a guess. Raises InvalidRequest."""
    path = path_of(service, queue)
    try:
        with closing(Source(path)) as source:
            form = detect(source)
            looked = look(source, form) if form in TABLES else Look()
    except DumpError as error:
        raise InvalidRequest(f"{queue.name} can't be read: {str(error).replace(str(path), 'it')}") from error
    names = list(looked.found)
    samples = {name: [str(row.get(name) or "")[:120] for row in looked.rows] for name in names}
    return {"form": form, "table": form in TABLES, "samples": samples, "chosen": guess(names)}


class Look(Columns):
    """Columns that records a table's names instead of reading it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, None] = {}
        self.rows: list[dict[str, Any]] = []

    def check(self, names: Iterable[str], *, place: str) -> None:
        """Record the columns' names; nothing is refused."""
        self.found |= dict.fromkeys(names)

    def record(self, values: Mapping[str, Any], *, row: int, line: int | None = None) -> Record:
        """Keep the row as it is; the record holds only its place."""
        flat = dict(_flat(values))
        self.found |= dict.fromkeys(flat)
        self.rows.append(flat)
        return Record(text="-", row=row, line=line)


def look(source: Source, form: str) -> Look:
    """What the first rows of a table hold. Raises DumpError."""
    columns = Look()
    for _ in islice(TABLES[form](source, columns), SHOWN_ROWS):
        pass
    return columns


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + str(name), value


def _confirm(service: Service, queue: Queue, chosen: Mapping[str, str], target: str | None) -> None:
    path = path_of(service, queue)
    try:
        source, _ = open_records(path, {name: chosen[name] for name in FIELDS if name in chosen})
        source.close()
    except DumpError as error:
        raise InvalidRequest(
            f"{queue.name} can't be read with these columns: {str(error).replace(str(path), 'it')}"
        ) from error
    with service.store.write() as connection:
        queues.update_queue(
            connection, queue.id, state="scoring", columns=json.dumps(dict(chosen)), target=target
        )
