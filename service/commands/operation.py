"""The operator's commands: `parley doctor`, `parley backup` and `parley restore`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parley.service.commands.common import ConfigOption, told_errors
from parley.service.terminal import tell

if TYPE_CHECKING:
    from parley.service.settings.schema import Settings
    from parley.service.store.backup import Manifest


SIGNS = {"ok": "ok     ", "warning": "WARNING", "problem": "PROBLEM"}


def doctor(*, config: ConfigOption = None) -> None:
    """Check settings, policy, model, store, secret, keys, proxy, port, disk and clock; say what to do.

    Run it as the service's user, with the service's settings, before the first start and after every
    upgrade. It changes nothing, and can run while the service runs.

    \b
    parley doctor
    sudo -u parley parley doctor --config /etc/parley/service.yaml

    Exit status: 0 if the service can run, 1 if something is wrong, 2 if the settings can't be used.
    """
    with told_errors():
        from parley.service.doctor.examine import examine
        from parley.service.settings.schema import Settings

        settings = Settings.load(file=config)
        file = config or os.environ.get("PARLEY_CONFIG")
        failed = False
        for finding in examine(settings, file=Path(file) if file else None):
            tell(f"{SIGNS[finding.state]} {finding.subject + ':':<10} {finding.told}")
            failed = failed or finding.state == "problem"
    if failed:
        raise typer.Exit(1)


def backup(
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="The ZIP file to write, or a folder to put a dated one in.")
    ],
    *,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")] = False,
    config: ConfigOption = None,
) -> None:
    """Save the store, the secret of author hashes and the settings in one ZIP file.

    The service can keep running: the backup is a consistent snapshot, in one format for SQLite and
    PostgreSQL. It also holds the settings file, the site's policy and the PARLEY_* variables: guard it like a
    password. A model of your own is not included.

    \b
    parley backup /var/backups/parley
    parley backup before-upgrade.zip --config /etc/parley/service.yaml
    """
    from parley.service.settings.schema import Settings
    from parley.service.store import backup as backups
    from parley.service.store.database import Store

    if output.is_dir():
        output = output / f"parley-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.zip"
    if output.exists() and not overwrite:
        _refuse(f"{output} exists; give another name, or --overwrite to replace it")
    with told_errors(), _told_os_errors(output):
        settings = Settings.load(file=config)
        store = Store.open(
            settings.store.database, migrate=False
        )  # an old store is saved without migrating it
        try:
            saved = backups.write(
                store, output, secret=settings.store.author_secret, settings=_settings(settings, config)
            )
        finally:
            store.close()
    tell(f"{_told(saved)}: {output}", err=True)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File written by `parley backup`.")],
    *,
    check: Annotated[bool, typer.Option("--check", help="Only check that FILE is intact.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a non-empty store and its secret.")
    ] = False,
    keep_schema: Annotated[
        bool,
        typer.Option(
            "--keep-schema", help="Don't migrate the schema, so that an older Parley can use it (rollback)."
        ),
    ] = False,
    settings_to: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Also write the saved settings to this folder."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Restore a backup into the store that the settings name; all of it or nothing.

    The store may be a different kind of database than the one saved. An older backup is migrated to this
    version. Stop the service first, or restart it afterwards: it keeps the secret of author hashes in memory.

    \b
    parley restore --check parley-20260131T030000Z.zip
    parley restore parley-20260131T030000Z.zip --overwrite
    """
    from parley.service.settings.schema import Settings
    from parley.service.store import backup as backups
    from parley.service.store.database import Store

    with told_errors():
        if check:
            tell(f"{_told(backups.read_manifest(file))}: {file} is intact.", err=True)
            return
        with _told_os_errors(settings_to or file):
            if settings_to:
                for written in backups.extract_settings(file, settings_to):
                    tell(f"Settings: {written}", err=True)
            settings = Settings.load(file=config)
            backups.read_manifest(file)  # before a store is made
            store = Store.open(settings.store.database)
            try:
                saved = backups.restore(
                    store,
                    file,
                    secret=settings.store.author_secret,
                    overwrite=overwrite,
                    keep_schema=keep_schema,
                )
            finally:
                store.close()
    tell(f"{_told(saved)}: restored. If the service is running, restart it.", err=True)


def _settings(settings: Settings, config: Path | None) -> dict[str, Path | str]:
    """The other files that go into a backup, by name."""
    files: dict[str, Path | str] = {}
    file = config or os.environ.get("PARLEY_CONFIG")
    if file:
        files["service.yaml"] = Path(file)
    if Path(settings.policy).is_file():
        files["policy.yaml"] = Path(settings.policy)
    variables = {name: value for name, value in sorted(os.environ.items()) if name.startswith("PARLEY_")}
    if variables:
        files["environment"] = "".join(f"{name}={value}\n" for name, value in variables.items())
    return files


def _told(manifest: Manifest) -> str:
    rows = ", ".join(f"{count:,} {table}" for table, count in manifest.rows.items())
    return f"Backup of {manifest.created} by Parley {manifest.parley}, schema {manifest.schema} ({rows})"


def _refuse(message: str) -> None:
    tell(f"Error: {message}", err=True)
    raise typer.Exit(2)


@contextmanager
def _told_os_errors(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _refuse(f"{error.filename or place} can't be used: {error.strerror or error}")
