"""`parley keys`: create, list and revoke the API keys of the service."""

from __future__ import annotations

from typing import Annotated

import typer

from parley.service.commands.common import ConfigOption, opened_store, show_keys, told_errors
from parley.service.terminal import tell

app = typer.Typer(
    name="keys",
    no_args_is_help=True,
    help="Create, list and revoke API keys. Once a key exists, every caller of the service needs one.",
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who uses the key, such as the comment system's name.")],
    *,
    rate: Annotated[
        str | None, typer.Option(help="Rate limit of the key, such as 60/minute.", show_default="access.rate")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Create a key and show it once: only its hash is kept.

    The key is printed on standard output, alone on its line. A running service accepts it within seconds.

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
    tell(f"Created key {key.id} for {name}. Store it safely: it can't be shown again.", err=True)


@app.command("list")
def list_(*, config: ConfigOption = None) -> None:
    """List the keys: who uses each one, its rate limit, and when it was created and revoked.

    \b
    parley keys list
    """
    from parley.service.store import keys

    with told_errors(), opened_store(config) as (store, _):
        every = keys.all_keys(store)
    if not every:
        tell("There are no keys; create one with `parley keys create NAME`.", err=True)
        return
    show_keys("rate", [(key.id, key.name, key.rate or "", key.created, key.revoked) for key in every])


@app.command()
def revoke(
    key_id: Annotated[
        str, typer.Argument(metavar="ID", help="The key's id, as `parley keys list` shows it.")
    ],
    *,
    config: ConfigOption = None,
) -> None:
    """Revoke a key permanently; a running service refuses it within seconds.

    \b
    parley keys revoke 1f2e3d4c
    """
    from parley.service.store import keys

    with told_errors(), opened_store(config) as (store, _):
        revoked = keys.revoke(store, key_id)
    if not revoked:
        tell(f"Error: no active key has the id {key_id}; `parley keys list` shows the ids", err=True)
        raise typer.Exit(2)
    tell(f"Revoked key {key_id}.", err=True)
