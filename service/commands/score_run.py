"""One call of `parley score`: its flags made into a reader, a selection and a scorer, and these run.

Imports what is heavy inside functions: the command's help needs `Runner` and `ScoreCall` alone.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parley.service.errors import DumpError
from parley.service.terminal import tell

if TYPE_CHECKING:
    from parley.service.dumps.reading.record import Columns
    from parley.service.dumps.scoring.pseudonyms import Pseudonyms
    from parley.service.dumps.scoring.scorer import Scorer, Summary
    from parley.service.dumps.scoring.selection import Filter, Selection

PIPE = "-"


class Runner(StrEnum):
    """Who scores a dump."""

    local = "local"
    ray = "ray"
    null = "null"


class TextKind(StrEnum):
    """How a text is written."""

    plain = "plain"
    html = "html"
    markdown = "markdown"


@dataclass(frozen=True, kw_only=True)
class ScoreCall:
    """The flags as they were given. `run` raises ServiceError and ModelError."""

    sources: list[str]
    output: str
    text: str | None
    text_format: TextKind | None
    target: str | None
    reply: bool
    columns: list[str]
    format: str | None
    articles: Path | None
    base_url: str | None
    followers_only: bool
    where: list[str]
    since: str | None
    limit: int | None
    pseudonymize: bool
    pseudonym_key: Path | None
    policy: str
    model: Path | None
    engine: Runner
    ray_address: str | None
    threads: int | None
    batch_size: int
    errors: Path | None
    overwrite: bool
    resume: bool
    quiet: bool

    def run(self) -> bool:
        """Score, and tell on stderr what was done; whether the input could be read to its end."""
        from parley.service.commands.score_display import show
        from parley.service.dumps.reading.record import Columns

        kind = self.text_format and self.text_format.value
        names = Columns.parse(self.columns, text_format=kind, guesses=self.engine is not Runner.ray)
        if self.engine is Runner.ray:
            summary, remarks = self._score_on_cluster(names)
        else:
            summary, remarks = self._score_here(names)
        if not self.quiet and self.text is None:
            show(summary, self.output, remarks, errors_out=self._errors_out)
        if summary.cut_short:
            tell(f"The input could not be read to its end: {summary.cut_short}", err=True)
        return not summary.cut_short

    @property
    def _errors_out(self) -> Path | None:
        from parley.service.dumps.scoring.run import errors_file

        return self.errors or (None if self.output == PIPE else errors_file(Path(self.output)))

    @property
    def _piped(self) -> bool:
        return PIPE in self.sources

    def _score_here(self, names: Columns) -> tuple[Summary, list[str]]:
        from parley.service.dumps.formats.several import open_dump
        from parley.service.dumps.scoring.selection import OneRecord, Selection

        if self.output != PIPE:
            self._check_output(Path(self.output))
        elif self.errors:
            self._check_errors_file()
        pseudonyms = self._pseudonyms()
        if self.text is not None:
            record = names.record({"text": self.text}, row=1)
            return self._watched(Selection(OneRecord(record), pseudonyms=pseudonyms), pseudonyms), []
        paths = [Path("/dev/stdin") if source == PIPE else Path(source) for source in self.sources]
        with open_dump(
            paths,
            name=self.format or ("jsonl" if self._piped else None),
            columns=names,
            articles=self.articles,
            base_url=self.base_url,
            followers_only=self.followers_only,
        ) as (reader, source):
            selection = Selection(reader, where=self._conditions(), limit=self.limit, pseudonyms=pseudonyms)
            summary = self._watched(selection, pseudonyms)
        remarks = _guessed(names)
        remarks += [
            f"no row has {column!r}, which --map says is the {name}" for column, name in names.unseen.items()
        ]
        remarks += [f"no row has {field!r}, which --where asks for" for field in sorted(selection.unseen)]
        if pseudonyms and pseudonyms.dropped:
            remarks.append(f"left out as personal: {', '.join(sorted(pseudonyms.dropped))}")
        if source.skipped:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in source.skipped.most_common())
            remarks.append(f"{source.skipped.total():,} entries skipped: {reasons}")
        remarks += source.remarks
        if source.repaired:
            remarks.append(f"{source.repaired:,} lines are not UTF-8 and were read as Windows-1252")
        return summary, remarks

    def _score_on_cluster(self, names: Columns) -> tuple[Summary, list[str]]:
        from parley.service.commands.score_display import progress
        from parley.service.dumps.cluster.run import Job, score_on_cluster
        from parley.service.dumps.formats.registry import output_format

        refused = {
            "a pipe": PIPE in (*self.sources, self.output),
            "second IN": len(self.sources) > 1,
            "--limit": self.limit,
            "--errors": self.errors,
            "--articles": self.articles,
            "--base-url": self.base_url,
            "--followers-only": self.followers_only,
            "--text": self.text is not None,
            "--text-format": self.text_format,
            "--format": self.format not in (None, "jsonl", "parquet"),
        }
        if names_of := [name for name, given in refused.items() if given]:
            raise DumpError(
                f"--engine ray takes no {', '.join(names_of)}: see docs/cluster.md for what it reads"
            )
        pseudonyms = self._pseudonyms()
        identity = self._identity(pseudonyms)
        job = Job(
            form=output_format(Path(self.output)),
            mapped=names.mapped,
            where=self._conditions(),
            pseudonyms=pseudonyms,
            model=self.model and self.model.absolute(),
            policy=self.policy,
            target=self.target,
            reply=self.reply,
            threads=self.threads or 1,
            batch=self.batch_size,
        )
        with progress(shown=not self.quiet) as update:
            summary = score_on_cluster(
                self.sources[0],
                self.output,
                job,
                call=identity,
                address=self.ray_address,
                resume=self.resume,
                overwrite=self.overwrite,
                on_piece=update,
            )
        return summary, []

    def _watched(self, selection: Selection, pseudonyms: Pseudonyms | None) -> Summary:
        from parley.service.commands.score_display import progress
        from parley.service.dumps.scoring.run import score_file, score_stream

        scorer = self._scorer()
        with progress(shown=not self.quiet) as update:

            def on_batch(summary: Summary) -> None:
                update(summary, selection.fraction * summary.share)

            if self.output != PIPE:
                return score_file(
                    selection,
                    Path(self.output),
                    scorer,
                    call=self._identity(pseudonyms),
                    # A pipe can't be read again: what was in it is gone with the run that read it.
                    resume=self.resume and not self._piped,
                    errors_out=self._errors_out,
                    batch=self.batch_size,
                    on_batch=on_batch,
                )
            with ExitStack() as stack:
                errors = stack.enter_context(self.errors.open("wb")) if self.errors else None
                return score_stream(
                    selection,
                    sys.stdout.buffer,
                    errors,
                    scorer,
                    ahead=not self._piped
                    and self.text is None,  # who types or sends row by row gets each answer at once
                    batch=self.batch_size,
                    on_batch=on_batch,
                )

    def _scorer(self) -> Scorer:
        from parley.service.dumps.scoring.scorer import Scorer

        return Scorer.load(
            model=self.model,
            policy=self.policy,
            target=self.target,
            reply=self.reply,
            threads=self.threads,
            null=self.engine is Runner.null,
        )

    def _identity(self, pseudonyms: Pseudonyms | None) -> dict[str, Any]:
        """What must be the same for a run to go on from the parts of another."""
        from parley.service.dumps.scoring.fingerprint import call_of, fingerprint, fingerprint_of_model

        return call_of(
            input=[fingerprint(Path(s)) if Path(s).exists() else s for s in self.sources],
            model="null" if self.engine is Runner.null else fingerprint_of_model(self.model),
            policy=self.policy,
            format=self.format,
            articles=fingerprint(self.articles) if self.articles else None,
            base_url=self.base_url,
            followers_only=self.followers_only,
            map=self.columns,
            text=self.text,
            text_format=self.text_format,
            target=self.target,
            reply=self.reply,
            where=self.where,
            since=self.since,
            limit=self.limit,
            pseudonym_key=pseudonyms and pseudonyms.fingerprint,
            batch_size=self.batch_size,
        )

    def _conditions(self) -> list[Filter]:
        from parley.service.dumps.scoring.selection import Filter

        conditions = [Filter.parse(given) for given in self.where]
        return conditions + ([Filter.since(self.since)] if self.since else [])

    def _pseudonyms(self) -> Pseudonyms | None:
        if not self.pseudonymize:
            return None
        from platformdirs import user_data_path

        from parley.service.dumps.scoring.pseudonyms import Pseudonyms
        from parley.service.privacy import KeyedHashes

        default = user_data_path("parley", appauthor=False) / "pseudonym-key"
        return Pseudonyms(KeyedHashes(self.pseudonym_key or default))

    def _check_errors_file(self) -> None:
        """Refuse to list bad rows in a file that isn't such a list already. Raises DumpError."""
        from parley.service.dumps.scoring.parts import is_errors_list

        file = self._errors_out
        if file is None:
            return
        if self.output != PIPE and file.resolve() == Path(self.output).resolve():
            raise DumpError(f"{file} is the output; give the bad rows another name with --errors")
        if not (file.exists() or file.is_symlink()):
            return
        if file.exists() and any(Path(source).exists() and file.samefile(source) for source in self.sources):
            raise DumpError(f"{file} is the input; give the bad rows another name with --errors")
        if not is_errors_list(file):
            raise DumpError(
                f"{file} exists and is no list of rows that can't be scored, so it is not replaced: "
                "name another file with --errors"
            )

    def _check_output(self, output: Path) -> None:
        from parley.service.dumps.formats.registry import output_format
        from parley.service.dumps.scoring.parts import is_finishing

        output_format(output)
        self._check_errors_file()
        for source in map(Path, self.sources):
            if source.is_dir() and source.resolve() in output.resolve().parents:
                raise DumpError(f"{output} lies in the input; give it a place outside of {source}")
        if not output.exists():
            return
        if output.is_dir():
            raise DumpError(f"{output} is a folder; give the name of a file")
        inputs = [(Path(source), "the input") for source in self.sources]
        for file, what in (*inputs, (self.articles, "the file of articles")):
            if file is not None and file.exists() and output.samefile(file):
                raise DumpError(f"{output} is {what}; give the scores another name")
        if not self.overwrite and not (self.resume and is_finishing(output)):
            raise DumpError(f"{output} exists; give another name, or --overwrite to replace it")


def _guessed(columns: Columns) -> list[str]:
    if not columns.guessed:
        return []
    pairs = ", ".join(f"{name}={column}" for name, column in columns.guessed.items())
    return [f"guessed from the columns' names: {pairs}; --map FIELD=COLUMN says otherwise, FIELD= takes none"]
