"""Scores a dump on many machines: the batch function of `parley.service.dumps.scoring.scorer` under Ray Data.

    summary = score_on_cluster("s3://bucket/dump.parquet", "s3://bucket/scores.parquet", job, address="auto")

Ray Data maps over the dump's pieces (`parley.service.dumps.cluster.pieces`) with a pool of actors, each of
which loads the model once. An actor fetches a piece, scores it, writes its part of the output and then a
receipt; if an actor or machine dies, Ray gives its pieces to others. OUT is a folder:

    part-00000.parquet           scores, in the order of the dump; one file per piece
    _parley/call.json            the call (input, options, model)
    _parley/part-00000.json      the receipt of a part
    _parley/errors-00000.jsonl   the bad rows of a piece

If the driver dies, the same call continues with the pieces without receipts. Needs the extra `cluster`.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from parley.service.dumps.cluster.pieces import (
    Location,
    Piece,
    count,
    counted,
    cut,
    fetch,
    open_piece,
    read_piece,
)
from parley.service.dumps.reading.record import Columns, Record
from parley.service.dumps.reading.source import Source
from parley.service.dumps.scoring.deduplication import Seen
from parley.service.dumps.scoring.pseudonyms import Pseudonyms
from parley.service.dumps.scoring.rows import Layout
from parley.service.dumps.scoring.run import BATCH, Run
from parley.service.dumps.scoring.scorer import Scorer, Summary
from parley.service.dumps.scoring.selection import Filter, Selection
from parley.service.dumps.scoring.writers import WRITERS
from parley.service.errors import DumpError, NothingToScore

_OURS = "_parley"
_CALL = f"{_OURS}/call.json"
_RAISED = re.compile(r"[\w.]+(?:Error|Exception): ")
_SUMMARY = f"{_OURS}/summary.json"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker needs. It is sent to each, so it has no open handles."""

    form: str
    mapped: Mapping[str, str] = field(default_factory=dict)
    where: Sequence[Filter] = ()
    pseudonyms: Pseudonyms | None = None
    model: Path | None = None
    policy: str = "default"
    target: str | None = None
    reply: bool = False
    threads: int = 1
    batch: int = BATCH
    null: bool = False

    def scorer(self) -> Scorer:
        """A fresh scorer, with the model loaded. Raises ArtifactError and PolicyError."""
        return Scorer.load(
            model=self.model,
            policy=self.policy,
            target=self.target,
            reply=self.reply,
            threads=self.threads,
            null=self.null,
        )

    def selection(self, source: Source, piece: Piece) -> Selection:
        """The rows of an opened piece to score."""
        reader = read_piece(source, piece, Columns(self.mapped))
        return Selection(reader, where=self.where, pseudonyms=self.pseudonyms)


def score_on_cluster(
    source: str,
    out: str,
    job: Job,
    *,
    call: Mapping[str, Any],
    address: str | None = None,
    resume: bool = True,
    overwrite: bool = False,
    on_piece: Callable[[Summary, float], None] = lambda summary, fraction: None,
) -> Summary:
    """Score the dump at `source` into the folder `out`: paths or URIs that every machine can reach.

    `address` is the cluster's (None: from the environment, else a cluster on this machine); `on_piece` gets
    the summary so far and the share of pieces done. Raises as `score_file`.
    """
    dump, folder = Location.of(source), Location.of(out)
    pieces = cut(dump)
    with _ray(address):
        receipts = _begin(folder, {**call, "input": _fingerprint(dump)}, resume=resume, overwrite=overwrite)
        summary = Summary()
        for receipt in receipts.values():
            summary.merge(receipt)
        summary.earlier = summary.scored
        if any(piece.group is None for piece in pieces) and len(pieces) > 1:
            pieces = counted(pieces, _map_counts(dump, pieces))
        layout = _first_layout(dump, pieces, job)
        earlier, start = summary.seconds, time.monotonic()
        left = [piece for piece in pieces if piece.number not in receipts]
        for done, receipt in enumerate(_map_scores(dump, folder, left, job, layout), len(receipts) + 1):
            summary.merge(receipt)
            summary.seconds = earlier + time.monotonic() - start  # wall-clock time, not the workers' sum
            on_piece(summary, done / len(pieces))
    if not summary.scored:
        raise NothingToScore(f"nothing to score: no row of {source} holds a comment ({summary.bad:,} bad)")
    folder.put(_SUMMARY, json.dumps(summary.to_dict()).encode())
    return summary


class PieceScorer:
    """The actor: a scorer with its model, which is given pieces."""

    def __init__(self, dump: Location, folder: Location, job: Job, layout: Layout) -> None:
        self._dump, self._folder, self._job, self._layout = dump, folder, job, layout
        self._scorer = job.scorer()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Ray's batch function: a column of pieces as JSON to one of receipts as JSON."""
        return {"receipt": [json.dumps(self._score(Piece(**json.loads(text)))) for text in batch["piece"]]}

    def _score(self, piece: Piece) -> dict[str, Any]:
        with TemporaryDirectory(prefix="parley-") as temporary:
            local = Path(temporary)
            summary = self._write(piece, local)
            name = f"part-{piece.number:05}"
            if summary.scored:
                self._folder.put(f"{name}.{self._job.form}", local / "part")
            if summary.bad:
                self._folder.put(f"{_OURS}/errors-{piece.number:05}.jsonl", local / "errors")
            # Last: a part without its receipt doesn't count, and is written again.
            receipt = {"number": piece.number, "summary": summary.to_dict()}
            self._folder.put(f"{_OURS}/{name}.json", json.dumps(receipt).encode())
            return receipt

    def _write(self, piece: Piece, local: Path) -> Summary:
        file = fetch(self._dump, piece, local)
        if file is None:
            return Summary()
        with closing(open_piece(file, piece)) as source, closing(Seen(local / "seen.sqlite")) as seen:
            selection = self._job.selection(source, piece)
            run = Run(
                selection,
                self._scorer,
                WRITERS[self._job.form],
                batch=self._job.batch,
                seen=seen,
                layout=self._layout,
            )
            with (local / "part").open("wb") as table, (local / "errors").open("wb") as errors:
                run.write(run.batches(), table, errors)
            return run.summary


