"""Runs every check.

    for finding in examine(Settings.load(file=config)):
        print(finding.state, finding.subject, finding.told)

Nothing is changed: a store is neither created nor migrated. Checks are independent, so a failure doesn't hide
others.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from parley.model.errors import ModelError
from parley.service.doctor import kept, machine
from parley.service.doctor.finding import Check, Finding
from parley.service.errors import ServiceError
from parley.service.settings.schema import Settings

CHECKS: dict[str, Check] = {
    "policy": machine.check_policy,
    "model": machine.check_model,
    "store": kept.check_store,
    "secret": kept.check_secret,
    "keys": kept.check_keys,
    "proxy": machine.check_proxy,
    "port": machine.check_port,
    "disk": kept.check_disk,
    "clock": kept.check_clock,
    "extras": machine.check_extras,
}


def examine(settings: Settings, *, file: Path | None = None) -> Iterator[Finding]:
    """Every finding, in order; `file` is the settings' source."""
    checks: dict[str, Check] = {"settings": partial(machine.check_file, file), **CHECKS}
    for subject, check in checks.items():
        try:
            for state, told in check(settings):
                yield Finding(state, subject, told)
        except (ServiceError, ModelError, OSError) as error:
            yield Finding("problem", subject, str(error))
