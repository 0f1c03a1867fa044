"""Terminal output without control sequences.

Names of columns, keys and rules come from strangers' files, and an escape sequence in them could rename the
window, hide a line, or type an answer for the user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import Progress


def printable(text: str) -> str:
    """`text` with a dot for each control or direction mark; its line breaks stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\xa0" else "·" for char in text)


def tell(text: str, *, err: bool = False) -> None:
    """Print a line, or several."""
    typer.echo(printable(text), err=err)


def progress_bar(*fields: str, shown: bool) -> Progress:
    """A bar on stderr with percentage, these fields of its task and time left; seen on a terminal alone."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        *(TextColumn(f"{{task.fields[{field}]}}") for field in fields),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (shown and console.is_terminal),
    )


class PlainConsole(Console):
    """A console that prints strings as they are, without markup and control sequences."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False)

    def render_str(self, text: str, *args: Any, **options: Any) -> Text:
        """As rich's `print`, after making the text printable."""
        return super().render_str(printable(text), *args, **options)
