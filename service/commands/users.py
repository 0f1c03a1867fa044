"""`parley users`: make, list and revoke the personal keys with which people sign in at the desk."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import typer

from parley.service.commands.common import ConfigOption, opened_store, show_keys, told_errors
from parley.service.terminal import tell

app = typer.Typer(
    name="users",
    no_args_is_help=True,
    help="Make, list and revoke the people of the moderators' desk. From the first on, everybody signs in.",
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The moderator's name, as the log of decisions will have it.")],
    *,
    role: Annotated[
        str, typer.Option(help="moderator, or admin: sets thresholds and exports the log too.")
    ] = "moderator",
    config: ConfigOption = None,
) -> None:
    """Make a personal key and show it, this once: only its Argon2 hash is kept.

    The key goes to standard output, alone on its line.

    \b
    parley users create Ada --role admin
    parley users create Grace
    """
    from parley.service.store.desk import people

    if role not in ("moderator", "admin"):
        raise typer.BadParameter(f"{role!r} is no role: moderator or admin", param_hint="--role")
    if not name.strip():
        raise typer.BadParameter("is blank: decisions would be nobody's", param_hint="NAME")
    with told_errors(), opened_store(config) as (store, _):
        user, key = people.create(store, name.strip(), role=cast(Literal["moderator", "admin"], role))
    tell(key)
    tell(f"User {user.id}: {user.name}, {user.role}. Hand the key over: it can't be shown again.", err=True)


@app.command("list")
def list_(*, config: ConfigOption = None) -> None:
    """List the people: name, role, since when they may sign in, and since when no longer.

    \b
    parley users list
    """
    from parley.service.store.desk import people

    with told_errors(), opened_store(config) as (store, _):
        found = people.all_users(store)
    if not found:
        tell("There is nobody yet; `parley users create NAME` makes a key.", err=True)
        return
    show_keys("role", [(user.id, user.name, user.role, user.created, user.revoked) for user in found])


@app.command()
def revoke(
    user_id: Annotated[
        str, typer.Argument(metavar="ID", help="The user's id, as `parley users list` shows it.")
    ],
    *,
    config: ConfigOption = None,
) -> None:
    """Close a personal key for good and end its sessions at once; decisions keep the name.

    \b
    parley users revoke 1f2e3d4c
    """
    from parley.service.store.desk import people

    with told_errors(), opened_store(config) as (store, _):
        revoked = people.revoke(store, user_id)
    if not revoked:
        tell(f"Error: nobody with an open key has the id {user_id}; see `parley users list`", err=True)
        raise typer.Exit(2)
    tell(f"User {user_id} can no longer sign in.", err=True)
