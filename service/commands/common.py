"""What the commands that work on the store share: their option, their errors, the store itself."""

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
    typer.Option("--config", help="YAML file of settings, as for `parley serve`.", envvar="PARLEY_CONFIG"),
]


def filled(flags: Callable[..., F]) -> Callable[[Callable[[F], None]], Callable[..., None]]:
    """Makes a command of a function that takes a dataclass: its fields are the command's options."""

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
    """Tell an error of ours in one line, without a traceback, and end with status 2."""
    from parley.model.errors import ModelError
    from parley.service.errors import ServiceError

    try:
        yield
    except (ServiceError, ModelError) as error:
        tell(f"Error: {error}", err=True)
        raise typer.Exit(2) from error


@contextmanager
def opened_store(config: Path | None) -> Iterator[tuple[Store, Settings]]:
    """The store of the settings, open. Raises SettingsError, StoreError."""
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
    """What is kept of moderators' decisions, open; what was kept for too long goes first.

    Raises SettingsError, StoreError.
    """
    from parley.service.errors import PurgeRefused
    from parley.service.privacy import KeyedHashes
    from parley.service.store.feedback import Feedback

    with opened_store(config) as (store, settings):
        secret = KeyedHashes(settings.store.author_secret)
        feedback = Feedback(store, secret, comments=settings.store.comments)
        try:
            feedback.purge(older_than=timedelta(days=settings.store.days))  # the service may not have run
        except PurgeRefused as error:
            tell(f"Nothing was purged: {error}", err=True)
        yield feedback


def show_keys(what: str, rows: Iterable[tuple[str, str, str, datetime, datetime | None]]) -> None:
    """Print whose keys there are: id, name, `what` (rate or role), when made and when revoked."""
    from rich.table import Table

    from parley.service.terminal import PlainConsole

    table = Table("id", "name", what, "created", "revoked", show_edge=False, pad_edge=False)
    for id, name, value, created, revoked in rows:
        table.add_row(id, name, value, _minute(created), _minute(revoked) if revoked else "")
    PlainConsole().print(table)


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
