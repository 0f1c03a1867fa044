"""`parley users`: create, list and revoke the personal keys for signing in at the desk."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import typer

from parley.service.commands.common import ConfigOption, opened_store, show_keys, told_errors
from parley.service.terminal import tell

app = typer.Typer(
    name="users",
    no_args_is_help=True,
    help="Create, list and revoke users of the desk. Once a user exists, everybody has to sign in.",
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The moderator's name, as shown in the log of decisions.")],
    *,
    role: Annotated[
        str, typer.Option(help="moderator, or admin, who can also set thresholds and export the log.")
    ] = "moderator",
    config: ConfigOption = None,
) -> None:
    """Create a user's personal key and show it once: only its Argon2 hash is kept.

    The key is printed on standard output, alone on its line.

    \b
    parley users create Ada --role admin
    parley users create Grace
    """
    from parley.service.store.desk import people

    if role not in ("moderator", "admin"):
        raise typer.BadParameter(f"unknown role {role!r}: give moderator or admin", param_hint="--role")
    if not name.strip():
        raise typer.BadParameter("is blank: decisions need a name", param_hint="NAME")
    with told_errors(), opened_store(config) as (store, _):
        user, key = people.create(store, name.strip(), role=cast(Literal["moderator", "admin"], role))
    tell(key)
    tell(
        f"Created user {user.id}: {user.name}, {user.role}. Pass the key on: it can't be shown again.",
        err=True,
    )


@app.command("list")
def list_(*, config: ConfigOption = None) -> None:
    """List the users: name, role, and when each was created and revoked.

    \b
    parley users list
    """
    from parley.service.store.desk import people

    with told_errors(), opened_store(config) as (store, _):
        every = people.all_users(store)
    if not every:
        tell("There are no users; create one with `parley users create NAME`.", err=True)
        return
    show_keys("role", [(user.id, user.name, user.role, user.created, user.revoked) for user in every])


@app.command()
def revoke(
    user_id: Annotated[
        str, typer.Argument(metavar="ID", help="The user's id, as `parley users list` shows it.")
    ],
    *,
    config: ConfigOption = None,
) -> None:
    """Revoke a user's key permanently and end the user's sessions; decisions keep the name.

    \b
    parley users revoke 1f2e3d4c
    """
    from parley.service.store.desk import people

    with told_errors(), opened_store(config) as (store, _):
        revoked = people.revoke(store, user_id)
    if not revoked:
        tell(f"Error: no active user has the id {user_id}; `parley users list` shows the ids", err=True)
        raise typer.Exit(2)
    tell(f"User {user_id} can no longer sign in.", err=True)
