"""A run's fingerprint: everything that determines its output, as a few JSON values. Equal calls write equal
bytes.

The parts of an unfinished run record its call, and only the same call resumes from them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import yaml

from parley import __version__
from parley.model.artifact import DEFAULT, Artifact

_END_BYTES = 2**20
"""Bytes hashed at a file's beginning and end; a whole dump would take too long."""


def fingerprint(path: Path) -> str:
    """A digest that changes with a file, or any file in a folder: name, size, time, beginning and end."""
    digest = blake2b(digest_size=16)
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if not file.is_file():
            continue
        status = file.stat()
        digest.update(
            f"{file.name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape")
        )
        with file.open("rb") as handle:
            digest.update(handle.read(_END_BYTES))
            if status.st_size > _END_BYTES:
                handle.seek(-min(_END_BYTES, status.st_size - _END_BYTES), os.SEEK_END)
                digest.update(handle.read())
    return digest.hexdigest()


def fingerprint_of_model(model: Path | None) -> str:
    """A digest of the files that serve an artifact, independent of its place. Raises ArtifactError."""
    artifact = Artifact.open(model or DEFAULT)
    return _digest(file.read_bytes() for file in artifact.served_files)


def fingerprint_of_policy(name_or_path: str) -> str:
    """The name of a shipped policy; else a digest of its file and its word lists."""
    path = Path(name_or_path)
    if not path.is_file():
        return name_or_path
    named = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("word_lists") or {}
    lists = [path.parent / words for words in named.values() if isinstance(words, str)]
    return _digest(file.read_bytes() for file in (path, *lists))


def call_of(*, model: str, policy: str, **options: Any) -> dict[str, Any]:
    """The call with these fingerprints and `options`, without None, False and empty values."""
    given = {name: value for name, value in options.items() if value not in (None, False, [], ())}
    return {"parley": __version__, "model": model, "policy": fingerprint_of_policy(policy), **given}


def _digest(contents: Iterable[bytes]) -> str:
    digest = blake2b(digest_size=16)
    for content in contents:
        digest.update(blake2b(content).digest())
    return digest.hexdigest()
