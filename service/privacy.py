"""Keyed hashes of authors and texts: a comment can have consequences for its author, so no store names
authors.

    hashes = KeyedHashes(folder / "author-secret")
    hashes.author("reader-17")     # the same 64 hexadecimal digits each time; worthless without the secret

A plain hash is not enough: author ids are short, and whoever has the table could try them all. The secret is
in a file next to the store, readable by its owner only; without it, nobody can find an author's rows again.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from parley.service.errors import StoreError

SECRET_BYTES = 32


class KeyedHashes:
    """HMAC-SHA256 with a secret that is created on first use; 64 hexadecimal digits.

    The methods raise StoreError if the secret can't be read or created.
    """

    def __init__(self, secret_file: Path) -> None:
        self._file = secret_file

    @property
    def exist(self) -> bool:
        """Whether the secret exists: without it no hash can be found again."""
        return self._file.exists()

    def author(self, author_id: str) -> str:
        """The hash of an author's id."""
        return self._hash("author", author_id)

    def text(self, text: str) -> str:
        """The hash of a plain text, independent of white space."""
        return self._hash("text", " ".join(text.split()))

    def _hash(self, kind: str, value: str) -> str:
        message = f"{kind}:{value}".encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()

    @cached_property
    def _secret(self) -> bytes:
        try:
            self._create()
            secret = self._file.read_bytes()
        except OSError as error:
            raise StoreError(
                f"{self._file} can't be used: {error.strerror}; it holds the secret of author hashes"
            ) from error
        if len(secret) != SECRET_BYTES:
            raise StoreError(
                f"{self._file} must hold {SECRET_BYTES} bytes: restore it from a backup of the store"
            )
        return secret

    def _create(self) -> None:
        """Write the secret under another name and link it, so that of several processes one wins."""
        if self._file.exists():
            return
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(prefix=f"{self._file.name}.", dir=self._file.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(SECRET_BYTES))
            with suppress(FileExistsError):
                os.link(draft, self._file)
        finally:
            os.unlink(draft)
