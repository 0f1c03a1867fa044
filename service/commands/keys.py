"""`parley keys`: make, list and revoke the API keys that open the service."""

from __future__ import annotations

from typing import Annotated

import typer

from parley.service.commands.common import ConfigOption, opened_store, told_errors
from parley.service.terminal import tell

app = typer.Typer(
    name="keys",
    no_args_is_help=True,
    help="Make, list and revoke API keys. From the first key on, every caller of the service needs one.",
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whom the key is for, such as the comment system's name.")],
    *,
    rate: Annotated[
        str | None, typer.Option(help="Requests it may send, as 60/minute.", show_default="access.rate")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Make a key and show it, this once: only its hash is kept.

    The key goes to standard output, alone on its line; a running service knows it within seconds.

    \b
    parley keys create "comment system"
    parley keys create "test client" --rate 60/minute > key.txt
    """
    from parley.service.settings.schema import check_rate
    from parley.service.store import keys

    try:
        checked = rate if rate is None else check_rate(rate)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--rate") from error
    with told_errors(), opened_store(config) as (store, _):
        key, secret = keys.create(store, name, rate=checked)
    tell(secret)
    tell(f"Key {key.id} for {name}. Keep it safe: it can't be shown again.", err=True)


@app.command("list")
def list_(*, config: ConfigOption = None) -> None:
    """List the keys: whom each is for, its rate, since when it opens, and since when no longer.

    \b
    parley keys list
    """
    from rich.table import Table

    from parley.service.store import keys
    from parley.service.terminal import PlainConsole

    with told_errors(), opened_store(config) as (store, _):
        found = keys.all_keys(store)
    if not found:
        tell("There are no keys; `parley keys create NAME` makes one.", err=True)
        return
    table = Table("id", "name", "rate", "created", "revoked", show_edge=False, pad_edge=False)
    for key in found:
        revoked = f"{key.revoked:%Y-%m-%d %H:%M}" if key.revoked else ""
        table.add_row(key.id, key.name, key.rate or "", f"{key.created:%Y-%m-%d %H:%M}", revoked)
    PlainConsole().print(table)


@app.command()
def revoke(
    key_id: Annotated[
        str, typer.Argument(metavar="ID", help="The key's id, as `parley keys list` shows it.")
    ],
    *,
    config: ConfigOption = None,
) -> None:
    """Close a key for good; a running service refuses it within seconds.

    \b
    parley keys revoke 1f2e3d4c
    """
    from parley.service.store import keys

    with told_errors(), opened_store(config) as (store, _):
        revoked = keys.revoke(store, key_id)
    if not revoked:
        tell(f"Error: no open key has the id {key_id}; see `parley keys list`", err=True)
        raise typer.Exit(2)
    tell(f"Key {key_id} opens nothing any more.", err=True)
