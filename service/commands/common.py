"""Shared by the commands that use the store: an option, error handling, opening the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from parley.service.terminal import tell

if TYPE_CHECKING:
    from parley.service.settings.schema import Settings
    from parley.service.store.database import Store
    from parley.service.store.feedback import Feedback

F = TypeVar("F")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="YAML settings file, as for `parley serve`.", envvar="PARLEY_CONFIG"),
]


def filled(flags: Callable[..., F]) -> Callable[[Callable[[F], None]], Callable[..., None]]:
    """Turn a function that takes a dataclass into a command; its fields become the command's options."""

    def decorate(function: Callable[[F], None]) -> Callable[..., None]:
        @wraps(function)
        def command(**given: Any) -> None:
            function(flags(**given))

        command.__signature__ = signature(flags, eval_str=True)  # type: ignore[attr-defined]
        command.__annotations__ = get_type_hints(flags, include_extras=True)
        return command

    return decorate


@contextmanager
def told_errors() -> Iterator[None]:
    """Print one of our errors on one line, without a traceback, and exit with status 2."""
    from parley.model.errors import ModelError
    from parley.service.errors import ServiceError

    try:
        yield
    except (ServiceError, ModelError) as error:
        tell(f"Error: {error}", err=True)
        raise typer.Exit(2) from error


@contextmanager
def opened_store(config: Path | None) -> Iterator[tuple[Store, Settings]]:
    """Open the store that the settings name. Raises SettingsError, StoreError."""
    from parley.service.settings.schema import Settings
    from parley.service.store.database import Store

    settings = Settings.load(file=config)
    store = Store.open(settings.store.database)
    try:
        yield store, settings
    finally:
        store.close()


@contextmanager
def opened_feedback(config: Path | None) -> Iterator[Feedback]:
    """Open the moderators' decisions, after purging what is past its retention.

    Raises SettingsError, StoreError.
    """
    from parley.service.errors import PurgeRefused
    from parley.service.privacy import KeyedHashes
    from parley.service.store.feedback import Feedback
    from parley.service.store.retention import purge

    with opened_store(config) as (store, settings):
        secret = KeyedHashes(settings.store.author_secret)
        feedback = Feedback(store, secret, comments=settings.store.comments)
        try:
            purge(store, older_than=timedelta(days=settings.store.days))  # the service may not have run
        except PurgeRefused as error:
            tell(f"Nothing was purged: {error}", err=True)
        yield feedback


def show_keys(what: str, rows: Iterable[tuple[str, str, str, datetime, datetime | None]]) -> None:
    """Print the keys: id, name, `what` (rate or role), when created and when revoked."""
    from rich.table import Table

    from parley.service.terminal import PlainConsole

    table = Table("id", "name", what, "created", "revoked", show_edge=False, pad_edge=False)
    for id, name, value, created, revoked in rows:
        table.add_row(id, name, value, _minute(created), _minute(revoked) if revoked else "")
    PlainConsole().print(table)


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
