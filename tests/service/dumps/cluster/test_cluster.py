"""`--engine ray` on a cluster of two nodes: the same rows as on one, and nothing lost with a worker."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from parley.service.dumps.cluster import pieces
from parley.service.dumps.cluster.run import Job, score_on_cluster
from parley.service.dumps.formats.registry import open_reader
from parley.service.dumps.reading.record import Columns
from parley.service.dumps.reading.source import Source
from parley.service.dumps.scoring.run import errors_file, score_file
from parley.service.dumps.scoring.scorer import Summary
from parley.service.dumps.scoring.selection import Filter, Selection
from parley.service.errors import DumpError
from tests.conftest import WORDS

ray = pytest.importorskip("ray", reason="needs the extra cluster")
pq = pytest.importorskip("pyarrow.parquet")
# Ray's own warnings are not ours.
pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = 500


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """Two nodes with one core each, and a connection to them."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        yield cluster
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JSON lines, some blank or broken, some without an id, some duplicated."""
    chance = random.Random(5)
    lines = []
    for i in range(ROWS):
        row = {"text": " ".join(chance.choices(WORDS, k=chance.randint(1, 25))), "likes": i}
        if i % 3:
            row["id"] = f"c{i}"
            row["article"] = {"title": "The park"}
        lines.append("" if i % 50 == 7 else "broken" if i % 50 == 9 else json.dumps(row))
    lines[400] = lines[20]
    path = tmp_path_factory.mktemp("dump") / "in.jsonl"
    path.write_text("\n".join(lines))
    return path


def score_here(source: Path, out: Path, job: Job) -> Summary:
    with closing(Source(source)) as opened:
        selection = Selection(open_reader(opened, columns=Columns(job.mapped)), where=job.where)
        return score_file(selection, out, job.scorer(), call={}, batch=job.batch)


def job(tiny_artifact: Path, form: str, **options: Any) -> Job:
    return Job(form=form, model=tiny_artifact, batch=64, **options)


def workers_of(cluster: Any) -> list[int]:
    """The processes on our own nodes that have a scorer."""
    raylets = [node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()]
    children = [
        int(pid)
        for raylet in raylets
        for pid in Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()
    ]
    return [pid for pid in children if b"PieceScorer" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def receipts(folder: Path) -> dict[str, int]:
    """The receipts in a cluster's output, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "_parley").glob("part-*.json")}


def joined(folder: Path, pattern: str) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob(pattern)))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the worker to kill in /proc")
def test_a_worker_killed_in_mid_run_loses_nothing(
    nodes: Any, dump: Path, tiny_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 5000)
    killed: list[int] = []

    def kill_one(summary: Summary, fraction: float) -> None:
        if not killed:
            killed.append(workers_of(nodes)[0])
            os.kill(killed[0], signal.SIGKILL)

    wanted = job(tiny_artifact, "jsonl", where=[Filter.parse("likes<450")])
    there = score_on_cluster(str(dump), str(tmp_path / "there.jsonl"), wanted, call={}, on_piece=kill_one)
    assert killed
    here = score_here(dump, tmp_path / "here.jsonl", wanted)
    assert joined(tmp_path / "there.jsonl", "part-*") == (tmp_path / "here.jsonl").read_bytes()
    listed = joined(tmp_path / "there.jsonl" / "_parley", "errors-*")
    assert listed == errors_file(tmp_path / "here.jsonl").read_bytes()
    assert len(list((tmp_path / "there.jsonl").glob("part-*"))) > 5
    assert (there.scored, there.bad, there.left_out) == (here.scored, here.bad, here.left_out)
    assert there.flagged == here.flagged
    assert there.actions == here.actions


def test_parquet_resumes_where_its_driver_died(
    nodes: Any, dump: Path, tiny_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = job(tiny_artifact, "parquet")
    source = tmp_path / "in.parquet"
    score_here(dump, source, job(tiny_artifact, "parquet", null=True))
    pq.write_table(
        pq.read_table(source, columns=["id", "text", "article.title", "likes"]), source, row_group_size=200
    )
    monkeypatch.setattr(pieces, "PIECE_ROWS", 8)
    total = len(pieces.cut(pieces.Location.of(str(source))))
    assert total > 50
    out = tmp_path / "there.parquet"

    def die(summary: Summary, fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_on_cluster(str(source), str(out), wanted, call={"a": 1}, on_piece=die)
    with pytest.raises(DumpError, match="a different command"):
        score_on_cluster(str(source), str(out), wanted, call={"a": 2})
    written = receipts(out)
    assert 0 < len(written) < total
    ended: list[float] = []
    there = score_on_cluster(
        str(source),
        str(out),
        wanted,
        call={"a": 1},
        on_piece=lambda summary, fraction: ended.append(fraction),
    )
    after = receipts(out)
    assert len(after) == total
    # A worker that was busy when the driver died may have finished its piece a moment later.
    kept = {name for name, when in after.items() if written.get(name) == when}
    assert kept == written.keys(), "what was done is not done again"
    assert len(written) <= total - len(ended) < total, "and the rest was done"
    assert 0 < there.earlier < there.scored
    score_here(source, tmp_path / "here.parquet", wanted)
    assert pq.read_table(out).to_pylist() == pq.read_table(tmp_path / "here.parquet").to_pylist()
    with pytest.raises(DumpError, match="--overwrite to replace it"):
        score_on_cluster(str(source), str(out), wanted, call={"a": 1})


def test_what_the_cluster_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "in.xml").write_text("<disqus/>")
    with pytest.raises(DumpError, match="has no file that the ray engine reads"):
        score_on_cluster(str(tmp_path), str(tmp_path / "out"), Job(form="jsonl"), call={})
    with pytest.raises(DumpError, match="nowhere://x can't be reached"):
        score_on_cluster("nowhere://x", str(tmp_path / "out"), Job(form="jsonl"), call={})
