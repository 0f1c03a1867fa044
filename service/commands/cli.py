"""The command `parley`: the service's commands, and plug-ins from the entry points `parley.commands`.

Command modules import heavy packages inside their functions, so that `parley --help` answers at once.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Annotated

import typer

from parley import __version__
from parley.service.commands import feedback, keys, policy, users
from parley.service.commands.feedback import forget
from parley.service.commands.operation import backup, doctor, restore
from parley.service.commands.report import report
from parley.service.commands.score.command import score
from parley.service.commands.serve import serve
from parley.service.terminal import tell

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        tell(f"parley {__version__}")
        raise typer.Exit


@app.callback()
def parley(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Label reader comments under news articles for abuse, off-topic and stance, on this machine."""


app.command()(score)
app.command()(report)
app.command()(serve)
app.command()(forget)
app.command()(doctor)
app.command()(backup)
app.command()(restore)
app.add_typer(policy.app)
app.add_typer(keys.app)
app.add_typer(users.app)
app.add_typer(feedback.app)


def add_plugins(app: typer.Typer) -> None:
    """Add the commands that installed packages register under `parley.commands`.

    One that can't be imported is skipped with a warning, so that it doesn't stop the others.
    """
    for point in entry_points(group="parley.commands"):
        try:
            app.add_typer(point.load())
        except Exception as error:
            tell(f"Warning: the commands of {point.value} can't be loaded: {error}", err=True)


def main() -> None:
    """Run the command line."""
    add_plugins(app)
    app(prog_name="parley")


if __name__ == "__main__":
    main()
