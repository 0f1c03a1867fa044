"""`parley doctor`: what is wrong with this installation, and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from parley.service.commands.common import ConfigOption, told_errors
from parley.service.terminal import tell

SIGNS = {"ok": "ok     ", "warning": "WARNING", "problem": "PROBLEM"}


def doctor(*, config: ConfigOption = None) -> None:
    """Check settings, policy, model, store, secret, keys, proxy, port, disk and clock; say what to do.

    Run it as the user whom the service runs as, with the same settings, before the first start and after
    every upgrade. It changes nothing, and may run beside the service.

    \b
    parley doctor
    sudo -u parley parley doctor --config /etc/parley/service.yaml

    Exit status: 0 when the service can do its work, 1 when something is wrong, 2 for settings that can't be
    used.
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
