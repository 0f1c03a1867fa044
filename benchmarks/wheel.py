"""Install a wheel into an empty environment, serve from an empty folder, ask once.

make wheel-check          (or: python -m benchmarks.wheel dist/parley_moderation-0.1.0-py3-none-any.whl)
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.server import ask, free_port, served

ROOT = Path(__file__).parent.parent
NOT_SERVED = {"torch", "transformers", "tokenizers", "huggingface_hub", "datasets", "pyarrow"}


def install(wheel: Path, folder: Path) -> int:
    """Make a virtual environment with the wheel and the versions of constraints.txt.

    Returns the bytes that this added to the empty environment, which holds pip already.
    """
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    empty = size(folder)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--constraint", str(ROOT / "constraints.txt"), str(wheel)], check=True)
    return size(folder) - empty


def size(folder: Path) -> int:
    """Bytes of all files under the folder, compiled Python included."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_symlink())


def check(wheel: Path) -> None:
    """Raises an error when the wheel alone can't serve, or brings what only training needs."""
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty"
        empty.mkdir()
        environment = Path(folder) / "venv"
        megabytes = install(wheel, environment) / 1e6
        binaries = environment / "bin"
        frozen = subprocess.run(
            [binaries / "pip", "freeze"], check=True, capture_output=True, text=True
        ).stdout
        extra = NOT_SERVED & {line.split("==")[0].lower() for line in frozen.splitlines()}
        if extra:
            raise RuntimeError(f"serving installed {sorted(extra)}")
        print(f"installed: {megabytes:.0f} MB in {len(frozen.splitlines())} packages")
        port = free_port()
        with served([str(binaries / "parley"), "serve", "--port", str(port)], port, cwd=empty, patience=120):
            result = ask(port)["results"][0]
        left = [file.name for file in empty.iterdir()]
        if left:
            raise RuntimeError(f"serving left files behind in the folder it ran in: {left}")
        print(f"served from the wheel: toxicity {result['abuse']['toxicity']:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    check(parser.parse_args().wheel.resolve(strict=True))


if __name__ == "__main__":
    main()
