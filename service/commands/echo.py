"""What goes to a terminal as plain lines: text without what a terminal would obey.

Names of columns, keys and rules come from strangers' files, and an escape sequence among them could rename
the window, hide a line, or answer a question in the user's place.
"""

from __future__ import annotations

import typer


def printable(text: str) -> str:
    """`text` with a dot for each control or direction mark; its line breaks stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\xa0" else "·" for char in text)


def tell(text: str, *, err: bool = False) -> None:
    """Print a line, or several."""
    typer.echo(printable(text), err=err)
