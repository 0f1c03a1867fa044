"""Resuming an interrupted run, duplicates, and pipes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from parley.model import Classifier
from parley.service.dumps.formats.registry import open_reader
from parley.service.dumps.reading.record import Record
from parley.service.dumps.reading.source import Source
from parley.service.dumps.scoring.parts import Parts, is_finishing, parts_folder
from parley.service.dumps.scoring.run import BATCHES_A_PART, errors_file, score_file, score_stream
from parley.service.dumps.scoring.scorer import Scorer, Summary
from parley.service.dumps.scoring.selection import Selection
from parley.service.errors import DumpError
from parley.service.policy.decision import Policy

PART = 4 * BATCHES_A_PART
"""Rows in a part, with batches of four."""


class Counting(Classifier):
    """A classifier that records what it was asked."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self.info, self.thresholds = classifier.info, classifier.thresholds
        self.asked: list[str] = []
        self.answered = 0

    def start(self, comments: Any) -> Any:
        self.asked += [comment.text for comment in comments]
        running = self._classifier.start(comments)

        def wait() -> Any:
            self.answered += len(comments)
            return running()

        return wait


@pytest.fixture
def counting(classifier: Classifier) -> Counting:
    return Counting(classifier)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    lines = [
        "broken" if i % 20 == 3 else json.dumps({"id": f"c{i}", "text": f"The road {i}"}) for i in range(90)
    ]
    lines[80] = json.dumps({"id": "twice", "text": "The road 1"})
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    return tmp_path / "in.jsonl"


