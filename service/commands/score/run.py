"""One run of `parley score`: builds a reader, a selection and a scorer from the flags, and runs them.

Heavy imports are inside functions, so that an error in the command line is reported at once.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parley.service.commands.score.flags import PIPE, Flags, Runner
from parley.service.errors import DumpError
from parley.service.terminal import tell

if TYPE_CHECKING:
    from parley.service.dumps.reading.record import Columns
    from parley.service.dumps.scoring.pseudonyms import Pseudonyms
    from parley.service.dumps.scoring.scorer import Scorer, Summary
    from parley.service.dumps.scoring.selection import Filter, Selection


class ScoreRun:
    """The run that the flags describe. `run` raises ServiceError and ModelError."""

    def __init__(self, flags: Flags, output: str) -> None:
        self._flags, self._output = flags, output
        self._sources, self._columns = flags.sources or [], flags.columns or []
        self._where = flags.where or []

    def run(self) -> bool:
        """Score, and report on stderr. Returns whether the input could be read to its end."""
        from parley.service.commands.score.display import show
        from parley.service.dumps.reading.record import Columns

        kind = self._flags.text_format and self._flags.text_format.value
        names = Columns.parse(self._columns, text_format=kind, guesses=self._flags.engine is not Runner.ray)
        if self._flags.engine is Runner.ray:
            summary, remarks = self._score_on_cluster(names)
        else:
            summary, remarks = self._score_here(names)
        if not self._flags.quiet and self._flags.text is None:
            show(summary, self._output, remarks, errors_out=self._errors_out)
        if summary.cut_short:
            tell(f"The input could not be read to its end: {summary.cut_short}", err=True)
        return not summary.cut_short

    @property
    def _errors_out(self) -> Path | None:
        from parley.service.dumps.scoring.run import errors_file

        return self._flags.errors or (None if self._output == PIPE else errors_file(Path(self._output)))

    @property
    def _piped(self) -> bool:
        return PIPE in self._sources

    def _score_here(self, names: Columns) -> tuple[Summary, list[str]]:
        from parley.service.dumps.formats.several import open_dump
        from parley.service.dumps.scoring.selection import OneRecord, Selection

        if self._output != PIPE:
            self._check_output(Path(self._output))
        elif self._flags.errors:
            self._check_errors_file()
        pseudonyms = self._pseudonyms()
        if self._flags.text is not None:
            record = names.record({"text": self._flags.text}, row=1)
            return self._watched(Selection(OneRecord(record), pseudonyms=pseudonyms), pseudonyms), []
        paths = [Path("/dev/stdin") if source == PIPE else Path(source) for source in self._sources]
        with open_dump(
            paths,
            name=self._flags.format or ("jsonl" if self._piped else None),
            columns=names,
            articles=self._flags.articles,
            base_url=self._flags.base_url,
            followers_only=self._flags.followers_only,
        ) as (reader, source):
            selection = Selection(
                reader, where=self._conditions(), limit=self._flags.limit, pseudonyms=pseudonyms
            )
            summary = self._watched(selection, pseudonyms)
        remarks = _guessed(names)
        remarks += [
            f"no row has the column {column!r}, which --map reads {name} from"
            for column, name in names.unseen.items()
        ]
        remarks += [f"no row has the field {field!r} of --where" for field in sorted(selection.unseen)]
        if pseudonyms and pseudonyms.dropped:
            remarks.append(f"dropped as personal data: {', '.join(sorted(pseudonyms.dropped))}")
        if source.skipped:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in source.skipped.most_common())
            remarks.append(f"{source.skipped.total():,} entries skipped: {reasons}")
        remarks += source.remarks
        if source.repaired:
            remarks.append(f"{source.repaired:,} lines are not UTF-8 and were read as Windows-1252")
        return summary, remarks

    def _score_on_cluster(self, names: Columns) -> tuple[Summary, list[str]]:
        from parley.service.commands.score.display import progress
        from parley.service.dumps.cluster.run import Job, score_on_cluster
        from parley.service.dumps.formats.registry import output_format

        refused = {
            "a pipe": PIPE in (*self._sources, self._output),
            "second IN": len(self._sources) > 1,
            "--limit": self._flags.limit,
            "--null": self._flags.null,
            "--errors": self._flags.errors,
            "--articles": self._flags.articles,
            "--base-url": self._flags.base_url,
            "--followers-only": self._flags.followers_only,
            "--text": self._flags.text is not None,
            "--text-format": self._flags.text_format,
            "--format": self._flags.format not in (None, "jsonl", "parquet"),
        }
        if names_of := [name for name, given in refused.items() if given]:
            raise DumpError(
                f"--engine ray does not support {', '.join(names_of)}: docs/cluster.md says what it reads"
            )
        pseudonyms = self._pseudonyms()
        identity = self._identity(pseudonyms)
        job = Job(
            form=output_format(Path(self._output)),
            mapped=names.mapped,
            where=self._conditions(),
            pseudonyms=pseudonyms,
            model=self._flags.model and self._flags.model.absolute(),
            policy=self._flags.policy,
            target=self._flags.target,
            reply=self._flags.reply,
            threads=self._flags.threads or 1,
            batch=self._flags.batch_size,
        )
        with progress(shown=not self._flags.quiet) as update:
            summary = score_on_cluster(
                self._sources[0],
                self._output,
                job,
                call=identity,
                address=self._flags.ray_address,
                resume=self._flags.resume,
                overwrite=self._flags.overwrite,
                on_piece=update,
            )
        return summary, []

    def _watched(self, selection: Selection, pseudonyms: Pseudonyms | None) -> Summary:
        from parley.service.commands.score.display import progress
        from parley.service.dumps.scoring.run import score_file, score_stream

        scorer = self._scorer()
        with progress(shown=not self._flags.quiet) as update:

            def on_batch(summary: Summary) -> None:
                update(summary, selection.fraction * summary.share)

            if self._output != PIPE:
                return score_file(
                    selection,
                    Path(self._output),
                    scorer,
                    call=self._identity(pseudonyms),
                    # A pipe can't be read again, so such a run can't resume.
                    resume=self._flags.resume and not self._piped,
                    errors_out=self._errors_out,
                    batch=self._flags.batch_size,
                    on_batch=on_batch,
                )
            with ExitStack() as stack:
                errors = stack.enter_context(self._flags.errors.open("wb")) if self._flags.errors else None
                return score_stream(
                    selection,
                    sys.stdout.buffer,
                    errors,
                    scorer,
                    ahead=not self._piped
                    and self._flags.text
                    is None,  # so that a caller who sends row by row gets each answer at once
                    batch=self._flags.batch_size,
                    on_batch=on_batch,
                )

    def _scorer(self) -> Scorer:
        from parley.service.dumps.scoring.scorer import Scorer

        return Scorer.load(
            model=self._flags.model,
            policy=self._flags.policy,
            target=self._flags.target,
            reply=self._flags.reply,
            threads=self._flags.threads,
            null=self._flags.null,
        )

    def _identity(self, pseudonyms: Pseudonyms | None) -> dict[str, Any]:
        """The values that must be equal for a run to resume from the parts of another."""
        from parley.service.dumps.scoring.fingerprint import call_of, fingerprint, fingerprint_of_model

        return call_of(
            input=[fingerprint(Path(s)) if Path(s).exists() else s for s in self._sources],
            model="null" if self._flags.null else fingerprint_of_model(self._flags.model),
            policy=self._flags.policy,
            format=self._flags.format,
            articles=fingerprint(self._flags.articles) if self._flags.articles else None,
            base_url=self._flags.base_url,
            followers_only=self._flags.followers_only,
            map=self._columns,
            text=self._flags.text,
            text_format=self._flags.text_format,
            target=self._flags.target,
            reply=self._flags.reply,
            where=self._where,
            since=self._flags.since,
            limit=self._flags.limit,
            pseudonym_key=pseudonyms and pseudonyms.fingerprint,
            batch_size=self._flags.batch_size,
        )

    def _conditions(self) -> list[Filter]:
        from parley.service.dumps.scoring.selection import Filter

        conditions = [Filter.parse(given) for given in self._where]
        return conditions + ([Filter.since(self._flags.since)] if self._flags.since else [])

    def _pseudonyms(self) -> Pseudonyms | None:
        if not self._flags.pseudonymize:
            return None
        from platformdirs import user_data_path

        from parley.service.dumps.scoring.pseudonyms import Pseudonyms
        from parley.service.privacy import KeyedHashes

        default = user_data_path("parley", appauthor=False) / "pseudonym-key"
        return Pseudonyms(KeyedHashes(self._flags.pseudonym_key or default))

    def _check_errors_file(self) -> None:
        """Refuse to replace a file that isn't a list of bad rows. Raises DumpError."""
        from parley.service.dumps.scoring.parts import is_errors_list

        file = self._errors_out
        if file is None:
            return
        if self._output != PIPE and file.resolve() == Path(self._output).resolve():
            raise DumpError(f"{file} is the output; give the bad rows another name with --errors")
        if not (file.exists() or file.is_symlink()):
            return
        if file.exists() and any(Path(source).exists() and file.samefile(source) for source in self._sources):
            raise DumpError(f"{file} is the input; give the bad rows another name with --errors")
        if not is_errors_list(file):
            raise DumpError(
                f"{file} exists and is not a list of rows that can't be scored, so it is not replaced: "
                "name another file with --errors"
            )

    def _check_output(self, output: Path) -> None:
        from parley.service.dumps.formats.registry import output_format
        from parley.service.dumps.scoring.parts import is_finishing

        output_format(output)
        self._check_errors_file()
        for source in map(Path, self._sources):
            if source.is_dir() and source.resolve() in output.resolve().parents:
                raise DumpError(f"{output} is inside the input folder; write it outside {source}")
        if not output.exists():
            return
        if output.is_dir():
            raise DumpError(f"{output} is a folder; give the name of a file")
        inputs = [(Path(source), "the input") for source in self._sources]
        for file, what in (*inputs, (self._flags.articles, "the articles file")):
            if file is not None and file.exists() and output.samefile(file):
                raise DumpError(f"{output} is {what}; give the scores another name")
        if not self._flags.overwrite and not (self._flags.resume and is_finishing(output)):
            raise DumpError(f"{output} exists; give another name, or --overwrite to replace it")


def _guessed(columns: Columns) -> list[str]:
    if not columns.guessed:
        return []
    pairs = ", ".join(f"{name}={column}" for name, column in columns.guessed.items())
    return [f"guessed from column names: {pairs}; change it with --map FIELD=COLUMN, or FIELD= for no column"]
