"""What a fetched page says, read in a process of its own.

    said = await read(page)      # Said(title, text, closed); or FetchError

Strangers write on pages, and a page can be built so that its parser takes minutes, gigabytes or the
interpreter's lock: the process is stopped after READ_S, and the server isn't slowed meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass

from parley.service.articles.closed import says_closed
from parley.service.errors import FetchError

READ_S = 20.0
"""The longest that a page is read."""
MEMORY = 2**29
"""The most bytes of address space while a page is read."""
NICENESS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The article on a page, and whether the page says that its comments are closed."""

    title: str | None
    text: str | None
    closed: bool


async def read(page: bytes) -> Said:
    """What the page says: nothing, or FetchError, if it takes too long or too much memory to read."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __name__, str(MEMORY)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # may quote the page
        env=_environment(),
    )
    try:
        async with asyncio.timeout(READ_S):
            answer, _ = await process.communicate(page)
    except TimeoutError as error:
        raise FetchError(f"the page takes more than {READ_S:g} s to read") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise FetchError("the page can't be read")
    return Said(**json.loads(answer))


def _environment() -> dict[str, str]:
    """Without passwords; OpenBLAS, which trafilatura loads, takes memory per thread."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    return {**kept, "OPENBLAS_NUM_THREADS": "1"}


def extract(page: bytes) -> tuple[str | None, str | None]:
    """Title and main text of a page, without navigation and without the comments under the article."""
    from trafilatura import bare_extraction

    extracted = bare_extraction(page, include_comments=False, include_tables=False, with_metadata=True)
    if extracted is None:
        return None, None
    return getattr(extracted, "title", None) or None, getattr(extracted, "text", None) or None


def main() -> None:
    """Read a page from standard input; write what it says to standard output, as JSON.

    The argument limits the memory.
    """
    os.nice(NICENESS)
    with suppress(OSError, ValueError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
    page = sys.stdin.buffer.read()
    title, text = extract(page)
    closed = says_closed(page)
    json.dump(asdict(Said(title=title, text=text, closed=closed)), sys.stdout)


if __name__ == "__main__":
    main()
