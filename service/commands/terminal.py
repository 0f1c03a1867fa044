"""A console for tables, which prints nothing that a terminal would obey."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from parley.service.commands.echo import printable


class PlainConsole(Console):
    """A console that prints strings as they are, without markup and without what a terminal would obey."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False)

    def render_str(self, text: str, *args: Any, **options: Any) -> Text:
        """As rich does, of a printable text."""
        return super().render_str(printable(text), *args, **options)