def _begin(folder: Location, call: Mapping[str, Any], *, resume: bool, overwrite: bool) -> dict[int, Summary]:
    """The receipts of an unfinished run of the same call, by piece; else prepares the folder."""
    earlier, call = folder.get(_CALL), json.loads(json.dumps(call))
    finished = folder.get(_SUMMARY) is not None
    if finished and not overwrite:
        raise DumpError(f"{folder.uri} exists; give another name, or --overwrite to replace it")
    if earlier is None and not overwrite and (folder.names("") or folder.names(_OURS)):
        raise DumpError(f"{folder.uri} holds other files; give another name, or --overwrite to replace them")
    if earlier is not None and resume and not finished:
        if json.loads(earlier) != call:
            raise DumpError(
                f"{folder.uri} has an unfinished run of a different command: repeat that to finish it, or "
                "start over with --no-resume"
            )
        return dict(_receipts(folder))
    folder.clear()
    folder.put(_CALL, json.dumps(call).encode())
    return {}


def _receipts(folder: Location) -> Iterator[tuple[int, Summary]]:
    for name in folder.names(_OURS):
        if name.startswith("part-"):
            try:
                receipt = json.loads(folder.get(f"{_OURS}/{name}") or b"")
            except ValueError:  # incomplete: its writer died
                continue
            yield receipt["number"], Summary.of(receipt["summary"])


def _first_layout(dump: Location, pieces: Sequence[Piece], job: Job) -> Layout:
    """The layout from the dump's first comments, as on one machine. Raises DumpError."""
    with TemporaryDirectory(prefix="parley-") as temporary:
        selections: list[Selection] = []

        def records(piece: Piece) -> Iterator[Record]:
            if (file := fetch(dump, piece, Path(temporary))) is None:
                return
            with closing(open_piece(file, piece)) as source:
                if source.encoding != "utf-8-sig" and piece.group is None:
                    raise DumpError(f"{piece.path} is {source.encoding}: the ray engine reads UTF-8")
                selections.append(job.selection(source, piece))
                yield from (row for row in selections[-1] if isinstance(row, Record))

        first = list(islice(chain.from_iterable(map(records, pieces)), job.batch))
        if not first:
            raise NothingToScore(f"nothing to score: no row of {dump.uri} holds a comment")
        return Layout.of(selections[0].columns, first, types=selections[0].types)


def _map_counts(dump: Location, pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    """Lines and rows of each piece, counted by the cluster."""

    def count_pieces(batch: dict[str, Any]) -> dict[str, Any]:
        with TemporaryDirectory(prefix="parley-") as temporary:
            counts = [count(dump, Piece(**json.loads(text)), Path(temporary)) for text in batch["piece"]]
        numbers = [json.loads(text)["number"] for text in batch["piece"]]
        return {"number": numbers, "lines": [n for n, _ in counts], "rows": [n for _, n in counts]}

    rows = _dataset(pieces).map_batches(count_pieces, batch_size=1).take_all()
    rows.sort(key=lambda row: row["number"])
    return [(row["lines"], row["rows"]) for row in rows]


def _map_scores(
    dump: Location, folder: Location, pieces: Sequence[Piece], job: Job, layout: Layout
) -> Iterator[Summary]:
    """The receipts of these pieces, as they arrive.

    Ray restarts dead actors and reassigns their pieces without limit.
    """
    if not pieces:
        return
    import ray
    from ray.data import ActorPoolStrategy

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    actors = max(1, min(len(pieces), int(resources.get("CPU", 1)) // job.threads))
    scored = _dataset(pieces).map_batches(
        PieceScorer,
        fn_constructor_args=(dump, folder, job, layout),
        batch_size=1,
        compute=ActorPoolStrategy(min_size=1, initial_size=actors, max_size=len(pieces)),
        num_cpus=job.threads,
    )
    for row in scored.iter_rows():
        yield Summary.of(json.loads(row["receipt"])["summary"])


def _dataset(pieces: Sequence[Piece]) -> Any:
    """Ray's dataset with one block per piece, the unit of work and of retries."""
    import ray

    return ray.data.from_items(
        [{"piece": json.dumps(asdict(piece))} for piece in pieces], override_num_blocks=len(pieces)
    )


@contextmanager
def _ray(address: str | None) -> Iterator[None]:
    """A connection to the cluster; an existing one is used and left open. Raises DumpError."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise DumpError("--engine ray needs Ray: pip install 'parley-moderation[cluster]'") from error
    mine = not ray.is_initialized()
    try:
        if mine:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield
    except ray.exceptions.RayError as error:
        # The worker's error is the first of the causes that Ray lists.
        lines = str(error).strip().splitlines()
        cause = next((line for line in lines if _RAISED.match(line)), lines[-1])
        raise DumpError(
            f"the cluster failed: {cause}; the scores so far are kept; give the same command again to resume"
        ) from error
    except ConnectionError as error:
        raise DumpError(f"no Ray cluster answers at {address or 'RAY_ADDRESS'}: {error}") from error
    finally:
        if mine:
            ray.shutdown()


def _fingerprint(dump: Location) -> list[list[Any]]:
    return [[file.path, file.size, file.mtime_ns or 0] for file in dump.files()]
