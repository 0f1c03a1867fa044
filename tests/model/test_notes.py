"""Note codes are plain strings, each with a meaning."""

from __future__ import annotations

import json

from parley.model import Note


def test_each_note_is_a_code_with_a_meaning() -> None:
    for note in Note:
        assert note == note.name.lower()
        assert note.meaning.endswith(".")
        assert json.dumps(note) == f'"{note.value}"'
    assert Note("no_article") is Note.NO_ARTICLE  # type: ignore[call-arg]