def score(counting: Counting, source: Path, out: Path, *, stop_after: int = 10**9, **options: Any) -> Summary:
    """Score; after this many comments, act as if Ctrl-C were pressed."""

    def stop(summary: Summary) -> None:
        if summary.scored >= stop_after:
            raise KeyboardInterrupt

    scorer = Scorer(counting, Policy.load("default", thresholds=counting.thresholds))
    with closing(Source(source)) as opened:
        return score_file(
            Selection(open_reader(opened)), out, scorer, **{"call": {}, **options}, batch=4, on_batch=stop
        )


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_an_interrupted_run_resumes(counting: Counting, source: Path, tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    whole, out = tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    score(counting, source, whole)
    assert len(counting.asked) == len(set(counting.asked)) == 84
    counting.asked.clear()
    with pytest.raises(KeyboardInterrupt):
        score(counting, source, out, stop_after=40)
    assert not out.exists()
    summary = score(counting, source, out)
    assert out.read_bytes() == whole.read_bytes()
    assert errors_file(out).read_bytes() == errors_file(whole).read_bytes()
    assert not parts_folder(out).exists()
    assert (summary.scored, summary.bad, summary.repeated, summary.earlier) == (85, 5, 1, 2 * PART - 2)
    assert summary.actions.total() == 85
    again = len(counting.asked) - len(set(counting.asked))
    assert 0 < again < PART, "only the unfinished part is scored again"


def test_a_run_stopped_at_any_step_of_its_end_resumes(
    counting: Counting, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    score(counting, source, whole)
    for last in range(100):
        steps, stopped = count(), False

        def stopping(work: Callable[..., Any], steps: Iterator[int] = steps, last: int = last) -> Any:
            def wrapped(*given: Any, **options: Any) -> Any:
                if next(steps) == last:
                    raise KeyboardInterrupt
                return work(*given, **options)

            return wrapped

        with monkeypatch.context() as patch:
            for owner, name in ((os, "replace"), (Path, "unlink"), (Path, "rmdir")):
                patch.setattr(owner, name, stopping(getattr(owner, name)))
            try:
                score(counting, source, out)
            except KeyboardInterrupt:
                stopped = True
        if stopped and out.exists() and any(parts_folder(out).iterdir()):
            assert is_finishing(out)
            asked = len(counting.asked)
            assert score(counting, source, out).scored == 85
            assert len(counting.asked) == asked, "scoring was complete"
        assert out.exists() == (last > 1), "the bad rows are moved into place first"
        if out.exists():
            assert out.read_bytes() == whole.read_bytes()
            assert errors_file(out).read_bytes() == errors_file(whole).read_bytes()
            out.unlink()
        if not stopped:
            break
    assert last > 10, "there were parts to remove"
    assert not parts_folder(out).exists()


def test_a_line_of_the_manifest_cut_short_does_not_count(
    counting: Counting, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        score(counting, source, out, stop_after=40)
    manifest = parts_folder(out) / "manifest.jsonl"
    assert manifest.read_bytes().count(b"\n") == 3
    manifest.write_bytes(manifest.read_bytes()[:-20])
    assert score(counting, source, out).earlier == PART - 1
    assert len(out.read_text().splitlines()) == 85


def test_a_different_call_does_not_resume(counting: Counting, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        score(counting, source, out, stop_after=40, call={"target": "one", "policy": "default"})
    with pytest.raises(DumpError, match=r"a different command \(different target\).*--no-resume"):
        score(counting, source, out, call={"target": "two", "policy": "default"})
    assert score(counting, source, out, call={"target": "two"}, resume=False).earlier == 0


def test_a_part_that_was_changed_is_noticed(counting: Counting, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        score(counting, source, out, stop_after=40)
    (parts_folder(out) / "part-00000.jsonl").write_text("")
    with pytest.raises(DumpError, match=r"part-00000.jsonl was changed since it was written"):
        score(counting, source, out)


@pytest.mark.skipif(sys.platform == "win32", reason="locks are POSIX's")
def test_two_runs_do_not_write_one_output(counting: Counting, source: Path, tmp_path: Path) -> None:
    with Parts(tmp_path / "out.jsonl", {}), pytest.raises(DumpError, match="written by another process"):
        score(counting, source, tmp_path / "out.jsonl")
    assert score(counting, source, tmp_path / "out.jsonl").scored == 85


def test_only_what_the_model_is_given_makes_a_duplicate(counting: Counting, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "1", "text": "This road"},
        {"id": "2", "text": "This road", "author.id": "someone else"},
        {"id": "3", "text": "This road", "article.title": "The road"},
        {"id": "4", "text": "This road", "language": "de"},
        {"id": "5", "text": "This road", "format": "html"},
        {"id": "6", "text": "this road"},
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(row) for row in rows * 20))
    summary = score(counting, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert len(counting.asked) == 5
    assert summary.repeated == 115
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in written] == [row["id"] for row in rows * 20]
    assert written[6:12] == written[-6:]
    assert written[2]["stance"]["target"] == "The road"


def test_duplicates_of_what_is_being_scored_are_scored_once(counting: Counting, tmp_path: Path) -> None:
    rows = [{"id": str(i), "text": f"The road {i // 3}"} for i in range(60)]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    summary = score(counting, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert counting.asked == [f"The road {i}" for i in range(20)]
    assert summary.repeated == 40
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in written] == [row["id"] for row in rows]
    assert all(row["abuse"] == written[i // 3 * 3]["abuse"] for i, row in enumerate(written))


def test_the_next_batch_starts_before_the_last_is_answered(
    counting: Counting, source: Path, tmp_path: Path
) -> None:
    open_now: list[int] = []

    def look(summary: Summary) -> None:
        open_now.append(len(counting.asked) - counting.answered)

    scorer = Scorer(counting, Policy.load("default", thresholds=counting.thresholds))
    with closing(Source(source)) as opened:
        score_file(
            Selection(open_reader(opened)), tmp_path / "out.jsonl", scorer, call={}, batch=2, on_batch=look
        )
    assert set(open_now[:-1]) <= {0, 1, 2}  # 0: the next batch has only duplicates of what was scored before
    assert open_now.count(2) > 30
    assert open_now[-1] == 0


@pytest.mark.parametrize("ahead", [False, True])
def test_a_stream_yields_a_batch_before_it_reads_the_next_unless_ahead(
    counting: Counting, tmp_path: Path, ahead: bool
) -> None:
    out = io.BytesIO()
    written: list[int] = []

    class Slow:
        """A reader that records what had been written when each row was requested."""

        columns, fraction = (), 0.0

        def __iter__(self) -> Iterator[Record]:
            for i in range(6):
                written.append(out.getvalue().count(b"\n"))
                yield Record(id=str(i), row=i + 1, text=f"The road {i}")

    scorer = Scorer(counting, Policy.load("default", thresholds=counting.thresholds))
    score_stream(Selection(Slow()), out, None, scorer, ahead=ahead, batch=1)
    assert written == ([0, 0, 1, 2, 3, 4] if ahead else [0, 1, 2, 3, 4, 5])
    assert [json.loads(line)["id"] for line in out.getvalue().splitlines()] == list("012345")


def parley(*words: str, stdin: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "parley.service.commands.cli", "score", *words, "--null"]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, cwd=folder, timeout=120)


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="needs /dev/stdin")
def test_pipes(tmp_path: Path) -> None:
    done = parley("-", "-o", "-", stdin='{"text": "one"}\nbroken\n{"text": "two"}\n', folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == ["one", "two"]
    assert "1 rows could not be scored, and are listed only with --errors FILE" in done.stderr
    done = parley(
        "-",
        "-o",
        "-",
        "--format",
        "csv",
        "--errors",
        "bad.jsonl",
        "-q",
        stdin="text\none\n,\n",
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["text"] == "one"
    assert done.stderr == ""
    assert (tmp_path / "bad.jsonl").read_text().count("\n") == 1
    assert parley("-", "-o", "out.csv", stdin='{"text": "one"}\n', folder=tmp_path).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jsonl", "out.csv"]
    assert "(NothingToScore)" not in parley("-", "-o", "-", stdin="", folder=tmp_path).stderr


class Slow(Counting):
    """A classifier that takes its time with each comment."""

    def start(self, comments: Any) -> Any:
        time.sleep(0.002 * len(comments))
        return super().start(comments)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_slow_run_saves_its_work_every_few_seconds(
    classifier: Classifier, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parley.service.dumps.scoring.run.PART_SECONDS", 0.3)
    monkeypatch.setattr("parley.service.dumps.scoring.run.BATCH_SECONDS", 0.1)
    source, whole, out = tmp_path / "in.jsonl", tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    source.write_text("".join(json.dumps({"id": f"c{i}", "text": f"Road {i}"}) + "\n" for i in range(600)))

    def score(out: Path, stop_after: int) -> Summary:
        scorer = Scorer(slow := Slow(classifier), Policy.load("default", thresholds=slow.thresholds))

        def stop(summary: Summary) -> None:
            if summary.scored - summary.earlier >= stop_after:
                raise KeyboardInterrupt

        with closing(Source(source)) as opened:
            return score_file(Selection(open_reader(opened)), out, scorer, call={}, on_batch=stop)

    score(whole, 1000)
    kept = []
    for _ in range(20):
        try:
            summary = score(out, 300)  # twice the size of a part
            break
        except KeyboardInterrupt:
            manifest = (parts_folder(out) / "manifest.jsonl").read_text().splitlines()
            kept.append(json.loads(manifest[-1])["rows"])
    assert summary.scored == 600
    assert kept == sorted(set(kept)), "each run resumes from further on than the one before"
    assert kept[0] < 600
    assert out.read_bytes() == whole.read_bytes()
    if suffix == ".parquet":
        import pyarrow.parquet

        assert pyarrow.parquet.ParquetFile(out).num_row_groups == 1


def test_progress_counts_what_is_scored(counting: Counting, source: Path, tmp_path: Path) -> None:
    shares = []
    scorer = Scorer(counting, Policy.load("default", thresholds=counting.thresholds))
    with closing(Source(source)) as opened:
        selection = Selection(open_reader(opened))
        score_file(
            selection, tmp_path / "out.jsonl", scorer, call={}, batch=1024,
            on_batch=lambda summary: shares.append(selection.fraction * summary.share),
        )  # fmt: skip
    assert len(shares) > 1, "the first one comes early"
    assert shares[0] < 0.8
    assert shares[-1] == 1.0
    assert shares == sorted(shares)
