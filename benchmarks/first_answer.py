"""How long a newcomer waits: from `git clone` to the first answer of `make serve`.

    make first-answer          (PYTHON=python3.13 to serve with that Python)

Clones the commit checked out here into a temporary folder. pip uses its download cache, unless `--cold` is
given; the output says which.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.server import ask, free_port, served

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cold", action="store_true", help="download every package again, without pip's cache"
    )
    options = parser.parse_args()
    os.environ.pop("MAKEFLAGS", None)  # an outer make must not pass its options to the inner one
    if options.cold:
        os.environ["PIP_NO_CACHE_DIR"] = "1"

    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        clone = Path(folder) / "parley"
        subprocess.run(["git", "clone", "--quiet", "--no-local", str(ROOT), str(clone)], check=True)
        cloned = time.monotonic()
        command = ["make", "serve", f"PORT={port}"]
        with served(command, port, cwd=clone, patience=1800):
            answered = time.monotonic()
            result = ask(port)["results"][0]
    cache = "no download cache" if options.cold else "pip's download cache as it was"
    print(f"first answer: toxicity {result['abuse']['toxicity']:.2f}")
    steps = f"clone {cloned - start:.1f} s + make serve {answered - cloned:.1f} s"
    print(f"{steps} = {answered - start:.1f} s ({cache})")


if __name__ == "__main__":
    main()
